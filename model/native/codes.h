// A cache in 8 bits: codes from -127 to 127, with a scale in bfloat16 for every group of 32.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "numbers.h"

namespace footnote {

constexpr int64_t CODES = 32;  // that share a scale

// Scales of a span's codes; those of one vector side by side, those of the next key `stride` further.
struct Scales {
    const uint16_t *keys, *values;
    int64_t stride;
};

inline __m512 load16(const int8_t* codes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))));
}

inline float as_float(uint16_t bfloat16) {
    const uint32_t bits = uint32_t(bfloat16) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

// `count` numbers, a multiple of CODES, as codes and scales.
inline void store_codes(int8_t* codes, uint16_t* scales, const float* values, int64_t count) {
    for (int64_t i = 0; i < count; i += CODES) {
        const __m512 low = _mm512_loadu_ps(values + i), high = _mm512_loadu_ps(values + i + 16);
        const float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
        const uint16_t scale = scales[i / CODES] = as_bfloat16(most / 127.0f);
        const __m512 factor = _mm512_set1_ps(as_float(scale) > 0 ? 1.0f / as_float(scale) : 0.0f);
        const __m512i limit = _mm512_set1_epi32(127);  // the scale may have been rounded down
        const auto code = [&](__m512 x) {
            const __m512i rounded = _mm512_min_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(x, factor)), limit);
            return _mm512_cvtepi32_epi8(_mm512_max_epi32(rounded, _mm512_sub_epi32(_mm512_setzero_si512(), limit)));
        };
        _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), code(low));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i + 16), code(high));
    }
}

// The numbers that codes stand for, in bfloat16.
inline void unpack_codes(const int8_t* codes, const uint16_t* scales, int64_t count, uint16_t* out) {
    for (int64_t i = 0; i < count; i += CODES) {
        const float scale = as_float(scales[i / CODES]);
        for (int64_t k = i; k < i + CODES; ++k) out[k] = as_bfloat16(float(codes[k]) * scale);
    }
}

inline float dot(const float* query, const int8_t* key, const uint16_t* scales, int64_t width) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += CODES) {
        __m512 group = _mm512_mul_ps(_mm512_loadu_ps(query + i), load16(key + i));
        group = _mm512_fmadd_ps(_mm512_loadu_ps(query + i + 16), load16(key + i + 16), group);
        sum = _mm512_fmadd_ps(group, _mm512_set1_ps(as_float(scales[i / CODES])), sum);
    }
    return _mm512_reduce_add_ps(sum);
}

}  // namespace footnote
