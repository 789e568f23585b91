// The processor's matrix unit (AMX), where it has one: sixteen rows times sixteen outputs in one instruction.
//
// Integer products are exact whichever unit computes them, and everything behind them is the same arithmetic in
// the same order, so results do not depend on whether tiles are used.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <cstdint>

namespace footnote {

// Whether products use tiles: the operating system has to be asked first (`footnote_tiles`).
inline std::atomic<bool> tiles_in_use{false};

#ifdef __AMX_INT8__

// To be called before tiles are loaded: the compiler's intrinsics do not tell it that they read memory, so it might
// write what they read afterwards.
inline void write_out() { asm volatile("" ::: "memory"); }

// Sets the tile registers up for the thread that makes it, and puts back what another library had set: oneDNN does not
// look again, and a tile instruction without a shape is an illegal one.
class TileRegisters {
   public:
    TileRegisters() : used_(tiles_in_use.load(std::memory_order_relaxed)) {
        if (!used_) return;
        struct alignas(64) {
            uint8_t palette = 1, start = 0, reserved[14] = {};
            uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};  // of a row
            uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
        } const shapes;
        _tile_storeconfig(before_);
        write_out();
        _tile_loadconfig(&shapes);
    }
    ~TileRegisters() {
        write_out();
        if (used_) _tile_loadconfig(before_);  // all zeros, when nothing was set: gives the registers back
    }
    TileRegisters(const TileRegisters&) = delete;

   private:
    bool used_;
    alignas(64) uint8_t before_[64];
};

// dots [16, 16]: sixteen rows of 64 signed codes times 64 codes of sixteen outputs, quad by quad.
inline void multiply_tile(const void* rows, const void* quads, int32_t* dots) {
    write_out();
    _tile_zero(0);
    _tile_loadd(1, rows, 64);
    _tile_loadd(2, quads, 64);
    _tile_dpbssd(0, 1, 2);
    _tile_stored(0, dots, 64);
}

// scores [16, 64], or their first 32 columns, rows `stride` apart, of queries [16, width / 2] and keys [width / 2, 64]:
// pairs of columns.
inline void score_in_tiles(const uint32_t* queries, const uint32_t* keys, int64_t width, bool whole, float* scores,
                           int64_t stride) {
    write_out();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t pair = 0; pair < width / 2; pair += 16, keys += 16 * 64) {
        _tile_loadd(4, queries + pair, width * 2);
        _tile_loadd(5, keys, 256);
        _tile_dpbf16ps(0, 4, 5);
        _tile_loadd(6, keys + 16, 256);
        _tile_dpbf16ps(1, 4, 6);
        if (!whole) continue;
        _tile_loadd(7, keys + 32, 256);
        _tile_dpbf16ps(2, 4, 7);
        _tile_loadd(5, keys + 48, 256);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_stored(0, scores, stride * 4);
    _tile_stored(1, scores + 16, stride * 4);
    if (!whole) return;
    _tile_stored(2, scores + 32, stride * 4);
    _tile_stored(3, scores + 48, stride * 4);
}

// out [32, 32], rows `out_stride` apart: `begin`, rows `begin_stride` apart, and the products of rows [32, inputs / 2],
// `stride` apart, with columns [inputs / 2, 32]; both are pairs of bfloat16. Each load serves two products.
inline void multiply_square(const uint32_t* rows, int64_t stride, const uint32_t* columns, int64_t inputs,
                            const float* begin, int64_t begin_stride, float* out, int64_t out_stride) {
    write_out();
    _tile_loadd(0, begin, begin_stride * 4);
    _tile_loadd(1, begin + 16, begin_stride * 4);
    _tile_loadd(2, begin + 16 * begin_stride, begin_stride * 4);
    _tile_loadd(3, begin + 16 * begin_stride + 16, begin_stride * 4);
    for (int64_t pair = 0; pair < inputs / 2; pair += 16, columns += 16 * 32) {
        _tile_loadd(4, rows + pair, stride * 4);
        _tile_loadd(6, columns, 128);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, columns + 16, 128);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, rows + 16 * stride + pair, stride * 4);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, out_stride * 4);
    _tile_stored(1, out + 16, out_stride * 4);
    _tile_stored(2, out + 16 * out_stride, out_stride * 4);
    _tile_stored(3, out + 16 * out_stride + 16, out_stride * 4);
}

// Adds values [pairs, width], pairs of keys, to out [16, width] under weights [16, pairs], rows `stride` apart. Sums stay
// in the registers for all pairs.
inline void gather_in_tiles(const uint32_t* values, int64_t pairs, int64_t width, const int32_t* weights, int64_t stride,
                            float* out) {
    write_out();
    for (int64_t i = 0; i < width; i += 32) {
        _tile_loadd(0, out + i, width * 4);
        _tile_loadd(1, out + i + 16, width * 4);
        for (int64_t pair = 0; pair < pairs; pair += 16) {
            _tile_loadd(4, weights + pair, stride * 4);
            _tile_loadd(6, values + pair * width + i, width * 4);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, values + pair * width + i + 16, width * 4);
            _tile_dpbf16ps(1, 4, 7);
        }
        _tile_stored(0, out + i, width * 4);
        _tile_stored(1, out + i + 16, width * 4);
    }
}

#else

class TileRegisters {
   public:
    TileRegisters() {}
    ~TileRegisters() {}
    TileRegisters(const TileRegisters&) = delete;
};

#endif

}  // namespace footnote
