// Sigmoid and tanh as fractions. A cell needs several of them at once: the fractions are multiplied out, and
// one division serves all. Denominators lie in [1, 2], so that products of a few neither overflow nor vanish.
#pragma once

#include "simd/math.h"

namespace pt::rnn::PT_ISA {

using namespace ::pt::PT_ISA;

template <class T>
struct Fraction {
    Vec<T> numerator, denominator;
};

// -|x|, but no less than where exp(-|x|) is 0 anyway; a NaN stays one.
template <class T>
PT_INLINE Vec<T> minus_magnitude(Vec<T> x, T least) {
    return max_hw<T>(broadcast<T>(least), -abs(x));
}

// With z = exp(-|x|): 1 / (1 + z), or z / (1 + z) for negative x.
template <class T>
PT_INLINE Fraction<T> sigmoid_fraction(Vec<T> x) {
    const Vec<T> one = constant<T>(1);
    const auto [n, r] = exp_reduce<T>(minus_magnitude<T>(x, Format<T>::exp_min));
    const Vec<T> z = scale<T>((r * r * exp_tail(r) + r) + one, n);
    return {select<T>(x < Vec<T>{}, z, one), one + z};
}

// With e = exp(-2 |x|) - 1: -e / (2 + e), and the sign of x. Exact near 0, too.
template <class T>
PT_INLINE Fraction<T> tanh_fraction(Vec<T> x) {
    const Vec<T> e = expm1_core<T>(minus_magnitude<T>(x + x, Format<T>::expm1_min));
    return {copysign_of<T>(e, x), constant<T>(2) + e};
}

template <class T>
PT_INLINE Vec<T> quotient(Fraction<T> f) {
    return f.numerator / f.denominator;
}

}  // namespace pt::rnn::PT_ISA
