#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace pt {

namespace {

int env_threads(const char* name) {
    const char* text = std::getenv(name);
    const int n = text != nullptr ? std::atoi(text) : 0;
    return n > 0 ? n : 0;
}

int initial_threads() {
    int n = env_threads("PYTENSOR_NUM_THREADS");
    if (n == 0) n = env_threads("OMP_NUM_THREADS");
    if (n == 0) n = max_hardware_threads();
    return n;
}

// GNU OpenMP's pool does not survive fork(): a child that opened a parallel region would wait for threads
// that do not exist. The child therefore runs single-threaded.
bool forked_child = false;
void after_fork_in_child() { forked_child = true; }

int requested_threads = [] {
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
    return initial_threads();
}();

}  // namespace

int max_hardware_threads() { return omp_get_num_procs(); }

int num_threads() { return forked_child || omp_in_parallel() ? 1 : requested_threads; }

void set_num_threads(int n) {
    if (n < 1) throw std::invalid_argument("set_num_threads expects a positive integer");
    requested_threads = n;
}

void team_barrier() {
#pragma omp barrier
}

namespace detail {

void parallel_for_erased(int64_t begin, int64_t end, int64_t chunks, RangeBody body, void* context) {
    const int64_t n = end - begin;
#pragma omp parallel num_threads(static_cast<int>(chunks))
    {
        // The runtime may give fewer threads than asked for: cut by what came.
        const int64_t threads = omp_get_num_threads();
        const int64_t thread = omp_get_thread_num();
        const int64_t from = begin + n * thread / threads;
        const int64_t to = begin + n * (thread + 1) / threads;
        if (from < to) body(context, from, to);
    }
}

void run_team_erased(int threads, TaskBody body, void* context) {
#pragma omp parallel num_threads(threads)
    body(context, omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace detail

}  // namespace pt
