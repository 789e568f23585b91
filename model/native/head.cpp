// The head: the largest matrix of a small model, of which only the best scores matter.
//
// First every score is estimated from 4-bit codes, with the spread of its error (codes err evenly within their step,
// so the variance is known). Panels in which some score may still be the highest are then computed in 8 bits. What
// is left out is certainly lower than `floor`, to SIGMAS standard deviations.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "numbers.h"
#include "products.h"
#include "team.h"

namespace footnote {

constexpr float SIGMAS = 6.0f;

struct Estimates {
    std::vector<float> upper;     // [rows, N / PANEL]: the highest upper bound of each panel
    std::vector<float> lowest;    // [threads, rows]: the highest lower bound that each thread has seen
};

// Sums of squared inputs of every group, as the scales lie.
std::vector<float> energies(const Codes& x, int64_t rows) {
    std::vector<float> sums(x.scales.size());
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t group = 0; group < x.inputs / GROUP; ++group) {
            const int64_t at = x.at(row, group);
            int8_t codes[GROUP];
            std::memcpy(codes, &x.groups[at], GROUP);
            int32_t sum = 0;
            for (const int32_t code : codes) sum += code * code;
            sums[at] = float(sum) * x.scales[at] * x.scales[at];
        }
    return sums;
}

// Scores of one panel from codes 0..15 around 8, two in a byte, and the variance of their errors.
template <int ROWS>
void estimate_panel(const Matrix& m, int64_t panel, const Codes& x, const std::vector<float>& energy, int64_t row,
                    float* scores, float* variances) {
    const int64_t groups = m.inputs / GROUP;
    const uint8_t* codes = m.codes + panel * PANEL * m.inputs / 2;
    const uint16_t* scales = m.scales + panel * PANEL * groups;
    const int64_t begin = x.at(row, 0);
    const int32_t* quads = x.quads(row);
    const float *steps = x.scales.data() + begin, *squares = energy.data() + begin;
    const int32_t* offsets = x.offsets.data() + begin;
    const __m512i low_nibbles = _mm512_set1_epi8(0x0f);
    __m512 sums[ROWS], spreads[ROWS];
    for (int r = 0; r < ROWS; ++r) sums[r] = spreads[r] = _mm512_setzero_ps();
    for (int64_t g = 0; g < groups; ++g, codes += PANEL * GROUP / 2, scales += PANEL) {
        __m512i dots[ROWS];
        for (int r = 0; r < ROWS; ++r) dots[r] = _mm512_set1_epi32(offsets[r] / 16);
        for (int pair = 0; pair < GROUP / 8; ++pair) {
            const __m512i both = _mm512_loadu_si512(codes + pair * 64);
            const __m512i low = _mm512_and_si512(both, low_nibbles);
            const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles);
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; ++r) {
                dots[r] = _mm512_dpbusd_epi32(dots[r], low, _mm512_set1_epi32(quads[r * QUADS + 2 * pair]));
                dots[r] = _mm512_dpbusd_epi32(dots[r], high, _mm512_set1_epi32(quads[r * QUADS + 2 * pair + 1]));
            }
        }
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales)));
        const __m512 squared = _mm512_mul_ps(scale, scale);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
            const __m512 step = _mm512_mul_ps(scale, _mm512_set1_ps(steps[r]));
            sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r]), step, sums[r]);
            spreads[r] = _mm512_fmadd_ps(squared, _mm512_set1_ps(squares[r]), spreads[r]);
        }
        quads += QUADS * BLOCK_ROWS, steps += BLOCK_ROWS, squares += BLOCK_ROWS, offsets += BLOCK_ROWS;
    }
    for (int r = 0; r < ROWS; ++r) {
        _mm512_storeu_ps(scores + r * m.outputs, sums[r]);
        _mm512_storeu_ps(variances + r * PANEL, _mm512_mul_ps(spreads[r], _mm512_set1_ps(1.0f / 12)));
    }
}

using EstimatePanel = void (*)(const Matrix&, int64_t, const Codes&, const std::vector<float>&, int64_t, float*, float*);
constexpr EstimatePanel ESTIMATES[TILE_ROWS] = {estimate_panel<1>, estimate_panel<2>, estimate_panel<3>,
                                                estimate_panel<4>, estimate_panel<5>, estimate_panel<6>,
                                                estimate_panel<7>, estimate_panel<8>};

// Estimated scores and their upper bounds for this thread's panels. One bound a panel is kept: one a score would be as
// much again to write and to read as the scores.
void estimate(int index, const Matrix& m, Part panels, const Codes& x, const std::vector<float>& energy, int64_t rows,
              float* scores, Estimates& found) {
    float variances[TILE_ROWS * PANEL];
    float* lowest = &found.lowest[index * rows];
    std::fill(lowest, lowest + rows, -INFINITY);
    const int64_t all_panels = m.outputs / PANEL;
    for (int64_t panel = panels.first; panel < panels.last; ++panel)
        for (int64_t row = 0; row < rows; row += TILE_ROWS) {
            const int64_t count = std::min<int64_t>(TILE_ROWS, rows - row);
            float* to = scores + row * m.outputs + panel * PANEL;
            ESTIMATES[count - 1](m, panel, x, energy, row, to, variances);
            for (int64_t r = 0; r < count; ++r) {
                const __m512 score = _mm512_loadu_ps(to + r * m.outputs);
                const __m512 spread =
                    _mm512_mul_ps(_mm512_sqrt_ps(_mm512_loadu_ps(variances + r * PANEL)), _mm512_set1_ps(SIGMAS));
                found.upper[(row + r) * all_panels + panel] = _mm512_reduce_max_ps(_mm512_add_ps(score, spread));
                lowest[row + r] = std::max(lowest[row + r], _mm512_reduce_max_ps(_mm512_sub_ps(score, spread)));
            }
        }
}

