// One decode step of a whole decoder in one call: a few new tokens through every layer.
//
// Eager torch spends half of such a step on the overhead of some two hundred small calls, and reads weights in
// bfloat16. Here weights are 8-bit codes with one scale for 32 inputs, activations are rounded the same way
// row by row (products are exact integers then, summed by VNNI instructions), and threads meet at a barrier
// five times a layer. Up to MAX_ROWS rows share one reading of the weights, which is what bounds the step.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "numbers.h"
#include "products.h"
#include "team.h"

namespace footnote {

constexpr int MAX_ROWS = 64;
constexpr int SPAN = 64;  // keys whose scores are softmaxed together; a cache block

struct Layer {
    Matrix qkv, output, gate_up, down;
    const float *attention_norm, *mlp_norm;      // [C]
    const float *after_attention, *after_mlp;    // [C], null without sandwich norms
    const float *query_norm, *key_norm;          // [D], null without
    const float* frequencies;                    // [D / 2] radians a position
    int64_t window;                              // 0: everything
};

struct Model {
    int64_t layers, width, heads, key_heads, head_width, mlp_width, silu;
    float epsilon, scale;
    const Layer* layer;
    const float* final_norm;
};

struct Cache {
    void *keys, *values;  // [layers, blocks, SPAN, K, D]
    int64_t blocks, is_bfloat16;
};

struct Row {
    const int32_t* table;  // blocks of its sequence
    int64_t position;      // of the new token
};

class Step {
   public:
    Step(const Model& model, const Cache& cache, const Row* rows, int64_t count, Team& team)
        : m_(model), cache_(cache), rows_(rows), count_(count), team_(team), partials_(team.size()) {
        qkv_.resize(count * (m_.heads + 2 * m_.key_heads) * m_.head_width);
        wide_.resize(count * m_.width);
        inner_.resize(count, m_.mlp_width);
        for (auto& partial : partials_) partial.resize(count * m_.heads * (m_.head_width + 2));
    }

    template <class Element>
    void work(int index, const float* embedded, float* hidden) {
        std::vector<float> x(embedded, embedded + count_ * m_.width), scratch(widest());
        Codes codes;
        for (int64_t layer = 0; layer < m_.layers; ++layer) {
            attention<Element>(index, layer, x, scratch, codes);
            mlp(index, m_.layer[layer], x, scratch, codes);
        }
        if (index == 0)
            for (int64_t r = 0; r < count_; ++r)
                norm(&x[r * m_.width], m_.final_norm, m_.width, m_.epsilon, hidden + r * m_.width);
    }

   private:
    int64_t widest() const { return std::max(m_.width, m_.heads * m_.head_width); }

    void round_normed(const std::vector<float>& x, const float* weight, std::vector<float>& scratch, Codes& to) {
        to.resize(count_, m_.width);
        for (int64_t r = 0; r < count_; ++r) {
            norm(&x[r * m_.width], weight, m_.width, m_.epsilon, scratch.data());
            to.round(r, 0, m_.width, scratch.data());
        }
    }

    void add(std::vector<float>& x, const float* weight, std::vector<float>& scratch) {
        for (int64_t r = 0; r < count_; ++r) {
            const float* change = &wide_[r * m_.width];
            if (weight) {
                norm(change, weight, m_.width, m_.epsilon, scratch.data());
                change = scratch.data();
            }
            for (int64_t i = 0; i < m_.width; ++i) x[r * m_.width + i] += change[i];
        }
    }

    Part panels(const Matrix& m, int index) const { return part_of(m.outputs / PANEL, 1, index, team_.size()); }

    template <class Element>
    void attention(int index, int64_t number, std::vector<float>& x, std::vector<float>& scratch, Codes& codes) {
        const Layer& layer = m_.layer[number];
        round_normed(x, layer.attention_norm, scratch, codes);
        product(layer.qkv, codes, count_, panels(layer.qkv, index), qkv_.data());
        team_.barrier();
        const Part own = part_of(count_, 1, index, team_.size());
        for (int64_t r = own.first; r < own.last; ++r) place<Element>(layer, number, r);
        team_.barrier();
        for (int64_t r = 0; r < count_; ++r) attend<Element>(index, layer, number, r);
        team_.barrier();
        codes.resize(count_, m_.heads * m_.head_width);
        for (int64_t r = 0; r < count_; ++r) {
            merge(r, scratch.data());
            codes.round(r, 0, codes.inputs, scratch.data());
        }
        product(layer.output, codes, count_, panels(layer.output, index), wide_.data());
        team_.barrier();
        add(x, layer.after_attention, scratch);
    }

