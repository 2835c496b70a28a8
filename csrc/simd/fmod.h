// fmod for float, exact: in double the product of a quotient below 2^24 and the divisor is, too.
#pragma once

#include "simd/round.h"

namespace pt::PT_ISA {

// Large quotients, zero divisors, infinities and NaN, one by one.
static __attribute__((noinline, cold)) void fmod_special(const float* a, const float* b, float* result) {
    for (int i = 0; i < lanes<float>; ++i) result[i] = __builtin_fmodf(a[i], b[i]);
}

struct DoubleDivision {
    HalfFloats rest, quotient;
};
PT_INLINE DoubleDivision divide(HalfFloats dividend, HalfFloats divisor) {
    const Vec<double> x = to_double(dividend), y = to_double(divisor);
    const Vec<double> q = round_to<Rounding::trunc, double>(x / y);
    return {to_float(x - q * y), to_float(q)};
}

PT_INLINE Vec<float> fmod(Vec<float> a, Vec<float> b) {
    const auto [low_a, high_a] = split(a);
    const auto [low_b, high_b] = split(b);
    const DoubleDivision low = divide(low_a, low_b), high = divide(high_a, high_b);
    Vec<float> rest = join({low.rest, high.rest});
    const Vec<float> quotient = join({low.quotient, high.quotient});
    rest = copysign_of<float>(rest, a);
    const auto ordinary = (abs(quotient) < constant<float>(0x1p24)) & (abs(b) < infinity<float>());
    if (__builtin_expect(any<float>(~ordinary), 0)) {
        float as[lanes<float>], bs[lanes<float>], out[lanes<float>];
        store(as, a);
        store(bs, b);
        fmod_special(as, bs, out);
        rest = select<float>(ordinary, rest, load(out));
    }
    return rest;
}

}  // namespace pt::PT_ISA
