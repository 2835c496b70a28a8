// The vector form of every op: `apply(p, x...)` on one vector per input, with p the op's parameters, each
// broadcast to a vector. Defined for the element types of the op's group in kernels.inc.
#pragma once

#include "simd/erfinv.h"
#include "simd/fmod.h"
#include "simd/gelu.h"
#include "simd/hypot.h"
#include "simd/math.h"
#include "simd/pow.h"
#include "simd/round.h"
#include "simd/softplus.h"

namespace pt::pointwise::PT_ISA::op {

using namespace pt::PT_ISA;

// Integers wrap around: their sums and products are taken on unsigned lanes.
template <class T>
struct wide {
    using type = T;
};
template <>
struct wide<int32_t> {
    using type = uint32_t;
};
template <>
struct wide<int64_t> {
    using type = uint64_t;
};
template <class T>
using Wide = Vec<typename wide<T>::type>;

template <class T>
PT_INLINE Vec<T> number(double x) {
    return broadcast<T>(static_cast<T>(x));
}
template <class T>
PT_INLINE Mask<T> is_nan(Vec<T> x) {
    return x != x;
}
template <class T>
PT_INLINE Vec<T> clamp_below(Vec<T> x, Vec<T> low) {  // NaN in either propagates
    return select<T>((x < low) | (low != low), low, x);
}
template <class T>
PT_INLINE Vec<T> clamp_above(Vec<T> x, Vec<T> high) {
    return select<T>((x > high) | (high != high), high, x);
}
template <class T>
PT_INLINE Vec<T> relu6_shifted(Vec<T> x) {  // min(max(x + 3, 0), 6)
    return clamp_above<T>(clamp_below<T>(x + number<T>(3), number<T>(0)), number<T>(6));
}
template <class T>
PT_INLINE Vec<T> normal_cdf(Vec<T> x) {
    const Vec<T> half = number<T>(0.5);
    return half + half * erf_scaled(x);
}
template <class T>
PT_INLINE Vec<T> remainder_of(Vec<T> a, Vec<T> b) {  // Python's %
    const Vec<T> m = pt::PT_ISA::fmod(a, b), zero = number<T>(0);
    return select<T>((m != zero) & ((b < zero) ^ (m < zero)), m + b, m);
}
// Python's //: the remainder is exact, so the quotient is a whole number but for its rounding.
template <class T>
PT_INLINE Vec<T> floor_quotient(Vec<T> a, Vec<T> b) {
    const Vec<T> m = pt::PT_ISA::fmod(a, b), zero = number<T>(0), one = number<T>(1), exact = a / b;
    Vec<T> q = (a - m) / b;
    q = select<T>((m != zero) & ((b < zero) ^ (m < zero)), q - one, q);
    Vec<T> whole = round_to<Rounding::floor, T>(q);
    whole = select<T>(q - whole > number<T>(0.5), whole + one, whole);
    whole = select<T>(q == zero, copysign_of<T>(zero, exact), whole);
    return select<T>(b == zero, exact, whole);
}
template <class T>
PT_INLINE Vec<T> normal_pdf(Vec<T> x) {
    return number<T>(0.398942280401432677939946) * exp(x * x * number<T>(-0.5));
}
// tanh(softplus(x)) = n / (n + 2) with n = e^x (e^x + 2); it is 1 long before the cut.
template <class T>
PT_INLINE Vec<T> tanh_softplus(Vec<T> x) {
    const Vec<T> cut = number<T>(40);
    const Vec<T> e = exp(select<T>(x > cut, cut, x));
    const Vec<T> n = e * (e + number<T>(2));
    return n / (n + number<T>(2));
}

// log(exp(a) + exp(b)) without overflow: `tail` is log(1 + exp(-|a - b|)) in the base.
template <class T>
PT_INLINE Vec<T> log_of_sum(Vec<T> a, Vec<T> b, Vec<T> tail) {
    const Vec<T> most = select<T>(is_nan<T>(a), a, max_hw<T>(a, b));
    return select<T>((a == b) & (pt::PT_ISA::abs(a) == infinity<T>()), a, most + tail);
}

#define PT_DEFINE1(name, ...)                                                                    \
    template <class T>                                                                           \
    struct name {                                                                                \
        PT_INLINE auto apply([[maybe_unused]] const Vec<T>* p, Vec<T> x) { return __VA_ARGS__; } \
    };
#define PT_DEFINE2(name, ...)                                                                              \
    template <class T>                                                                                     \
    struct name {                                                                                          \
        PT_INLINE auto apply([[maybe_unused]] const Vec<T>* p, Vec<T> a, Vec<T> b) { return __VA_ARGS__; } \
    };
#define PT_DEFINE3(name, ...)                                                                  \
    template <class T>                                                                         \
    struct name {                                                                              \
        PT_INLINE auto apply([[maybe_unused]] const Vec<T>* p, Vec<T> a, Vec<T> b, Vec<T> c) { \
            return __VA_ARGS__;                                                                \
        }                                                                                      \
    };
#define W(x) bits<Wide<T>>(x)
#define K(x) number<T>(x)
#define SELECT(mask, a, b) select<T>(mask, a, b)

PT_DEFINE2(add, bits<Vec<T>>(W(a) + W(b)))
PT_DEFINE2(sub, bits<Vec<T>>(W(a) - W(b)))
PT_DEFINE2(mul, bits<Vec<T>>(W(a) * W(b)))
PT_DEFINE2(add_scaled, bits<Vec<T>>(W(a) + W(p[0]) * W(b)))
PT_DEFINE2(div, a / b)
PT_DEFINE1(mul_number, x* p[0])
PT_DEFINE1(div_number, x / p[0])
PT_DEFINE2(floor_divide, floor_quotient<T>(a, b))
PT_DEFINE2(trunc_divide, round_to<Rounding::trunc, T>(a / b))
template <class T>
struct pow {
    PT_INLINE Vec<T> apply(const Vec<T>*, Vec<T> a, Vec<T> b) { return pt::PT_ISA::pow(a, b); }
};
template <class T>
PT_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) {  // b's NaN comes through max_hw
    return select<T>(is_nan<T>(a), a, max_hw<T>(a, b));
}
template <class T>
PT_INLINE Vec<T> smaller(Vec<T> a, Vec<T> b) {
    return select<T>(is_nan<T>(a), a, min_hw<T>(a, b));
}
PT_DEFINE2(maximum, larger<T>(a, b))
PT_DEFINE2(minimum, smaller<T>(a, b))
PT_DEFINE2(fmax, SELECT((a > b) | is_nan<T>(b), a, b))
PT_DEFINE2(fmin, SELECT((a < b) | is_nan<T>(b), a, b))
PT_DEFINE2(fmod, pt::PT_ISA::fmod(a, b))
PT_DEFINE2(remainder, remainder_of<T>(a, b))
PT_DEFINE2(atan2, pt::PT_ISA::atan2(a, b))
PT_DEFINE2(copysign, copysign_of<T>(a, b))
PT_DEFINE2(hypot, pt::PT_ISA::hypot(a, b))
PT_DEFINE2(logaddexp, log_of_sum<T>(a, b, log1p_of_unit(pt::PT_ISA::exp(-pt::PT_ISA::abs(a - b)))))
PT_DEFINE2(logaddexp2, log_of_sum<T>(a, b,
                                     log1p_of_unit(pt::PT_ISA::exp2(-pt::PT_ISA::abs(a - b))) *
                                         K(1.44269504088896340736)))