    void mlp(int index, const Layer& layer, std::vector<float>& x, std::vector<float>& scratch, Codes& codes) {
        round_normed(x, layer.mlp_norm, scratch, codes);
        const Part own = part_of(m_.mlp_width, GROUP, index, team_.size());
        float gate[MAX_ROWS * GROUP], up[MAX_ROWS * GROUP];
        for (int64_t at = own.first; at < own.last; at += GROUP) {
            for (int64_t half = 0; half < GROUP; half += PANEL) {
                panel_of(layer.gate_up, (at + half) / PANEL, codes, count_, gate + half, GROUP);
                panel_of(layer.gate_up, (m_.mlp_width + at + half) / PANEL, codes, count_, up + half, GROUP);
            }
            for (int64_t i = 0; i < count_ * GROUP; i += 16) {
                const __m512 open = activate16(_mm512_loadu_ps(gate + i), m_.silu);
                _mm512_storeu_ps(gate + i, _mm512_mul_ps(open, _mm512_loadu_ps(up + i)));
            }
            for (int64_t r = 0; r < count_; ++r) inner_.round(r, at, at + GROUP, gate + r * GROUP);
        }
        team_.barrier();
        product(layer.down, inner_, count_, panels(layer.down, index), wide_.data());
        team_.barrier();
        add(x, layer.after_mlp, scratch);
    }

    // Norms, turns and stores one row's heads: queries back into qkv_, keys and values into the cache.
    template <class Element>
    void place(const Layer& layer, int64_t number, int64_t r) {
        const int64_t width = m_.head_width, turned = m_.heads + m_.key_heads;
        float* heads = &qkv_[r * (m_.heads + 2 * m_.key_heads) * width];
        std::vector<float> cosine(width / 2), sine(width / 2);
        for (int64_t i = 0; i < width / 2; ++i) {
            const float angle = float(rows_[r].position) * layer.frequencies[i];
            cosine[i] = std::cos(angle), sine[i] = std::sin(angle);
        }
        for (int64_t head = 0; head < turned; ++head) {
            float* values = heads + head * width;
            const float* weight = head < m_.heads ? layer.query_norm : layer.key_norm;
            if (weight) norm(values, weight, width, m_.epsilon, values);
            for (int64_t i = 0; i < width / 2; ++i) {
                const float a = values[i], b = values[i + width / 2];
                values[i] = a * cosine[i] - b * sine[i];
                values[i + width / 2] = b * cosine[i] + a * sine[i];
            }
        }
        Element* keys = slot<Element>(cache_.keys, number, r, rows_[r].position);
        Element* values = slot<Element>(cache_.values, number, r, rows_[r].position);
        for (int64_t i = 0; i < m_.key_heads * width; ++i) {
            store(keys + i, heads[m_.heads * width + i]);
            store(values + i, heads[turned * width + i]);
        }
        for (int64_t i = 0; i < m_.heads * width; ++i) heads[i] *= m_.scale;
    }

    template <class Element>
    Element* slot(void* storage, int64_t layer, int64_t r, int64_t position) const {
        const int64_t block = layer * cache_.blocks + rows_[r].table[position / SPAN];
        return static_cast<Element*>(storage) + (block * SPAN + position % SPAN) * m_.key_heads * m_.head_width;
    }

    // This thread's share of one row's keys: for every head a maximum, a sum and a weighted sum of values.
    template <class Element>
    void attend(int index, const Layer& layer, int64_t number, int64_t r) {
        const int64_t last = rows_[r].position + 1;
        const int64_t first = layer.window ? std::max<int64_t>(0, last - layer.window) : 0;
        const Part spans = part_of((last + SPAN - 1) / SPAN - first / SPAN, 1, index, team_.size());
        float* out = &partials_[index][r * m_.heads * (m_.head_width + 2)];
        for (int64_t head = 0; head < m_.heads; ++head) {
            float* own = out + head * (m_.head_width + 2);
            std::fill(own, own + m_.head_width + 2, 0.0f);
            own[m_.head_width] = -INFINITY;
        }
        for (int64_t span = first / SPAN + spans.first; span < first / SPAN + spans.last; ++span) {
            const int64_t from = std::max(first, span * SPAN), to = std::min(last, (span + 1) * SPAN);
            const Element* keys = slot<Element>(cache_.keys, number, r, from);
            const Element* values = slot<Element>(cache_.values, number, r, from);
            for (int64_t head = 0; head < m_.heads; ++head)
                attend_span(keys, values, to - from, r, head, out + head * (m_.head_width + 2));
        }
    }

