// New tokens through a whole decoder in one call: a few to decode, or a part of a prompt.
//
// Eager torch spends half of a decode step on the overhead of some two hundred small calls, and reads weights in
// bfloat16. Here weights are 8-bit codes with one scale for 64 inputs, activations are rounded the same way
// row by row (products are exact integers then, summed by VNNI instructions, at twice the rate of bfloat16), and
// threads meet at a few barriers a layer.
//
// To decode up to TILE_ROWS rows, every thread works out all rows' norms for itself, which saves barriers;
// otherwise each thread has its own rows and all share what they round.
//
// A step can stop between two layers: the states are handed back then, and another call goes on from them.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "attention.h"
#include "numbers.h"
#include "products.h"
#include "step.h"
#include "team.h"

namespace footnote {

// Cosines and sines of every row, once for all layers that turn alike.
class Turns {
   public:
    Turns(const Model& m, const Row* rows, int64_t count) : half_(m.head_width / 2), count_(count), rows_(rows) {
        for (int64_t layer = 0; layer < m.layers; ++layer) {
            const float* kind = m.layer[layer].frequencies;
            const auto found = std::find(kinds_.begin(), kinds_.end(), kind);
            kind_of_.push_back(int(found - kinds_.begin()));
            if (found == kinds_.end()) kinds_.push_back(kind);
        }
        values_.resize(kinds_.size() * count * 2 * half_);
    }
    void compute(Part rows) {
        for (size_t kind = 0; kind < kinds_.size(); ++kind)
            for (int64_t r = rows.first; r < rows.last; ++r) {
                float* to = &values_[(kind * count_ + r) * 2 * half_];
                for (int64_t i = 0; i < half_; ++i) {
                    const float angle = float(rows_[r].position) * kinds_[kind][i];
                    to[i] = std::cos(angle), to[half_ + i] = std::sin(angle);
                }
            }
    }
    void turn(int64_t layer, int64_t r, float* head) const {
        const float* cosine = &values_[(kind_of_[layer] * count_ + r) * 2 * half_];
        const float* sine = cosine + half_;
        for (int64_t i = 0; i < half_; ++i) {
            const float a = head[i], b = head[i + half_];
            head[i] = a * cosine[i] - b * sine[i];
            head[i + half_] = b * cosine[i] + a * sine[i];
        }
    }

   private:
    int64_t half_, count_;
    const Row* rows_;
    std::vector<const float*> kinds_;
    std::vector<int> kind_of_;
    std::vector<float> values_;  // [kinds, rows, cosines then sines]
};

class Step {
   public:
    // `packed`: rows of one sequence whose keys and values are packed once for all of them.
    Step(const Model& model, const Cache& cache, const Row* rows, int64_t count, bool packed, Team& team)
        : m_(model), cache_(cache), rows_(rows), count_(count), shared_(packed || count > TILE_ROWS),
          packed_(packed), team_(team), turns_(model, rows, count) {
        qkv_.resize(count * (m_.heads + 2 * m_.key_heads) * m_.head_width);
        wide_.resize(count * m_.width);
        inner_.resize(count, m_.mlp_width);
        if (shared_) x_.resize(count * m_.width), normed_.resize(count, m_.width);
        seen_.resize(count, m_.heads * m_.head_width);
        if (!packed_) partials_.resize(team.size() * count * m_.heads * (m_.head_width + 2));
    }

