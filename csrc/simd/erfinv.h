// The inverse of the error function, for float.
#pragma once

#include "simd/log.h"

namespace pt::PT_ISA {

// Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011): x times a polynomial in
// w = -log(1 - x^2), and in its root in the tails. Within 4 ulp.
PT_INLINE Vec<float> erfinv(Vec<float> x) {
    constexpr float center[] = {1.50140941f,     0.246640727f,    -0.00417768164f,
                                -0.00125372503f, 0.00021858087f,  -4.39150654e-06f,
                                -3.5233877e-06f, 3.43273939e-07f, 2.81022636e-08f};
    constexpr float tail[] = {2.83297682f,    1.00167406f,     0.00943887047f,
                              -0.0076224613f, 0.00573950773f,  -0.00367342844f,
                              0.00134934322f, 0.000100950558f, -0.000200214257f};
    const Vec<float> one = constant<float>(1), t = abs(x);
    const Vec<float> w = -log((one - t) * (one + t));
    const Vec<float> near = horner<float>(w - constant<float>(2.5), center);
    const Vec<float> far = horner<float>(sqrt(w) - constant<float>(3), tail);
    const Vec<float> y = x * select<float>(w < constant<float>(5), near, far);
    return select<float>(t == one, copysign_of<float>(infinity<float>(), x), y);
}

}  // namespace pt::PT_ISA
