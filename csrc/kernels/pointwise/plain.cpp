// The plain version of every kernel, straight from the definitions through the C library: the oracle of the
// vector versions, and the only version of ops that the C library serves best.
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/pointwise/plain_cast.h"
#include "kernels/pointwise/special.h"
#include "kernels/pointwise/table.h"

namespace pt::pointwise::plain {

namespace {

template <class Op, class T, class In0, class R, int arity>
void loop(char* out, const char* const* in, const int64_t* steps, int64_t n, const double* params) {
    R* y = reinterpret_cast<R*>(out);
    const In0* a = reinterpret_cast<const In0*>(in[0]);
    const T* b = reinterpret_cast<const T*>(in[arity > 1 ? 1 : 0]);
    const T* c = reinterpret_cast<const T*>(in[arity > 2 ? 2 : 0]);
    const int64_t sa = steps[0], sb = steps[arity > 1 ? 1 : 0], sc = steps[arity > 2 ? 2 : 0];
    for (int64_t i = 0; i < n; ++i) {
        if constexpr (arity == 1) y[i] = static_cast<R>(Op::apply(params, a[i * sa]));
        if constexpr (arity == 2) y[i] = static_cast<R>(Op::apply(params, a[i * sa], b[i * sb]));
        if constexpr (arity == 3) y[i] = static_cast<R>(Op::apply(params, a[i * sa], b[i * sb], c[i * sc]));
    }
}

// Integers wrap around, as two's complement hardware has it.
template <class T>
struct wide {
    using type = T;
};
template <>
struct wide<int32_t> {
    using type = uint32_t;
};
template <>
struct wide<int64_t> {
    using type = uint64_t;
};
template <class T>
using wide_t = typename wide<T>::type;

template <class T>
T nan_of() {
    return std::numeric_limits<T>::quiet_NaN();
}
template <class T>
bool is_nan(T x) {
    return x != x;
}
template <class T>
T sigmoid_of(T x) {
    return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
template <class T>
T larger(T a, T b) {
    return is_nan(a) || a > b ? a : b;
}
// Normal density and distribution.
template <class T>
T pdf(T x) {
    return std::exp(x * x * T(-0.5)) * T(0.398942280401432677939946);
}
template <class T>
T cdf(T x) {
    return T(0.5) * (1 + std::erf(x * T(0.707106781186547524400844)));
}
// gelu_tanh(x) = x sigmoid(u(x))
template <class T>
T gelu_u(T x) {
    return T(1.59576912160573071175978) * (x + T(0.044715) * x * x * x);
}
template <class T>
T softplus_of(T x) {
    return std::log1p(std::exp(-std::fabs(x))) + (x > 0 ? x : 0);
}

// Negative numbers wrap around in unsigned types instead of being undefined.
template <class T>
T convert(double x) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<int64_t>(x));
    return static_cast<T>(x);
}

#define P(i) convert<T>(p[i])
#define U(x) static_cast<wide_t<T>>(x)
#define PT_DEFINE1(name, ...)                                      \
    struct name {                                                  \
        template <class T>                                         \
        static auto apply([[maybe_unused]] const double* p, T x) { \
            return __VA_ARGS__;                                    \
        }                                                          \
    };
#define PT_DEFINE2(name, ...)                                           \
    struct name {                                                       \
        template <class T>                                              \
        static auto apply([[maybe_unused]] const double* p, T a, T b) { \
            return __VA_ARGS__;                                         \
        }                                                               \
    };
#define PT_DEFINE3(name, ...)                                                \
    struct name {                                                            \
        template <class T>                                                   \
        static auto apply([[maybe_unused]] const double* p, T a, T b, T c) { \
            return __VA_ARGS__;                                              \
        }                                                                    \
    };

namespace op {
PT_DEFINE2(add, T(U(a) + U(b)))
PT_DEFINE2(sub, T(U(a) - U(b)))
PT_DEFINE2(mul, T(U(a) * U(b)))
PT_DEFINE2(add_scaled, T(U(a) + U(P(0)) * U(b)))
PT_DEFINE2(div, a / b)
PT_DEFINE1(mul_number, x* P(0))
PT_DEFINE1(div_number, x / P(0))
struct floor_divide {
    template <class T>
    static T apply(const double*, T a, T b) {
        if (b == 0) return a / b;
        const T m = std::fmod(a, b);
        const T q = (a - m) / b - (m != 0 && (b < 0) != (m < 0) ? 1 : 0);
        if (q == 0) return std::copysign(T(0), a / b);
        return std::floor(q) + (q - std::floor(q) > T(0.5) ? 1 : 0);
    }
};
PT_DEFINE2(trunc_divide, std::trunc(a / b))
PT_DEFINE2(pow, std::pow(a, b))
PT_DEFINE2(maximum, larger(a, b))
PT_DEFINE2(minimum, is_nan(a) || a < b ? a : b)
PT_DEFINE2(fmax, std::fmax(a, b))
PT_DEFINE2(fmin, std::fmin(a, b))
PT_DEFINE2(fmod, std::fmod(a, b))
struct remainder {
    template <class T>
    static T apply(const double*, T a, T b) {
        const T m = std::fmod(a, b);
        return m != 0 && (b < 0) != (m < 0) ? m + b : m;
    }
};
PT_DEFINE2(atan2, std::atan2(a, b))
PT_DEFINE2(hypot, std::hypot(a, b))
PT_DEFINE2(logaddexp, std::isinf(a) && a == b ? a : larger(a, b) + std::log1p(std::exp(-std::fabs(a - b))))
PT_DEFINE2(logaddexp2, std::isinf(a) && a == b ? a
                                               : larger(a, b) + std::log1p(std::exp2(-std::fabs(a - b))) *
                                                                    T(1.44269504088896340736))
PT_DEFINE2(xlogy, a == 0 && !is_nan(b) ? T(0) : a * std::log(b))
PT_DEFINE2(heaviside, a == 0 ? b : T(a > 0))
PT_DEFINE2(prelu, a > 0 ? a : b * a)
PT_DEFINE2(glu, a* sigmoid_of(b))
PT_DEFINE2(copysign, std::copysign(a, b))
PT_DEFINE2(nextafter, std::nextafter(a, b))

PT_DEFINE2(eq, a == b)
PT_DEFINE2(ne, a != b)
PT_DEFINE2(lt, a < b)
PT_DEFINE2(le, a <= b)
PT_DEFINE2(gt, a > b)
PT_DEFINE2(ge, a >= b)
PT_DEFINE2(logical_and, a != 0 && b != 0)
PT_DEFINE2(logical_or, a != 0 || b != 0)
PT_DEFINE2(logical_xor, (a != 0) != (b != 0))
PT_DEFINE1(logical_not, x == 0)
PT_DEFINE2(bitwise_and, a& b)
PT_DEFINE2(bitwise_or, a | b)
PT_DEFINE2(bitwise_xor, a ^ b)
struct bitwise_not {
    template <class T>
    static T apply(const double*, T x) {
        if constexpr (std::is_same_v<T, bool>)
            return !x;
        else
            return static_cast<T>(~x);
    }
};
PT_DEFINE1(isnan, is_nan(x))
PT_DEFINE1(isinf, std::isinf(x))
PT_DEFINE1(isfinite, std::isfinite(x))

PT_DEFINE1(neg, T(-U(x)))
struct abs {
    template <class T>
    static T apply(const double*, T x) {
        if constexpr (std::is_floating_point_v<T>)
            return std::fabs(x);
        else
            return x < T(0) ? T(-U(x)) : x;
    }
};
PT_DEFINE1(sign, T((x > T(0)) - (x < T(0))))
PT_DEFINE1(square, T(U(x) * U(x)))
PT_DEFINE1(cube, x * x * x)
PT_DEFINE1(reciprocal, 1 / x)
PT_DEFINE1(sqrt, std::sqrt(x))
PT_DEFINE1(rsqrt, 1 / std::sqrt(x))
PT_DEFINE1(exp, std::exp(x))
PT_DEFINE1(exp2, std::exp2(x))
PT_DEFINE1(expm1, std::expm1(x))
PT_DEFINE1(log, std::log(x))
PT_DEFINE1(log2, std::log2(x))
PT_DEFINE1(log10, std::log10(x))
PT_DEFINE1(log1p, std::log1p(x))
PT_DEFINE1(sin, std::sin(x))
PT_DEFINE1(cos, std::cos(x))
PT_DEFINE1(tan, std::tan(x))
PT_DEFINE1(sinh, std::sinh(x))
PT_DEFINE1(cosh, std::cosh(x))
PT_DEFINE1(tanh, std::tanh(x))
PT_DEFINE1(asin, std::asin(x))
PT_DEFINE1(acos, std::acos(x))
PT_DEFINE1(atan, std::atan(x))
PT_DEFINE1(asinh, std::asinh(x))
PT_DEFINE1(acosh, std::acosh(x))
PT_DEFINE1(atanh, std::atanh(x))
PT_DEFINE1(erf, std::erf(x))
PT_DEFINE1(erfc, std::erfc(x))
PT_DEFINE1(erfinv, T(pt::pointwise::erfinv(x)))
PT_DEFINE1(digamma, T(pt::pointwise::digamma(x)))
struct lgamma {  // the reentrant form: lgamma() itself writes the global signgam
    static float apply(const double*, float x) {
        int sign;
        return ::lgammaf_r(x, &sign);
    }
    static double apply(const double*, double x) {
        int sign;
        return ::lgamma_r(x, &sign);
    }
};
PT_DEFINE1(sigmoid, sigmoid_of(x))
PT_DEFINE1(floor, std::floor(x))
PT_DEFINE1(ceil, std::ceil(x))
PT_DEFINE1(round, std::nearbyint(x))
PT_DEFINE1(trunc, std::trunc(x))
PT_DEFINE1(frac, x - std::trunc(x))

PT_DEFINE1(relu, x < T(0) ? T(0) : x)
PT_DEFINE1(leaky_relu, x > 0 ? x : x * P(0))
PT_DEFINE1(elu, x > 0 ? x * P(1) : P(0) * P(1) * std::expm1(x * P(2)))
PT_DEFINE1(celu, x > 0 ? x : P(0) * std::expm1(x / P(0)))
PT_DEFINE1(gelu, x* cdf(x))
PT_DEFINE1(gelu_tanh, x* sigmoid_of(gelu_u(x)))
PT_DEFINE1(silu, x / (1 + std::exp(-x)))
PT_DEFINE1(mish, x* std::tanh(softplus_of(x)))
PT_DEFINE1(softplus, x* P(0) > P(1) ? x : std::log1p(std::exp(x * P(0))) / P(0))
PT_DEFINE1(hardtanh, x<P(0) ? P(0) : x> P(1) ? P(1) : x)
PT_DEFINE1(hardsigmoid, (x + 3 < 0 ? T(0) : x + 3 > 6 ? T(6) : x + 3) / 6)
PT_DEFINE1(hardswish, x*(x + 3 < 0 ? T(0) : x + 3 > 6 ? T(6) : x + 3) / 6)
PT_DEFINE1(logsigmoid, (x < 0 ? x : 0) - std::log1p(std::exp(-std::fabs(x))))
struct nan_to_num {
    template <class T>
    static T apply(const double* p, T x) {
        if (std::isinf(x)) return x > 0 ? P(1) : P(2);
        return is_nan(x) ? P(0) : x;
    }
};
PT_DEFINE1(softsign, x / (1 + std::fabs(x)))
PT_DEFINE1(tanhshrink, x - std::tanh(x))
PT_DEFINE1(hardshrink, x >= -P(0) && x <= P(0) ? T(0) : x)
PT_DEFINE1(softshrink, x > P(0) ? x - P(0) : x < -P(0) ? x + P(0) : x * 0)
struct clamp {
    template <class T>
    static T apply(const double* p, T x) {
        const T low = P(0), high = P(1);
        const T y = x < low || is_nan(low) ? low : x;
        return y > high || is_nan(high) ? high : y;
    }
};
PT_DEFINE1(clamp_min, x < P(0) || is_nan(P(0)) ? P(0) : x)
PT_DEFINE1(clamp_max, x > P(0) || is_nan(P(0)) ? P(0) : x)
PT_DEFINE1(threshold, x <= P(0) ? P(1) : x)

struct where {
    template <class T>
    static T apply(const double*, uint8_t condition, T a, T b) {
        return condition ? a : b;
    }
};
PT_DEFINE2(lerp_number, std::fabs(P(0)) < T(0.5) ? a + P(0) * (b - a) : b - (b - a) * (1 - P(0)))
PT_DEFINE3(lerp, std::fabs(c) < T(0.5) ? a + c * (b - a) : b - (b - a) * (1 - c))
PT_DEFINE3(addcmul, a + P(0) * b * c)
PT_DEFINE3(scaled_difference, (a - b) * c)
PT_DEFINE3(addcdiv, a + P(0) * b / c)

PT_DEFINE2(tanh_backward, a * (1 - b * b))
PT_DEFINE2(sigmoid_backward, a * (1 - b) * b)
PT_DEFINE2(threshold_backward, b <= P(0) ? T(0) : a)
PT_DEFINE2(leaky_relu_backward, b > 0 ? a : a * P(0))
PT_DEFINE2(elu_backward, b <= 0 ? a * P(2) * P(0) * P(1) * std::exp(b * P(2)) : a * P(1))
PT_DEFINE2(celu_backward, b <= 0 ? a * std::exp(b / P(0)) : a)
PT_DEFINE2(gelu_backward, a*(cdf(b) + b * pdf(b)))
struct gelu_tanh_backward {
    template <class T>
    static T apply(const double*, T g, T x) {
        const T s = sigmoid_of(gelu_u(x));
        const T slope = T(1.59576912160573071175978) * (1 + 3 * T(0.044715) * x * x);
        return g * (s + x * s * (1 - s) * slope);
    }
};
struct silu_backward {
    template <class T>
    static T apply(const double*, T g, T x) {
        const T s = sigmoid_of(x);
        return g * s * (1 + x * (1 - s));
    }
};
struct mish_backward {
    template <class T>
    static T apply(const double*, T g, T x) {
        const T t = std::tanh(softplus_of(x));
        return g * (t + x * sigmoid_of(x) * (1 - t * t));
    }
};
struct softplus_backward {
    template <class T>
    static T apply(const double* p, T g, T x) {
        return x * P(0) > P(1) ? g : g * sigmoid_of(x * P(0));
    }
};
PT_DEFINE2(hardtanh_backward, b > P(0) && b < P(1) ? a : T(0))
PT_DEFINE2(hardsigmoid_backward, b > -3 && b < 3 ? a / 6 : T(0))
PT_DEFINE2(hardswish_backward, b <= -3 ? T(0) : b < 3 ? a * (b / 3 + T(0.5)) : a)
PT_DEFINE2(logsigmoid_backward, a* sigmoid_of(-b))
PT_DEFINE2(hardshrink_backward, b<-P(0) || b> P(0) ? a : T(0))
}  // namespace op

#define PT_L(name, T, In0, R, arity) loop<op::name, T, In0, R, arity>
#define PT_ROW_FLOAT(name, n)            \
    {nullptr,                            \
     nullptr,                            \
     nullptr,                            \
     nullptr,                            \
     PT_L(name, float, float, float, n), \
     PT_L(name, double, double, double, n)},
#define PT_ROW_LIBM PT_ROW_FLOAT
#define PT_ROW_POW PT_ROW_FLOAT
#define PT_ROW_NUMBER(name, n)                 \
    {nullptr,                                  \
     PT_L(name, uint8_t, uint8_t, uint8_t, n), \
     PT_L(name, int32_t, int32_t, int32_t, n), \
     PT_L(name, int64_t, int64_t, int64_t, n), \
     PT_L(name, float, float, float, n),       \
     PT_L(name, double, double, double, n)},
#define PT_ROW_COMPARE(name, n)                                                          \
    {PT_L(name, uint8_t, uint8_t, uint8_t, n), PT_L(name, uint8_t, uint8_t, uint8_t, n), \
     PT_L(name, int32_t, int32_t, uint8_t, n), PT_L(name, int64_t, int64_t, uint8_t, n), \
     PT_L(name, float, float, uint8_t, n),     PT_L(name, double, double, uint8_t, n)},
#define PT_ROW_PREDICATE(name, n)          \
    {nullptr,                              \
     nullptr,                              \
     nullptr,                              \
     nullptr,                              \
     PT_L(name, float, float, uint8_t, n), \
     PT_L(name, double, double, uint8_t, n)},
#define PT_ROW_BITS(name, n)                   \
    {PT_L(name, bool, bool, bool, n),          \
     PT_L(name, uint8_t, uint8_t, uint8_t, n), \
     PT_L(name, int32_t, int32_t, int32_t, n), \
     PT_L(name, int64_t, int64_t, int64_t, n), \
     nullptr,                                  \
     nullptr},
#define PT_ROW_SELECT(name, n)                                                           \
    {PT_L(name, uint8_t, uint8_t, uint8_t, n), PT_L(name, uint8_t, uint8_t, uint8_t, n), \
     PT_L(name, int32_t, uint8_t, int32_t, n), PT_L(name, int64_t, uint8_t, int64_t, n), \
     PT_L(name, int32_t, uint8_t, int32_t, n), PT_L(name, int64_t, uint8_t, int64_t, n)},

}  // namespace

#define PT_OP(name, group, arity, params, cost) PT_ROW_##group(name, arity)
const Kernels kernels = {{
#include "kernels/pointwise/kernels.inc"
                         },
                         {},
                         PT_ALL_CASTS};

}  // namespace pt::pointwise::plain
