// A cache in 8 bits: codes from -127 to 127, with one scale for each token and key head.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace footnote {

// What the codes of a span stand for: scales, `stride` apart; null where the codes are the numbers themselves.
struct Scales {
    const float *keys = nullptr, *values = nullptr;
    int64_t stride = 0;
};

inline __m512 load16(const int8_t* codes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))));
}

// A vector as codes from -127 to 127, its width a multiple of 16; returns their scale.
inline float store_codes(int8_t* to, const float* values, int64_t width) {
    __m512 most = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += 16) most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_loadu_ps(values + i)));
    const float highest = _mm512_reduce_max_ps(most);
    const __m512 factor = _mm512_set1_ps(highest > 0 ? 127.0f / highest : 0.0f);
    for (int64_t i = 0; i < width; i += 16) {
        const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values + i), factor));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm512_cvtsepi32_epi8(codes));
    }
    return highest / 127.0f;
}

// In two sums: the conversions would wait for one.
inline float dot(const float* query, const int8_t* key, int64_t width) {
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 32 <= width; i += 32) {
        even = _mm512_fmadd_ps(_mm512_loadu_ps(query + i), load16(key + i), even);
        odd = _mm512_fmadd_ps(_mm512_loadu_ps(query + i + 16), load16(key + i + 16), odd);
    }
    for (; i < width; i += 16) even = _mm512_fmadd_ps(_mm512_loadu_ps(query + i), load16(key + i), even);
    return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

}  // namespace footnote
