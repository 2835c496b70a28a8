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

// body<W>(i, n) for every vector of elements [begin, end): n of them at place i. W: all its lanes are inside.
template <class T, class Body>
PT_INLINE void each_vector(int64_t begin, int64_t end, const Body& body) {
    int64_t i = begin;
    for (; i + lanes<T> <= end; i += lanes<T>) body.template operator()<true>(i, lanes<T>);
    if (i < end) body.template operator()<false>(i, static_cast<int>(end - i));
}

// What all algorithms begin with: a parameter and its gradient, with sign and weight decay applied.
template <class T>
struct Operands {
    T* param;
    const T* grad;
    Vec<T> decay, keep;
    bool maximize, joins, shrinks;

    Operands(const Item& item, const Rule& rule)
        : param(static_cast<T*>(item.param)),
          grad(static_cast<const T*>(item.grad)),
          decay(broadcast(static_cast<T>(rule.weight_decay))),
          keep(broadcast(static_cast<T>(1 - rule.lr * rule.weight_decay))),
          maximize(rule.maximize),
          joins(rule.weight_decay != 0 && !rule.decoupled),
          shrinks(rule.weight_decay != 0 && rule.decoupled) {}

    // p = body<W>(i, n, p, d) for every vector of elements [begin, end): n are at place i. W: it is whole.
    template <class Body>
    inline __attribute__((always_inline)) void update(int64_t begin, int64_t end, const Body& body) const {
        each_vector<T>(begin, end, [&]<bool W>(int64_t i, int n) __attribute__((always_inline)) {
            Vec<T> p = get<T, W>(param + i, n), d = get<T, W>(grad + i, n);
            if (maximize) d = -d;
            if (shrinks) p *= keep;
            if (joins) d += decay * p;
            put<T, W>(param + i, body.template operator()<W>(i, n, p, d), n);
        });
    }
};

template <class T>
PT_INLINE T* state(const Item& item, int k) {
    return static_cast<T*>(item.state[k]);
}
template <class T>
PT_INLINE Vec<T> constant(double value) {
    return broadcast(static_cast<T>(value));
}

// A running average in memory: get, move towards a value, put back.
template <class T, bool Whole>
PT_INLINE Vec<T> lerp_at(T* average, int n, Vec<T> weight, Vec<T> value) {
    Vec<T> v = get<T, Whole>(average, n);
    v += weight * (value - v);
    put<T, Whole>(average, v, n);
    return v;
}
template <class T, bool Whole>
PT_INLINE Vec<T> mix_square_at(T* average, int n, Vec<T> stays, Vec<T> weight, Vec<T> value) {
    const Vec<T> v = stays * get<T, Whole>(average, n) + weight * value * value;
    put<T, Whole>(average, v, n);
    return v;
}
// maximum(): a NaN on either side stays.
template <class T>
PT_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) {
    return select<T>((a >= b) | (a != a), a, b);
}

template <class T>
static void sgd(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T* buffer = state<T>(item, 0);
    const Vec<T> lr = constant<T>(rule.lr), momentum = constant<T>(rule.momentum);
    const Vec<T> damp = constant<T>(1 - rule.dampening);
    const bool nesterov = rule.nesterov;
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        if (buffer != nullptr) {
            const Vec<T> b = momentum * get<T, W>(buffer + i, n) + damp * d;
            put<T, W>(buffer + i, b, n);
            d = nesterov ? d + momentum * b : b;
        }
        return p - lr * d;
    });
}

template <class T>
static void adam(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *m = state<T>(item, 0), *v = state<T>(item, 1), *largest = state<T>(item, 2);
    const Vec<T> weight1 = constant<T>(1 - rule.beta1), beta2 = constant<T>(rule.beta2);
    const Vec<T> weight2 = constant<T>(1 - rule.beta2), eps = constant<T>(rule.eps);
    const Vec<T> step_size = constant<T>(item.factor[0]), scale = constant<T>(item.factor[1]);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> first = lerp_at<T, W>(m + i, n, weight1, d);
        Vec<T> second = mix_square_at<T, W>(v + i, n, beta2, weight2, d);
        if (largest != nullptr) {
            second = larger<T>(get<T, W>(largest + i, n), second);
            put<T, W>(largest + i, second, n);
        }
        return p - step_size * (first / (sqrt(second) * scale + eps));
    });
}

template <class T>
static void rmsprop(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *v = state<T>(item, 0), *buffer = state<T>(item, 1), *average = state<T>(item, 2);
    const Vec<T> beta = constant<T>(rule.beta2), weight = constant<T>(1 - rule.beta2);
    const Vec<T> lr = constant<T>(rule.lr), momentum = constant<T>(rule.momentum);
    const Vec<T> eps = constant<T>(rule.eps);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        Vec<T> second = mix_square_at<T, W>(v + i, n, beta, weight, d);
        if (average != nullptr) {
            const Vec<T> a = lerp_at<T, W>(average + i, n, weight, d);
            second -= a * a;
        }
        Vec<T> u = d / (sqrt(second) + eps);
        if (buffer != nullptr) {
            u += momentum * get<T, W>(buffer + i, n);
            put<T, W>(buffer + i, u, n);
        }
        return p - lr * u;
    });
}

template <class T>
static void adagrad(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T* sum = state<T>(item, 0);
    const Vec<T> eps = constant<T>(rule.eps), lr = constant<T>(item.factor[0]);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> s = get<T, W>(sum + i, n) + d * d;
        put<T, W>(sum + i, s, n);
        return p - lr * (d / (sqrt(s) + eps));
    });
}

