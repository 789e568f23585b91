// Products of a few rows with large matrices of 8-bit codes.
//
// Layout of a matrix [N, K]: N / 16 panels of 16 outputs; in a panel, K / 32 groups; in a group, 8 quads of 4
// inputs, each with its 16 outputs side by side. Codes are the signed value + 128, scales are fp16.
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
constexpr int TILE_ROWS = 8;   // rows whose sums fit the registers

struct Matrix {
    const uint8_t* codes;
    const uint16_t* scales;
    const float* bias;  // null: none
    int64_t outputs, inputs;
};

// Rows rounded to 8 bits, one scale for a group, and -128 times the sum of the group's codes.
struct Codes {
    int64_t inputs = 0;
    std::vector<int8_t> codes;
    std::vector<float> scales;
    std::vector<int32_t> offsets;

    Codes() = default;
    Codes(int64_t rows, int64_t width, const float* x) {
        resize(rows, width);
        for (int64_t r = 0; r < rows; ++r) round(r, 0, width, x + r * width);
    }
    void resize(int64_t rows, int64_t width) {
        inputs = width;
        codes.resize(rows * width);
        scales.resize(rows * width / GROUP);
        offsets.resize(rows * width / GROUP);
    }
    void round(int64_t row, int64_t first, int64_t last, const float* x) {  // x begins at `first`
        for (int64_t i = first; i < last; i += GROUP) round_group(row, i, x + (i - first));
    }

   private:
    void round_group(int64_t row, int64_t at, const float* x) {
        const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
        const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
        const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0f / largest : 0.0f);
        const __m512i a = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
        const __m512i b = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
        int8_t* to = codes.data() + row * inputs + at;
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(a));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16), _mm512_cvtepi32_epi8(b));
        const int64_t group = (row * inputs + at) / GROUP;
        scales[group] = largest / 127.0f;
        offsets[group] = -128 * _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
    }
};

// out[r][0..16) of one panel for ROWS rows of x from `row` on.
template <int ROWS>
void panel_product(const Matrix& m, int64_t panel, const Codes& x, int64_t row, float* out, int64_t stride) {
    const int64_t groups = m.inputs / GROUP;
    const uint8_t* codes = m.codes + panel * PANEL * m.inputs;
    const uint16_t* scales = m.scales + panel * PANEL * groups;
    const int8_t* inputs[ROWS];
    __m512 sums[ROWS];
    for (int r = 0; r < ROWS; ++r) {
        inputs[r] = x.codes.data() + (row + r) * m.inputs;
        sums[r] = m.bias ? _mm512_loadu_ps(m.bias + panel * PANEL) : _mm512_setzero_ps();
    }
    for (int64_t g = 0; g < groups; ++g, codes += PANEL * GROUP, scales += PANEL) {
        __m512i dots[ROWS];
        for (int r = 0; r < ROWS; ++r) dots[r] = _mm512_set1_epi32(x.offsets[(row + r) * groups + g]);
        for (int quad = 0; quad < GROUP / 4; ++quad) {
            const __m512i weights = _mm512_loadu_si512(codes + quad * 64);
            for (int r = 0; r < ROWS; ++r) {
                int32_t four;
                std::memcpy(&four, inputs[r] + g * GROUP + quad * 4, 4);
                dots[r] = _mm512_dpbusd_epi32(dots[r], weights, _mm512_set1_epi32(four));
            }
        }
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales)));
        for (int r = 0; r < ROWS; ++r) {
            const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x.scales[(row + r) * groups + g]));
            sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r]), both, sums[r]);
        }
    }
    for (int r = 0; r < ROWS; ++r) _mm512_storeu_ps(out + r * stride, sums[r]);
}

using PanelProduct = void (*)(const Matrix&, int64_t, const Codes&, int64_t, float*, int64_t);
constexpr PanelProduct PRODUCTS[TILE_ROWS] = {panel_product<1>, panel_product<2>, panel_product<3>,
                                              panel_product<4>, panel_product<5>, panel_product<6>,
                                              panel_product<7>, panel_product<8>};

// out[r * stride + 0..16) of one panel for all rows.
inline void panel_of(const Matrix& m, int64_t panel, const Codes& x, int64_t rows, float* out, int64_t stride) {
    for (int64_t row = 0; row < rows; row += TILE_ROWS) {
        const int64_t count = std::min<int64_t>(TILE_ROWS, rows - row);
        PRODUCTS[count - 1](m, panel, x, row, out + row * stride, stride);
    }
}

inline void product(const Matrix& m, const Codes& x, int64_t rows, Part panels, float* out) {
    for (int64_t panel = panels.first; panel < panels.last; ++panel)
        panel_of(m, panel, x, rows, out + panel * PANEL, m.outputs);
}

}  // namespace footnote
