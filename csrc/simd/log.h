// Logarithms, and what pow shares with them: the error bounds are stated in math.h.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

// The logarithm's reduction: x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), x > 0 and finite.
template <class T>
struct LogReduced {
    Vec<T> e, f;
};
#if defined(__AVX512F__)
PT_INLINE Vec<float> exponent_of(Vec<float> x) {
    return (Vec<float>)_mm512_maskz_getexp_ps(0xffff, (__m512)x);
}
PT_INLINE Vec<double> exponent_of(Vec<double> x) {
    return (Vec<double>)_mm512_maskz_getexp_pd(0xff, (__m512d)x);
}
PT_INLINE Vec<float> mantissa_of(Vec<float> x) {  // in [1, 2)
    return (Vec<float>)_mm512_maskz_getmant_ps(0xffff, (__m512)x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}
PT_INLINE Vec<double> mantissa_of(Vec<double> x) {
    return (Vec<double>)_mm512_maskz_getmant_pd(0xff, (__m512d)x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}
// The instructions know denormals; of 0, inf and NaN they give e = -inf, inf, NaN.
template <class T>
PT_INLINE LogReduced<T> log_reduce(Vec<T> x) {
    const Vec<T> m = mantissa_of(x), e = exponent_of(x), one = constant<T>(1);
    const Mask<T> upper = m >= constant<T>(1.41421356237309504880);
    return {select<T>(upper, e + one, e), select<T>(upper, m * constant<T>(0.5), m) - one};
}
#else
template <class T>
PT_INLINE LogReduced<T> log_reduce(Vec<T> x) {
    using F = Format<T>;
    const auto denormal = x < broadcast<T>(F::min_normal);
    x = select<T>(denormal, x * broadcast<T>(F::two_to_digits), x);
    using Unsigned = Vec<typename F::Unsigned>;
    const IntVec<T> one = integer<T>(F::bias << F::mantissa_bits);
    const IntVec<T> shifted = bits<IntVec<T> >(x) + (one - integer<T>(F::half_bits));
    const IntVec<T> exponent = (IntVec<T>)((Unsigned)shifted >> F::mantissa_bits) - integer<T>(F::bias);
    const IntVec<T> mantissa_mask = integer<T>((typename F::Int(1) << F::mantissa_bits) - 1);
    const Vec<T> m = bits<Vec<T> >((shifted & mantissa_mask) + integer<T>(F::half_bits));
    const Vec<T> correction = select<T>(denormal, constant<T>(-F::digits), constant<T>(0));
    return {small_integer_to_float<T>(exponent) + correction, m - constant<T>(1)};
}
#endif

// log(1 + f) - f + f^2 / 2 on [sqrt(1/2) - 1, sqrt(2) - 1].
PT_INLINE Vec<float> log_tail(Vec<float> f) {
    constexpr float c[] = {3.3333331174e-1f,  -2.4999993993e-1f, 2.0000714765e-1f,
                           -1.6668057665e-1f, 1.4249322787e-1f,  -1.2420140846e-1f,
                           1.1676998740e-1f,  -1.1514610310e-1f, 7.0376836292e-2f};
    return f * (f * f) * polynomial<float>(f, c);
}
PT_INLINE Vec<double> log_tail(Vec<double> f) {
    constexpr double c[] = {6.66666666666666629659e-01, 4.00000000000062860828e-01,
                            2.85714285690737979095e-01, 2.22222226486482848928e-01,
                            1.81817755154254884209e-01, 1.53870973900475355167e-01,
                            1.32499672009809971174e-01, 1.32527128566550300715e-01};
    const Vec<double> s = f / (f + constant<double>(2));
    const Vec<double> z = s * s;
    return s * (constant<double>(0.5) * f * f + z * polynomial<double>(z, c));
}

// log of a positive finite x, plus a small `low`.
template <class T>
PT_INLINE Vec<T> log_core(Vec<T> x, Vec<T> low) {
    const auto [e, f] = log_reduce<T>(x);
    const Vec<T> tail = log_tail(f) + (e * broadcast<T>(Format<T>::ln2_lo) + low);
    const Vec<T> square = constant<T>(0.5) * f * f;
    return e * broadcast<T>(Format<T>::ln2_hi) + (f - (square - tail));
}
// What a logarithm of any base gives outside (0, inf).
template <class T>
PT_INLINE Vec<T> log_domain(Vec<T> x, Vec<T> y) {
#if defined(__AVX512F__)
    // One instruction looks at the class of x; a class has four bits: 0 keeps y, 2 is x as a quiet NaN, 3
    // NaN, 4 -inf, 5 inf. From the lowest bits: quiet NaN, signalling NaN, zero, one, -inf, inf, negative,
    // positive.
    constexpr int of_class = 0x03530422;
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_fixupimm_ps(0xffff, (__m512)y, (__m512)x, _mm512_set1_epi32(of_class), 0);
    else
        return (Vec<T>)_mm512_maskz_fixupimm_pd(0xff, (__m512d)y, (__m512d)x, _mm512_set1_epi64(of_class), 0);
#else
    const Vec<T> zero = constant<T>(0);
    y = select<T>(x < infinity<T>(), y, x);  // inf and NaN
    y = select<T>(x < zero, quiet_nan<T>(), y);
    return select<T>(x == zero, -infinity<T>(), y);
#endif
}
template <class T>
PT_INLINE Vec<T> log_generic(Vec<T> x) {
    return log_domain<T>(x, log_core<T>(x, constant<T>(0)));
}
// log2 and log10: the reduction's exponent is added last, so powers of the base's powers of two are exact.
template <class T>
PT_INLINE Vec<T> log2_generic(Vec<T> x) {
    const auto [e, f] = log_reduce<T>(x);
    const Vec<T> tail = log_tail(f) - constant<T>(0.5) * f * f;
    // (f + tail) log2(e), with log2(e) = 1 + 0.4427
    const Vec<T> rest = constant<T>(0.44269504088896340736) * f + constant<T>(1.44269504088896340736) * tail;
    return log_domain<T>(x, (f + rest) + e);
}
template <class T>
PT_INLINE Vec<T> log10_generic(Vec<T> x) {
    const auto [e, f] = log_reduce<T>(x);
    const Vec<T> tail = log_tail(f) - constant<T>(0.5) * f * f;
    // log10(2) in two parts; the head's product with an exponent is exact.
    const Vec<T> head = constant<T>(sizeof(T) == 4 ? 3.0078125e-1 : 3.01029995663611771306e-01);
    const Vec<T> low = constant<T>(sizeof(T) == 4 ? 2.48745663981195213739e-4 : 3.69423907715893078616e-13);
    // log10(e) = 0.4375 - 0.0032055: the head's product with f loses little
    const Vec<T> minor = constant<T>(-3.205518096748172349e-3) * f + e * low;
    const Vec<T> rest = constant<T>(0.434294481903251827651) * tail + minor;
    return log_domain<T>(x, e * head + (constant<T>(0.4375) * f + rest));
}
template <class T>
PT_INLINE Vec<T> log1p_generic(Vec<T> x) {
    const Vec<T> one = constant<T>(1);
    const Vec<T> u = one + x;
    const Vec<T> lost = select<T>(x < one, x - (u - one), one - (u - x));  // exact: 1 + x = u + lost
    const Vec<T> y = log_domain<T>(u, log_core<T>(u, lost / u));
    return select<T>(u == one, x, y);
}

PT_DEFINE_BOTH(log)
PT_DEFINE_BOTH(log2)
PT_DEFINE_BOTH(log10)
PT_DEFINE_BOTH(log1p)

}  // namespace pt::PT_ISA
