// Products of rows with large matrices of 8-bit codes.
//
// Layout of a matrix [N, K]: N / 16 panels of 16 outputs; in a panel, K / 64 groups; in a group, 16 quads of 4
// inputs, each with its 16 outputs side by side. Codes are the signed value + 128, scales are fp16.
// Rows lie in blocks of 16: group by group, in a group row by row, so that one pointer leads to everything that a
// product reads. Eight of them fit the vector registers (a tile); the matrix unit takes all sixteen.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "team.h"
#include "tiles.h"

namespace footnote {

constexpr int GROUP = 64;      // inputs that share a scale
constexpr int PANEL = 16;      // outputs side by side
constexpr int QUADS = GROUP / 4;
constexpr int TILE_ROWS = 8;    // rows whose sums fit the vector registers
constexpr int BLOCK_ROWS = 16;  // rows that the matrix unit takes
constexpr int64_t CACHED_CODES = 96 * 1024;  // of a matrix that stay in the second-level cache while rows pass

struct Matrix {
    const uint8_t* codes;
    const uint16_t* scales;
    const float* bias;  // null: none
    int64_t outputs, inputs;
};

inline int64_t blocks_of(int64_t rows, int64_t block = BLOCK_ROWS) { return (rows + block - 1) / block; }

// Rows rounded to 8 bits, one scale for a group, and -128 times the sum of the group's codes.
struct Codes {
    static constexpr int BLOCK = BLOCK_ROWS;
    int64_t inputs = 0;
    std::vector<__m512i> groups;   // [blocks, groups, BLOCK_ROWS] of GROUP codes
    std::vector<float> scales;     // as groups
    std::vector<int32_t> offsets;  // as groups

    Codes() = default;
    Codes(int64_t rows, int64_t width, const float* x) {
        resize(rows, width);
        for (int64_t r = 0; r < rows; ++r) round(r, 0, width, x + r * width);
    }
    void resize(int64_t rows, int64_t width) {
        inputs = width;
        const int64_t numbers = blocks_of(rows) * BLOCK_ROWS * width / GROUP;
        groups.resize(numbers);
        scales.resize(numbers);
        offsets.resize(numbers);
    }
    void round(int64_t row, int64_t first, int64_t last, const float* x) {  // x begins at `first`
        for (int64_t i = first; i < last; i += GROUP) round_group(at(row, i / GROUP), x + (i - first));
    }
    int64_t at(int64_t row, int64_t group) const {
        return (row / BLOCK_ROWS * (inputs / GROUP) + group) * BLOCK_ROWS + row % BLOCK_ROWS;
    }
    const int32_t* quads(int64_t row) const { return reinterpret_cast<const int32_t*>(groups.data() + at(row, 0)); }

   private:
    void round_group(int64_t to, const float* x) {
        constexpr int PARTS = GROUP / 16;
        __m512 values[PARTS], highest = _mm512_setzero_ps();
        for (int part = 0; part < PARTS; ++part) {
            values[part] = _mm512_loadu_ps(x + 16 * part);
            highest = _mm512_max_ps(highest, _mm512_abs_ps(values[part]));
        }
        const float largest = _mm512_reduce_max_ps(highest);
        const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0f / largest : 0.0f);
        __m512i sum = _mm512_setzero_si512();
        for (int part = 0; part < PARTS; ++part) {
            const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(values[part], inverse));
            _mm_store_si128(reinterpret_cast<__m128i*>(&groups[to]) + part, _mm512_cvtepi32_epi8(codes));
            sum = _mm512_add_epi32(sum, codes);
        }
        scales[to] = largest / 127.0f;
        offsets[to] = -128 * _mm512_reduce_add_epi32(sum);
    }
};

// out[r][0..16) of one panel for ROWS rows from the given one on, which begins a tile.
template <int ROWS>
void panel_product(const Matrix& m, int64_t panel, const Codes& x, int64_t row, float* out, int64_t stride) {
    const int64_t groups = m.inputs / GROUP, begin = x.at(row, 0);
    const uint8_t* codes = m.codes + panel * PANEL * m.inputs;
    const uint16_t* scales = m.scales + panel * PANEL * groups;
    const int32_t* quads = x.quads(row);
    const float* steps = x.scales.data() + begin;
    const int32_t* offsets = x.offsets.data() + begin;
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
                dots[r] = _mm512_dpbusd_epi32(dots[r], weights, _mm512_set1_epi32(quads[r * QUADS + quad]));
        }
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales)));
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
            const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(steps[r]));
            sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r]), both, sums[r]);
        }
        codes += PANEL * GROUP, scales += PANEL;
        quads += QUADS * BLOCK_ROWS, steps += BLOCK_ROWS, offsets += BLOCK_ROWS;
    }
    for (int r = 0; r < ROWS; ++r) _mm512_storeu_ps(out + r * stride, sums[r]);
}

