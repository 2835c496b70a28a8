// Vector exp, log and their relatives for float and double over the whole domain: NaN, infinities, denormal
// inputs and results included. Error bounds (in units of the last place of the exact result, measured by
// tests/simd/test_math_ulp.py at every level and stated there too):
//
//     exp exp2 expm1 log log2 log10 log1p erf sin cos, tanh(float)    2 ulp
//     asin acos atan atan2                                            2.5 ulp
//     sigmoid tanh(double) sinh cosh                                  2.5 ulp
//     tan                                                             4 ulp
//     erfc                                                            4.5 ulp
//
// Polynomials are minimax fits made for these intervals (Remez in 60 digits). Included by isa_*.cpp files
// only, like vec.h. The a * b + c here become FMAs where the level has them; every product that must be exact
// for a reduction to hold is exact in a plain multiplication too.
#pragma once

#include "simd/vec.h"

namespace pt::PT_ISA {

// Half a vector of floats: what converts to one of doubles.
typedef float HalfFloats __attribute__((vector_size(PT_VEC_BYTES / 2)));

struct FloatHalves {
    HalfFloats low, high;
};
// In registers: a wide load after two narrow stores would stall.
PT_INLINE FloatHalves split(Vec<float> x) {
#if PT_VEC_BYTES == 64
    return {__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7),
            __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15)};
#elif PT_VEC_BYTES == 32
    return {__builtin_shufflevector(x, x, 0, 1, 2, 3), __builtin_shufflevector(x, x, 4, 5, 6, 7)};
#else
    return {__builtin_shufflevector(x, x, 0, 1), __builtin_shufflevector(x, x, 2, 3)};
