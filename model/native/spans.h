// Keys and values in the order in which tiles of queries read them, packed once for all of these.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "codes.h"
#include "numbers.h"

namespace footnote {

constexpr int SPAN = 64;  // keys whose scores are softmaxed together; a cache block

#ifdef __AVX512BF16__

// 32 floats as pairs of bfloat16.
inline void store_pairs(uint32_t* to, const float* values) {
    const __m512bh packed = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(values + 16), _mm512_loadu_ps(values));
    _mm512_storeu_si512(to, reinterpret_cast<__m512i>(packed));
}

// Keys and values of the spans that a prompt's new tokens see, in the order in which tiles of queries read them.
class PackedSpans {
   public:
    explicit PackedSpans(int64_t width = 0) : width_(width) {}
    void resize(int64_t first, int64_t spans, int64_t key_heads, int64_t width) {
        first_ = first, key_heads_ = key_heads, width_ = width;
        keys_.resize(spans * key_heads * SPAN * width / 2);
        values_.resize(keys_.size());
    }
    // keys, values [SPAN, K, D] of one cache block.
    void pack(int64_t span, const uint16_t* keys, const uint16_t* values) {
        const int64_t stride = key_heads_ * width_;
        for (int64_t head = 0; head < key_heads_; ++head) {
            uint32_t* k = keys_.data() + at(span, head);  // [D / 2, SPAN] pairs of columns
            for (int64_t s = 0; s < SPAN; ++s)
                for (int64_t i = 0; i < width_ / 2; ++i)
                    std::memcpy(k + i * SPAN + s, keys + s * stride + head * width_ + 2 * i, 4);
            uint32_t* v = values_.data() + at(span, head);  // [SPAN / 2, D] pairs of keys
            for (int64_t s = 0; s < SPAN; s += 2) {
                const uint16_t *a = values + s * stride + head * width_, *b = a + stride;
                for (int64_t i = 0; i < width_; ++i) v[s / 2 * width_ + i] = a[i] | uint32_t(b[i]) << 16;
            }
        }
    }
    // The same of codes; `whole` is room for both.
    void pack(int64_t span, const int8_t* keys, const int8_t* values, const Scales& scales,
              std::vector<uint16_t>& whole) {
        const int64_t count = SPAN * key_heads_ * width_;
        whole.resize(2 * count);
        unpack_codes(keys, scales.keys, count, whole.data());
        unpack_codes(values, scales.values, count, whole.data() + count);
        pack(span, whole.data(), whole.data() + count);
    }
    // One head of a text of its own: `count` rows of keys and values in float32, `stride` apart; zeros beyond.
    void pack_text(const float* keys, const float* values, int64_t count, int64_t stride) {
        const int64_t spans = (count + SPAN - 1) / SPAN;
        resize(0, spans, 1, width_);
        for (int64_t s = 0; s < spans * SPAN; s += 16)
            for (int64_t i = 0; i < width_; i += 32)
                pack_keys(keys + s * stride + i, std::clamp<int64_t>(count - s, 0, 16), stride,
                          keys_.data() + at(s / SPAN, 0) + i / 2 * SPAN + s % SPAN);
        for (int64_t s = 0; s < spans * SPAN; s += 2)
            for (int64_t i = 0; i < width_; i += 16)
                pack_values(values + s * stride + i, count - s, stride,
                            values_.data() + at(s / SPAN, 0) + s % SPAN / 2 * width_ + i);
    }
    const uint32_t* keys(int64_t span, int64_t head) const { return keys_.data() + at(span, head); }
    const uint32_t* values(int64_t span, int64_t head) const { return values_.data() + at(span, head); }

   private:
    // Sixteen keys' 32 columns, of which `count` keys are there: [16 pairs of columns, SPAN].
    static void pack_keys(const float* keys, int64_t count, int64_t stride, uint32_t* to) {
        alignas(64) uint32_t rows[16][16] = {};
        for (int64_t s = 0; s < count; ++s) store_pairs(rows[s], keys + s * stride);
        const __m512i column = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                                  _mm512_set1_epi32(16));
        for (int pair = 0; pair < 16; ++pair)
            _mm512_storeu_si512(to + pair * SPAN, _mm512_i32gather_epi32(column, &rows[0][pair], 4));
    }
    // Sixteen columns of two values, of which `count` are there, side by side.
    static void pack_values(const float* values, int64_t count, int64_t stride, uint32_t* to) {
        const auto half = [&](int64_t s) {
            const __m512 row = s < count ? _mm512_loadu_ps(values + s * stride) : _mm512_setzero_ps();
            return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(row)));
        };
        _mm512_storeu_si512(to, _mm512_or_si512(half(0), _mm512_slli_epi32(half(1), 16)));
    }
    int64_t at(int64_t span, int64_t head) const {
        return ((span - first_) * key_heads_ + head) * SPAN * width_ / 2;
    }
    int64_t first_ = 0, key_heads_ = 0, width_ = 0;
    std::vector<uint32_t> keys_, values_;
};

#endif

}  // namespace footnote
