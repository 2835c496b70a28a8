// floor, ceil, trunc and rint (ties to even); signed zeros, infinities and NaN come out as IEEE has them.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

enum class Rounding : int { nearest = 0, floor = 1, ceil = 2, trunc = 3 };

template <Rounding mode, class T>
PT_INLINE Vec<T> round_to(Vec<T> x) {
    constexpr int imm = static_cast<int>(mode) | 8;  // 8: raise no exceptions
    (void)imm;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_roundscale_ps(0xffff, (__m512)x, imm);
    else
        return (Vec<T>)_mm512_maskz_roundscale_pd(0xff, (__m512d)x, imm);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm256_round_ps((__m256)x, imm);
    else
        return (Vec<T>)_mm256_round_pd((__m256d)x, imm);
#else
    // Adding and taking away 2^(mantissa bits) rounds; larger numbers are integers already.
    const Vec<T> magic = constant<T>(sizeof(T) == 4 ? 0x1p23 : 0x1p52);
    const Vec<T> t = abs(x), one = constant<T>(1);
    const Vec<T> r = (t + magic) - magic;
    Vec<T> y = copysign_of<T>(r, x);
    if constexpr (mode == Rounding::trunc) y = copysign_of<T>(select<T>(r > t, r - one, r), x);
    if constexpr (mode == Rounding::floor) y = select<T>(y > x, y - one, y);
    if constexpr (mode == Rounding::ceil) y = copysign_of<T>(select<T>(y < x, y + one, y), x);
    return select<T>(t < magic, y, x);
#endif
}

}  // namespace pt::PT_ISA