    // Layers from `first` on, on `states` [rows, C] in place; in the end they are normed. Once `stop` is not 0 the
    // layer under way is the last. `reached` is the layer that comes next.
    template <class Element>
    void work(int index, int64_t first, const std::atomic<int32_t>* stop, float* states) {
        Codes own_codes, own_seen;
        std::vector<float> own_x;
        if (!shared_) own_x.resize(count_ * m_.width), own_seen.resize(count_, seen_.inputs);
        Thread t{index, shared_ ? rows_of(index) : Part{0, count_}, shared_ ? x_.data() : own_x.data(),
                 shared_ ? normed_ : own_codes, shared_ ? seen_ : own_seen,
                 std::vector<float>(std::max(m_.width, m_.heads * m_.head_width))};
        if (!shared_) own_codes.resize(count_, m_.width);
        std::copy(states + t.rows.first * m_.width, states + t.rows.last * m_.width, t.x + t.rows.first * m_.width);
        turns_.compute(rows_of(index));
        int64_t layer = first;
        for (bool stopped = false; layer < m_.layers && !stopped; ++layer) {
            attention<Element>(t, layer);
            // Between barriers before which nobody reads it, and after which all read the same.
            if (index == 0) stopped_ = stop && stop->load(std::memory_order_relaxed);
            mlp(t, m_.layer[layer]);
            stopped = stopped_;
        }
        if (index == 0) reached_ = layer;
        hand_back(rows_of(index), t.x, states, layer == m_.layers);
    }
    int64_t reached() const { return reached_; }

   private:
    struct Thread {
        int index;
        Part rows;            // whose norms and sums it works out
        float* x;             // [rows, C]
        Codes &normed, &seen;  // what the products with qkv and gate_up, and with output, read
        std::vector<float> scratch;
    };

    Part rows_of(int index) const { return part_of(count_, shared_ ? TILE_ROWS : 1, index, team_.size()); }
    Part panels(const Matrix& m, int index) const { return part_of(m.outputs / PANEL, 1, index, team_.size()); }
    void settle() {
        if (shared_) team_.barrier();
    }

    void hand_back(Part rows, const float* x, float* states, bool normed) const {
        for (int64_t r = rows.first; r < rows.last; ++r) {
            const float* from = x + r * m_.width;
            if (normed)
                norm(from, m_.final_norm, m_.width, m_.epsilon, states + r * m_.width);
            else
                std::copy(from, from + m_.width, states + r * m_.width);
        }
    }

    void round_normed(Thread& t, const float* weight) {
        for (int64_t r = t.rows.first; r < t.rows.last; ++r) {
            norm(t.x + r * m_.width, weight, m_.width, m_.epsilon, t.scratch.data());
            t.normed.round(r, 0, m_.width, t.scratch.data());
        }
        settle();
    }

    void add(Thread& t, const float* weight) {
        for (int64_t r = t.rows.first; r < t.rows.last; ++r) {
            const float* change = &wide_[r * m_.width];
            if (weight) {
                norm(change, weight, m_.width, m_.epsilon, t.scratch.data());
                change = t.scratch.data();
            }
            for (int64_t i = 0; i < m_.width; ++i) t.x[r * m_.width + i] += change[i];
        }
    }

    template <class Element>
    void attention(Thread& t, int64_t number) {
        const Layer& layer = m_.layer[number];
        round_normed(t, layer.attention_norm);
        product(layer.qkv, t.normed, count_, panels(layer.qkv, t.index), qkv_.data());
        team_.barrier();
        const Part own = rows_of(t.index);
        for (int64_t r = own.first; r < own.last; ++r) place<Element>(layer, number, r);
        team_.barrier();
        if (packed_)
            attend_packed<Element>(t, number);
        else
            attend_in_parts<Element>(t, number);
        product(layer.output, t.seen, count_, panels(layer.output, t.index), wide_.data());
        team_.barrier();
        add(t, layer.after_attention);
    }

    void mlp(Thread& t, const Layer& layer) {
        round_normed(t, layer.mlp_norm);
        const Part own = part_of(m_.mlp_width, GROUP, t.index, team_.size());
        Panels gates(count_), ups(count_);
        for (int64_t at = own.first; at < own.last; at += GROUP) {
            gates.take(layer.gate_up, at / PANEL, GROUP / PANEL);
            ups.take(layer.gate_up, (m_.mlp_width + at) / PANEL, GROUP / PANEL);
            for (int64_t block = 0; block < blocks_of(count_); ++block) open_gates(gates, ups, t.normed, at, block);
        }
        team_.barrier();
        product(layer.down, inner_, count_, panels(layer.down, t.index), wide_.data());
        team_.barrier();
        add(t, layer.after_mlp);
    }

