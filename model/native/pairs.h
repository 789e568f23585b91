// Products of rows with matrices in bfloat16, by the matrix unit: sums stay in its registers for many inputs.
//
// Layout of a matrix [N, K]: N / 32 strips of 32 outputs; in a strip, K / 2 pairs of inputs, each with its outputs side
// by side. With 8-bit codes the sums have to leave the registers for every group's scales, which takes twice as long.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "products.h"
#include "spans.h"
#include "tiles.h"

#ifdef __AMX_BF16__

namespace footnote {

constexpr int STRIP = 32;
constexpr int64_t CACHED_INPUTS = 384;  // of a block of rows, which stays in the first-level cache for all outputs

// Rows rounded to bfloat16.
struct Pairs {
    static constexpr int BLOCK = 32;
    int64_t inputs = 0;
    std::vector<__m512i> words;  // [rows up to a whole block, K / 32]

    void resize(int64_t rows, int64_t width) {
        inputs = width;
        words.resize(blocks_of(rows, BLOCK) * BLOCK * width / 32);
    }
    void round(int64_t row, int64_t first, int64_t last, const float* x) {  // x begins at `first`
        uint32_t* to = reinterpret_cast<uint32_t*>(words.data() + row * inputs / 32);
        for (int64_t i = first; i < last; i += 32) store_pairs(to + i / 2, x + (i - first));
    }
    const uint32_t* block(int64_t number) const {
        return reinterpret_cast<const uint32_t*>(words.data() + number * BLOCK * inputs / 32);
    }
};

// As `Panels` for 8-bit codes; always a whole block of rows, so `out` has room for it.
class Strips {
   public:
    void take(const Matrix& m, int64_t first, int64_t count) { m_ = &m, first_ = first * PANEL, count_ = count * PANEL; }

    void columns(const Pairs& x, int64_t block, int64_t, float* out, int64_t stride) const {
        for (int64_t input = 0; input < m_->inputs; input += CACHED_INPUTS) {
            const int64_t inputs = std::min(CACHED_INPUTS, m_->inputs - input);
            for (int64_t output = 0; output < count_; output += STRIP) {
                const float* bias = m_->bias + first_ + output;  // a row that is read thirty-two times
                multiply_square(x.block(block) + input / 2, x.inputs / 2, pairs(first_ + output, input), inputs,
                                input ? out + output : bias, input ? stride : 0, out + output, stride);
            }
        }
    }

   private:
    const uint32_t* pairs(int64_t output, int64_t input) const {
        return reinterpret_cast<const uint32_t*>(m_->codes) + (output * m_->inputs + input * STRIP) / 2;
    }
    const Matrix* m_ = nullptr;
    int64_t first_ = 0, count_ = 0;  // outputs
};

inline Strips columns_for(const Pairs&, int64_t) { return Strips(); }

// out [rows up to a whole block, N]: the given panels, whole strips of them.
inline void product(const Matrix& m, const Pairs& x, int64_t rows, Part panels, float* out) {
    Strips strips;
    strips.take(m, panels.first, panels.last - panels.first);
    for (int64_t block = 0; block < blocks_of(rows, Pairs::BLOCK); ++block)
        strips.columns(x, block, 0, out + block * Pairs::BLOCK * m.outputs + panels.first * PANEL, m.outputs);
}

}  // namespace footnote

#endif
