// Attention over cached keys and values, span by span, with the online softmax of flash attention (Dao et al. 2022).
//
// Two ways: `attend_span` lets one query read a span where it lies; a `QueryTile` of sixteen queries reads spans
// that were packed once for all of them. Both multiply bfloat16 where the processor can, with sums in float32.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "codes.h"
#include "numbers.h"
#include "products.h"
#include "spans.h"

namespace footnote {

// What a query has seen so far: a weighted sum of values [D], the highest score, the sum of weights.
struct Seen {
    float* values;
    float highest = -INFINITY, total = 0;
};

// Softmax weights of SPAN scores in place, of which `count` from `first` on are real; returns what is kept of the sum.
inline float weigh(float* scores, int64_t first, int64_t count, Seen& seen) {
    __m512 highest = _mm512_set1_ps(seen.highest);
    __mmask16 real[SPAN / 16];
    for (int part = 0; part < SPAN / 16; ++part) {
        const int64_t from = std::clamp<int64_t>(first - part * 16, 0, 16);
        const int64_t to = std::clamp<int64_t>(first + count - part * 16, 0, 16);
        real[part] = __mmask16(((1u << to) - 1) & ~((1u << from) - 1));
        highest = _mm512_mask_max_ps(highest, real[part], highest, _mm512_load_ps(scores + part * 16));
    }
    const float most = _mm512_reduce_max_ps(highest);
    __m512 total = _mm512_setzero_ps();
    for (int part = 0; part < SPAN / 16; ++part) {
        const __m512 gap = _mm512_sub_ps(_mm512_load_ps(scores + part * 16), _mm512_set1_ps(most));
        const __m512 weight = _mm512_maskz_mov_ps(real[part], exp16(gap));
        _mm512_store_ps(scores + part * 16, weight);
        total = _mm512_add_ps(total, weight);
    }
    const float kept = seen.highest == -INFINITY ? 0.0f : std::exp(seen.highest - most);
    seen.total = seen.total * kept + _mm512_reduce_add_ps(total);
    seen.highest = most;
    return kept;
}

template <class Element>
float dot(const float* query, const Element* key, int64_t width) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += 16) sum = _mm512_fmadd_ps(_mm512_loadu_ps(query + i), load16(key + i), sum);
    return _mm512_reduce_add_ps(sum);
}

// One query [D] over `count` keys and values that lie `stride` elements apart.
template <class Element>
void attend_span_plainly(const float* query, const Element* keys, const Element* values, int64_t count, int64_t stride,
                 int64_t width, Seen& seen) {
    alignas(64) float scores[SPAN] = {};
    for (int64_t s = 0; s < count; ++s) scores[s] = dot(query, keys + s * stride, width);
    const float kept = weigh(scores, 0, count, seen);
    for (int64_t i = 0; i < width; i += 64) {
        __m512 sums[4];
        const int parts = int(std::min<int64_t>(64, width - i) / 16);
        for (int p = 0; p < parts; ++p)
            sums[p] = _mm512_mul_ps(_mm512_loadu_ps(seen.values + i + 16 * p), _mm512_set1_ps(kept));
        for (int64_t s = 0; s < count; ++s) {
            const __m512 weight = _mm512_set1_ps(scores[s]);
            for (int p = 0; p < parts; ++p)
                sums[p] = _mm512_fmadd_ps(load16(values + s * stride + i + 16 * p), weight, sums[p]);
        }
        for (int p = 0; p < parts; ++p) _mm512_storeu_ps(seen.values + i + 16 * p, sums[p]);
    }
}

// The same over codes.
inline void attend_codes(const float* query, const int8_t* keys, const int8_t* values, const Scales& scales,
                         int64_t count, int64_t stride, int64_t width, Seen& seen) {
    alignas(64) float scores[SPAN] = {};
    for (int64_t s = 0; s < count; ++s) scores[s] = dot(query, keys + s * stride, scales.keys + s * scales.stride, width);
    const __m512 kept = _mm512_set1_ps(weigh(scores, 0, count, seen));
    for (int64_t i = 0; i < width; i += CODES) {
        __m512 low = _mm512_mul_ps(_mm512_loadu_ps(seen.values + i), kept);
        __m512 high = _mm512_mul_ps(_mm512_loadu_ps(seen.values + i + 16), kept);
        for (int64_t s = 0; s < count; ++s) {
            const float scale = as_float(scales.values[s * scales.stride + i / CODES]);
            const __m512 weight = _mm512_set1_ps(scores[s] * scale);
            low = _mm512_fmadd_ps(load16(values + s * stride + i), weight, low);
            high = _mm512_fmadd_ps(load16(values + s * stride + i + 16), weight, high);
        }
        _mm512_storeu_ps(seen.values + i, low);
        _mm512_storeu_ps(seen.values + i + 16, high);
    }
}

