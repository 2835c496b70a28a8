// parallel_for over an index range. Ranges below the grain stay on the caller: waking a second thread costs
// some microseconds. An exception of a part reaches the caller when all parts have ended.
#pragma once

#include <cstdint>

namespace pt {

int num_threads();            // what the next parallel_for may use (1 in a forked child and inside a body)
void set_num_threads(int n);  // n >= 1
int max_hardware_threads();

namespace detail {
using RangeBody = void (*)(void* context, int64_t begin, int64_t end);
void parallel_for_erased(int64_t begin, int64_t end, int64_t chunks, int64_t grains, RangeBody body,
                         void* context);
using TaskBody = void (*)(void* context, int thread, int threads);
void run_team_erased(int threads, int64_t expected_us, TaskBody body, void* context);
}  // namespace detail

// body(begin, end) over disjoint parts of [begin, end), each of at least `grain` indices; at most one part
// per thread. The partition depends on num_threads(): bodies whose result depends on where the parts are cut
// must say so. How many grains there are tells how much work it is, and so whether sleeping threads are worth
// waking; a grain of 1 says nothing, and wakes them.
template <class Body>
inline void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
    const int64_t n = end - begin;
    if (n <= 0) return;
    int64_t chunks = grain > 0 ? n / grain : n;
    const int64_t grains = grain > 1 ? chunks : INT64_MAX;
    if (chunks > 1) {
        const int threads = num_threads();
        if (chunks > threads) chunks = threads;
    }
    if (chunks <= 1) {
        body(begin, end);
        return;
    }
    detail::parallel_for_erased(
        begin, end, chunks, grains,
        [](void* context, int64_t b, int64_t e) { (*static_cast<const Body*>(context))(b, e); },
        const_cast<void*>(static_cast<const void*>(&body)));
}

// body(thread, threads) once on each of `threads` threads at the same time (1: on the caller). For kernels
// that must meet while they run (team_barrier). The team is smaller when threads do not come within a
// fraction of `expected_us`, what one thread alone would take. The body must not throw: the others would wait
// for ever.
template <class Body>
inline void run_team(int threads, int64_t expected_us, const Body& body) {
    if (threads <= 1) {
        body(0, 1);
        return;
    }
    detail::run_team_erased(
        threads, expected_us,
        [](void* context, int thread, int count) { (*static_cast<const Body*>(context))(thread, count); },
        const_cast<void*>(static_cast<const void*>(&body)));
}

// Waits until all threads of the running team have come here. A no-op outside a team.
void team_barrier();

}  // namespace pt