using PanelProduct = void (*)(const Matrix&, int64_t, const Codes&, int64_t, float*, int64_t);
constexpr PanelProduct PRODUCTS[TILE_ROWS] = {panel_product<1>, panel_product<2>, panel_product<3>,
                                              panel_product<4>, panel_product<5>, panel_product<6>,
                                              panel_product<7>, panel_product<8>};

// Some neighbouring panels of a matrix, ready for all rows to pass them.
class Panels {
   public:
    explicit Panels(int64_t rows) : tiled_(rows > TILE_ROWS && tiles_in_use.load(std::memory_order_relaxed)) {}

    void take(const Matrix& m, int64_t first, int64_t count) {
        m_ = &m, first_ = first, count_ = count;
        if (tiled_) sign(m.codes + first * PANEL * m.inputs, count * PANEL * m.inputs);
    }
    // out[r * stride + 0..16) of one of them for `count` rows of a block.
    void multiply(int64_t panel, const Codes& x, int64_t block, int64_t count, float* out, int64_t stride) const {
#ifdef __AMX_INT8__
        if (tiled_) return multiply_block(panel, x, block, count, out, stride);
#endif
        for (int64_t row = 0; row < count; row += TILE_ROWS)
            PRODUCTS[std::min<int64_t>(TILE_ROWS, count - row) - 1](*m_, panel, x, block * BLOCK_ROWS + row,
                                                                    out + row * stride, stride);
    }

    // The same of all of them, side by side.
    void columns(const Codes& x, int64_t block, int64_t count, float* out, int64_t stride) const {
        for (int64_t panel = first_; panel < first_ + count_; ++panel)
            multiply(panel, x, block, count, out + (panel - first_) * PANEL, stride);
    }

   private:
    // Vector instructions want one side unsigned; tiles take both signed, which spares them the offsets.
    void sign(const uint8_t* codes, int64_t bytes) {
        signed_.resize(bytes / 64);
        for (int64_t i = 0; i < bytes / 64; ++i)
            signed_[i] = _mm512_xor_si512(_mm512_loadu_si512(codes + i * 64), _mm512_set1_epi8(-128));
    }

#ifdef __AMX_INT8__
    void multiply_block(int64_t panel, const Codes& x, int64_t block, int64_t count, float* out,
                        int64_t stride) const {
        const int64_t groups = m_->inputs / GROUP, begin = x.at(block * BLOCK_ROWS, 0);
        const __m512i* quads = signed_.data() + (panel - first_) * groups * QUADS;
        const uint16_t* scales = m_->scales + panel * PANEL * groups;
        const __m512i* rows = x.groups.data() + begin;
        const float* steps = x.scales.data() + begin;
        const __m512 bias = m_->bias ? _mm512_loadu_ps(m_->bias + panel * PANEL) : _mm512_setzero_ps();
        alignas(64) int32_t dots[BLOCK_ROWS * PANEL];
        __m512 sums[BLOCK_ROWS];
#pragma GCC unroll 16
        for (int r = 0; r < BLOCK_ROWS; ++r) sums[r] = bias;
        for (int64_t g = 0; g < groups; ++g) {
            multiply_tile(rows, quads, dots);
            const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales)));
#pragma GCC unroll 16
            for (int r = 0; r < BLOCK_ROWS; ++r) {
                const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(steps[r]));
                sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dots + r * PANEL)), both, sums[r]);
            }
            rows += BLOCK_ROWS, quads += QUADS, scales += PANEL, steps += BLOCK_ROWS;
        }
        for (int r = 0; r < count; ++r) _mm512_storeu_ps(out + r * stride, sums[r]);
    }
#endif

    bool tiled_;
    const Matrix* m_ = nullptr;
    int64_t first_ = 0, count_ = 0;
    std::vector<__m512i> signed_;  // codes less 128, of all panels taken
};

inline Panels columns_for(const Codes&, int64_t rows) { return Panels(rows); }

// out [rows, N]: the given panels, as many at a time as stay cached while all rows pass them.
inline void product(const Matrix& m, const Codes& x, int64_t rows, Part own, float* out) {
    const int64_t together = std::max<int64_t>(1, CACHED_CODES / (PANEL * m.inputs));
    Panels panels(rows);
    for (int64_t first = own.first; first < own.last; first += together) {
        const int64_t last = std::min(first + together, own.last);
        panels.take(m, first, last - first);
        for (int64_t block = 0; block < blocks_of(rows); ++block) {
            const int64_t row = block * BLOCK_ROWS, count = std::min<int64_t>(BLOCK_ROWS, rows - row);
            panels.columns(x, block, count, out + row * m.outputs + first * PANEL, m.outputs);
        }
    }
}

}  // namespace footnote