    // Keys and values of consecutive slots; the online softmax of flash attention, span by span.
    template <class Element>
    void attend_span(const Element* keys, const Element* values, int64_t count, int64_t r, int64_t head, float* out) {
        const int64_t width = m_.head_width, stride = m_.key_heads * width;
        const int64_t shared = head * m_.key_heads / m_.heads * width;
        const float* query = &qkv_[(r * (m_.heads + 2 * m_.key_heads) + head) * width];
        alignas(64) float scores[SPAN];
        float highest = out[width];
        for (int64_t s = 0; s < count; ++s) {
            __m512 sum = _mm512_setzero_ps();
            for (int64_t i = 0; i < width; i += 16)
                sum = _mm512_fmadd_ps(load16(keys + s * stride + shared + i), _mm512_loadu_ps(query + i), sum);
            scores[s] = _mm512_reduce_add_ps(sum);
            highest = std::max(highest, scores[s]);
        }
        std::fill(scores + count, scores + SPAN, -INFINITY);
        float total = 0;
        for (int64_t s = 0; s < count; s += 16) {
            const __mmask16 real = __mmask16(count - s >= 16 ? 0xffff : (1 << (count - s)) - 1);
            const __m512 weights = exp16(_mm512_sub_ps(_mm512_load_ps(scores + s), _mm512_set1_ps(highest)));
            _mm512_store_ps(scores + s, _mm512_maskz_mov_ps(real, weights));
            total += _mm512_mask_reduce_add_ps(real, weights);
        }
        const float kept = out[width] == -INFINITY ? 0.0f : std::exp(out[width] - highest);
        out[width + 1] = out[width + 1] * kept + total;
        out[width] = highest;
        for (int64_t i = 0; i < width; i += 64) {
            __m512 sums[4];
            const int parts = int(std::min<int64_t>(64, width - i) / 16);
            for (int p = 0; p < parts; ++p)
                sums[p] = _mm512_mul_ps(_mm512_loadu_ps(out + i + 16 * p), _mm512_set1_ps(kept));
            for (int64_t s = 0; s < count; ++s) {
                const __m512 weight = _mm512_set1_ps(scores[s]);
                for (int p = 0; p < parts; ++p)
                    sums[p] = _mm512_fmadd_ps(load16(values + s * stride + shared + i + 16 * p), weight, sums[p]);
            }
            for (int p = 0; p < parts; ++p) _mm512_storeu_ps(out + i + 16 * p, sums[p]);
        }
    }

    // The threads' shares of one row put together: [H * D].
    void merge(int64_t r, float* out) const {
        const int64_t width = m_.head_width;
        std::fill(out, out + m_.heads * width, 0.0f);
        for (int64_t head = 0; head < m_.heads; ++head) {
            const int64_t at = (r * m_.heads + head) * (width + 2);
            float highest = -INFINITY, total = 0;
            for (const auto& partial : partials_) highest = std::max(highest, partial[at + width]);
            for (const auto& partial : partials_)
                total += partial[at + width + 1] * std::exp(partial[at + width] - highest);
            for (const auto& partial : partials_) {
                const float weight = std::exp(partial[at + width] - highest) / total;
                if (weight > 0)
                    for (int64_t i = 0; i < width; ++i) out[head * width + i] += weight * partial[at + i];
            }
        }
    }

    const Model& m_;
    const Cache& cache_;
    const Row* rows_;
    int64_t count_;
    Team& team_;
    std::vector<std::vector<float>> partials_;
    std::vector<float> qkv_, wide_;
    Codes inner_;
};

}  // namespace footnote

using namespace footnote;

extern "C" {

// embedded [rows, C] to hidden [rows, C]; the rows' keys and values are written to the cache.
void footnote_hidden(void* team, const Model* model, const Cache* cache, const Row* rows, int64_t count,
                     const float* embedded, float* hidden) {
    Team& threads = *static_cast<Team*>(team);
    Step step(*model, *cache, rows, count, threads);
    threads.run([&](int index) {
        if (cache->is_bfloat16)
            step.work<uint16_t>(index, embedded, hidden);
        else
            step.work<float>(index, embedded, hidden);
    });
}
}
