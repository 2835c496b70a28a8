// Losses of one input and one target element each, over Vec. The formulas are those of the plain versions in
// loss.cpp.
#pragma once

#include "kernels/loss/loss.h"
#include "simd/math.h"
#include "simd/partial.h"
#include "simd/softplus.h"

namespace pt::loss::PT_ISA {

using namespace pt::PT_ISA;

template <class T>
PT_INLINE Vec<T> at_least(Vec<T> x, T least) {
    return x < broadcast(least) ? broadcast(least) : x;  // NaN stays
}

template <PairLoss kind, class T>
PT_INLINE Vec<T> pair_value(Vec<T> p, Vec<T> x, Vec<T> t) {
    const Vec<T> d = x - t, size = abs(d), one = broadcast(T(1)), half = broadcast(T(0.5));
    if constexpr (kind == PairLoss::mse) return d * d;
    if constexpr (kind == PairLoss::l1) return size;
    if constexpr (kind == PairLoss::smooth_l1) return size < p ? half * d * d / p : size - half * p;
    if constexpr (kind == PairLoss::huber) return size <= p ? half * d * d : p * (size - half * p);
    if constexpr (kind == PairLoss::bce)
        return (t - one) * at_least<T>(log1p(-x), T(-100)) - t * at_least<T>(log(x), T(-100));
    if constexpr (kind == PairLoss::bce_with_logits)
        return (one - t) * x + log1p_of_unit(exp(-abs(x))) + (x < Vec<T>{} ? -x : Vec<T>{});
    if constexpr (kind == PairLoss::soft_margin) {  // infinite where the exponential is, as in PyTorch
        constexpr T most = sizeof(T) == 4 ? T(88.72284) : T(709.782712893384);
        const Vec<T> z = -x * t;
        return z > broadcast(most) ? broadcast(static_cast<T>(__builtin_inf())) : softplus_of<T>(z);
    }
    if constexpr (kind == PairLoss::kl) return (t == Vec<T>{} ? Vec<T>{} : t * log(t)) - t * x;
    if constexpr (kind == PairLoss::kl_log) return exp(t) * (t - x);
    if constexpr (kind == PairLoss::hinge) return at_least<T>(p - x * t, T(0));
    if constexpr (kind == PairLoss::bce_pos_weight)
        return (one - t) * x + (one + (p - one) * t) * softplus_of<T>(-x);
    if constexpr (kind == PairLoss::gaussian) return half * (log(p) + d * d / p);
}

template <PairLoss kind, class T>
PT_INLINE Vec<T> pair_slope(Vec<T> p, Vec<T> x, Vec<T> t) {
    const Vec<T> d = x - t, one = broadcast(T(1)), zero{};
    if constexpr (kind == PairLoss::mse) return d + d;
    if constexpr (kind == PairLoss::l1) return d > zero ? one : (d < zero ? -one : zero);
    if constexpr (kind == PairLoss::smooth_l1) return d <= -p ? -one : (d >= p ? one : d / p);
    if constexpr (kind == PairLoss::huber) return d <= -p ? -p : (d >= p ? p : d);
    if constexpr (kind == PairLoss::bce) return d / at_least<T>((one - x) * x, T(1e-12));
    if constexpr (kind == PairLoss::bce_with_logits) return sigmoid(x) - t;
    if constexpr (kind == PairLoss::soft_margin) return -t * sigmoid(-x * t);
    if constexpr (kind == PairLoss::kl) return -t;
    if constexpr (kind == PairLoss::kl_log) return -exp(t);
    if constexpr (kind == PairLoss::hinge) return p - x * t >= zero ? -t : zero;
    if constexpr (kind == PairLoss::bce_pos_weight) return (p * t + one - t) * sigmoid(x) - p * t;
    if constexpr (kind == PairLoss::gaussian) return d / p;
    if constexpr (kind == PairLoss::kl_by_target) return log(t) + t / t - x;  // NaN for 0
    if constexpr (kind == PairLoss::kl_log_by_target) return exp(t) * (t - x + one);
    if constexpr (kind == PairLoss::gaussian_by_variance) return broadcast(T(0.5)) * (one - d * d / p) / p;
}

// Whether the formula is a few instructions; the others stand in the program once, not once for whole vectors
// and once for the last one.
constexpr bool is_short(PairLoss kind) { return kind < PairLoss::bce || kind == PairLoss::hinge; }

template <class T, class Body>
PT_INLINE void each_vector_once(int64_t i, int64_t n, const Body& body) {
    for (; i < n; i += lanes<T>) body(i, static_cast<int>(n - i < lanes<T> ? n - i : lanes<T>));
}

template <PairLoss kind, class T>
static void pair_loss_of(const T* param, const T* x, const T* target, int64_t n, T* losses, double* sum) {
    const Vec<T> same = broadcast(*param);
    const auto value = [&](int64_t i, int used) __attribute__((always_inline)) {
        const Vec<T> p = is_ternary(kind) ? load_upto(param + i, used) : same;
        return pair_value<kind, T>(p, load_upto(x + i, used), load_upto(target + i, used));
    };
    Vec<T> even{}, odd{};
    int64_t first = 0;
    if constexpr (is_short(kind))
        for (; first + 2 * lanes<T> <= n; first += 2 * lanes<T>) {
            const Vec<T> a = value(first, lanes<T>), b = value(first + lanes<T>, lanes<T>);
            even += a;
            odd += b;
            if (losses == nullptr) continue;
            store(losses + first, a);
            store(losses + first + lanes<T>, b);
        }
    T unused[lanes<T>];
    T* const out = losses == nullptr ? unused : losses;
    const int64_t step = losses == nullptr ? 0 : 1;
    each_vector_once<T>(first, n, [&](int64_t i, int used) __attribute__((always_inline)) {
        Vec<T> a = value(i, used);
        store_upto(out + i * step, a, used);
        if (used < lanes<T>) {  // the lanes beyond are not zero for every loss
            T buffer[lanes<T>] = {};
            store_n(buffer, a, used);
            a = load(buffer);
        }
        even += a;
    });
    *sum += static_cast<double>(sum_lanes<T>(even + odd));
}

template <PairLoss kind, class T>
static void pair_grad_of(const T* param, const T* x, const T* target, const T* grad, int64_t grad_step,
                         T factor, int64_t n, T* grad_x) {
    const Vec<T> scale = broadcast(factor), same = broadcast(*param);
    T buffer[lanes<T>];
    store(buffer, broadcast(*grad));
    const T* const grads = grad_step == 0 ? buffer : grad;
    const auto slope = [&](int64_t i, int used) __attribute__((always_inline)) {
        const Vec<T> p = is_ternary(kind) ? load_upto(param + i, used) : same;
        const Vec<T> g = load_upto(grads + i * grad_step, used) * scale;
        const Vec<T> s = pair_slope<kind, T>(p, load_upto(x + i, used), load_upto(target + i, used));
        store_upto(grad_x + i, g * s, used);
    };
    if constexpr (is_short(kind))
        each_vector<T>(n, slope);
    else
        each_vector_once<T>(0, n, slope);
}

// case PairLoss::kind: for every loss, and for every gradient
#define PT_PAIR_LOSSES(one)                                                                           \
    one(mse) one(l1) one(smooth_l1) one(huber) one(bce) one(bce_with_logits) one(soft_margin) one(kl) \
        one(kl_log) one(hinge) one(bce_pos_weight) one(gaussian)
#define PT_PAIR_GRADS(one) \
    PT_PAIR_LOSSES(one) one(kl_by_target) one(kl_log_by_target) one(gaussian_by_variance)

template <class T>
static void pair_loss(PairLoss kind, const T* param, const T* x, const T* target, int64_t n, T* losses,
                      double* sum) {
    switch (kind) {
#define PT_CASE(name)    \
    case PairLoss::name: \
        return pair_loss_of<PairLoss::name, T>(param, x, target, n, losses, sum);
        PT_PAIR_LOSSES(PT_CASE)
#undef PT_CASE
        default:
            return;
    }
}

template <class T>
static void pair_grad(PairLoss kind, const T* param, const T* x, const T* target, const T* grad,
                      int64_t grad_step, T factor, int64_t n, T* grad_x) {
    switch (kind) {
#define PT_CASE(name)    \
    case PairLoss::name: \
        return pair_grad_of<PairLoss::name, T>(param, x, target, grad, grad_step, factor, n, grad_x);
        PT_PAIR_GRADS(PT_CASE)
#undef PT_CASE
    }
}
#undef PT_PAIR_LOSSES
#undef PT_PAIR_GRADS

}  // namespace pt::loss::PT_ISA
