// Numbers sixteen at a time: conversions, exp, activations, RMSNorm.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace footnote {

inline uint16_t as_bfloat16(float value) {  // to nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline __m512 load16(const uint16_t* bfloat16) {
    const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bfloat16));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16));
}
inline __m512 load16(const float* values) { return _mm512_loadu_ps(values); }

inline void store(uint16_t* to, float value) { *to = as_bfloat16(value); }
inline void store(float* to, float value) { *to = value; }

// exp with a relative error of 2e-7: 2^n times a polynomial of the rest (Cody and Waite's reduction).
inline __m512 exp16(__m512 x) {
    x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.3f)), _mm512_set1_ps(88.3f));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
    __m512 rest = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    rest = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), rest);
    __m512 sum = _mm512_set1_ps(1.0f / 5040);
    for (const float term : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(term));
    return _mm512_scalef_ps(sum, n);
}

inline __m512 sigmoid16(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(one, _mm512_add_ps(one, exp16(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// SiLU, or GELU in its tanh form: x times the sigmoid of 2 sqrt(2 / pi) (x + 0.044715 x^3).
inline __m512 activate16(__m512 x, bool silu) {
    if (silu) return _mm512_mul_ps(x, sigmoid16(x));
    const __m512 cubic = _mm512_mul_ps(_mm512_mul_ps(x, x), x);
    const __m512 inner = _mm512_fmadd_ps(cubic, _mm512_set1_ps(0.044715f), x);
    return _mm512_mul_ps(x, sigmoid16(_mm512_mul_ps(inner, _mm512_set1_ps(1.59576912f))));
}

inline float inverse_rms(const float* x, int64_t width, float epsilon) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += 16) {
        const __m512 value = _mm512_loadu_ps(x + i);
        sum = _mm512_fmadd_ps(value, value, sum);
    }
    return 1.0f / std::sqrt(_mm512_reduce_add_ps(sum) / float(width) + epsilon);
}

inline void norm(const float* x, const float* weight, int64_t width, float epsilon, float* out) {
    const __m512 factor = _mm512_set1_ps(inverse_rms(x, width, epsilon));
    for (int64_t i = 0; i < width; i += 16) {
        const __m512 weighted = _mm512_mul_ps(factor, _mm512_loadu_ps(weight + i));
        _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), weighted));
    }
}

}  // namespace footnote
