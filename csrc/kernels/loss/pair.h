// Losses of one input and one target element each, over Vec. The formulas are those of the plain versions in
// loss.cpp.
#pragma once

#include "kernels/loss/loss.h"
#include "simd/math.h"
#include "simd/partial.h"

namespace pt::loss::PT_ISA {

using namespace pt::PT_ISA;

template <class T>
PT_INLINE Vec<T> at_least(Vec<T> x, T least) {
    return x < broadcast(least) ? broadcast(least) : x;  // NaN stays
}

template <PairLoss kind, class T>
PT_INLINE Vec<T> pair_value(T param, Vec<T> x, Vec<T> t) {
    const Vec<T> d = x - t, size = abs(d), one = broadcast(T(1)), half = broadcast(T(0.5)),
                 p = broadcast(param);
    if constexpr (kind == PairLoss::mse) return d * d;
    if constexpr (kind == PairLoss::l1) return size;
    if constexpr (kind == PairLoss::smooth_l1) return size < p ? half * d * d / p : size - half * p;
    if constexpr (kind == PairLoss::huber) return size <= p ? half * d * d : p * (size - half * p);
    if constexpr (kind == PairLoss::bce)
        return (t - one) * at_least<T>(log1p(-x), T(-100)) - t * at_least<T>(log(x), T(-100));
    if constexpr (kind == PairLoss::bce_with_logits)
        return (one - t) * x + log1p(exp(-abs(x))) + (x < Vec<T>{} ? -x : Vec<T>{});
    if constexpr (kind == PairLoss::soft_margin) return log1p(exp(-x * t));
}

template <PairLoss kind, class T>
PT_INLINE Vec<T> pair_slope(T param, Vec<T> x, Vec<T> t) {
    const Vec<T> d = x - t, one = broadcast(T(1)), p = broadcast(param);
    if constexpr (kind == PairLoss::mse) return d + d;
    if constexpr (kind == PairLoss::l1) return d > Vec<T>{} ? one : (d < Vec<T>{} ? -one : Vec<T>{});
    if constexpr (kind == PairLoss::smooth_l1) return d <= -p ? -one : (d >= p ? one : d / p);
    if constexpr (kind == PairLoss::huber) return d <= -p ? -p : (d >= p ? p : d);
    if constexpr (kind == PairLoss::bce) return d / at_least<T>((one - x) * x, T(1e-12));
    if constexpr (kind == PairLoss::bce_with_logits) return sigmoid(x) - t;
    if constexpr (kind == PairLoss::soft_margin) return -t * sigmoid(-x * t);
}

template <PairLoss kind, class T>
static void pair_loss_of(T param, const T* x, const T* target, int64_t n, T* losses, double* sum) {
    Vec<T> even{}, odd{};
    int64_t i = 0;
    for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
        const Vec<T> a = pair_value<kind>(param, load(x + i), load(target + i));
        const Vec<T> b = pair_value<kind>(param, load(x + i + lanes<T>), load(target + i + lanes<T>));
        even += a;
        odd += b;
        if (losses == nullptr) continue;
        store(losses + i, a);
        store(losses + i + lanes<T>, b);
    }
    for (; i < n; i += lanes<T>) {
        const int used = static_cast<int>(n - i < lanes<T> ? n - i : lanes<T>);
        const Vec<T> a = pair_value<kind>(param, load_upto(x + i, used), load_upto(target + i, used));
        if (losses != nullptr) store_upto(losses + i, a, used);
        T buffer[lanes<T>];  // the lanes beyond are not zero for every loss
        store(buffer, a);
        for (int lane = 0; lane < used; ++lane) even[lane] += buffer[lane];
    }
    *sum += static_cast<double>(sum_lanes<T>(even + odd));
}

template <PairLoss kind, class T>
static void pair_grad_of(T param, const T* x, const T* target, const T* grad, int64_t grad_step, T factor,
                         int64_t n, T* grad_x) {
    const Vec<T> scale = broadcast(factor), same = broadcast(grad_step == 0 ? grad[0] * factor : T(0));
    each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        const Vec<T> slope = pair_slope<kind>(param, load_upto(x + i, used), load_upto(target + i, used));
        const Vec<T> g = grad_step == 0 ? same : load_upto(grad + i, used) * scale;
        store_upto(grad_x + i, g * slope, used);
    });
}

// call<kind, T> PT_ARGUMENTS for the kind at run time.
#define PT_FOR_PAIR_LOSS(kind, call)                                \
    switch (kind) {                                                 \
        case PairLoss::mse:                                         \
            return call<PairLoss::mse, T> PT_ARGUMENTS;             \
        case PairLoss::l1:                                          \
            return call<PairLoss::l1, T> PT_ARGUMENTS;              \
        case PairLoss::smooth_l1:                                   \
            return call<PairLoss::smooth_l1, T> PT_ARGUMENTS;       \
        case PairLoss::huber:                                       \
            return call<PairLoss::huber, T> PT_ARGUMENTS;           \
        case PairLoss::bce:                                         \
            return call<PairLoss::bce, T> PT_ARGUMENTS;             \
        case PairLoss::bce_with_logits:                             \
            return call<PairLoss::bce_with_logits, T> PT_ARGUMENTS; \
        case PairLoss::soft_margin:                                 \
            return call<PairLoss::soft_margin, T> PT_ARGUMENTS;     \
    }

template <class T>
static void pair_loss(PairLoss kind, T param, const T* x, const T* target, int64_t n, T* losses,
                      double* sum) {
#define PT_ARGUMENTS (param, x, target, n, losses, sum)
    PT_FOR_PAIR_LOSS(kind, pair_loss_of)
#undef PT_ARGUMENTS
}

template <class T>
static void pair_grad(PairLoss kind, T param, const T* x, const T* target, const T* grad, int64_t grad_step,
                      T factor, int64_t n, T* grad_x) {
#define PT_ARGUMENTS (param, x, target, grad, grad_step, factor, n, grad_x)
    PT_FOR_PAIR_LOSS(kind, pair_grad_of)
#undef PT_ARGUMENTS
}
#undef PT_FOR_PAIR_LOSS

}  // namespace pt::loss::PT_ISA
