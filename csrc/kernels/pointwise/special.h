// Special functions that the C library lacks, in double.
#pragma once

#include <cmath>
#include <limits>

namespace pt::pointwise {

// The derivative of lgamma: shifted up to 10 by psi(x) = psi(x + 1) - 1 / x, then the asymptotic series; on
// the negative side by reflection. (Moshier's Cephes library, psi.c)
inline double digamma(double x) {
    if (x == 0) return std::copysign(std::numeric_limits<double>::infinity(), -x);
    if (x < 0) {
        if (x == std::trunc(x)) return std::numeric_limits<double>::quiet_NaN();
        constexpr double pi = 3.14159265358979323846;
        double whole;
        return digamma(1 - x) - pi / std::tan(pi * std::modf(x, &whole));
    }
    double shift = 0;
    for (; x < 9; x += 2) shift -= (2 * x + 1) / (x * (x + 1));  // two steps with one division
    if (x < 10) {
        shift -= 1 / x;
        x += 1;
    }
    // B(2k) / 2k
    constexpr double c[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12};
    const double z = 1 / (x * x);
    double series = 0;
    for (int k = 6; k >= 0; --k) series = (series + c[k]) * z;
    return shift + std::log(x) - 0.5 / x - series;
}

// The inverse of erf: a rational approximation, then two steps of Newton's method. In the tails these use
// erfc, where erf has no digits left.
inline double erfinv(double y) {
    const double t = std::fabs(y), rest = 1 - t;
    if (!(t < 1))
        return t == 1 ? y * std::numeric_limits<double>::infinity()
                      : std::numeric_limits<double>::quiet_NaN();
    double x;
    if (t <= 0.7) {
        const double z = t * t;
        x = t * (((-0.140543331 * z + 0.914624893) * z - 1.645349621) * z + 0.886226899) /
            ((((0.012229801 * z - 0.329097515) * z + 1.442710462) * z - 2.118377725) * z + 1);
    } else {
        const double z = std::sqrt(-std::log(rest / 2));
        x = (((1.641345311 * z + 3.429567803) * z - 1.624906493) * z - 1.970840454) /
            ((1.637067800 * z + 3.543889200) * z + 1);
    }
    for (int step = 0; step < 2; ++step) {
        const double error = t <= 0.7 ? std::erf(x) - t : rest - std::erfc(x);
        x -= error / (1.12837916709551257390 * std::exp(-x * x));
    }
    return std::copysign(x, y);
}

}  // namespace pt::pointwise
