// parallel_for over an index range. Work that is not worth a second thread stays on the caller:
// docs/performance/threads.md has the measurements. An exception of a part reaches the caller when all parts
// have ended.
#pragma once

#include <cstdint>

namespace pt {

int num_threads();            // what the next parallel_for may use (1 in a forked child and inside a body)
void set_num_threads(int n);  // n >= 1
int max_hardware_threads();

// What one index of a loop costs on one thread, in ns: about bytes read and written / 100, flops / 100. Too
// high by half is worse than too low by half. Parts begin at multiples of `unit` after the first index: for
// whole vectors, and for bodies that prepare something first.
struct Work {
    double ns;
    int64_t unit = 1;
};

constexpr double kLeastWork = 2000;  // ns: less is never shared

namespace detail {
constexpr double kPartNs = 1000;   // of a part that threads claim: a claim costs up to 100 ns
constexpr double kGrainNs = 4000;  // what a grain is taken for
constexpr int64_t kPartsPerThread = 16;
constexpr int64_t kMostParts = 4095;

// body over [begin, end) in `parts` parts on `threads` threads; `ns`: what all of it takes on one.
struct Job {
    int64_t begin, end, unit;
    int64_t parts;
    int threads;
    double ns;
};
using RangeBody = void (*)(void* context, int64_t begin, int64_t end);
void parallel_for_erased(const Job& job, RangeBody body, void* context);
using TaskBody = void (*)(void* context, int thread, int threads);
void run_team_erased(int threads, int64_t expected_us, TaskBody body, void* context);

template <class Body>
inline void run_loop(const Job& job, const Body& body) {
    parallel_for_erased(
        job, [](void* context, int64_t b, int64_t e) { (*static_cast<const Body*>(context))(b, e); },
        const_cast<void*>(static_cast<const void*>(&body)));
}
}  // namespace detail

// body(begin, end) over disjoint parts of [begin, end), each once, several per thread: a thread takes the
// next part when it is done with one, so one that comes late or loses its core costs little. How the range is
// cut depends on num_threads() and on chance: for bodies whose result does not depend on it.
template <class Body>
inline void parallel_for(int64_t begin, int64_t end, Work work, const Body& body) {
    const int64_t n = end - begin;
    if (n <= 0) return;
    const double ns = work.ns * static_cast<double>(n);
    if (ns < kLeastWork || n <= work.unit) return body(begin, end);
    const int threads = num_threads();
    if (threads == 1) return body(begin, end);
    int64_t parts = work.unit > 1 ? (n + work.unit - 1) / work.unit : n;
    if (parts > detail::kPartsPerThread * threads) parts = detail::kPartsPerThread * threads;
    if (parts > detail::kMostParts) parts = detail::kMostParts;
    if (static_cast<double>(parts) * detail::kPartNs > ns) parts = static_cast<int64_t>(ns / detail::kPartNs);
    detail::run_loop({begin, end, work.unit, parts, threads, ns}, body);
}

// The same with parts of at least `grain` indices, at most one part per thread: how the range is cut depends
// on num_threads() alone, and bodies whose result depends on it must say so. A grain is taken for 4 us of
// work; a grain of 1 says nothing, and wakes sleeping threads. Where the cost is known, say so: Work.
template <class Body>
inline void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
    const int64_t n = end - begin;
    if (n <= 0) return;
    int64_t parts = grain > 0 ? n / grain : n;
    const double ns = grain > 1 ? static_cast<double>(parts) * detail::kGrainNs : 1e18;
    const int threads = parts > 1 ? num_threads() : 1;
    if (parts > threads) parts = threads;
    if (parts <= 1) return body(begin, end);
    detail::run_loop({begin, end, 1, parts, threads, ns}, body);
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