#ifdef __AVX512BF16__

inline __m512bh pairs(const void* bfloat16) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(bfloat16)); }
inline __m512bh pair_everywhere(int32_t pair) { return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)); }

// The same for D = 32 * PARTS in bfloat16: the query is rounded to it, as the keys are.
template <int PARTS>
void attend_span_in_pairs(const float* query, const uint16_t* keys, const uint16_t* values, int64_t count,
                          int64_t stride, Seen& seen) {
    __m512bh q[PARTS];
    for (int p = 0; p < PARTS; ++p)
        q[p] = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(query + 32 * p + 16), _mm512_loadu_ps(query + 32 * p));
    alignas(64) float scores[SPAN] = {};
    for (int64_t s = 0; s < count; ++s) {
        __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
        for (int p = 0; p < PARTS; p += 2) {
            even = _mm512_dpbf16_ps(even, pairs(keys + s * stride + 32 * p), q[p]);
            if (p + 1 < PARTS) odd = _mm512_dpbf16_ps(odd, pairs(keys + s * stride + 32 * p + 32), q[p + 1]);
        }
        scores[s] = _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
    }
    const __m512 kept = _mm512_set1_ps(weigh(scores, 0, count, seen));
    alignas(64) int32_t weights[SPAN / 2];
    for (int part = 0; part < 2; ++part)
        _mm512_store_si512(weights + 16 * part,
                           reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_load_ps(scores + 32 * part + 16),
                                                                         _mm512_load_ps(scores + 32 * part))));
    // Two keys' values side by side come out of `unpack` in another order of columns: turned back at the end.
    const __m512i back_low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i back_high = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    __m512 low[PARTS], high[PARTS];
    for (int p = 0; p < PARTS; ++p) low[p] = high[p] = _mm512_setzero_ps();
    for (int64_t s = 0; s < count; s += 2) {
        const __m512bh weight = pair_everywhere(weights[s / 2]);
        const uint16_t* a = values + s * stride;
        const uint16_t* b = s + 1 < count ? a + stride : a;  // its weight is zero then
        for (int p = 0; p < PARTS; ++p) {
            const __m512i first = _mm512_loadu_si512(a + 32 * p), second = _mm512_loadu_si512(b + 32 * p);
            const __m512i lows = _mm512_unpacklo_epi16(first, second), highs = _mm512_unpackhi_epi16(first, second);
            low[p] = _mm512_dpbf16_ps(low[p], reinterpret_cast<__m512bh>(lows), weight);
            high[p] = _mm512_dpbf16_ps(high[p], reinterpret_cast<__m512bh>(highs), weight);
        }
    }
    for (int p = 0; p < PARTS; ++p) {
        float* to = seen.values + 32 * p;
        const __m512 a = _mm512_permutex2var_ps(low[p], back_low, high[p]);
        const __m512 b = _mm512_permutex2var_ps(low[p], back_high, high[p]);
        _mm512_storeu_ps(to, _mm512_fmadd_ps(_mm512_loadu_ps(to), kept, a));
        _mm512_storeu_ps(to + 16, _mm512_fmadd_ps(_mm512_loadu_ps(to + 16), kept, b));
    }
}

inline void attend_span(const float* query, const uint16_t* keys, const uint16_t* values, int64_t count,
                        int64_t stride, int64_t width, Seen& seen) {
    switch (width) {
        case 32: return attend_span_in_pairs<1>(query, keys, values, count, stride, seen);
        case 64: return attend_span_in_pairs<2>(query, keys, values, count, stride, seen);
        case 128: return attend_span_in_pairs<4>(query, keys, values, count, stride, seen);
        case 256: return attend_span_in_pairs<8>(query, keys, values, count, stride, seen);
    }
    attend_span_plainly(query, keys, values, count, stride, width, seen);
}

#else

inline void attend_span(const float* query, const uint16_t* keys, const uint16_t* values, int64_t count,
                        int64_t stride, int64_t width, Seen& seen) {
    attend_span_plainly(query, keys, values, count, stride, width, seen);
}

#endif

inline void attend_span(const float* query, const float* keys, const float* values, int64_t count, int64_t stride,
                        int64_t width, Seen& seen) {
    attend_span_plainly(query, keys, values, count, stride, width, seen);
}

#ifdef __AVX512BF16__

