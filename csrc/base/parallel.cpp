// The threads behind parallel_for and run_team: a small pool of our own.
//
// Why not OpenMP: a region there waits for every thread of the team, and its threads spin for milliseconds.
// On a machine with other work, a thread that has lost its core then holds all others up: training with two
// threads on two busy cores took ten times as long as with one. Here a part that no worker has begun is done
// by the caller, a worker sleeps after a short spin, and who waits long gives its core away.
//
// To wake a sleeping worker takes the caller some 10 us (the system call) and the worker 30 to 40 us; one
// that still spins begins after half a microsecond. So workers spin on where jobs have come in quick
// succession and nobody else wants the core, and jobs too small to pay for a wake-up wake nobody unless they
// come that way.
//
// One job runs at a time. Its state is one atomic word, (generation, parts, next part); a part is claimed by
// advancing it, so a worker that wakes late finds either a part of the present job or nothing.
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace pt {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
constexpr auto kShortSpin = microseconds(60);  // before a worker without work sleeps
constexpr auto kLongSpin = microseconds(300);  // ... where the job before came sooner than this
constexpr auto kLostCore = microseconds(100);  // a step of a spin that takes longer: another process ran
constexpr auto kPatience = microseconds(20);   // before who waits for others gives its core away
constexpr int64_t kWakingWork = 12;            // grains that are worth waking a worker for
constexpr int kMaxThreads = 256;

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Until ready(): spins, then yields.
template <class Ready>
void wait_until(const Ready& ready) {
    for (int i = 0; i < 64; ++i) {
        if (ready()) return;
        pause();
    }
    const auto start = Clock::now();
    while (!ready()) {
        if (Clock::now() - start < kPatience) {
            for (int i = 0; i < 16; ++i) pause();
        } else {
            sched_yield();
        }
    }
}

thread_local bool inside_region = false;

// (generation: 32 bits, parts: 16, next: 16)
constexpr uint64_t pack(uint64_t generation, uint64_t parts, uint64_t next) {
    return generation << 32 | parts << 16 | next;
}
constexpr uint64_t parts_of(uint64_t ticket) { return ticket >> 16 & 0xffff; }
constexpr uint64_t next_of(uint64_t ticket) { return ticket & 0xffff; }

class Pool {
  public:
    // Runs part(0) ... part(parts - 1), each once, on this thread and on workers that come. False when the
    // caller had better do the work alone: another thread has the pool, or the workers sleep and the work,
    // in grains, does not pay for waking them.
    template <class Part>
    bool run(int parts, int64_t grains, const Part& part) {
        std::unique_lock lock(busy_, std::try_to_lock);
        if (!lock.owns_lock() || !worth_waking(parts, grains)) return false;
        open(parts, 0, &invoke<Part>, const_cast<void*>(static_cast<const void*>(&part)));
        inside_region = true;
        work();
        inside_region = false;
        wait_until([&] { return done_.load(std::memory_order_acquire) == parts; });
        if (failed_.load(std::memory_order_relaxed)) {
            failed_.store(false, std::memory_order_relaxed);
            std::rethrow_exception(std::exchange(failure_, nullptr));
        }
        return true;
    }

    // body(member, members) on this thread (member 0) and on as many of `threads` - 1 workers as come within
    // `window`.
    template <class Body>
    bool run_team(int threads, microseconds window, const Body& body) {
        std::unique_lock lock(busy_, std::try_to_lock);
        if (!lock.owns_lock()) return false;
        members_.store(0, std::memory_order_relaxed);
        arrived_.store(0, std::memory_order_relaxed);
        const auto member = [&](int64_t index) noexcept {
            wait_until([&] { return members_.load(std::memory_order_acquire) != 0; });
            body(static_cast<int>(index), members_.load(std::memory_order_relaxed));
        };
        open(threads, 1, &invoke<decltype(member)>, const_cast<void*>(static_cast<const void*>(&member)));
        const auto start = Clock::now();
        while (next_of(ticket_.load(std::memory_order_acquire)) < static_cast<uint64_t>(threads) &&
               Clock::now() - start < window)
            pause();
        const int joined = close();
        members_.store(joined, std::memory_order_release);
        inside_region = true;
        member(0);
        inside_region = false;
        done_.fetch_add(1, std::memory_order_acq_rel);
        wait_until([&] { return done_.load(std::memory_order_acquire) == joined; });
        return true;
    }

    void barrier() {
        const int members = members_.load(std::memory_order_relaxed);
        const int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
        } else {
            wait_until([&] { return round_.load(std::memory_order_acquire) != round; });
        }
    }

  private:
    // Whether a job of `parts` parts should be opened. Where workers would have to be woken for little, only
    // when such jobs have followed each other so closely, for so long, that they stay awake from then on.
    bool worth_waking(int parts, int64_t grains) {
        if (grains >= kWakingWork || !must_wake(parts)) return true;
        const auto now = Clock::now();
        if (now - declined_at_ > kLongSpin) declined_ = 0;
        declined_at_ = now;
        declined_ += grains;
        if (declined_ < 4 * kWakingWork) return false;
        declined_ = 0;
        return true;
    }

    bool must_wake(int parts) const {
        return std::max(workers_, parts - 1) - sleepers_.load(std::memory_order_seq_cst) < parts - 1;
    }

    using Invoke = void (*)(void* context, int64_t index);

    template <class Part>
    static void invoke(void* context, int64_t index) {
        (*static_cast<const Part*>(context))(index);
    }

    // Publishes a job of `parts` parts, the first `taken` of which are the caller's already.
    void open(int parts, int taken, Invoke invoke, void* context) {
        while (workers_ < parts - 1 && workers_ < kMaxThreads - 1) start_worker();
        invoke_ = invoke;
        context_ = context;
        done_.store(0, std::memory_order_relaxed);
        ++generation_;
        ticket_.store(pack(generation_, static_cast<uint64_t>(parts), static_cast<uint64_t>(taken)),
                      std::memory_order_seq_cst);
        if (must_wake(parts)) ticket_.notify_all();
    }

    // Ends the claiming of parts; how many were claimed.
    int close() {
        uint64_t ticket = ticket_.load(std::memory_order_acquire);
        while (!ticket_.compare_exchange_weak(ticket, pack(generation_, next_of(ticket), next_of(ticket)),
                                              std::memory_order_acq_rel)) {
        }
        return static_cast<int>(next_of(ticket));
    }

    // Claims and does parts of the present job until there are none.
    void work() {
        uint64_t ticket = ticket_.load(std::memory_order_acquire);
        while (next_of(ticket) < parts_of(ticket)) {
            if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                               std::memory_order_acquire))
                continue;
            // The job cannot end before this part is done: its fields are those of this ticket.
            try {
                invoke_(context_, static_cast<int64_t>(next_of(ticket)));
            } catch (...) {
                if (!failed_.exchange(true, std::memory_order_relaxed)) failure_ = std::current_exception();
            }
            done_.fetch_add(1, std::memory_order_acq_rel);
            ticket = ticket_.load(std::memory_order_acquire);
        }
    }

    void start_worker() {
        // Signals go to Python's own threads.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        std::thread([this] { worker(); }).detach();
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        ++workers_;
    }

    void worker() {
        inside_region = true;
        microseconds spin = kShortSpin;
        for (;;) {
            const auto idle_since = Clock::now();
            const uint64_t ticket = ticket_.load(std::memory_order_acquire);
            if (next_of(ticket) == parts_of(ticket) && !spin_while(ticket, idle_since, spin)) {
                sleepers_.fetch_add(1, std::memory_order_seq_cst);
                ticket_.wait(ticket, std::memory_order_seq_cst);
                sleepers_.fetch_sub(1, std::memory_order_seq_cst);
            }
            spin = Clock::now() - idle_since < kLongSpin ? kLongSpin : kShortSpin;
            work();
        }
    }

    // Waits for another ticket. False: it did not come, or another process wants this core.
    bool spin_while(uint64_t ticket, Clock::time_point since, microseconds limit) {
        for (auto last = since;;) {
            if (ticket_.load(std::memory_order_acquire) != ticket) return true;
            const auto now = Clock::now();
            if (now - since > limit || now - last > kLostCore) return false;
            last = now;
            if (now - since > kPatience) sched_yield();
            for (int i = 0; i < 8; ++i) pause();
        }
    }

    std::mutex busy_;
    int workers_ = 0;
    int64_t declined_ = 0;  // grains of work done alone lately, because workers slept
    Clock::time_point declined_at_{};
    uint64_t generation_ = 0;
    Invoke invoke_ = nullptr;
    void* context_ = nullptr;
    std::exception_ptr failure_;  // the first of a job
    std::atomic<bool> failed_{false};
    alignas(64) std::atomic<uint64_t> ticket_{0};
    alignas(64) std::atomic<int> done_{0};
    alignas(64) std::atomic<int> sleepers_{0};
    alignas(64) std::atomic<int> members_{0};
    std::atomic<int> arrived_{0};
    std::atomic<int> round_{0};
};

