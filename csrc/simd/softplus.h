// log(1 + exp(x)) over Vec.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

// log(1 + u) for u in [0, 1]: 2 atanh(u / (2 + u)), whose series needs seven terms for float32.
PT_INLINE Vec<double> log1p_of_unit(Vec<double> u) { return log1p(u); }
PT_INLINE Vec<float> log1p_of_unit(Vec<float> u) {
    const Vec<float> s = u / (broadcast(2.0F) + u), q = s * s;
    Vec<float> r = broadcast(2.0F / 13);
    r = r * q + broadcast(2.0F / 11);
    r = r * q + broadcast(2.0F / 9);
    r = r * q + broadcast(2.0F / 7);
    r = r * q + broadcast(2.0F / 5);
    r = r * q + broadcast(2.0F / 3);
    r = r * q + broadcast(2.0F);
    return r * s;
}
// without overflow
template <class T>
PT_INLINE Vec<T> softplus_of(Vec<T> x) {
    return (x < Vec<T>{} ? Vec<T>{} : x) + log1p_of_unit(exp(-abs(x)));
}

}  // namespace pt::PT_ISA
