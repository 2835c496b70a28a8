// GELU, exact and by PyTorch's tanh formula: shared by the pointwise ops and the epilogues of products.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

// erf(x / sqrt(2))
PT_INLINE Vec<float> erf_scaled(Vec<float> x) { return erf_of_normal(x); }
PT_INLINE Vec<double> erf_scaled(Vec<double> x) {
    return erf(x * constant<double>(0.707106781186547524400844));
}
template <class T>
PT_INLINE Vec<T> gelu_of(Vec<T> x) {
    const Vec<T> half = constant<T>(0.5) * x;
    return half + half * erf_scaled(x);
}
// gelu_tanh(x) = x sigmoid(u(x))
template <class T>
PT_INLINE Vec<T> gelu_u(Vec<T> x) {
    return constant<T>(1.59576912160573071175978) * (x + constant<T>(0.044715) * x * x * x);
}
template <class T>
PT_INLINE Vec<T> gelu_tanh_of(Vec<T> x) {
    return x * sigmoid(gelu_u<T>(x));
}

}  // namespace pt::PT_ISA