#endif
}
PT_INLINE Vec<float> join(FloatHalves v) {
#if PT_VEC_BYTES == 64
    return __builtin_shufflevector(v.low, v.high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif PT_VEC_BYTES == 32
    return __builtin_shufflevector(v.low, v.high, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return __builtin_shufflevector(v.low, v.high, 0, 1, 2, 3);
#endif
}
PT_INLINE Vec<double> to_double(HalfFloats x) {
#if defined(__AVX512F__)  // GCC 12 converts four lanes at a time otherwise
    return (Vec<double>)_mm512_maskz_cvtps_pd(0xff, (__m256)x);
#else
    return __builtin_convertvector(x, Vec<double>);
#endif
}
PT_INLINE HalfFloats to_float(Vec<double> x) {
#if defined(__AVX512F__)
    return (HalfFloats)_mm512_maskz_cvtpd_ps(0xff, (__m512d)x);
#else
    return __builtin_convertvector(x, HalfFloats);
#endif
}

template <class T>
struct Format;
template <>
struct Format<float> {
    using Int = int32_t;
    using Unsigned = uint32_t;
    static constexpr int mantissa_bits = 23;
    static constexpr Int bias = 127;
    static constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr Int sign_bit = INT32_MIN;
    static constexpr Int half_bits = 0x3f3504f3;  // sqrt(1/2)
    static constexpr float min_normal = 0x1p-126f;
    static constexpr float two_to_digits = 0x1p24f;
    static constexpr int digits = 24;
    static constexpr float ln2_hi = 0.693359375f;  // ten bits: its product with an exponent is exact
    static constexpr float ln2_lo = -2.12194440e-4f;
    static constexpr float log2e = 1.44269504088896341f;
    static constexpr float exp_max = 89.0f;     // above: inf
    static constexpr float exp_min = -104.0f;   // below: 0
    static constexpr float expm1_min = -18.0f;  // below: -1
};
template <>
struct Format<double> {
    using Int = int64_t;
    using Unsigned = uint64_t;
    static constexpr int mantissa_bits = 52;
    static constexpr Int bias = 1023;
    static constexpr double round_magic = 6755399441055744.0;
    static constexpr Int sign_bit = INT64_MIN;
    static constexpr Int half_bits = 0x3fe6a09e667f3bcdLL;
    static constexpr double min_normal = 0x1p-1022;
    static constexpr double two_to_digits = 0x1p53;
    static constexpr int digits = 53;
    static constexpr double ln2_hi = 6.93147180369123816490e-01;  // 33 bits
    static constexpr double ln2_lo = 1.90821492927058770002e-10;
    static constexpr double log2e = 1.44269504088896340736;
    static constexpr double exp_max = 710.0;
    static constexpr double exp_min = -746.0;
    static constexpr double expm1_min = -38.0;
};
template <class T>
using IntVec = Vec<typename Format<T>::Int>;

template <class T>
PT_INLINE Vec<T> constant(double x) {
    return broadcast<T>(static_cast<T>(x));
}
template <class T>
PT_INLINE Vec<T> infinity() {
    return broadcast<T>(static_cast<T>(__builtin_inf()));
}
template <class T>
PT_INLINE Vec<T> quiet_nan() {
    return broadcast<T>(static_cast<T>(__builtin_nan("")));
}
template <class T>
PT_INLINE IntVec<T> integer(typename Format<T>::Int i) {
    return broadcast<typename Format<T>::Int>(i);
}

// c[0] + c[1] x + c[2] x^2 + ... by Horner's scheme: the more exact one where the terms do not fall off.
template <class T, int N>
PT_INLINE Vec<T> horner(Vec<T> x, const T (&c)[N]) {
    Vec<T> y = broadcast<T>(c[N - 1]);
#pragma GCC unroll 32
    for (int i = N - 2; i >= 0; --i) y = y * x + broadcast<T>(c[i]);
    return y;
}

// The same by Estrin's scheme: these functions are bound by latency, and halves that
// are computed side by side make the chain logarithmic in the degree.
template <class T, int first, int count, int N>
PT_INLINE Vec<T> estrin(const Vec<T>* powers, const T (&c)[N]) {
    if constexpr (count == 1) {
        return broadcast<T>(c[first]);
    } else if constexpr (count == 2) {
        return broadcast<T>(c[first + 1]) * powers[0] + broadcast<T>(c[first]);
    } else {
        constexpr int level = count > 16 ? 4 : count > 8 ? 3 : count > 4 ? 2 : 1;
        constexpr int half = 1 << level;
        return estrin<T, first + half, count - half>(powers, c) * powers[level] +
               estrin<T, first, half>(powers, c);
    }
}
template <class T, int N>
PT_INLINE Vec<T> polynomial(Vec<T> x, const T (&c)[N]) {
    static_assert(N <= 32);
    Vec<T> powers[5] = {x};  // x, x^2, x^4, x^8, x^16
    if constexpr (N > 2) powers[1] = x * x;
    if constexpr (N > 4) powers[2] = powers[1] * powers[1];
    if constexpr (N > 8) powers[3] = powers[2] * powers[2];
    if constexpr (N > 16) powers[4] = powers[3] * powers[3];
    return estrin<T, 0, N>(powers, c);
}

template <class T>
PT_INLINE Vec<T> copysign_of(Vec<T> magnitude, Vec<T> sign) {
    const IntVec<T> bit = integer<T>(Format<T>::sign_bit);
    return bits<Vec<T>>((bits<IntVec<T>>(magnitude) & ~bit) | (bits<IntVec<T>>(sign) & bit));
}

template <class T>
PT_INLINE bool any(Mask<T> mask) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_movepi32_mask((__m512i)mask) != 0;
    else
        return _mm512_movepi64_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
    return _mm256_movemask_epi8((__m256i)mask) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_epi8((__m128i)mask) != 0;
#else
    typename Format<T>::Int found = 0;
    for (int i = 0; i < lanes<T>; ++i) found |= mask[i];
    return found != 0;
#endif
}

// x rounded to the nearest integer (ties to even) for |x| < 2^(mantissa bits - 1), as number and as integer.
template <class T>
struct Rounded {
    Vec<T> value;
    IntVec<T> integer;
};
template <class T>
PT_INLINE Rounded<T> round_to_integer(Vec<T> x) {
#if defined(__AVX512F__)  // maskz: GCC 12 warns about the unmasked intrinsics' own undefined operand
    if constexpr (sizeof(T) == 4) {
        const __m512 value = _mm512_maskz_roundscale_ps(0xffff, (__m512)x, _MM_FROUND_TO_NEAREST_INT);
        return {(Vec<T>)value, (IntVec<T>)_mm512_maskz_cvtps_epi32(0xffff, value)};
    } else {
        const __m512d value = _mm512_maskz_roundscale_pd(0xff, (__m512d)x, _MM_FROUND_TO_NEAREST_INT);
        return {(Vec<T>)value, (IntVec<T>)_mm512_maskz_cvtpd_epi64(0xff, value)};
    }
#else
    const Vec<T> magic = broadcast<T>(Format<T>::round_magic);
    const Vec<T> shifted = x + magic;
    return {shifted - magic, bits<IntVec<T>>(shifted) - bits<IntVec<T>>(magic)};
#endif
}
template <class T>
PT_INLINE Vec<T> small_integer_to_float(IntVec<T> i) {
    const Vec<T> magic = broadcast<T>(Format<T>::round_magic);
    return bits<Vec<T>>(i + bits<IntVec<T>>(magic)) - magic;
}

// 2^n for n within the exponents of normal numbers.
template <class T>
PT_INLINE Vec<T> power_of_two(IntVec<T> n) {
    return bits<Vec<T>>((n + integer<T>(Format<T>::bias)) << Format<T>::mantissa_bits);
}

// y * 2^n for any n that exp can need: overflows to inf, rounds once into the denormals.
template <class T>
PT_INLINE Vec<T> scale(Vec<T> y, Rounded<T> n) {
#if defined(__AVX512F__)  // maskz: GCC 12 warns about the unmasked intrinsics' own undefined operand
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_scalef_ps(0xffff, (__m512)y, (__m512)n.value);
    else
        return (Vec<T>)_mm512_maskz_scalef_pd(0xff, (__m512d)y, (__m512d)n.value);
#else
    const IntVec<T> first = round_to_integer<T>(n.value * constant<T>(0.5)).integer;
    return y * power_of_two<T>(first) * power_of_two<T>(n.integer - first);
#endif
}

// (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2. Errors relative to exp: float 2^-34, double 2^-58.
PT_INLINE Vec<float> exp_tail(Vec<float> r) {
    constexpr float c[] = {5.00000007832101633909e-01f, 1.66666668617017899034e-01f,
                           4.16662685155225198663e-02f, 8.33326412697487327319e-03f,
                           1.39461763756221104708e-03f, 1.99185102703046125168e-04f};
    return polynomial<float>(r, c);
}
PT_INLINE Vec<double> exp_tail(Vec<double> r) {
    constexpr double c[] = {
        5.00000000000000000000e-01, 1.66666666666666851704e-01, 4.16666666666667268037e-02,
        8.33333333331661742227e-03, 1.38888888888583300965e-03, 1.98412698973628621058e-04,
        2.48015873739291567012e-05, 2.75572339286134386491e-06, 2.75572332151394606717e-07,
        2.51123487401670174925e-08, 2.09269847294248371468e-09};
    return polynomial<double>(r, c);
}

// x = n ln 2 + r with |r| <= ln(2)/2; `low` is added to r (an error term of x).
template <class T>
struct ExpReduced {
    Rounded<T> n;
    Vec<T> r;
};
template <class T>
PT_INLINE ExpReduced<T> exp_reduce(Vec<T> x) {
    const Rounded<T> n = round_to_integer<T>(x * broadcast<T>(Format<T>::log2e));
    Vec<T> r = x - n.value * broadcast<T>(Format<T>::ln2_hi);
    r = r - n.value * broadcast<T>(Format<T>::ln2_lo);
    return {n, r};
}
template <class T>
PT_INLINE Vec<T> clamp_keeping_nan(Vec<T> x, T low, T high) {
    return max_hw<T>(broadcast<T>(low), min_hw<T>(broadcast<T>(high), x));
}

// exp(x + low) where |low| is a rounding error of x.
template <class T>
PT_INLINE Vec<T> exp_with_low(Vec<T> x, Vec<T> low) {
    x = clamp_keeping_nan<T>(x, Format<T>::exp_min, Format<T>::exp_max);
    const auto [n, r0] = exp_reduce<T>(x);
    const Vec<T> r = r0 + low;
    return scale<T>((r * r * exp_tail(r) + r) + constant<T>(1), n);
}
// exp of x, or of `most` where x is larger.
template <class T>
PT_INLINE Vec<T> exp_below(Vec<T> x, T most) {
    x = clamp_keeping_nan<T>(x, Format<T>::exp_min, most);
    const auto [n, r] = exp_reduce<T>(x);
    return scale<T>((r * r * exp_tail(r) + r) + constant<T>(1), n);
}
template <class T>
PT_INLINE Vec<T> exp_generic(Vec<T> x) {
    return exp_below<T>(x, Format<T>::exp_max);
}
template <class T>
PT_INLINE Vec<T> exp2_generic(Vec<T> x) {
    x = clamp_keeping_nan<T>(x, static_cast<T>(1.5 * Format<T>::exp_min),
                             static_cast<T>(1.5 * Format<T>::exp_max));
    const Rounded<T> n = round_to_integer<T>(x);
    const Vec<T> f = x - n.value;
    // f ln 2 in two parts: the product's rounding error would show.
    constexpr T head = static_cast<T>(sizeof(T) == 4 ? 0.693359375 : 6.93147180369123816490e-01);
    constexpr T tail = static_cast<T>(sizeof(T) == 4 ? -2.12194440e-4 : 1.90821492927058770002e-10);
    const Vec<T> r = f * broadcast<T>(head) + f * broadcast<T>(tail);
    return scale<T>((r * r * exp_tail(r) + r) + constant<T>(1), n);
}

// expm1 for x in [expm1_min, exp_max]: 2^n (p + (1 - 2^-n)) with p = exp(r) - 1.
template <class T>
PT_INLINE Vec<T> expm1_core(Vec<T> x) {
    const auto [n, r] = exp_reduce<T>(x);
    const Vec<T> p = r * r * exp_tail(r) + r;
    const IntVec<T> most = integer<T>(Format<T>::bias - 1);
    const IntVec<T> m = n.integer > most ? most : n.integer;
    return scale<T>(p + (constant<T>(1) - power_of_two<T>(-m)), n);
}
template <class T>
PT_INLINE Vec<T> expm1_generic(Vec<T> x) {
    const Vec<T> y = expm1_core<T>(clamp_keeping_nan<T>(x, Format<T>::expm1_min, Format<T>::exp_max));
    return select<T>(x == constant<T>(0), x, y);  // keeps the sign of zero
}

// (tanh(x) / x - 1) / x^2 over x^2 for |x| <= 0.55.
PT_INLINE Vec<float> tanh_center(Vec<float> z) {
    constexpr float c[] = {-3.33333327407900337214e-01f, 1.33332945752019565999e-01f,
                           -5.39597823618204255891e-02f, 2.17836933189519861565e-02f,
                           -8.41654467919921225882e-03f, 2.39869331989223067911e-03f};
    return polynomial<float>(z, c);
}
PT_INLINE Vec<float> tanh(Vec<float> x) {
    const Vec<float> t = abs(x), z = x * x;
    const Vec<float> near = x * (z * tanh_center(z)) + x;
    const Vec<float> one = constant<float>(1), two = constant<float>(2);
    const Vec<float> far = one - two / (exp_generic<float>(t + t) + one);
    return copysign_of<float>(select<float>(t > constant<float>(0.55), far, near), x);
}
PT_INLINE Vec<double> tanh(Vec<double> x) {
    const Vec<double> limit = constant<double>(22);
    Vec<double> t = abs(x);
    t = select<double>(t > limit, limit, t);
    const Vec<double> em = expm1_core<double>(t + t);
    return copysign_of<double>(em / (em + constant<double>(2)), x);
}
// z / (1 + z) with z = exp(x): its small side is as exact as exp down to the denormals, and at the bound,
// where the quotient is 1 already, x stops.
template <class T>
PT_INLINE Vec<T> sigmoid_generic(Vec<T> x) {
    const Vec<T> z = exp_below<T>(x, Format<T>::digits);
    return z / (z + constant<T>(1));
}
template <class T>
PT_INLINE Vec<T> sinh_generic(Vec<T> x) {
    // expm1 up to the overflow of exp(|x|); beyond it exp(|x| / 2)^2 / 2.
    const Vec<T> t = abs(x);
    const Vec<T> em = expm1_core<T>(clamp_keeping_nan<T>(t, T(0), static_cast<T>(Format<T>::exp_max - 2)));
    const Vec<T> small = constant<T>(0.5) * (em + em / (em + constant<T>(1)));
    const Vec<T> root = exp_generic<T>(constant<T>(0.5) * t);
    const Vec<T> large = (constant<T>(0.5) * root) * root;
    const Vec<T> y = select<T>(t > broadcast<T>(static_cast<T>(Format<T>::exp_max - 3)), large, small);
    return copysign_of<T>(y, x);
}
template <class T>
PT_INLINE Vec<T> cosh_generic(Vec<T> x) {
    const Vec<T> t = abs(x);
    const Vec<T> e = exp_generic<T>(t);
    const Vec<T> half = constant<T>(0.5);
    const Vec<T> root = exp_generic<T>(half * t);
    const Vec<T> large = (half * root) * root;
    return select<T>(t > broadcast<T>(static_cast<T>(Format<T>::exp_max - 3)), large, half * e + half / e);
}

#define PT_DEFINE_BOTH(function)                                                         \
    PT_INLINE Vec<float> function(Vec<float> x) { return function##_generic<float>(x); } \
    PT_INLINE Vec<double> function(Vec<double> x) { return function##_generic<double>(x); }
PT_DEFINE_BOTH(exp)
PT_DEFINE_BOTH(exp2)
PT_DEFINE_BOTH(expm1)
PT_DEFINE_BOTH(sigmoid)
PT_DEFINE_BOTH(sinh)
PT_DEFINE_BOTH(cosh)

}  // namespace pt::PT_ISA

#include "simd/arc.h"
#include "simd/erf.h"
#include "simd/log.h"
#include "simd/trig.h"
