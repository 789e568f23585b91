// Numbers sixteen at a time: conversions, exp, activations, RMSNorm.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace footnote {

// Floats from the beginning of a cache line on: rows of tiles that cross lines are written at half the rate.
class Floats {
   public:
    void resize(int64_t count) { lines_.resize((count + 15) / 16); }
    float* data() { return reinterpret_cast<float*>(lines_.data()); }
    float& operator[](int64_t i) { return data()[i]; }

   private:
    std::vector<__m512> lines_;
};

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

// 2 to the power of 0 and less with a relative error of 4e-5, a hundredth of what rounding to bfloat16 costs. Far below it
// is the least normal number: smaller ones would cost the processor a hundred cycles each.
inline __m512 fraction16(__m512 powers) {
    powers = _mm512_max_ps(powers, _mm512_set1_ps(-126.0f));
    const __m512 n = _mm512_roundscale_ps(powers, 0), rest = _mm512_sub_ps(powers, n);
    __m512 sum = _mm512_set1_ps(0.00961813f);  // 2^rest by its Taylor series to the fourth power
    for (const float term : {0.05550411f, 0.24022651f, 0.69314718f, 1.0f})
        sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(term));
    return _mm512_scalef_ps(sum, n);
}

// exp of 0 and less, as exact as that.
inline __m512 weight16(__m512 x) { return fraction16(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f))); }

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

// GELU with the error function, for results that are rounded to bfloat16 or 8 bits: to 3e-5 of its argument (Abramowitz
// and Stegun, 7.1.25). It is max(x, 0) less |x| times the tail of the normal distribution beyond |x|.
inline __m512 gelu16(__m512 x) {
    const __m512 size = _mm512_abs_ps(x);
    const __m512 t = _mm512_rcp14_ps(_mm512_fmadd_ps(_mm512_set1_ps(0.33267253f), size, _mm512_set1_ps(1.0f)));
    __m512 sum = _mm512_set1_ps(0.3739278f);  // half of the coefficients: the tail is half of erfc
    for (const float term : {-0.0479399f, 0.1740121f}) sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(term));
    const __m512 density = fraction16(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.72134752f)));
    const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(sum, t), density);
    return _mm512_fnmadd_ps(size, tail, _mm512_max_ps(x, _mm512_setzero_ps()));
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

// LayerNorm in place.
inline void layer_norm(float* x, const float* weight, const float* bias, int64_t width, float epsilon) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += 16) sum = _mm512_add_ps(sum, _mm512_loadu_ps(x + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / float(width));
    for (int64_t i = 0; i < width; i += 16) {
        const __m512 gap = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
        squares = _mm512_fmadd_ps(gap, gap, squares);
    }
    const __m512 factor = _mm512_set1_ps(1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / float(width) + epsilon));
    for (int64_t i = 0; i < width; i += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), mean), factor),
                                            _mm512_loadu_ps(weight + i));
        _mm512_storeu_ps(x + i, _mm512_add_ps(scaled, _mm512_loadu_ps(bias + i)));
    }
}

}  // namespace footnote