// scores [8, 32], rows `stride` apart, of queries [8, D / 2] and keys [D / 2, SPAN] from the given one on.
inline void score_tile(const uint32_t* queries, const uint32_t* keys, int64_t width, float* scores, int64_t stride) {
    __m512 low[TILE_ROWS], high[TILE_ROWS];
    for (int q = 0; q < TILE_ROWS; ++q) low[q] = high[q] = _mm512_setzero_ps();
    for (int64_t i = 0; i < width / 2; ++i, keys += SPAN) {
        const __m512bh a = pairs(keys), b = pairs(keys + 16);
#pragma GCC unroll 8
        for (int q = 0; q < TILE_ROWS; ++q) {
            const __m512bh each = pair_everywhere(int32_t(queries[q * width / 2 + i]));
            low[q] = _mm512_dpbf16_ps(low[q], a, each);
            high[q] = _mm512_dpbf16_ps(high[q], b, each);
        }
    }
    for (int q = 0; q < TILE_ROWS; ++q) {
        _mm512_store_ps(scores + q * stride, low[q]);
        _mm512_store_ps(scores + q * stride + 16, high[q]);
    }
}

// 32 columns of the values [pairs, D] added to eight rows of out, D apart, under their weights, `stride` apart.
inline void gather_tile(const uint32_t* values, int64_t pairs_of_keys, int64_t width, const int32_t* weights,
                        int64_t stride, float* out) {
    __m512 low[TILE_ROWS], high[TILE_ROWS];
    for (int q = 0; q < TILE_ROWS; ++q)
        low[q] = _mm512_loadu_ps(out + q * width), high[q] = _mm512_loadu_ps(out + q * width + 16);
    for (int64_t s = 0; s < pairs_of_keys; ++s, values += width) {
        const __m512bh a = pairs(values), b = pairs(values + 16);
#pragma GCC unroll 8
        for (int q = 0; q < TILE_ROWS; ++q) {
            const __m512bh weight = pair_everywhere(weights[q * stride + s]);
            low[q] = _mm512_dpbf16_ps(low[q], a, weight);
            high[q] = _mm512_dpbf16_ps(high[q], b, weight);
        }
    }
    for (int q = 0; q < TILE_ROWS; ++q)
        _mm512_storeu_ps(out + q * width, low[q]), _mm512_storeu_ps(out + q * width + 16, high[q]);
}

// Sixteen queries of which `count` are real, and what they have gathered so far: by the matrix unit or eight at a time.
class QueryBlock {
   public:
    explicit QueryBlock(int64_t width) : width_(width), queries_(width / 2 * BLOCK_ROWS), out_(width * BLOCK_ROWS) {}

    void load(int64_t q, const float* query) {
        for (int64_t i = 0; i < width_; i += 32) store_pairs(&queries_[(q * width_ + i) / 2], query + i);
    }
    void clear() { std::fill(out_.begin(), out_.end(), 0.0f); }
    float* out(int64_t q) { return out_.data() + q * width_; }

    // scores [16, SPAN], or their first half, rows `stride` apart, of keys [D / 2, SPAN].
    void score(const uint32_t* keys, bool whole, int64_t count, float* scores, int64_t stride) const {
#ifdef __AMX_BF16__
        if (tiles_in_use.load(std::memory_order_relaxed))
            return score_in_tiles(queries_.data(), keys, width_, whole, scores, stride);
#endif
        for (int64_t q = 0; q < count; q += TILE_ROWS)
            for (int64_t half = 0; half < (whole ? SPAN : SPAN / 2); half += SPAN / 2)
                score_tile(&queries_[q * width_ / 2], keys + half, width_, scores + q * stride + half, stride);
    }
    // Values [pairs, D], pairs of keys and a multiple of sixteen, under weights [16, pairs], rows `stride` apart.
    void gather(const uint32_t* values, int64_t pairs, int64_t count, const int32_t* weights, int64_t stride) {
#ifdef __AMX_BF16__
        if (tiles_in_use.load(std::memory_order_relaxed))
            return gather_in_tiles(values, pairs, width_, weights, stride, out_.data());
#endif
        for (int64_t q = 0; q < count; q += TILE_ROWS)
            for (int64_t i = 0; i < width_; i += 32)
                gather_tile(values + i, pairs, width_, weights + q * stride, stride, out(q) + i);
    }

   private:
    int64_t width_;
    std::vector<uint32_t> queries_;  // [16, D / 2] pairs of columns
    std::vector<float> out_;         // [16, D]
};

// Up to sixteen queries over a whole text of their own: all scores, one softmax, then the values.
class TextTile {
   public:
    explicit TextTile(int64_t width) : width_(width), block_(width) {}

