// Texts through the blocks of an encoder (BERT: norms behind the sums, GELU, everything sees everything) in one call.
//
// Products by the matrix unit in bfloat16, or as in the decoder's step: 8-bit codes of weights and of rows, each in
// groups of 64. Attention takes every
// text and head as a task: keys and values are packed as bfloat16 once, and tiles of sixteen queries read them.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <vector>

#include "attention.h"
#include "numbers.h"
#include "pairs.h"
#include "products.h"
#include "team.h"

namespace footnote {

constexpr int64_t BATCH_ROWS = 1024;  // of a thread: its rows stay in the second-level cache

constexpr int64_t ALONE_ROWS = 64;   // for these, waking another thread costs more than it does

struct EncoderLayer {
    Matrix qkv, attention_out, mlp_in, mlp_out;
    const float *attention_weight, *attention_bias, *mlp_weight, *mlp_bias;  // of the norms, [C]
};

struct EncoderModel {
    int64_t width, heads, mlp_width;
    int64_t in_pairs;  // matrices are strips of bfloat16, not codes
    float epsilon;
    const EncoderLayer* layer;
};

#ifdef __AVX512BF16__

template <class Rounded>  // rows as a product reads them
class Texts {
   public:
    Texts(const EncoderModel& model, Team& team) : m_(model), team_(team) {}

    void take(const int64_t* sizes, int64_t count) {
        rows_ = 0;
        starts_.clear();
        for (int64_t text = 0; text < count; ++text) {
            starts_.push_back(rows_);
            rows_ += sizes[text];
        }
        starts_.push_back(rows_);
        qkv_.resize(blocks_of(rows_, BLOCK) * BLOCK * 3 * m_.width);
        sums_.resize(blocks_of(rows_, BLOCK) * BLOCK * m_.width);
        outer_.resize(rows_, m_.width);
        seen_.resize(rows_, m_.width);
        inner_.resize(rows_, m_.mlp_width);
    }

    // x [rows, C] through layers first to last, in place.
    void work(int index, int64_t first, int64_t last, float* x) {
        const Part own = part_of(rows_, TILE_ROWS, index, team_.size());
        round(own, x, outer_);
        for (int64_t number = first; number < last; ++number) {
            const EncoderLayer& layer = m_.layer[number];
            multiply(index, layer.qkv, outer_, qkv_.data());
            attend(index);
            round(own, sums_.data(), seen_);
            multiply(index, layer.attention_out, seen_, sums_.data());
            add(own, x, layer.attention_weight, layer.attention_bias);
            round(own, x, outer_);
            open(index, layer.mlp_in);
            multiply(index, layer.mlp_out, inner_, sums_.data());
            add(own, x, layer.mlp_weight, layer.mlp_bias);
            round(own, x, outer_);
        }
    }

   private:
    static constexpr int BLOCK = Rounded::BLOCK;

    void round(Part rows, const float* x, Rounded& to) {
        for (int64_t r = rows.first; r < rows.last; ++r) to.round(r, 0, m_.width, x + r * m_.width);
        team_.barrier();
    }

    void multiply(int index, const Matrix& matrix, const Rounded& x, float* out) {
        product(matrix, x, rows_, part_of(matrix.outputs / PANEL, GROUP / PANEL, index, team_.size()), out);
        team_.barrier();
    }

    void add(Part rows, float* x, const float* weight, const float* bias) {
        for (int64_t r = rows.first; r < rows.last; ++r) {
            float* row = x + r * m_.width;
            for (int64_t i = 0; i < m_.width; ++i) row[i] += sums_[r * m_.width + i];
            layer_norm(row, weight, bias, m_.width, m_.epsilon);
        }
    }

    // Every thread takes every so many-th head of every text; queries carry their scale already. Into sums_ [rows, C].
    void attend(int index) {
        const int64_t width = m_.width / m_.heads, stride = 3 * m_.width;
        PackedSpans spans(width);
        TextTile tile(width);
        for (int64_t task = index; task < int64_t(starts_.size() - 1) * m_.heads; task += team_.size()) {
            const int64_t start = starts_[task / m_.heads], count = starts_[task / m_.heads + 1] - start;
            const int64_t column = task % m_.heads * width;
            const float* heads = &qkv_[start * stride + column];
            spans.pack_text(heads + m_.width, heads + 2 * m_.width, count, stride);
            for (int64_t row = 0; row < count; row += BLOCK_ROWS) {
                const int64_t last = std::min<int64_t>(row + BLOCK_ROWS, count);
                tile.load(heads + row * stride, last - row, stride);
                tile.attend(spans, count);
                for (int64_t r = row; r < last; ++r)
                    std::copy_n(tile.result(r - row), width, &sums_[(start + r) * m_.width + column]);
            }
        }
        team_.barrier();
    }

