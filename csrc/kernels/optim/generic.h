// The optimizer steps over vectors; see optim.h.
#pragma once

#include "kernels/optim/optim.h"
#include "simd/vec.h"

namespace pt::optim::PT_ISA {

using namespace pt::PT_ISA;

template <class T, bool Whole>
PT_INLINE Vec<T> get(const T* p, int n) {
    if constexpr (Whole)
        return load(p);
    else
        return load_n(p, n);
}
template <class T, bool Whole>
PT_INLINE void put(T* p, Vec<T> v, int n) {
    if constexpr (Whole)
        store(p, v);
    else
        store_n(p, v, n);
}

template <class T>
struct SgdLoop {
    T* param;
    const T* grad;
    T* buffer;
    Vec<T> lr, momentum, damp, decay;
    bool maximize, nesterov, fresh, decays;

    template <bool Whole>
    inline __attribute__((always_inline)) void step(int64_t i, int n) const {
        Vec<T> d = get<T, Whole>(grad + i, n);
        const Vec<T> p = get<T, Whole>(param + i, n);
        if (maximize) d = -d;
        if (decays) d += decay * p;
        if (buffer != nullptr) {
            Vec<T> b = d;
            if (!fresh) b = momentum * get<T, Whole>(buffer + i, n) + damp * d;
            put<T, Whole>(buffer + i, b, n);
            d = nesterov ? d + momentum * b : b;
        }
        put<T, Whole>(param + i, p - lr * d, n);
    }
};

template <class T>
struct AdamLoop {
    T *param, *m, *v, *largest;
    const T* grad;
    Vec<T> weight1, beta2, weight2, eps, decay, keep, step_size, scale;
    bool maximize, decoupled, decays;

    template <bool Whole>
    inline __attribute__((always_inline)) void step(int64_t i, int n) const {
        Vec<T> g = get<T, Whole>(grad + i, n);
        Vec<T> p = get<T, Whole>(param + i, n);
        if (maximize) g = -g;
        if (decoupled)
            p *= keep;
        else if (decays)
            g += decay * p;
        Vec<T> first = get<T, Whole>(m + i, n);
        first += weight1 * (g - first);
        Vec<T> second = beta2 * get<T, Whole>(v + i, n) + weight2 * g * g;
        put<T, Whole>(m + i, first, n);
        put<T, Whole>(v + i, second, n);
        if (largest != nullptr) {
            // As maximum(): a NaN on either side stays.
            const Vec<T> old = get<T, Whole>(largest + i, n);
            second = select<T>((old >= second) | (old != old), old, second);
            put<T, Whole>(largest + i, second, n);
        }
        put<T, Whole>(param + i, p - step_size * (first / (sqrt(second) * scale + eps)), n);
    }
};

template <class T, class Loop>
PT_INLINE void run(const Loop& loop, int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + lanes<T> <= end; i += lanes<T>) loop.template step<true>(i, lanes<T>);
    if (i < end) loop.template step<false>(i, static_cast<int>(end - i));
}

template <class T>
static void sgd_range(const SgdItem& item, int64_t begin, int64_t end, const SgdRule& rule) {
    SgdLoop<T> loop;
    loop.param = static_cast<T*>(item.param);
    loop.grad = static_cast<const T*>(item.grad);
    loop.buffer = static_cast<T*>(item.momentum_buffer);
    loop.lr = broadcast(static_cast<T>(rule.lr));
    loop.momentum = broadcast(static_cast<T>(rule.momentum));
    loop.damp = broadcast(static_cast<T>(1 - rule.dampening));
    loop.decay = broadcast(static_cast<T>(rule.weight_decay));
    loop.maximize = rule.maximize;
    loop.nesterov = rule.nesterov;
    loop.fresh = item.fresh;
    loop.decays = rule.weight_decay != 0;
    run<T>(loop, begin, end);
}

template <class T>
static void adam_range(const AdamItem& item, int64_t begin, int64_t end, const AdamRule& rule) {
    AdamLoop<T> loop;
    loop.param = static_cast<T*>(item.param);
    loop.grad = static_cast<const T*>(item.grad);
    loop.m = static_cast<T*>(item.exp_avg);
    loop.v = static_cast<T*>(item.exp_avg_sq);
    loop.largest = static_cast<T*>(item.max_exp_avg_sq);
    loop.weight1 = broadcast(static_cast<T>(1 - rule.beta1));
    loop.beta2 = broadcast(static_cast<T>(rule.beta2));
    loop.weight2 = broadcast(static_cast<T>(1 - rule.beta2));
    loop.eps = broadcast(static_cast<T>(rule.eps));
    loop.decay = broadcast(static_cast<T>(rule.weight_decay));
    loop.keep = broadcast(static_cast<T>(1 - rule.lr * rule.weight_decay));
    loop.step_size = broadcast(static_cast<T>(item.step_size));
    loop.scale = broadcast(static_cast<T>(item.scale));
    loop.maximize = rule.maximize;
    loop.decoupled = rule.decoupled;
    loop.decays = rule.weight_decay != 0;
    run<T>(loop, begin, end);
}

template <class T>
static double sum_squares(const void* data, int64_t n) {
    const T* x = static_cast<const T*>(data);
    Vec<T> sums[4] = {};
    int64_t i = 0;
    for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
        for (int k = 0; k < 4; ++k) {
            const Vec<T> v = load(x + i + k * lanes<T>);
            sums[k] += v * v;
        }
    }
    for (; i < n; i += lanes<T>) {
        const int64_t left = n - i;
        const Vec<T> v = load_n(x + i, left < lanes<T> ? static_cast<int>(left) : lanes<T>);
        sums[0] += v * v;
    }
    return static_cast<double>(sum_lanes<T>((sums[0] + sums[1]) + (sums[2] + sums[3])));
}

}  // namespace pt::optim::PT_ISA
