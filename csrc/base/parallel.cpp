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
// come that way. docs/performance/threads.md has the measurements.
//
// One job runs at a time. Its state is one atomic word, the ticket: which parts are left, and how many
// workers may still join. The caller claims parts from the front, workers from the back, large ones first
// (guided self-scheduling): each thread goes through memory in one direction, a worker that comes late finds
// small parts or none, and who waits at the end waits for a small one.
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
#include <vector>

namespace pt {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
constexpr auto kShortSpin = microseconds(60);  // before a worker without work sleeps
constexpr auto kLongSpin = microseconds(300);  // ... where the job before came sooner than this
constexpr auto kLostCore = microseconds(100);  // a step of a spin that takes longer: another process ran
constexpr auto kPatience = microseconds(20);   // before who waits for others gives its core away
constexpr double kWakingWork = 70e3;           // ns of work that are worth waking a worker for
constexpr double kWakingHalves = 120e3;        // ... where the caller cannot take of a late worker's part
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

// A job and what is left of it: parts front ... back - 1, room for so many more workers.
struct Ticket {
    uint32_t generation = 0;
    int room = 0, back = 0, front = 0;

    bool is_empty() const { return front == back; }
    uint64_t packed() const {
        return uint64_t{generation} << 32 | static_cast<uint64_t>(room) << 24 |
               static_cast<uint64_t>(back) << 12 | static_cast<uint64_t>(front);
    }
    static Ticket of(uint64_t word) {
        return {static_cast<uint32_t>(word >> 32), static_cast<int>(word >> 24 & 0xff),
                static_cast<int>(word >> 12 & 0xfff), static_cast<int>(word & 0xfff)};
    }
};
static_assert(detail::kMostParts <= 0xfff && kMaxThreads <= 0x100);

class Pool {
  public:
    // Runs part(first, last) over disjoint parts of 0 ... job.parts, on this thread and on workers that come.
    // False when the caller had better do the work alone: another thread has the pool, or the workers sleep
    // and the work does not pay for waking them.
    template <class Part>
    bool run(const detail::Job& job, const Part& part) {
        std::unique_lock lock(busy_, std::try_to_lock);
        const int parts = static_cast<int>(job.parts);
        const int helpers = std::min(job.threads, parts) - 1;
        if (!lock.owns_lock() || !worth_waking(job, helpers)) return false;
        open(parts, helpers, &invoke<Part>, const_cast<void*>(static_cast<const void*>(&part)));
        inside_region = true;
        work(true);
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
        const auto member = [&](int index, int) noexcept {
            wait_until([&] { return members_.load(std::memory_order_acquire) != 0; });
            body(index, members_.load(std::memory_order_relaxed));
        };
        // Workers claim from the back: member k is part threads - 1 - k, and this thread the last.
        const auto part = [&](int first, int last) noexcept { member(threads - 1 - first, last); };
        open(threads - 1, threads - 1, &invoke<decltype(part)>,
             const_cast<void*>(static_cast<const void*>(&part)));
        const auto start = Clock::now();
        while (!Ticket::of(ticket_.load(std::memory_order_acquire)).is_empty() &&
               Clock::now() - start < window)
            pause();
        const int joined = threads - 1 - close();
        members_.store(joined + 1, std::memory_order_release);
        inside_region = true;
        member(0, 1);
        inside_region = false;
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
    struct Worker {
        pthread_t thread{};
        cpu_set_t allowed{};       // the cores it was given at its start
        std::atomic<int> cpu{-1};  // where it woke last; when set, the others are too
    };

    // Whether a job with room for `helpers` workers should be opened. Where workers would have to be woken
    // for little, only when such jobs have followed each other so closely, for so long, that they stay awake
    // from then on.
    bool worth_waking(const detail::Job& job, int helpers) {
        const auto now = Clock::now();
        const bool frequent = now - asked_at_ < kLongSpin;
        asked_at_ = now;
        frequent_.store(frequent, std::memory_order_relaxed);
        if (job.ns >= (job.parts > job.threads ? kWakingWork : kWakingHalves) || !must_wake(helpers))
            return true;
        declined_ = job.ns + (frequent ? declined_ : 0);
        if (declined_ < 4 * kWakingWork) return false;
        declined_ = 0;
        return true;
    }

    bool must_wake(int helpers) const {
        const int workers = static_cast<int>(workers_.size());
        return std::max(workers, helpers) - sleepers_.load(std::memory_order_seq_cst) < helpers;
    }

    using Invoke = void (*)(void* context, int first, int last);

    template <class Part>
    static void invoke(void* context, int first, int last) {
        (*static_cast<const Part*>(context))(first, last);
    }

    // Publishes a job of `parts` parts that `helpers` workers may join.
    void open(int parts, int helpers, Invoke invoke, void* context) {
        while (static_cast<int>(workers_.size()) < helpers) start_worker();
        invoke_ = invoke;
        context_ = context;
        share_ = 2 * (helpers + 1);
        done_.store(0, std::memory_order_relaxed);
        ++generation_;
        leave_this_core();
        ticket_.store(Ticket{generation_, helpers, parts, 0}.packed(), std::memory_order_seq_cst);
        if (must_wake(helpers)) ticket_.notify_all();
    }

    // Ends the claiming of parts; how many are left.
    int close() {
        uint64_t word = ticket_.load(std::memory_order_acquire);
        while (!ticket_.compare_exchange_weak(word, Ticket{generation_, 0, 0, 0}.packed(),
                                              std::memory_order_acq_rel)) {
        }
        const Ticket ticket = Ticket::of(word);
        return ticket.back - ticket.front;
    }

    // Workers that ran on this core last are sent to the others. Linux often wakes a thread where the waking
    // one runs, although other cores are idle, and leaves it there: the two then take turns on one core.
    void leave_this_core() {
        const int here = sched_getcpu();
        if (here < 0) return;
        for (const auto& worker : workers_) {
            if (worker->cpu.load(std::memory_order_acquire) != here) continue;
            cpu_set_t others = worker->allowed;
            CPU_CLR(here, &others);
            if (CPU_COUNT(&others) > 0) pthread_setaffinity_np(worker->thread, sizeof others, &others);
            worker->cpu.store(-1, std::memory_order_relaxed);
        }
    }

    // Claims and does parts of the present job until there are none.
    void work(bool is_caller) {
        uint32_t joined = 0;  // the job that this worker has a place in
        uint64_t word = ticket_.load(std::memory_order_acquire);
        for (;;) {
            Ticket ticket = Ticket::of(word);
            const bool joins = !is_caller && ticket.generation != joined;
            if (ticket.is_empty() || (joins && ticket.room == 0)) return;
            // Should share_ be that of a later job, then the exchange fails.
            const int count =
                std::max(1, (ticket.back - ticket.front) / share_.load(std::memory_order_relaxed));
            const int first = is_caller ? ticket.front : ticket.back - count;
            if (is_caller) ticket.front += count;
            if (!is_caller) ticket.back -= count;
            if (joins) --ticket.room;
            if (!ticket_.compare_exchange_weak(word, ticket.packed(), std::memory_order_acq_rel,
                                               std::memory_order_acquire))
                continue;
            joined = ticket.generation;
            // The job cannot end before these parts are done: its fields are those of this ticket.
            try {
                invoke_(context_, first, first + count);
            } catch (...) {
                if (!failed_.exchange(true, std::memory_order_relaxed)) failure_ = std::current_exception();
            }
            done_.fetch_add(count, std::memory_order_acq_rel);
            word = ticket_.load(std::memory_order_acquire);
        }
    }

    void start_worker() {
        workers_.push_back(std::make_unique<Worker>());
        // Signals go to Python's own threads.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        std::thread([this, me = workers_.back().get()] { live(*me); }).detach();
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    // What a worker does.
    void live(Worker& me) {
        inside_region = true;
        me.thread = pthread_self();
        CPU_ZERO(&me.allowed);
        pthread_getaffinity_np(me.thread, sizeof me.allowed, &me.allowed);
        for (;;) {
            if (!spin_while_idle()) sleep();
            me.cpu.store(sched_getcpu(), std::memory_order_release);
            work(false);
        }
    }

    static bool has_room(uint64_t word) {
        const Ticket ticket = Ticket::of(word);
        return !ticket.is_empty() && ticket.room > 0;
    }

    // Waits for a job to join. False: none came, or another process wants this core.
    bool spin_while_idle() {
        const auto since = Clock::now();
        const auto limit = frequent_.load(std::memory_order_relaxed) ? kLongSpin : kShortSpin;
        for (auto last = since;;) {
            if (has_room(ticket_.load(std::memory_order_acquire))) return true;
            const auto now = Clock::now();
            if (now - since > limit || now - last > kLostCore) return false;
            last = now;
            if (now - since > kPatience) sched_yield();
            for (int i = 0; i < 8; ++i) pause();
        }
    }

    void sleep() {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        const uint64_t word = ticket_.load(std::memory_order_seq_cst);
        if (!has_room(word)) ticket_.wait(word, std::memory_order_seq_cst);
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    }

    std::mutex busy_;
    std::vector<std::unique_ptr<Worker>> workers_;
    double declined_ = 0;  // ns of work done alone lately, because workers slept
    Clock::time_point asked_at_{};
    uint32_t generation_ = 0;
    Invoke invoke_ = nullptr;
    void* context_ = nullptr;
    std::exception_ptr failure_;  // the first of a job
    std::atomic<bool> failed_{false};
    std::atomic<bool> frequent_{false};  // the last two jobs came in quick succession
    std::atomic<int> share_{2};          // a claim is this fraction of what is left
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

void parallel_for_erased(const Job& job, RangeBody body, void* context) {
    const int64_t units = (job.end - job.begin + job.unit - 1) / job.unit;
    const auto cut = [&](int64_t part) {
        return part == job.parts ? job.end : job.begin + units * part / job.parts * job.unit;
    };
    const auto range = [&](int first, int last) { body(context, cut(first), cut(last)); };
    if (!pool().run(job, range)) {
        const int64_t each = (job.parts + job.threads - 1) / job.threads;
        for (int64_t i = 0; i < job.parts; i += each)
            body(context, cut(i), cut(std::min(i + each, job.parts)));
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
