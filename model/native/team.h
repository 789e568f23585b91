// Threads that work on one step together and meet at barriers.
//
// Between steps they sleep. Within a step they spin: a barrier is reached some ninety times in a few milliseconds,
// and waking a sleeping thread takes longer than the work between two of them.
#pragma once

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "tiles.h"

namespace footnote {

class Team {
   public:
    explicit Team(int size) : size_(size) {
        for (int index = 1; index < size; ++index) workers_.emplace_back([this, index] { serve(index); });
    }
    ~Team() {
        stopping_ = true;
        wake();
        for (auto& worker : workers_) worker.join();
    }
    int size() const { return size_; }

    template <class Work>
    void run(const Work& work) {
        call_ = [](const void* what, int index) { (*static_cast<const Work*>(what))(index); };
        what_ = &work;
        if (size_ > 1) wake();
        take_part(0);
        barrier();
    }

    void barrier() {
        if (size_ == 1) return;
        const int phase = phase_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
            arrived_.store(0, std::memory_order_relaxed);
            phase_.fetch_add(1, std::memory_order_release);
            return;
        }
        for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins)
            spins < 4000 ? _mm_pause() : static_cast<void>(sched_yield());
    }

   private:
    void wake() {
        turn_.fetch_add(1, std::memory_order_release);
        turn_.notify_all();
    }
    void take_part(int index) {
        const TileRegisters registers;
        call_(what_, index);
    }
    void serve(int index) {
        for (int seen = 0;;) {
            turn_.wait(seen, std::memory_order_acquire);
            seen = turn_.load(std::memory_order_acquire);
            if (stopping_) return;
            take_part(index);
            barrier();
        }
    }
    int size_;
    std::vector<std::thread> workers_;
    std::atomic<int> turn_{0}, arrived_{0}, phase_{0};
    std::atomic<bool> stopping_{false};
    void (*call_)(const void*, int) = nullptr;
    const void* what_ = nullptr;
};

struct Part {
    int64_t first, last;
};

inline Part part_of(int64_t count, int64_t unit, int index, int size) {
    const int64_t units = (count + unit - 1) / unit;
    return {std::min(count, units * index / size * unit), std::min(count, units * (index + 1) / size * unit)};
}

}  // namespace footnote
