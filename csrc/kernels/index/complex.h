// Complex numbers that add and multiply as NumPy's do.
#pragma once

namespace pt::index {

template <class T>
struct Complex {
    T re, im;

    Complex() = default;
    explicit constexpr Complex(int x) : re(static_cast<T>(x)), im(0) {}
    friend Complex operator+(Complex x, Complex y) {
        x.re += y.re;
        x.im += y.im;
        return x;
    }
    friend Complex operator*(Complex x, Complex y) {
        Complex z;
        z.re = x.re * y.re - x.im * y.im;
        z.im = x.re * y.im + x.im * y.re;
        return z;
    }
};

}  // namespace pt::index