template <class T>
static void adadelta(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *v = state<T>(item, 0), *acc = state<T>(item, 1);
    const Vec<T> beta = constant<T>(rule.beta2), weight = constant<T>(1 - rule.beta2);
    const Vec<T> lr = constant<T>(rule.lr), eps = constant<T>(rule.eps);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> second = mix_square_at<T, W>(v + i, n, beta, weight, d);
        const Vec<T> u = sqrt(get<T, W>(acc + i, n) + eps) / sqrt(second + eps) * d;
        mix_square_at<T, W>(acc + i, n, beta, weight, u);
        return p - lr * u;
    });
}

template <class T>
static void adamax(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *m = state<T>(item, 0), *largest = state<T>(item, 1);
    const Vec<T> weight = constant<T>(1 - rule.beta1), beta2 = constant<T>(rule.beta2);
    const Vec<T> step_size = constant<T>(item.factor[0]), eps = constant<T>(rule.eps);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> first = lerp_at<T, W>(m + i, n, weight, d);
        const Vec<T> norm = larger<T>(beta2 * get<T, W>(largest + i, n), abs(d) + eps);
        put<T, W>(largest + i, norm, n);
        return p - step_size * (first / norm);
    });
}

template <class T>
static void nadam(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *m = state<T>(item, 0), *v = state<T>(item, 1);
    const Vec<T> weight1 = constant<T>(1 - rule.beta1), beta2 = constant<T>(rule.beta2);
    const Vec<T> weight2 = constant<T>(1 - rule.beta2), eps = constant<T>(rule.eps);
    const Vec<T> of_grad = constant<T>(item.factor[0]), of_first = constant<T>(item.factor[1]);
    const Vec<T> scale = constant<T>(item.factor[2]);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> first = lerp_at<T, W>(m + i, n, weight1, d);
        const Vec<T> second = mix_square_at<T, W>(v + i, n, beta2, weight2, d);
        return p - (of_grad * d + of_first * first) / (sqrt(second) * scale + eps);
    });
}

template <class T>
static void radam(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *m = state<T>(item, 0), *v = state<T>(item, 1);
    const Vec<T> weight1 = constant<T>(1 - rule.beta1), beta2 = constant<T>(rule.beta2);
    const Vec<T> weight2 = constant<T>(1 - rule.beta2), eps = constant<T>(rule.eps);
    const Vec<T> step_size = constant<T>(item.factor[0]), rectified = constant<T>(item.factor[1]);
    const bool adapts = item.factor[2] != 0;
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> second = mix_square_at<T, W>(v + i, n, beta2, weight2, d);
        Vec<T> u = step_size * lerp_at<T, W>(m + i, n, weight1, d);
        if (adapts) u *= rectified / (sqrt(second) + eps);
        return p - u;
    });
}

template <class T>
static void rprop(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T *previous = state<T>(item, 0), *sizes = state<T>(item, 1);
    const Vec<T> shrink = constant<T>(rule.eta_minus), grow = constant<T>(rule.eta_plus);
    const Vec<T> low = constant<T>(rule.step_min), high = constant<T>(rule.step_max);
    const Vec<T> zero = constant<T>(0), one = constant<T>(1);
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        const Vec<T> product = d * get<T, W>(previous + i, n);
        const Vec<T> factor = select<T>(product > zero, grow, select<T>(product < zero, shrink, one));
        Vec<T> size = get<T, W>(sizes + i, n) * factor;
        size = select<T>(size < low, low, size);
        size = select<T>(size > high, high, size);
        put<T, W>(sizes + i, size, n);
        d = select<T>(product < zero, zero, d);
        put<T, W>(previous + i, d, n);
        return p - select<T>(d > zero, size, select<T>(d < zero, -size, zero));
    });
}

template <class T>
static void asgd(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    const Operands<T> x(item, rule);
    T* average = state<T>(item, 0);
    const Vec<T> keep = constant<T>(item.factor[0]), eta = constant<T>(item.factor[1]);
    const Vec<T> mu = constant<T>(item.factor[2]);
    const bool copies = item.factor[2] == 1;
    x.update(begin, end, [&]<bool W>(int64_t i, int n, Vec<T> p, Vec<T> d) __attribute__((always_inline)) {
        p = p * keep - eta * d;
        if (copies)
            put<T, W>(average + i, p, n);
        else
            lerp_at<T, W>(average + i, n, mu, p);
        return p;
    });
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

template <class T>
static void scale(void* data, int64_t n, double value) {
    T* x = static_cast<T*>(data);
    const Vec<T> factor = constant<T>(value);
    each_vector<T>(0, n, [&]<bool W>(int64_t i, int left) __attribute__((always_inline)) {
        put<T, W>(x + i, get<T, W>(x + i, left) * factor, left);
    });
}

template <class T>
static void clamp(void* data, int64_t n, double value) {
    T* x = static_cast<T*>(data);
    const Vec<T> high = constant<T>(value), low = constant<T>(-value);
    each_vector<T>(0, n, [&]<bool W>(int64_t i, int left) __attribute__((always_inline)) {
        Vec<T> v = get<T, W>(x + i, left);
        v = select<T>(v < low, low, v);
        put<T, W>(x + i, select<T>(v > high, high, v), left);
    });
}

}  // namespace pt::optim::PT_ISA