PT_DEFINE2(xlogy, SELECT((a == K(0)) & (b == b), K(0), a* pt::PT_ISA::log(b)))
PT_DEFINE2(heaviside, SELECT(a == K(0), b, SELECT(a > K(0), K(1), K(0))))
PT_DEFINE2(prelu, SELECT(a > K(0), a, b* a))
PT_DEFINE2(glu, a* pt::PT_ISA::sigmoid(b))

PT_DEFINE2(eq, a == b)
PT_DEFINE2(ne, a != b)
PT_DEFINE2(lt, a < b)
PT_DEFINE2(le, a <= b)
PT_DEFINE2(gt, a > b)
PT_DEFINE2(ge, a >= b)
PT_DEFINE2(logical_and, (a != K(0)) & (b != K(0)))
PT_DEFINE2(logical_or, (a != K(0)) | (b != K(0)))
PT_DEFINE2(logical_xor, (a != K(0)) ^ (b != K(0)))
PT_DEFINE1(logical_not, x == K(0))
PT_DEFINE2(bitwise_and, a& b)
PT_DEFINE2(bitwise_or, a | b)
PT_DEFINE2(bitwise_xor, a ^ b)
PT_DEFINE1(bitwise_not, ~x)
PT_DEFINE1(isnan, x != x)
PT_DEFINE1(isinf, pt::PT_ISA::abs(x) == infinity<T>())
PT_DEFINE1(isfinite, pt::PT_ISA::abs(x) < infinity<T>())

