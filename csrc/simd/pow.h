// pow for float, computed in double: |x|^y = 2^(y log2 |x|). The error stays below 0.6 ulp.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

// x^y of positive finite numbers, to 2^-33: enough for a float. Results beyond float's range are cut off.
PT_INLINE Vec<double> pow_positive(Vec<double> x, Vec<double> y) {
    constexpr double log_coefficients[] = {
        9.61796694058367429570e-01, 5.77077952956182027577e-01, 4.12208429487687100234e-01,
        3.19933523812013287380e-01,
        2.82558896573723627998e-01};  // (log2((1 + s) / (1 - s)) - 2 s log2(e)) / s^3 over s^2
    constexpr double exp_coefficients[] = {5.00000007832101633909e-01, 1.66666668617017899034e-01,
                                           4.16662685155225198663e-02, 8.33326412697487327319e-03,
                                           1.39461763756221104708e-03, 1.99185102703046125168e-04};
    const auto [exponent, f] = log_reduce<double>(x);
    const Vec<double> s = f / (f + constant<double>(2));
    const Vec<double> z = s * s;
    const Vec<double> log2x = exponent + s * (constant<double>(2.88539008177792681472) +
                                              z * polynomial<double>(z, log_coefficients));
    const Vec<double> most = constant<double>(300);
    Vec<double> power = y * log2x;
    power = select<double>(power > most, most, power);
    power = select<double>(power < -most, -most, power);
    const Rounded<double> n = round_to_integer<double>(power);
    const Vec<double> r = (power - n.value) * constant<double>(0.693147180559945309417);
    const Vec<double> fraction = (r * r * polynomial<double>(r, exp_coefficients) + r) + constant<double>(1);
    return fraction * power_of_two<double>(n.integer);
}

// Zeros, infinities and NaN, one by one.
static __attribute__((noinline, cold)) void pow_special(const float* x, const float* y, float* z) {
    for (int i = 0; i < lanes<float>; ++i) {
        const bool ordinary = x[i] != 0 && __builtin_isfinite(x[i]) && __builtin_isfinite(y[i]);
        if (!ordinary) z[i] = __builtin_powf(x[i], y[i]);
    }
}

PT_INLINE Vec<float> pow(Vec<float> x, Vec<float> y) {
    const Vec<float> magnitude = abs(x);
    const auto [low_base, high_base] = split(magnitude);
    const auto [low_power, high_power] = split(y);
    Vec<float> z = join({to_float(pow_positive(to_double(low_base), to_double(low_power))),
                         to_float(pow_positive(to_double(high_base), to_double(high_power)))});

    // A negative base needs a whole exponent, and an odd one gives its sign. Floats from 2^24 on are even.
    const Vec<float> t = abs(y), limit = constant<float>(0x1p24);
    const Vec<int32_t> integral =
        __builtin_convertvector(select<float>(t < limit, t, constant<float>(0)), Vec<int32_t>);
    const Vec<int32_t> whole = (__builtin_convertvector(integral, Vec<float>) == t) | (t >= limit);
    const Vec<float> with_sign = bits<Vec<float>>(bits<Vec<int32_t>>(z) ^ (integral << 31));
    const Vec<float> of_negative = select<float>(whole, with_sign, quiet_nan<float>());
    z = select<float>(x < constant<float>(0), of_negative, z);

    const auto ordinary =
        (magnitude > constant<float>(0)) & (magnitude < infinity<float>()) & (t < infinity<float>());
    if (__builtin_expect(any<float>(~ordinary), 0)) {
        float base[lanes<float>], power[lanes<float>], result[lanes<float>];
        store(base, x);
        store(power, y);
        store(result, z);
        pow_special(base, power, result);
        z = load(result);
    }
    return z;
}

}  // namespace pt::PT_ISA
