// The order in which large operands are gone through: every other call starts at the end.
//
// What a call touched last is still in the second-level cache when the next call comes, often with the same
// arrays: it starts there. (A loop that always goes upwards finds nothing left of arrays larger than the
// cache.)
#pragma once

#include <atomic>
#include <cstdint>

namespace pt::pointwise {

constexpr int64_t kSweepBlock = 16384;  // elements

// For one call: upwards or downwards. Asked once per call, before its threads start.
inline bool next_sweep_down() {
    static std::atomic<bool> down{false};
    const bool now = down.load(std::memory_order_relaxed);
    down.store(!now, std::memory_order_relaxed);
    return now;
}

// body(begin, end) over parts of [begin, end), the last part first when `down`.
template <class Body>
inline void sweep(bool down, int64_t begin, int64_t end, const Body& body) {
    if (!down) return body(begin, end);
    while (end > begin) {
        const int64_t start = end - begin > kSweepBlock ? end - kSweepBlock : begin;
        body(start, end);
        end = start;
    }
}

}  // namespace pt::pointwise