PT_DEFINE1(neg, bits<Vec<T>>(-W(x)))
template <class T>
struct abs {
    PT_INLINE Vec<T> apply(const Vec<T>*, Vec<T> x) { return SELECT(x < K(0), bits<Vec<T>>(-W(x)), x); }
};
template <>
struct abs<float> {
    PT_INLINE Vec<float> apply(const Vec<float>*, Vec<float> x) { return pt::PT_ISA::abs(x); }
};
template <>
struct abs<double> {
    PT_INLINE Vec<double> apply(const Vec<double>*, Vec<double> x) { return pt::PT_ISA::abs(x); }
};
PT_DEFINE1(sign, SELECT(x > K(0), K(1), SELECT(x < K(0), K(-1), K(0))))
PT_DEFINE1(square, bits<Vec<T>>(W(x) * W(x)))
PT_DEFINE1(cube, x * x * x)
PT_DEFINE1(reciprocal, K(1) / x)
PT_DEFINE1(sqrt, pt::PT_ISA::sqrt(x))
PT_DEFINE1(rsqrt, K(1) / pt::PT_ISA::sqrt(x))
#define PT_DEFINE_MATH(name) PT_DEFINE1(name, pt::PT_ISA::name(x))
PT_DEFINE_MATH(exp)
PT_DEFINE_MATH(exp2)
PT_DEFINE_MATH(expm1)
PT_DEFINE_MATH(log)
PT_DEFINE_MATH(log2)
PT_DEFINE_MATH(log10)
PT_DEFINE_MATH(log1p)
PT_DEFINE_MATH(sin)
PT_DEFINE_MATH(cos)
PT_DEFINE_MATH(tan)
PT_DEFINE_MATH(sinh)
PT_DEFINE_MATH(cosh)
PT_DEFINE_MATH(asin)
PT_DEFINE_MATH(acos)
PT_DEFINE_MATH(atan)
PT_DEFINE_MATH(tanh)
PT_DEFINE_MATH(erf)
PT_DEFINE_MATH(erfc)
PT_DEFINE_MATH(erfinv)
PT_DEFINE_MATH(sigmoid)
PT_DEFINE1(floor, round_to<Rounding::floor, T>(x))
PT_DEFINE1(ceil, round_to<Rounding::ceil, T>(x))
PT_DEFINE1(round, round_to<Rounding::nearest, T>(x))
PT_DEFINE1(trunc, round_to<Rounding::trunc, T>(x))
PT_DEFINE1(frac, x - round_to<Rounding::trunc, T>(x))

PT_DEFINE1(nan_to_num,
           SELECT(x == infinity<T>(), p[1], SELECT(x == -infinity<T>(), p[2], SELECT(x != x, p[0], x))))

PT_DEFINE1(relu, SELECT(x < K(0), K(0), x))
PT_DEFINE1(leaky_relu, SELECT(x > K(0), x, x* p[0]))
PT_DEFINE1(elu, SELECT(x < K(0), p[0] * p[1] * pt::PT_ISA::expm1(x * p[2]), x* p[1]))
PT_DEFINE1(celu, SELECT(x < K(0), p[0] * pt::PT_ISA::expm1(x / p[0]), x))
PT_DEFINE1(gelu, gelu_of<T>(x))
PT_DEFINE1(gelu_tanh, gelu_tanh_of<T>(x))
PT_DEFINE1(silu, x / (K(1) + pt::PT_ISA::exp(-x)))
PT_DEFINE1(mish, x* tanh_softplus<T>(x))
PT_DEFINE1(softplus, SELECT(x* p[0] > p[1], x, softplus_of<T>(x* p[0]) / p[0]))
PT_DEFINE1(hardtanh, SELECT(x < p[0], p[0], SELECT(x > p[1], p[1], x)))
PT_DEFINE1(hardsigmoid, relu6_shifted<T>(x) / K(6))
PT_DEFINE1(hardswish, x* relu6_shifted<T>(x) / K(6))
PT_DEFINE1(logsigmoid, SELECT(x < K(0), x, K(0)) - log1p_of_unit(pt::PT_ISA::exp(-pt::PT_ISA::abs(x))))
PT_DEFINE1(softsign, x / (K(1) + pt::PT_ISA::abs(x)))
PT_DEFINE1(tanhshrink, x - pt::PT_ISA::tanh(x))
PT_DEFINE1(hardshrink, SELECT((x >= -p[0]) & (x <= p[0]), K(0), x))
PT_DEFINE1(softshrink, SELECT(x > p[0], x - p[0], SELECT(x < -p[0], x + p[0], x* K(0))))
PT_DEFINE1(clamp, clamp_above<T>(clamp_below<T>(x, p[0]), p[1]))
PT_DEFINE1(clamp_min, clamp_below<T>(x, p[0]))
PT_DEFINE1(clamp_max, clamp_above<T>(x, p[0]))
PT_DEFINE1(threshold, SELECT(x <= p[0], p[1], x))

