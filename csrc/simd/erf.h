// erf and erfc.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

// erf(x) / x - 1 for |x| <= 1 over x^2.
PT_INLINE Vec<double> erf_center(Vec<double> z) {
    constexpr double c[] = {
        1.28379167095512586316e-01,  -3.76126389031837482513e-01, 1.12837916709548569116e-01,
        -2.68661706450728926532e-02, 5.22397762478085583154e-03,  -8.54832697874140343304e-04,
        1.20553310368663735286e-04,  -1.49255935060294113459e-05, 1.64609728025868140976e-06,
        -1.63500250655381401756e-07, 1.46578787703950113654e-08,  -1.13656617933959314107e-09,
        5.94525469296600009346e-11};
    return polynomial<double>(z, c);
}

PT_INLINE Vec<float> erf_center(Vec<float> z) {
    constexpr float c[] = {1.28379166e-1f,  -3.76125336e-1f, 1.12819925e-1f,
                           -2.67681349e-2f, 4.99119423e-3f,  -5.96761703e-4f};
    return polynomial<float>(z, c);
}

// exp(x^2) erfc(x) (1 + 2x) for x >= 0 as a polynomial in (x - k) / (x + k): Shepherd and Laframboise,
// "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf" (Mathematics of Computation, 1981).
template <class T>
struct ErfcTail;
template <>
struct ErfcTail<float> {
    static constexpr float k = 3.0f, x_max = 10.5f;  // beyond x_max: 0
    static constexpr float c[] = {
        1.25300805962367434176e+00f,  -1.35621143161930579613e-01f, -4.75624530463205005826e-02f,
        1.29646497148843214964e-01f,  -1.19270059406278994274e-01f, 6.82958059651295051884e-02f,
        -2.38024928700846273577e-02f, 2.56302563285163483714e-03f,  2.00905810948302050375e-03f,
        -7.65499842902171235073e-04f, -2.63424439348439252528e-04f};
};
template <>
struct ErfcTail<double> {
    static constexpr double k = 3.75, x_max = 27.5;
    static constexpr double c[] = {
        1.23751263083782747643e+00,  -1.40240598585546688559e-01, 3.58541548546255882390e-03,
        8.22767384901125081731e-02,  -1.08803930141646687524e-01, 9.23043211615374170620e-02,
        -5.86933985916810452288e-02, 2.83622773999383827326e-02,  -9.74657953889566941452e-03,
        1.75562602582656759539e-03,  2.93713578214178602267e-04,  -2.90155034783662769265e-04,
        5.16492347414849642786e-05,  2.23875739748292753206e-05,  -1.14436961686538627266e-05,
        -9.81012004361384844724e-07, 1.74898917494043803761e-06,  -4.68179941612035989508e-08,
        -2.53067611864982361316e-07, 1.48385878482383417415e-08,  3.27489163446354821996e-08,
        -4.57997832367516563293e-10, -2.25668233223981768609e-09};
};

// x^2 = high + low exactly (Dekker's product).
template <class T>
PT_INLINE Vec<T> square_error(Vec<T> x, Vec<T> high) {
    const IntVec<T> upper = integer<T>(~((typename Format<T>::Int(1) << ((Format<T>::digits + 1) / 2)) - 1));
    const Vec<T> a = bits<Vec<T>>(bits<IntVec<T>>(x) & upper);
    const Vec<T> b = x - a;
    return ((a * a - high) + (a + a) * b) + b * b;
}

// erfc(t) for t >= 0 (or NaN).
template <class T>
PT_INLINE Vec<T> erfc_positive(Vec<T> t) {
    using Tail = ErfcTail<T>;
    const Vec<T> most = broadcast<T>(Tail::x_max);
    t = select<T>(t > most, most, t);
    const Vec<T> k = broadcast<T>(Tail::k), one = constant<T>(1);
    const Vec<T> scaled = horner<T>((t - k) / (t + k), Tail::c);
    const Vec<T> high = t * t;
    return exp_with_low<T>(-high, -square_error<T>(t, high)) * (scaled / (one + (t + t)));
}
template <class T>
PT_INLINE Vec<T> erfc_generic(Vec<T> x) {
    const Vec<T> t = abs(x);
    const Vec<T> y = erfc_positive<T>(t);
    const Vec<T> far = select<T>(x < constant<T>(0), constant<T>(2) - y, y);
    const Vec<T> near = constant<T>(1) - (x * erf_center(x * x) + x);
    return select<T>(t < constant<T>(0.5), near, far);
}

PT_INLINE Vec<float> erf(Vec<float> x) {
    constexpr float outer[] = {-1.28717512e-1f, -6.34846687e-1f, -1.06777877e-1f, 2.42546219e-2f,
                               -3.88396438e-3f, 3.83197126e-4f,  -1.72853470e-5f};
    const Vec<float> t = abs(x), limit = constant<float>(4);
    const Vec<float> near = x * erf_center(x * x) + x;
    const Vec<float> u = select<float>(t > limit, limit, t);
    const Vec<float> far = constant<float>(1) - exp(u * polynomial<float>(u, outer) - u);
    return select<float>(t > constant<float>(0.927734375), copysign_of<float>(far, x), near);
}
PT_INLINE Vec<double> erf(Vec<double> x) {
    const Vec<double> t = abs(x);
    const Vec<double> near = x * erf_center(x * x) + x;
    const Vec<double> far = constant<double>(1) - erfc_positive<double>(t);
    return select<double>(t > constant<double>(1), copysign_of<double>(far, x), near);
}
// erf(x / sqrt(2)) to 2^-24, not relative to the result: a rational function of x^2, for distribution
// functions.
PT_INLINE Vec<float> erf_of_normal(Vec<float> x) {
    constexpr float top = 5.6f;  // beyond: 1
    constexpr float p[] = {0.797884454961161f,     0.06860232745692044f,    0.009404267648574575f,
                           0.0003460386555462012f, 1.2689589746941425e-05f, 4.4332914747294344e-08f};
    constexpr float q[] = {1.0f,
                           0.2526460607438196f,
                           0.02889581770432406f,
                           0.0019083011048707471f,
                           7.480358625723383e-05f,
                           1.1799580703168715e-06f};
    const Vec<float> u = clamp_keeping_nan<float>(x, -top, top);
    const Vec<float> z = u * u;
    const Vec<float> y = u * polynomial<float>(z, p) / polynomial<float>(z, q);
    return select<float>(abs(x) > constant<float>(top), copysign_of<float>(constant<float>(1), x), y);
}

PT_INLINE Vec<float> erfc(Vec<float> x) { return erfc_generic<float>(x); }
PT_INLINE Vec<double> erfc(Vec<double> x) { return erfc_generic<double>(x); }

}  // namespace pt::PT_ISA
