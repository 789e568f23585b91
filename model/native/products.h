// Products of rows with large matrices of 8-bit codes.
//
// Layout of a matrix [N, K]: N / 16 panels of 16 outputs; in a panel, K / 32 groups; in a group, 8 quads of 4
// inputs, each with its 16 outputs side by side. Codes are the signed value + 128, scales are fp16.
// Rows lie in tiles of 8 in the same order: group by group, quad by quad, the tile's rows side by side, so that one
// pointer leads to everything that a product reads.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "team.h"

namespace footnote {

constexpr int GROUP = 32;      // inputs that share a scale
constexpr int PANEL = 16;      // outputs side by side
constexpr int QUADS = GROUP / 4;
constexpr int TILE_ROWS = 8;   // rows whose sums fit the registers
constexpr int64_t CACHED_CODES = 96 * 1024;  // of a matrix that stay in the second-level cache while rows pass

struct Matrix {
    const uint8_t* codes;
    const uint16_t* scales;
    const float* bias;  // null: none
    int64_t outputs, inputs;
};

inline int64_t tiles_of(int64_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; }

// Rows rounded to 8 bits, one scale for a group, and -128 times the sum of the group's codes.
struct Codes {
    int64_t inputs = 0;
    std::vector<int32_t> quads;    // [tiles, groups, QUADS, TILE_ROWS], four codes each
    std::vector<float> scales;     // [tiles, groups, TILE_ROWS]
    std::vector<int32_t> offsets;  // as scales

    Codes() = default;
    Codes(int64_t rows, int64_t width, const float* x) {
        resize(rows, width);
        for (int64_t r = 0; r < rows; ++r) round(r, 0, width, x + r * width);
    }
    void resize(int64_t rows, int64_t width) {
        inputs = width;
        const int64_t numbers = tiles_of(rows) * TILE_ROWS * width / GROUP;
        quads.resize(numbers * QUADS);
        scales.resize(numbers);
        offsets.resize(numbers);
    }
    void round(int64_t row, int64_t first, int64_t last, const float* x) {  // x begins at `first`
        for (int64_t i = first; i < last; i += GROUP) round_group(at(row, i / GROUP), x + (i - first));
    }
    // Where a group's scale is; its first quad is QUADS times as far less the lane.
    int64_t at(int64_t row, int64_t group) const {
        return (row / TILE_ROWS * (inputs / GROUP) + group) * TILE_ROWS + row % TILE_ROWS;
    }

   private:
    void round_group(int64_t to, const float* x) {
        const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
        const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
        const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0f / largest : 0.0f);
        const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
        const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
        alignas(32) int32_t words[QUADS];
        _mm_store_si128(reinterpret_cast<__m128i*>(words), _mm512_cvtepi32_epi8(a));
        _mm_store_si128(reinterpret_cast<__m128i*>(words + 4), _mm512_cvtepi32_epi8(b));
        const int64_t lane = to % TILE_ROWS;
        int32_t* quad = quads.data() + (to - lane) * QUADS + lane;
        for (int q = 0; q < QUADS; ++q) quad[q * TILE_ROWS] = words[q];
        scales[to] = largest / 127.0f;
        offsets[to] = -128 * _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
    }
};

// out[r][0..16) of one panel for the first ROWS rows of a tile.
template <int ROWS>
void panel_product(const Matrix& m, int64_t panel, const Codes& x, int64_t tile, float* out, int64_t stride) {
    const int64_t groups = m.inputs / GROUP;
    const uint8_t* codes = m.codes + panel * PANEL * m.inputs;
    const uint16_t* scales = m.scales + panel * PANEL * groups;
    const int32_t* quads = x.quads.data() + tile * groups * QUADS * TILE_ROWS;
    const float* steps = x.scales.data() + tile * groups * TILE_ROWS;
    const int32_t* offsets = x.offsets.data() + tile * groups * TILE_ROWS;
    __m512 sums[ROWS];
    for (int r = 0; r < ROWS; ++r) sums[r] = m.bias ? _mm512_loadu_ps(m.bias + panel * PANEL) : _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; ++g) {
        __m512i dots[ROWS];
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) dots[r] = _mm512_set1_epi32(offsets[r]);
#pragma GCC unroll 8
        for (int quad = 0; quad < QUADS; ++quad) {
            const __m512i weights = _mm512_loadu_si512(codes + quad * 64);
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; ++r)
                dots[r] = _mm512_dpbusd_epi32(dots[r], weights, _mm512_set1_epi32(quads[quad * TILE_ROWS + r]));
        }
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales)));
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
            const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(steps[r]));
            sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r]), both, sums[r]);
        }
        codes += PANEL * GROUP, scales += PANEL, quads += QUADS * TILE_ROWS, steps += TILE_ROWS, offsets += TILE_ROWS;
    }
    for (int r = 0; r < ROWS; ++r) _mm512_storeu_ps(out + r * stride, sums[r]);
}

using PanelProduct = void (*)(const Matrix&, int64_t, const Codes&, int64_t, float*, int64_t);
constexpr PanelProduct PRODUCTS[TILE_ROWS] = {panel_product<1>, panel_product<2>, panel_product<3>,
                                              panel_product<4>, panel_product<5>, panel_product<6>,
                                              panel_product<7>, panel_product<8>};

// out[r * stride + 0..16) of one panel for `count` rows of a tile.
inline void panel_of(const Matrix& m, int64_t panel, const Codes& x, int64_t tile, int64_t count, float* out,
                     int64_t stride) {
    PRODUCTS[count - 1](m, panel, x, tile, out, stride);
}

// out [rows, N]: the given panels, as many at a time as stay cached while all rows pass them.
inline void product(const Matrix& m, const Codes& x, int64_t rows, Part panels, float* out) {
    const int64_t together = std::max<int64_t>(1, CACHED_CODES / (PANEL * m.inputs));
    for (int64_t first = panels.first; first < panels.last; first += together) {
        const int64_t last = std::min(first + together, panels.last);
        for (int64_t tile = 0; tile < tiles_of(rows); ++tile) {
            const int64_t row = tile * TILE_ROWS, count = std::min<int64_t>(TILE_ROWS, rows - row);
            for (int64_t panel = first; panel < last; ++panel)
                panel_of(m, panel, x, tile, count, out + row * m.outputs + panel * PANEL, m.outputs);
        }
    }
}

}  // namespace footnote