    // GROUP columns of the MLP's inside for one block of rows.
    void open_gates(const Panels& gates, const Panels& ups, const Codes& x, int64_t at, int64_t block) {
        const int64_t first = block * BLOCK_ROWS, count = std::min<int64_t>(BLOCK_ROWS, count_ - first);
        alignas(64) float gate[BLOCK_ROWS * GROUP], up[BLOCK_ROWS * GROUP];
        gates.columns(x, block, count, gate, GROUP);
        ups.columns(x, block, count, up, GROUP);
        for (int64_t i = 0; i < count * GROUP; i += 16) {
            const __m512 open = activate16(_mm512_load_ps(gate + i), m_.silu);
            _mm512_store_ps(gate + i, _mm512_mul_ps(open, _mm512_load_ps(up + i)));
        }
        for (int64_t r = 0; r < count; ++r) inner_.round(first + r, at, at + GROUP, gate + r * GROUP);
    }

    // Norms, turns and stores one row's heads: queries back into qkv_, keys and values into the cache.
    template <class Element>
    void place(const Layer& layer, int64_t number, int64_t r) {
        const int64_t width = m_.head_width, turned = m_.heads + m_.key_heads;
        float* heads = &qkv_[r * (m_.heads + 2 * m_.key_heads) * width];
        for (int64_t head = 0; head < turned; ++head) {
            float* values = heads + head * width;
            const float* weight = head < m_.heads ? layer.query_norm : layer.key_norm;
            if (weight) norm(values, weight, width, m_.epsilon, values);
            turns_.turn(number, r, values);
        }
        Element* keys = slot<Element>(cache_.keys, number, r, rows_[r].position);
        Element* values = slot<Element>(cache_.values, number, r, rows_[r].position);
        if constexpr (std::is_same_v<Element, int8_t>) {
            const int64_t position = rows_[r].position, count = m_.key_heads * width;
            store_codes(keys, scale_slot(cache_.key_scales, number, r, position), heads + m_.heads * width, count);
            store_codes(values, scale_slot(cache_.value_scales, number, r, position), heads + turned * width, count);
        } else {
            for (int64_t i = 0; i < m_.key_heads * width; ++i) {
                store(keys + i, heads[m_.heads * width + i]);
                store(values + i, heads[turned * width + i]);
            }
        }
        for (int64_t i = 0; i < m_.heads * width; ++i) heads[i] *= m_.scale;
    }

    int64_t slot_number(int64_t layer, int64_t r, int64_t position) const {
        return (layer * cache_.blocks + rows_[r].table[position / SPAN]) * SPAN + position % SPAN;
    }
    template <class Element>
    Element* slot(void* storage, int64_t layer, int64_t r, int64_t position) const {
        return static_cast<Element*>(storage) + slot_number(layer, r, position) * m_.key_heads * m_.head_width;
    }
    int64_t scale_stride() const { return m_.key_heads * m_.head_width / CODES; }
    uint16_t* scale_slot(uint16_t* scales, int64_t layer, int64_t r, int64_t position) const {
        return scales + slot_number(layer, r, position) * scale_stride();
    }
    // Scales of the keys and values from one position on, of one key head and those that follow.
    Scales scales_at(int64_t layer, int64_t r, int64_t position, int64_t key_head) const {
        const int64_t skipped = key_head * m_.head_width / CODES;
        return {scale_slot(cache_.key_scales, layer, r, position) + skipped,
                scale_slot(cache_.value_scales, layer, r, position) + skipped, scale_stride()};
    }