    // `count` queries [D], `stride` apart; the others stay whatever they were.
    void load(const float* queries, int64_t count, int64_t stride) {
        count_ = count;
        for (int64_t q = 0; q < count; ++q) block_.load(q, queries + q * stride);
    }
    void attend(const PackedSpans& spans, int64_t keys) {
        const int64_t padded = (keys + SPAN / 2 - 1) / (SPAN / 2) * (SPAN / 2);
        if (int64_t(scores_.size()) < BLOCK_ROWS * padded / 16)
            scores_.resize(BLOCK_ROWS * padded / 16), weights_.resize(BLOCK_ROWS * padded / 2);
        float* scores = reinterpret_cast<float*>(scores_.data());
        for (int64_t at = 0; at < padded; at += SPAN)
            block_.score(spans.keys(at / SPAN, 0), padded - at >= SPAN, count_, scores + at, padded);
        float totals[BLOCK_ROWS];
        for (int64_t q = 0; q < count_; ++q)
            totals[q] = soften(scores + q * padded, keys, padded, weights_.data() + q * padded / 2);
        block_.clear();
        block_.gather(spans.values(0, 0), padded / 2, count_, weights_.data(), padded / 2);
        for (int64_t q = 0; q < count_; ++q)
            for (int64_t i = 0; i < width_; ++i) block_.out(q)[i] /= totals[q];
    }
    const float* result(int64_t q) { return block_.out(q); }

   private:
    struct alignas(64) Lane {
        float values[16];
    };
    // The weights of a row of scores as pairs of bfloat16, zero beyond `keys`; returns their sum.
    static float soften(float* scores, int64_t keys, int64_t padded, int32_t* weights) {
        for (int64_t s = keys; s < padded; ++s) scores[s] = -INFINITY;
        __m512 most = _mm512_set1_ps(-INFINITY), total = _mm512_setzero_ps();
        for (int64_t s = 0; s < padded; s += 16) most = _mm512_max_ps(most, _mm512_load_ps(scores + s));
        most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
        for (int64_t s = 0; s < padded; s += 32) {
            const __m512 a = weight16(_mm512_sub_ps(_mm512_load_ps(scores + s), most));
            const __m512 b = weight16(_mm512_sub_ps(_mm512_load_ps(scores + s + 16), most));
            total = _mm512_add_ps(total, _mm512_add_ps(a, b));
            _mm512_storeu_si512(weights + s / 2, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a)));
        }
        return _mm512_reduce_add_ps(total);
    }
    int64_t width_, count_ = 0;
    QueryBlock block_;
    std::vector<Lane> scores_;      // [16, keys]
    std::vector<int32_t> weights_;  // [16, keys / 2]
};

// Up to sixteen queries of one sequence that share a key head.
class QueryTile {
   public:
    explicit QueryTile(int64_t width) : width_(width), block_(width) {}

    void begin() {
        count_ = 0;
        block_.clear();
    }
    // Sees `last - first` keys from `first` on.
    void add(const float* query, int64_t first, int64_t last) {
        block_.load(count_, query);
        seen_[count_] = {block_.out(count_)};
        first_[count_] = first, last_[count_++] = last;
    }
    int64_t first() const { return *std::min_element(first_, first_ + count_); }
    int64_t last() const { return *std::max_element(last_, last_ + count_); }

    void attend(int64_t span, const uint32_t* keys, const uint32_t* values) {
        alignas(64) float scores[BLOCK_ROWS * SPAN];
        alignas(64) int32_t weights[BLOCK_ROWS * SPAN / 2];
        block_.score(keys, true, count_, scores, SPAN);
        for (int q = 0; q < count_; ++q) {
            weigh_row(span, q, scores + q * SPAN);
            for (int part = 0; part < 2; ++part) {
                const float* row = scores + q * SPAN + 32 * part;
                _mm512_store_si512(weights + q * SPAN / 2 + 16 * part,
                                   reinterpret_cast<__m512i>(
                                       _mm512_cvtne2ps_pbh(_mm512_load_ps(row + 16), _mm512_load_ps(row))));
            }
        }
        block_.gather(values, SPAN / 2, count_, weights, SPAN / 2);
    }
    // The weighted mean of values [D] of one query.
    const float* result(int q) {
        float* values = block_.out(q);
        for (int64_t i = 0; i < width_; ++i) values[i] /= seen_[q].total;
        return values;
    }

   private:
    // Scores become weights, zero for keys that the query does not see; what it has gathered shrinks accordingly.
    void weigh_row(int64_t span, int q, float* row) {
        const int64_t from = std::max<int64_t>(0, first_[q] - span * SPAN);
        const int64_t to = std::clamp<int64_t>(last_[q] - span * SPAN, 0, SPAN);
        if (from >= to) return std::fill(row, row + SPAN, 0.0f);
        const float kept = weigh(row, from, to - from, seen_[q]);
        if (kept == 1.0f) return;
        for (int64_t i = 0; i < width_; ++i) block_.out(q)[i] *= kept;
    }

    int64_t width_;
    int count_ = 0;
    QueryBlock block_;
    Seen seen_[BLOCK_ROWS];
    int64_t first_[BLOCK_ROWS], last_[BLOCK_ROWS];
};

#endif

}  // namespace footnote
