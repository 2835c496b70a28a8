// sin, cos and tan. Arguments up to trig_max are reduced by multiples of pi/2 in three parts (Cody and
// Waite); beyond it, where the parts no longer suffice, the affected lanes go to the C library, which is
// exact there.
#pragma once

#include "simd/math.h"

namespace pt::PT_ISA {

constexpr float trig_max_f = 48000.0f;
constexpr double pio2_d[3] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                              2.02226624879595063154e-21};
constexpr double trig_max_d = 1.0e5;

template <class T>
struct TrigReduced {
    Vec<T> r, low;       // |r| <= pi/4, low: what r lost in rounding
    IntVec<T> quadrant;  // x = quadrant pi/2 + r + low
};
PT_INLINE TrigReduced<double> trig_reduce(Vec<double> x) {
    const auto [n, q] = round_to_integer<double>(x * broadcast<double>(0.636619772367581343076));
    const Vec<double> a = x - n * broadcast<double>(pio2_d[0]);
    const Vec<double> b = n * broadcast<double>(pio2_d[1]);
    const Vec<double> r = a - b;
    return {r, ((a - r) - b) - n * broadcast<double>(pio2_d[2]), q};
}

#if defined(__FMA__) || defined(__aarch64__)
PT_INLINE TrigReduced<float> trig_reduce(Vec<float> x) {
    constexpr float pio2[3] = {0x1.921fb0p+00f, 0x1.5110b4p-22f, 0x1.846988p-48f};
    const auto [n, q] = round_to_integer<float>(x * broadcast<float>(0.636619772367581343f));
    Vec<float> r = x - n * broadcast<float>(pio2[0]);
    r = r - n * broadcast<float>(pio2[1]);
    return {r - n * broadcast<float>(pio2[2]), constant<float>(0), q};
}
#else
// Without FMA the products above would round: reduce in double.
PT_INLINE TrigReduced<float> trig_reduce(Vec<float> x) {
    HalfFloats parts[2], multiples[2];
    __builtin_memcpy(parts, &x, sizeof(x));
    for (int i = 0; i < 2; ++i) {
        const TrigReduced<double> reduced = trig_reduce(__builtin_convertvector(parts[i], Vec<double>));
        parts[i] = __builtin_convertvector(reduced.r + reduced.low, HalfFloats);
        multiples[i] = __builtin_convertvector(small_integer_to_float<double>(reduced.quadrant), HalfFloats);
    }
    Vec<float> r, n;
    __builtin_memcpy(&r, parts, sizeof(r));
    __builtin_memcpy(&n, multiples, sizeof(n));
    return {r, constant<float>(0), round_to_integer<float>(n).integer};
}
#endif

template <class T>
struct SinCos {
    Vec<T> sin, cos;
};
// On |r| <= pi/4.
PT_INLINE SinCos<float> sincos_core(Vec<float> r, Vec<float>) {
    constexpr float s[] = {-1.66666672e-1f, 8.33338592e-3f, -1.98559923e-4f, 2.86567956e-6f};
    constexpr float c[] = {4.16666567e-2f, -1.38877297e-3f, 2.44677067e-5f};
    const Vec<float> z = r * r;
    return {(r * z) * polynomial<float>(z, s) + r,
            z * z * polynomial<float>(z, c) + (constant<float>(1) - constant<float>(0.5) * z)};
}
PT_INLINE SinCos<double> sincos_core(Vec<double> r, Vec<double> low) {
    constexpr double s[] = {-1.66666666666666324348e-01, 8.33333333332231598889e-03,
                            -1.98412698297254842025e-04, 2.75573136621389254709e-06,
                            -2.50507532757325221692e-08, 1.58965055347250954217e-10};
    constexpr double c[] = {4.16666666666666019037e-02, -1.38888888888739924811e-03,
                            2.48015872893956243190e-05, -2.75573143261952977105e-07,
                            2.08757195772560910992e-09, -1.13594494862942301060e-11};
    const Vec<double> z = r * r;
    const Vec<double> half = constant<double>(0.5) * z;
    const Vec<double> head = constant<double>(1) - half;
    const Vec<double> lost = (constant<double>(1) - head) - half;
    return {((r * z) * polynomial<double>(z, s) + low) + r,
            head + (z * z * polynomial<double>(z, c) + (lost - r * low))};
}

enum class Trig { sin, cos, tan };

// The lanes that the reduction cannot serve, one by one.
template <Trig which, class T>
static __attribute__((noinline, cold)) void trig_far(const T* x, T* y, T limit) {
    for (int i = 0; i < lanes<T>; ++i) {
        if (!(x[i] > limit || x[i] < -limit)) continue;
        const double v = static_cast<double>(x[i]);
        if constexpr (which == Trig::sin) y[i] = static_cast<T>(__builtin_sin(v));
        if constexpr (which == Trig::cos) y[i] = static_cast<T>(__builtin_cos(v));
        if constexpr (which == Trig::tan) y[i] = static_cast<T>(__builtin_tan(v));
    }
}

template <Trig which, class T>
PT_INLINE Vec<T> trig(Vec<T> x, T limit) {
    const auto [r, low, q] = trig_reduce(x);
    const auto [s, c] = sincos_core(r, low);
    const IntVec<T> odd = -(q & integer<T>(1));
    Vec<T> y;
    if constexpr (which == Trig::tan) {
        y = select<T>(odd, -c, s) / select<T>(odd, s, c);
    } else {
        const IntVec<T> turn = which == Trig::sin ? q : q + integer<T>(1);
        const IntVec<T> negative = (turn & integer<T>(2)) << (sizeof(T) * 8 - 2);
        const IntVec<T> use_cos = which == Trig::sin ? odd : ~odd;
        y = bits<Vec<T>>(bits<IntVec<T>>(select<T>(use_cos, c, s)) ^ negative);
    }
    if constexpr (which != Trig::cos) y = select<T>(x == constant<T>(0), x, y);
    const auto far = abs(x) > broadcast<T>(limit);
    if (__builtin_expect(any<T>(far), 0)) {
        T in[lanes<T>], out[lanes<T>];
        store(in, x);
        store(out, y);
        trig_far<which, T>(in, out, limit);
        y = load(out);
    }
    return y;
}

PT_INLINE Vec<float> sin(Vec<float> x) { return trig<Trig::sin, float>(x, trig_max_f); }
PT_INLINE Vec<double> sin(Vec<double> x) { return trig<Trig::sin, double>(x, trig_max_d); }
PT_INLINE Vec<float> cos(Vec<float> x) { return trig<Trig::cos, float>(x, trig_max_f); }
PT_INLINE Vec<double> cos(Vec<double> x) { return trig<Trig::cos, double>(x, trig_max_d); }
PT_INLINE Vec<float> tan(Vec<float> x) { return trig<Trig::tan, float>(x, trig_max_f); }
PT_INLINE Vec<double> tan(Vec<double> x) { return trig<Trig::tan, double>(x, trig_max_d); }

}  // namespace pt::PT_ISA
