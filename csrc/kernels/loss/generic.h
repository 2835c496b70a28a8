// Softmax cross-entropy over Vec: along rows when the classes are contiguous, else one lane per sample.
#pragma once

#include "kernels/loss/pair.h"

namespace pt::loss::PT_ISA {

using namespace pt::PT_ISA;

template <class T>
static void log_sum_exp_row(const T* x, const T* weight, int64_t classes, T* largest, T* log_sum, T* spread) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    Vec<T> best = broadcast(lowest), sum{}, below{};
    each_vector<T>(classes, [&](int64_t c, int used) __attribute__((always_inline)) {
        best = max_hw<T>(load_upto(x + c, used, lowest), best);
    });
    *largest = max_lanes<T>(best);
    best = broadcast(*largest);
    each_vector<T>(classes, [&](int64_t c, int used) __attribute__((always_inline)) {
        sum += exp(load_upto(x + c, used, lowest) - best);
    });
    *log_sum = log(broadcast(sum_lanes<T>(sum)))[0];
    if (spread == nullptr) return;
    each_vector<T>(classes, [&](int64_t c, int used) __attribute__((always_inline)) {
        const Vec<T> d = best - load_upto(x + c, used, *largest);
        below += weight == nullptr ? d : d * load_upto(weight + c, used);
    });
    *spread = sum_lanes<T>(below);
}

template <class T>
static void log_sum_exp(const T* x, const T* weight, int64_t classes, int64_t inner, int64_t begin,
                        int64_t end, T* largest, T* log_sum, T* spread) {
    if (inner == 1) {
        for (int64_t i = begin; i < end; ++i)
            log_sum_exp_row(x + i * classes, weight, classes, largest + i, log_sum + i,
                            spread == nullptr ? nullptr : spread + i);
        return;
    }
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    each_vector<T>(end - begin, [&](int64_t at, int used) __attribute__((always_inline)) {
        const T* p = x + begin + at;
        Vec<T> best = broadcast(lowest), sum{}, below{};
        for (int64_t c = 0; c < classes; ++c) best = max_hw<T>(load_upto(p + c * inner, used), best);
        for (int64_t c = 0; c < classes; ++c) {
            const Vec<T> v = load_upto(p + c * inner, used);
            sum += exp(v - best);
            if (spread != nullptr) below += (best - v) * broadcast(weight == nullptr ? T(1) : weight[c]);
        }
        store_upto(largest + begin + at, best, used);
        store_upto(log_sum + begin + at, log(sum), used);
        if (spread != nullptr) store_upto(spread + begin + at, below, used);
    });
}

template <class T>
static void cross_entropy_grad(const T* x, const T* weight, const T* largest, const T* log_sum,
                               const T* share, const T* smooth, int64_t classes, int64_t inner, int64_t begin,
                               int64_t end, T* grad_x) {
    if (inner == 1) {
        for (int64_t i = begin; i < end; ++i) {
            const T *row = x + i * classes, rest = smooth == nullptr ? T(0) : smooth[i];
            T* out = grad_x + i * classes;
            const Vec<T> best = broadcast(largest[i]), norm = broadcast(log_sum[i]), g = broadcast(share[i]);
            each_vector<T>(classes, [&](int64_t c, int used) __attribute__((always_inline)) {
                Vec<T> v = g * exp(load_upto(row + c, used) - best - norm);
                if (smooth != nullptr)
                    v -= weight == nullptr ? broadcast(rest) : load_upto(weight + c, used) * broadcast(rest);
                store_upto(out + c, v, used);
            });
        }
        return;
    }
    each_vector<T>(end - begin, [&](int64_t at, int used) __attribute__((always_inline)) {
        const int64_t i = begin + at;
        const Vec<T> best = load_upto(largest + i, used), norm = load_upto(log_sum + i, used);
        const Vec<T> g = load_upto(share + i, used);
        const Vec<T> rest = smooth == nullptr ? Vec<T>{} : load_upto(smooth + i, used);
        for (int64_t c = 0; c < classes; ++c) {
            const int64_t p = c * inner + i;
            Vec<T> v = g * exp(load_upto(x + p, used) - best - norm);
            if (smooth != nullptr) v -= rest * broadcast(weight == nullptr ? T(1) : weight[c]);
            store_upto(grad_x + p, v, used);
        }
    });
}

// --- connectionist temporal classification ---

template <class T>
PT_INLINE Mask<T> never(Vec<T> x) {
    return x == broadcast(-static_cast<T>(__builtin_inf()));
}

template <class T>
static void ctc_step(const T* row, const T* skip, const T* emitted, int64_t n, T* next) {
    each_vector<T>(n, [&](int64_t s, int used) __attribute__((always_inline)) {
        const Vec<T> a = load_upto(row + s, used), b = load_upto(row + s - 1, used);
        const Vec<T> c = load_upto(row + s - 2, used) + load_upto(skip + s, used);
        Vec<T> most = max_hw<T>(max_hw<T>(a, b), c);
        most = never<T>(most) ? Vec<T>{} : most;
        const Vec<T> sum = exp(a - most) + exp(b - most) + exp(c - most);
        store_upto(next + s, log(sum) + most + load_upto(emitted + s, used), used);
    });
}

template <class T>
static void ctc_occupancy(const T* alpha, const T* beta, const T* emitted, T loss, int64_t n, T* share) {
    each_vector<T>(n, [&](int64_t s, int used) __attribute__((always_inline)) {
        const Vec<T> both = load_upto(alpha + s, used) + load_upto(beta + s, used);
        const Vec<T> e = exp(both - load_upto(emitted + s, used) + broadcast(loss));
        store_upto(share + s, never<T>(both) ? Vec<T>{} : e, used);
    });
}

template <class T>
static void scaled_exp(const T* x, T scale, int64_t n, T* y) {
    each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        store_upto(y + i, exp(load_upto(x + i, used)) * broadcast(scale), used);
    });
}

template <class T>
constexpr Table<T> table() {
    return {
#define PT_KERNEL(name, ...) &name<T>,
#include "kernels/loss/kernels.inc"
#undef PT_KERNEL
    };
}

}  // namespace pt::loss::PT_ISA
