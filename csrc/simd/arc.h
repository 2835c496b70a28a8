// Inverse trigonometric functions.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

// pi in two parts: head + tail is exact to twice the precision.
template <class T>
struct Pi;
template <>
struct Pi<float> {
    static constexpr float head = 3.14159274101257324f, tail = -8.74227765734758578e-8f;
};
template <>
struct Pi<double> {
    static constexpr double head = 3.14159265358979312, tail = 1.22464679914735321e-16;
};

// (atan(a) / a - 1) / a^2 over a^2 for |a| <= 1.
PT_INLINE Vec<float> atan_tail(Vec<float> z) {
    constexpr float c[] = {
        -3.33333018701800432027e-01f, 1.99986386790744180564e-01f,  -1.42652456658071385975e-01f,
        1.09575764754453505723e-01f,  -8.41945757620035373225e-02f, 5.82344961514037820494e-02f,
        -3.14556282859612262870e-02f, 1.10643940022251956873e-02f,  -1.82720119473574952977e-03f};
    return polynomial<float>(z, c);
}
PT_INLINE Vec<double> atan_tail(Vec<double> z) {
    constexpr double c[] = {
        -3.33333333333319936642e-01, 1.99999999997748867386e-01,  -1.42857142723580049504e-01,
        1.11111107056132807358e-01,  -9.09090165891577733914e-02, 7.69221732784297895780e-02,
        -6.66589223461546698246e-02, 5.87747540390986325520e-02,  -5.23988982273135839307e-02,
        4.67590026845263531663e-02,  -4.09707452083813983279e-02, 3.41453880414875066140e-02,
        -2.59308860493691444027e-02, 1.70842196926066017260e-02,  -9.26541091408423882203e-03,
        3.90045959759593779612e-03,  -1.18077330027042438909e-03, 2.26850162279990319935e-04,
        -2.06624608269734262947e-05};
    return polynomial<double>(z, c);
}
// (asin(s) / s - 1) / s^2 over s^2 for |s| <= 1/2.
PT_INLINE Vec<float> asin_tail(Vec<float> z) {
    constexpr float c[] = {1.66667541238104871537e-01f, 7.49523287816759309354e-02f,
                           4.54783218698364757882e-02f, 2.41410800241577752634e-02f,
                           4.22304079347431832181e-02f};
    return polynomial<float>(z, c);
}
PT_INLINE Vec<double> asin_tail(Vec<double> z) {
    constexpr double c[] = {
        1.66666666666653751072e-01, 7.50000000034479058497e-02,  4.46428568219825669394e-02,
        3.03819593951836740275e-02, 2.23717519458826695489e-02,  1.73597955084112340329e-02,
        1.38843518058831497802e-02, 1.21749337740937376567e-02,  6.50355448773314807204e-03,
        1.95942554539975007100e-02, -1.63265700285053806662e-02, 3.19816126045566750946e-02};
    return polynomial<double>(z, c);
}

// fraction of pi minus r
template <class T>
PT_INLINE Vec<T> pi_minus(double fraction, Vec<T> r) {
    return (constant<T>(fraction * Pi<T>::head) - r) + constant<T>(fraction * Pi<T>::tail);
}

template <class T>
PT_INLINE Vec<T> atan_generic(Vec<T> x) {
    const Vec<T> t = abs(x), one = constant<T>(1);
    const Mask<T> big = t > one;
    const Vec<T> a = select<T>(big, one / t, t);
    const Vec<T> z = a * a;
    const Vec<T> r = a * (z * atan_tail(z)) + a;
    return copysign_of<T>(select<T>(big, pi_minus<T>(0.5, r), r), x);
}

// Both zero, both infinite, or NaN: one by one.
template <class T>
static __attribute__((noinline, cold)) void atan2_special(const T* y, const T* x, T* result) {
    for (int i = 0; i < lanes<T>; ++i) result[i] = static_cast<T>(__builtin_atan2(y[i], x[i]));
}
template <class T>
PT_INLINE Vec<T> atan2_generic(Vec<T> y, Vec<T> x) {
    const Vec<T> ay = abs(y), ax = abs(x), zero = constant<T>(0);
    const Mask<T> steep = ay > ax;
    const Vec<T> least = select<T>(steep, ax, ay), most = select<T>(steep, ay, ax);
    const Vec<T> a = least / most;
    const Vec<T> z = a * a;
    Vec<T> r = a * (z * atan_tail(z)) + a;
    r = select<T>(steep, pi_minus<T>(0.5, r), r);
    const Mask<T> left = bits<IntVec<T>>(x) < integer<T>(0);  // the sign bit: -0 is left
    Vec<T> result = copysign_of<T>(select<T>(left, pi_minus<T>(1, r), r), y);
    const Mask<T> ordinary = (most > zero) & (most < infinity<T>()) & (least == least);
    if (__builtin_expect(any<T>(~ordinary), 0)) {
        T ys[lanes<T>], xs[lanes<T>], out[lanes<T>];
        store(ys, y);
        store(xs, x);
        atan2_special<T>(ys, xs, out);
        result = select<T>(ordinary, result, load(out));
    }
    return result;
}

// asin(s) of the reduced argument: s = t for t <= 1/2, else sqrt((1 - t) / 2), where asin(t) = pi/2 - 2
// asin(s).
template <class T>
struct AsinReduced {
    Mask<T> big;
    Vec<T> r;
};
template <class T>
PT_INLINE AsinReduced<T> asin_reduced(Vec<T> t) {
    const Vec<T> half = constant<T>(0.5);
    const Mask<T> big = t > half;
    const Vec<T> z = select<T>(big, (constant<T>(1) - t) * half, t * t);
    const Vec<T> s = select<T>(big, sqrt(z), t);
    return {big, s * (z * asin_tail(z)) + s};
}
template <class T>
PT_INLINE Vec<T> asin_generic(Vec<T> x) {
    const auto [big, r] = asin_reduced<T>(abs(x));
    return copysign_of<T>(select<T>(big, pi_minus<T>(0.5, r + r), r), x);
}
template <class T>
PT_INLINE Vec<T> acos_generic(Vec<T> x) {
    const auto [big, r] = asin_reduced<T>(abs(x));
    const Vec<T> near_ends = select<T>(x < constant<T>(0), pi_minus<T>(1, r + r), r + r);
    return select<T>(big, near_ends, pi_minus<T>(0.5, copysign_of<T>(r, x)));
}

PT_DEFINE_BOTH(atan)
PT_DEFINE_BOTH(asin)
PT_DEFINE_BOTH(acos)
PT_INLINE Vec<float> atan2(Vec<float> y, Vec<float> x) { return atan2_generic<float>(y, x); }
PT_INLINE Vec<double> atan2(Vec<double> y, Vec<double> x) { return atan2_generic<double>(y, x); }

}  // namespace pt::PT_ISA
