// What this machine can do at most: fused multiply-adds a second and copied bytes a second.
//
// g++ -O3 -march=native -pthread peak.cpp -o peak && ./peak 2        (threads)
//
// Prints JSON: {"float32": GFLOP/s, "float64": GFLOP/s, "copy": {bytes: GB/s, ...}}. `bytes` are the bytes read
// and written by one copy, of all threads together: small ones stay in the caches. All threads run at once, each on
// arrays of its own, and the best of several rounds counts.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// The shortest of `rounds` times of work(thread), run on all threads at once.
static double fastest(int threads, int rounds, const std::function<void(int)>& work) {
    double best = 1e30;
    for (int round = 0; round < rounds; ++round) {
        std::atomic<int> waiting{threads};
        std::vector<double> taken(static_cast<size_t>(threads));
        auto body = [&](int t) {
            waiting.fetch_sub(1);
            while (waiting.load() > 0) {
            }
            const auto start = Clock::now();
            work(t);
            taken[static_cast<size_t>(t)] = seconds_since(start);
        };
        std::vector<std::thread> others;
        for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
        body(0);
        for (auto& other : others) other.join();
        best = std::min(best, *std::max_element(taken.begin(), taken.end()));
    }
    return best;
}

// One multiply-add in each of several independent chains: enough of them keep every unit busy. Written without a loop,
// so that the sums stay in registers.
template <class Vec, size_t... k>
static void multiply_add(Vec* sums, Vec factor, Vec term, std::index_sequence<k...>) {
    ((sums[k] = sums[k] * factor + term), ...);
}

template <class T>
static double gflops(int threads) {
    typedef T Vec __attribute__((vector_size(kVectorBytes)));
    constexpr size_t kChains = 12, kLanes = kVectorBytes / sizeof(T);
    constexpr long kSteps = 2'000'000;
    std::vector<double> sinks(static_cast<size_t>(threads) * 16);
    const double time = fastest(threads, 7, [&](int thread) {
        Vec sums[kChains];  // of different values: equal chains would be computed once
        for (size_t k = 0; k < kChains; ++k) sums[k] = Vec{} + static_cast<T>(k);
        const Vec factor = Vec{} + static_cast<T>(0.999), term = Vec{} + static_cast<T>(1);
        for (long i = 0; i < kSteps; ++i)
            multiply_add(sums, factor, term, std::make_index_sequence<kChains>());
        for (const Vec& sum : sums) sinks[static_cast<size_t>(thread) * 16] += static_cast<double>(sum[0]);
    });
    return 2.0 * kSteps * kChains * kLanes * threads / time / 1e9;
}

// `bytes` read and written by all threads together.
static double copied_gbytes(int threads, size_t bytes) {
    const size_t each = bytes / 2 / static_cast<size_t>(threads) / 64 * 64;
    const size_t repeats = std::max<size_t>(1, (size_t{64} << 20) / bytes);
    const size_t apart = 2048;  // keeps source and target off the same place within a page
    std::vector<char*> memory;
    for (int t = 0; t < threads; ++t) {
        memory.push_back(static_cast<char*>(std::aligned_alloc(4096, (2 * each + apart + 4095) / 4096 * 4096)));
        std::memset(memory.back(), t + 1, 2 * each + apart);
    }
    const double time = fastest(threads, 7, [&](int t) {
        typedef long Line __attribute__((vector_size(kVectorBytes)));
        const Line* source = reinterpret_cast<const Line*>(memory[static_cast<size_t>(t)]);
        Line* target = reinterpret_cast<Line*>(memory[static_cast<size_t>(t)] + each + apart);
        for (size_t r = 0; r < repeats; ++r) {
            for (size_t i = 0; i < each / kVectorBytes; ++i) target[i] = source[i];
            asm volatile("" ::: "memory");
        }
    });
    for (char* block : memory) std::free(block);
    return 2.0 * static_cast<double>(each * repeats) * threads / time / 1e9;
}

int main(int argc, char** argv) {
    const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
    if (threads < 1) return 1;
    std::printf("{\"float32\": %.1f, \"float64\": %.1f, \"copy\": {", gflops<float>(threads), gflops<double>(threads));
    const char* separator = "";
    for (size_t bytes = size_t{32} << 10; bytes <= size_t{256} << 20; bytes *= 4, separator = ", ")
        std::printf("%s\"%zu\": %.1f", separator, bytes, copied_gbytes(threads, bytes));
    std::printf("}}\n");
}
