// hypot for float, computed in double, where no square overflows or vanishes.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

PT_INLINE HalfFloats length(HalfFloats a, HalfFloats b) {
    const Vec<double> x = to_double(a), y = to_double(b);
    return to_float(sqrt(x * x + y * y));
}
PT_INLINE Vec<float> hypot(Vec<float> a, Vec<float> b) {
    const auto [low_a, high_a] = split(a);
    const auto [low_b, high_b] = split(b);
    const Vec<float> y = join({length(low_a, low_b), length(high_a, high_b)}), inf = infinity<float>();
    return select<float>((abs(a) == inf) | (abs(b) == inf), inf, y);  // even beside NaN
}

}  // namespace pt::PT_ISA