    // The MLP's inside: products and GELU, GROUP columns of a block of rows at a time.
    void open(int index, const Matrix& matrix) {
        const Part own = part_of(m_.mlp_width, GROUP, index, team_.size());
        alignas(64) float values[BLOCK * GROUP];
        auto panels = columns_for(outer_, rows_);
        for (int64_t at = own.first; at < own.last; at += GROUP) {
            panels.take(matrix, at / PANEL, GROUP / PANEL);
            for (int64_t block = 0; block < blocks_of(rows_, BLOCK); ++block) {
                const int64_t first = block * BLOCK, count = std::min<int64_t>(BLOCK, rows_ - first);
                panels.columns(outer_, block, count, values, GROUP);
                for (int64_t i = 0; i < count * GROUP; i += 16)
                    _mm512_store_ps(values + i, gelu16(_mm512_load_ps(values + i)));
                for (int64_t r = 0; r < count; ++r) inner_.round(first + r, at, at + GROUP, values + r * GROUP);
            }
        }
        team_.barrier();
    }

    const EncoderModel& m_;
    Team& team_;
    int64_t rows_ = 0;
    std::vector<int64_t> starts_;
    Floats qkv_, sums_;
    Rounded outer_, seen_, inner_;
};

// Some texts, one behind another, and where they begin.
struct Batch {
    int64_t first, count, start;
};

// Batches of up to BATCH_ROWS rows, or of one longer text.
inline std::vector<Batch> batches_of(const int64_t* sizes, int64_t count) {
    std::vector<Batch> batches;
    int64_t start = 0, rows = 0;
    for (int64_t text = 0; text < count; start += sizes[text++]) {
        if (batches.empty() || rows + sizes[text] > BATCH_ROWS) batches.push_back({text, 0, start}), rows = 0;
        batches.back().count += 1, rows += sizes[text];
    }
    return batches;
}

// Threads take batches each for itself, without waiting for each other, or share what is too little for that; a
// question is read by one.
template <class Rounded>
void encode(const EncoderModel& model, Part layers, const int64_t* sizes, int64_t count, Team& team, float* x) {
    const std::vector<Batch> batches = batches_of(sizes, count);
    const int64_t rows = std::accumulate(sizes, sizes + count, int64_t{0});
    if (rows <= ALONE_ROWS) {
        Team alone(1);
        Texts<Rounded> texts(model, alone);
        texts.take(sizes, count);
        return alone.run([&](int) { texts.work(0, layers.first, layers.last, x); });
    }
    if (int64_t(batches.size()) < team.size()) {
        Texts<Rounded> texts(model, team);
        texts.take(sizes, count);
        return team.run([&](int index) { texts.work(index, layers.first, layers.last, x); });
    }
    std::atomic<size_t> next{0};
    team.run([&](int) {
        Team alone(1);
        Texts<Rounded> texts(model, alone);
        for (size_t at = next++; at < batches.size(); at = next++) {
            texts.take(sizes + batches[at].first, batches[at].count);
            texts.work(0, layers.first, layers.last, x + batches[at].start * model.width);
        }
    });
}

#endif

}  // namespace footnote

using namespace footnote;

extern "C" {

// x [rows, C] of `count` texts, one behind another, through layers first to last, in place; false where the processor
// multiplies no bfloat16, or not by tiles though the matrices are strips.
bool footnote_encode([[maybe_unused]] void* team, [[maybe_unused]] const EncoderModel* model,
                     [[maybe_unused]] int64_t first, [[maybe_unused]] int64_t last, [[maybe_unused]] int64_t count,
                     [[maybe_unused]] const int64_t* sizes, [[maybe_unused]] float* x) {
#ifdef __AVX512BF16__
    Team& threads = *static_cast<Team*>(team);
    if (!model->in_pairs) return encode<Codes>(*model, {first, last}, sizes, count, threads, x), true;
#ifdef __AMX_BF16__
    if (tiles_in_use) return encode<Pairs>(*model, {first, last}, sizes, count, threads, x), true;
#endif
    return false;
#else
    return false;
#endif
}
}