// Computes again, in 8 bits, this thread's panels in which some row may have its highest score.
void refine(const Matrix& m, Part panels, const Codes& x, int64_t rows, const float* floors, float* scores,
            const Estimates& found) {
    for (int64_t panel = panels.first; panel < panels.last; ++panel) {
        bool wanted = false;
        for (int64_t r = 0; r < rows && !wanted; ++r)
            wanted = found.upper[r * (m.outputs / PANEL) + panel] >= floors[r];
        if (wanted) product(m, x, rows, {panel, panel + 1}, scores);
    }
}

// The highest of some scores and the sum of exp(score - highest).
struct Summary {
    float highest = -INFINITY, sum = 0;
    int64_t best = 0;
};

Summary summary_of(const float* scores, Part outputs) {
    Summary found;
    __m512 highest = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int64_t i = outputs.first; i < outputs.last; i += PANEL)
        highest = _mm512_max_ps(highest, _mm512_loadu_ps(scores + i));
    found.highest = _mm512_reduce_max_ps(highest);
    const __m512 most = _mm512_set1_ps(found.highest);
    for (int64_t i = outputs.last - PANEL; i >= outputs.first; i -= PANEL) {  // the first of equals stays
        const __m512 each = _mm512_loadu_ps(scores + i);
        const __mmask16 equal = _mm512_cmp_ps_mask(each, most, _CMP_EQ_OQ);
        if (equal) found.best = i + __builtin_ctz(equal);
        sum = _mm512_add_ps(sum, exp16(_mm512_sub_ps(each, most)));
    }
    found.sum = _mm512_reduce_add_ps(sum);
    return found;
}

// Of the threads' shares of one row: its best output and the logarithm of the sum of all exp(score).
void merge(const std::vector<Summary>& shares, int64_t rows, int64_t row, int64_t* best, float* log_sum) {
    Summary all;
    for (size_t at = row; at < shares.size(); at += rows)
        if (shares[at].highest > all.highest) all.highest = shares[at].highest, all.best = shares[at].best;
    for (size_t at = row; at < shares.size(); at += rows)
        all.sum += shares[at].sum * std::exp(shares[at].highest - all.highest);
    *best = all.best, *log_sum = all.highest + std::log(all.sum);
}

}  // namespace footnote

using namespace footnote;

extern "C" {

void* footnote_team(int64_t threads) { return new Team(int(threads)); }

void footnote_end(void* team) { delete static_cast<Team*>(team); }

// x [rows, K] to scores [rows, N], all in 8 bits.
void footnote_scores(void* team, const Matrix* matrix, int64_t rows, const float* x, float* scores) {
    Team& threads = *static_cast<Team*>(team);
    const Codes codes(rows, matrix->inputs, x);
    threads.run([&](int index) {
        product(*matrix, codes, rows, part_of(matrix->outputs / PANEL, 1, index, threads.size()), scores);
    });
}

// x [rows, K] to scores [rows, N], of which those at `floors` [rows] and above are in 8 bits; none that is left
// at its estimate is higher than that. Also each row's best output, and the logarithm of its sum of exponentials.
void footnote_best_scores(void* team, const Matrix* fine, const Matrix* coarse, int64_t rows, const float* x,
                          float* scores, float* floors, int64_t* best, float* log_sums) {
    Team& threads = *static_cast<Team*>(team);
    const Codes codes(rows, fine->inputs, x);
    const std::vector<float> energy = energies(codes, rows);
    static thread_local Estimates found;  // kept from step to step
    Estimates& estimates = found;
    estimates.upper.resize(rows * (fine->outputs / PANEL));
    estimates.lowest.resize(threads.size() * rows);
    std::vector<Summary> shares(threads.size() * rows);
    threads.run([&](int index) {
        const Part panels = part_of(fine->outputs / PANEL, 1, index, threads.size());
        estimate(index, *coarse, panels, codes, energy, rows, scores, estimates);
        threads.barrier();
        if (index == 0)
            for (int64_t r = 0; r < rows; ++r) {
                floors[r] = -INFINITY;
                for (int each = 0; each < threads.size(); ++each)
                    floors[r] = std::max(floors[r], estimates.lowest[each * rows + r]);
            }
        threads.barrier();
        refine(*fine, panels, codes, rows, floors, scores, estimates);
        for (int64_t r = 0; r < rows; ++r)
            shares[index * rows + r] =
                summary_of(scores + r * fine->outputs, {panels.first * PANEL, panels.last * PANEL});
    });
    for (int64_t r = 0; r < rows; ++r) merge(shares, rows, r, best + r, log_sums + r);
}
}