// Never destroyed: its workers run until the process ends.
Pool& pool() {
    static Pool* instance = std::make_unique<Pool>().release();
    return *instance;
}

int env_threads(const char* name) {
    const char* text = std::getenv(name);
    const int n = text != nullptr ? std::atoi(text) : 0;
    return n > 0 ? std::min(n, kMaxThreads) : 0;
}

// The workers do not exist in a forked child: it runs single-threaded and never touches the pool.
bool forked_child = false;
void after_fork_in_child() { forked_child = true; }

std::atomic<int> requested_threads = [] {
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
    int n = env_threads("PYTENSOR_NUM_THREADS");
    if (n == 0) n = env_threads("OMP_NUM_THREADS");
    return n > 0 ? n : max_hardware_threads();
}();

}  // namespace

int max_hardware_threads() {
    cpu_set_t set;
    CPU_ZERO(&set);
    const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return std::clamp(n, 1, kMaxThreads);
}

int num_threads() {
    return forked_child || inside_region ? 1 : requested_threads.load(std::memory_order_relaxed);
}

void set_num_threads(int n) {
    if (n < 1) throw std::invalid_argument("set_num_threads expects a positive integer");
    requested_threads = std::min(n, kMaxThreads);
}

void team_barrier() { pool().barrier(); }

namespace detail {

void parallel_for_erased(int64_t begin, int64_t end, int64_t chunks, int64_t grains, RangeBody body,
                         void* context) {
    const int64_t n = end - begin;
    const auto part = [&](int64_t i) { body(context, begin + n * i / chunks, begin + n * (i + 1) / chunks); };
    if (!pool().run(static_cast<int>(chunks), grains, part)) {
        for (int64_t i = 0; i < chunks; ++i) part(i);
    }
}

void run_team_erased(int threads, int64_t expected_us, TaskBody body, void* context) {
    const auto member = [&](int index, int members) { body(context, index, members); };
    const microseconds window(std::clamp<int64_t>(expected_us / 4, 10, 200));
    if (forked_child || inside_region || !pool().run_team(std::min(threads, kMaxThreads), window, member))
        member(0, 1);
}

}  // namespace detail

}  // namespace pt
