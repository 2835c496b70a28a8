// pow for float, computed in double: |x|^y = 2^(y log2 |x|). The error stays below 0.6 ulp.
#pragma once

#include "simd/log.h"

namespace pt::PT_ISA {

// (2^e (1 + f))^y to 2^-33: enough for a float. Results beyond float's range are cut off there.
PT_INLINE Vec<double> pow_reduced(Vec<double> e, Vec<double> f, Vec<double> y) {
    constexpr double log_coefficients[] = {
        9.61796694058367429570e-01, 5.77077952956182027577e-01, 4.12208429487687100234e-01,
        3.19933523812013287380e-01,
        2.82558896573723627998e-01};  // (log2((1 + s) / (1 - s)) - 2 s log2(e)) / s^3 over s^2
    constexpr double exp_coefficients[] = {5.00000007832101633909e-01, 1.66666668617017899034e-01,
                                           4.16662685155225198663e-02, 8.33326412697487327319e-03,
                                           1.39461763756221104708e-03, 1.99185102703046125168e-04};
    const Vec<double> s = f / (f + constant<double>(2));
    const Vec<double> z = s * s;
    const Vec<double> log2x =
        e + s * (constant<double>(2.88539008177792681472) + z * polynomial<double>(z, log_coefficients));
    const Vec<double> power = clamp_keeping_nan<double>(y * log2x, -300, 300);
    const Rounded<double> n = round_to_integer<double>(power);
    const Vec<double> r = (power - n.value) * constant<double>(0.693147180559945309417);
    const Vec<double> fraction = (r * r * polynomial<double>(r, exp_coefficients) + r) + constant<double>(1);
#if defined(__AVX512F__)
    return scale<double>(fraction, n);
#else
    return fraction * power_of_two<double>(n.integer);
#endif
}

PT_INLINE Vec<float> pow(Vec<float> x, Vec<float> y) {
    const Vec<float> magnitude = abs(x), t = abs(y), one = constant<float>(1), zero = constant<float>(0);
    auto [e, f] = log_reduce<float>(magnitude);
#if !defined(__AVX512F__)
    e = select<float>(magnitude == zero, -infinity<float>(), e);
    e = select<float>(magnitude < infinity<float>(), e, magnitude);  // inf and NaN
#endif
    const auto [low_e, high_e] = split(e);
    const auto [low_f, high_f] = split(f);
    const auto [low_y, high_y] = split(y);
    Vec<float> z = join({to_float(pow_reduced(to_double(low_e), to_double(low_f), to_double(low_y))),
                         to_float(pow_reduced(to_double(high_e), to_double(high_f), to_double(high_y)))});
    z = select<float>((magnitude == one) | (y == zero), one, z);  // whatever the other is, NaN and inf too

    if (!any<float>(bits<Vec<int32_t>>(x) < 0)) return z;

    // A negative base needs a whole exponent, and an odd one gives its sign. Floats from 2^24 on are even.
    const Vec<float> limit = constant<float>(0x1p24);
    const Vec<int32_t> integral = __builtin_convertvector(select<float>(t < limit, t, zero), Vec<int32_t>);
    const Mask<float> whole = (__builtin_convertvector(integral, Vec<float>) == t) | (t >= limit);
    const Vec<int32_t> odd = whole & (integral << 31);
    z = bits<Vec<float>>(bits<Vec<int32_t>>(z) ^ (odd & bits<Vec<int32_t>>(x)));
    const Mask<float> undefined = (x < zero) & (magnitude < infinity<float>()) & ~whole;
    return select<float>(undefined, quiet_nan<float>(), z);
}

}  // namespace pt::PT_ISA