    const float* query(int64_t r, int64_t head) const {
        return &qkv_[(r * (m_.heads + 2 * m_.key_heads) + head) * m_.head_width];
    }
    int64_t first_key(const Layer& layer, int64_t r) const {
        return layer.window ? std::max<int64_t>(0, rows_[r].position + 1 - layer.window) : 0;
    }

    // A prompt's rows: spans are packed once, then every thread takes every so many-th tile of queries.
    template <class Element>
    void attend_packed([[maybe_unused]] Thread& t, [[maybe_unused]] int64_t number) {
#ifdef __AVX512BF16__
        const Layer& layer = m_.layer[number];
        const int64_t first = first_key(layer, 0) / SPAN, spans = rows_[count_ - 1].position / SPAN + 1 - first;
        if (t.index == 0) spans_.resize(first, spans, m_.key_heads, m_.head_width);
        team_.barrier();
        const Part own = part_of(spans, 1, t.index, team_.size());
        std::vector<uint16_t> whole;
        for (int64_t span = first + own.first; span < first + own.last; ++span) {
            const auto* keys = slot<Element>(cache_.keys, number, 0, span * SPAN);
            const auto* values = slot<Element>(cache_.values, number, 0, span * SPAN);
            if constexpr (std::is_same_v<Element, int8_t>)
                spans_.pack(span, keys, values, scales_at(number, 0, span * SPAN, 0), whole);
            else if constexpr (std::is_same_v<Element, uint16_t>)
                spans_.pack(span, keys, values);
        }
        team_.barrier();
        // The heads of a group side by side as far as they fit, then rows: queries that see the same spans.
        const int64_t group = m_.heads / m_.key_heads, heads = std::min<int64_t>(group, BLOCK_ROWS);
        const int64_t high = BLOCK_ROWS / heads, parts = (group + heads - 1) / heads;
        const int64_t strips = (count_ + high - 1) / high;
        QueryTile tile(m_.head_width);
        for (int64_t task = t.index; task < strips * m_.key_heads * parts; task += team_.size()) {
            const int64_t row = task / (m_.key_heads * parts) * high, rest = task % (m_.key_heads * parts);
            const int64_t key_head = rest / parts, head = key_head * group + rest % parts * heads;
            attend_tile(t, layer, tile, row, std::min(row + high, count_), key_head, head,
                        std::min(head + heads, (key_head + 1) * group));
        }
        team_.barrier();
#endif
    }

#ifdef __AVX512BF16__
    void attend_tile(Thread& t, const Layer& layer, QueryTile& tile, int64_t row, int64_t last_row, int64_t key_head,
                     int64_t head, int64_t last_head) {
        tile.begin();
        for (int64_t r = row; r < last_row; ++r)
            for (int64_t h = head; h < last_head; ++h)
                tile.add(query(r, h), first_key(layer, r), rows_[r].position + 1);
        for (int64_t span = tile.first() / SPAN; span * SPAN < tile.last(); ++span)
            tile.attend(span, spans_.keys(span, key_head), spans_.values(span, key_head));
        int number = 0;
        for (int64_t r = row; r < last_row; ++r)
            for (int64_t h = head; h < last_head; ++h)
                t.seen.round(r, h * m_.head_width, (h + 1) * m_.head_width, tile.result(number++));
    }
    PackedSpans spans_;
#endif

    // Rows of any sequences: every thread takes its share of each row's spans, and the shares are merged.
    template <class Element>
    void attend_in_parts(Thread& t, int64_t number) {
        for (int64_t r = 0; r < count_; ++r) attend_part<Element>(t.index, m_.layer[number], number, r);
        team_.barrier();
        for (int64_t r = t.rows.first; r < t.rows.last; ++r) {
            merge(r, t.scratch.data());
            t.seen.round(r, 0, t.seen.inputs, t.scratch.data());
        }
        settle();
    }

    float* partial(int index, int64_t r, int64_t head) {
        return &partials_[((index * count_ + r) * m_.heads + head) * (m_.head_width + 2)];
    }