PT_DEFINE3(lerp, SELECT(pt::PT_ISA::abs(c) < K(0.5), a + c * (b - a), b - (b - a) * (K(1) - c)))
template <class T>
struct lerp_number {  // the weight chooses between the two forms once
    PT_INLINE Vec<T> apply(const Vec<T>* p, Vec<T> a, Vec<T> b) {
        return p[0][0] < T(0.5) && p[0][0] > T(-0.5) ? a + p[0] * (b - a) : b - (b - a) * (K(1) - p[0]);
    }
};
PT_DEFINE3(addcmul, a + p[0] * b * c)
PT_DEFINE3(scaled_difference, (a - b) * c)
PT_DEFINE3(addcdiv, a + p[0] * b / c)

PT_DEFINE2(tanh_backward, a*(K(1) - b * b))
PT_DEFINE2(sigmoid_backward, a*(K(1) - b) * b)
PT_DEFINE2(threshold_backward, SELECT(b <= p[0], K(0), a))
PT_DEFINE2(leaky_relu_backward, SELECT(b > K(0), a, a* p[0]))
PT_DEFINE2(elu_backward, SELECT(b <= K(0), a* p[2] * p[0] * p[1] * pt::PT_ISA::exp(b * p[2]), a* p[1]))
PT_DEFINE2(celu_backward, SELECT(b <= K(0), a*(K(1) / p[0] * p[0]) * pt::PT_ISA::exp(b / p[0]), a))
PT_DEFINE2(gelu_backward, a*(normal_cdf<T>(b) + b * normal_pdf<T>(b)))
template <class T>
struct gelu_tanh_backward {
    PT_INLINE Vec<T> apply(const Vec<T>*, Vec<T> g, Vec<T> x) {
        const Vec<T> s = pt::PT_ISA::sigmoid(gelu_u<T>(x));
        const Vec<T> slope = K(1.59576912160573071175978) * (K(1) + K(3 * 0.044715) * x * x);
        return g * (s + x * s * (K(1) - s) * slope);
    }
};
template <class T>
struct silu_backward {
    PT_INLINE Vec<T> apply(const Vec<T>*, Vec<T> g, Vec<T> x) {
        const Vec<T> s = pt::PT_ISA::sigmoid(x);
        return g * s * (K(1) + x * (K(1) - s));
    }
};
template <class T>
struct mish_backward {
    PT_INLINE Vec<T> apply(const Vec<T>*, Vec<T> g, Vec<T> x) {
        const Vec<T> t = tanh_softplus<T>(x);
        return g * (t + x * pt::PT_ISA::sigmoid(x) * (K(1) - t * t));
    }
};
PT_DEFINE2(softplus_backward, SELECT(b* p[0] > p[1], a, a* pt::PT_ISA::sigmoid(b* p[0])))
PT_DEFINE2(hardtanh_backward, SELECT((b > p[0]) & (b < p[1]), a, K(0)))
PT_DEFINE2(hardsigmoid_backward, SELECT((b > K(-3)) & (b < K(3)), a / K(6), K(0)))
PT_DEFINE2(hardswish_backward, SELECT(b <= K(-3), K(0), SELECT(b < K(3), a*(b / K(3) + K(0.5)), a)))
PT_DEFINE2(logsigmoid_backward, a* pt::PT_ISA::sigmoid(-b))
PT_DEFINE2(hardshrink_backward, SELECT((b < -p[0]) | (b > p[0]), a, K(0)))

#undef PT_DEFINE1
#undef PT_DEFINE2
#undef PT_DEFINE3
#undef PT_DEFINE_MATH
#undef W
#undef K
#undef SELECT

}  // namespace pt::pointwise::PT_ISA::op