    template <class Element>
    void attend_part(int index, const Layer& layer, int64_t number, int64_t r) {
        const int64_t width = m_.head_width, stride = m_.key_heads * width;
        const int64_t first = first_key(layer, r), last = rows_[r].position + 1;
        const Part spans = part_of((last + SPAN - 1) / SPAN - first / SPAN, 1, index, team_.size());
        for (int64_t head = 0; head < m_.heads; ++head) {
            float* own = partial(index, r, head);
            std::fill(own, own + width, 0.0f);
            Seen seen{own};
            for (int64_t span = first / SPAN + spans.first; span < first / SPAN + spans.last; ++span) {
                const int64_t from = std::max(first, span * SPAN), to = std::min(last, (span + 1) * SPAN);
                const int64_t key_head = head * m_.key_heads / m_.heads;
                const auto* keys = slot<Element>(cache_.keys, number, r, from) + key_head * width;
                const auto* values = slot<Element>(cache_.values, number, r, from) + key_head * width;
                if constexpr (std::is_same_v<Element, int8_t>)
                    attend_codes(query(r, head), keys, values, scales_at(number, r, from, key_head), to - from,
                                 stride, width, seen);
                else
                    attend_span(query(r, head), keys, values, to - from, stride, width, seen);
            }
            own[width] = seen.highest, own[width + 1] = seen.total;
        }
    }

    // The threads' shares of one row put together: [H * D].
    void merge(int64_t r, float* out) {
        const int64_t width = m_.head_width;
        std::fill(out, out + m_.heads * width, 0.0f);
        for (int64_t head = 0; head < m_.heads; ++head) {
            float highest = -INFINITY, total = 0;
            for (int each = 0; each < team_.size(); ++each)
                highest = std::max(highest, partial(each, r, head)[width]);
            for (int each = 0; each < team_.size(); ++each) {
                const float* own = partial(each, r, head);
                total += own[width + 1] * std::exp(own[width] - highest);
            }
            for (int each = 0; each < team_.size(); ++each) {
                const float* own = partial(each, r, head);
                const float weight = std::exp(own[width] - highest) / total;
                if (weight > 0)
                    for (int64_t i = 0; i < width; ++i) out[head * width + i] += weight * own[i];
            }
        }
    }

    const Model& m_;
    const Cache& cache_;
    const Row* rows_;
    int64_t count_;
    bool shared_, packed_, stopped_ = false;
    int64_t reached_ = 0;
    Team& team_;
    Turns turns_;
    std::vector<float> x_, qkv_, wide_, partials_;
    Codes normed_, seen_, inner_;
};

}  // namespace footnote

using namespace footnote;

extern "C" {

// States [rows, C] before layer `first`, embedded tokens before the first one, to final ones in place; the rows' keys
// and values are written to the cache. Rows of a prompt are of one sequence. Returns the layer that comes next: the
// number of layers, or less when `stop`, unless null, was found not to be 0 in between; `states` are those before that
// layer then, for a call with the same rows. One layer is computed at least.
int64_t footnote_hidden(void* team, const Model* model, const Cache* cache, const Row* rows, int64_t count,
                        int64_t is_prompt, int64_t first, const int32_t* stop, float* states) {
    static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t) && std::atomic<int32_t>::is_always_lock_free);
    const auto* flag = reinterpret_cast<const std::atomic<int32_t>*>(stop);
    Team& threads = *static_cast<Team*>(team);
#ifdef __AVX512BF16__
    const bool packed = is_prompt && cache->element != FLOAT32 && model->head_width % 32 == 0;
#else
    const bool packed = false && is_prompt;
#endif
    Step step(*model, *cache, rows, count, packed, threads);
    threads.run([&](int index) {
        switch (cache->element) {
            case FLOAT32: return step.work<float>(index, first, flag, states);
            case BFLOAT16: return step.work<uint16_t>(index, first, flag, states);
            case INT8: return step.work<int8_t>(index, first, flag, states);
        }
    });
    return step.reached();
}
}
