// Vector versions of the family's kernels.
#pragma once

#include <cstddef>

#include "kernels/random/kernels.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace pt::random::PT_ISA {

using namespace pt::PT_ISA;

using U32 = Vec<uint32_t>;
using U64 = Vec<uint64_t>;
using F32 = Vec<float>;
using F64 = Vec<double>;

// a * b + c with one rounding. Levels without the instruction go through double, where the product is exact.
PT_INLINE F32 fused(F32 a, F32 b, F32 c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
    return vfmaq_f32(c, a, b);
#else
    F32 r;
    for (int i = 0; i < lanes<float>; ++i)
        r[i] = static_cast<float>(static_cast<double>(a[i]) * static_cast<double>(b[i]) +
                                  static_cast<double>(c[i]));
    return r;
#endif
}
PT_INLINE float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
#endif
}
PT_INLINE F32 fused(F32 a, float b, F32 c) { return fused(a, broadcast(b), c); }
PT_INLINE F32 fused(F32 a, F32 b, float c) { return fused(a, b, broadcast(c)); }

// --- the twister
// ---------------------------------------------------------------------------------------------

PT_INLINE U32 twisted(U32 current, U32 following, U32 shifted) {
    const U32 mixed = (current & 0x80000000u) | (following & 0x7fffffffu);
    return shifted ^ (mixed >> 1) ^ ((U32{} - (following & 1u)) & 0x9908b0dfu);
}
PT_INLINE uint32_t twisted(uint32_t current, uint32_t following, uint32_t shifted) {
    const uint32_t mixed = (current & 0x80000000u) | (following & 0x7fffffffu);
    return shifted ^ (mixed >> 1) ^ ((0u - (following & 1u)) & 0x9908b0dfu);
}

// Words before `wrap` read old words ahead of them, later ones read the new words at the front.
static void twist(uint32_t* state) {
    constexpr int width = lanes<uint32_t>;
    constexpr int wrap = kStateWords - kStateShift;
    int i = 0;
    for (; i + width <= wrap; i += width)
        store(state + i, twisted(load(state + i), load(state + i + 1), load(state + i + kStateShift)));
    for (; i < wrap; ++i) state[i] = twisted(state[i], state[i + 1], state[i + kStateShift]);
    for (; i + width <= kStateWords - 1; i += width)
        store(state + i, twisted(load(state + i), load(state + i + 1), load(state + i - wrap)));
    for (; i < kStateWords - 1; ++i) state[i] = twisted(state[i], state[i + 1], state[i - wrap]);
    state[i] = twisted(state[i], state[0], state[i - wrap]);
}

template <class V>
PT_INLINE V tempered(V y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

static void temper(const uint32_t* state, uint32_t* out, int64_t n) {
    int64_t i = 0;
    for (; i + lanes<uint32_t> <= n; i += lanes<uint32_t>) store(out + i, tempered(load(state + i)));
    for (; i < n; ++i) out[i] = tempered(state[i]);
}

// --- uniforms
// ------------------------------------------------------------------------------------------------

static void uniform_float(const uint32_t* raw, float* out, int64_t n, float from, float to) {
    constexpr int width = lanes<float>;
    const float span = to - from;
    int64_t i = 0;
    for (; i + width <= n; i += width) {
        const Vec<int32_t> bits24 = bits<Vec<int32_t>>(load(raw + i) & 0xffffffu);
        const F32 unit = __builtin_convertvector(bits24, F32) * 0x1p-24f;
        store(out + i, fused(unit, span, broadcast(from)));
    }
    for (; i < n; ++i) {
        const float unit = static_cast<float>(raw[i] & 0xffffffu) * 0x1p-24f;
        out[i] = fused(unit, span, from);
    }
}

// Two words as the 53-bit integer that a double uniform is made of.
PT_INLINE U64 bits53(U64 pair) { return ((pair & 0x1fffffu) << 32) | (pair >> 32); }
PT_INLINE uint64_t bits53(const uint32_t* raw) {
    return (static_cast<uint64_t>(raw[0]) << 32 | raw[1]) & ((uint64_t{1} << 53) - 1);
}

// Exact for v < 2^53, with bit operations only: few levels can convert 64-bit integers.
PT_INLINE F64 to_double(U64 v) {
    const U64 magic = broadcast<uint64_t>(0x4330000000000000u);  // the bits of 2^52
    const F64 low = bits<F64>((v & 0xffffffffu) | magic) - 0x1p52;
    const F64 high = bits<F64>((v >> 32) | magic) - 0x1p52;
    return high * 0x1p32 + low;
}

static void uniform_double(const uint32_t* raw, double* out, int64_t n, double from, double to) {
    constexpr int width = lanes<double>;
    const double span = to - from;
    int64_t i = 0;
    for (; i + width <= n; i += width) {
        const F64 unit = to_double(bits53(bits<U64>(load(raw + 2 * i)))) * 0x1p-53;
        store(out + i, unit * span + from);
    }
    for (; i < n; ++i) {
        const double unit = static_cast<double>(bits53(raw + 2 * i)) * 0x1p-53;
        out[i] = unit * span + from;
    }
}

// --- normals: Box-Muller with the polynomials of Cephes
// ------------------------------------------------------ The order of operations, contractions included, is
// the one PyTorch's vectorised fill has.

// Natural logarithm of x in (0, 1].
PT_INLINE F32 log_unit(F32 x) {
    x = max_hw<float>(x, broadcast(1.17549435e-38f));
    const Vec<int32_t> exponent = bits<Vec<int32_t>>(bits<U32>(x) >> 23) - 0x7f;
    x = bits<F32>((bits<U32>(x) & ~0x7f800000u) | 0x3f000000u);  // in [0.5, 1)
    F32 e = __builtin_convertvector(exponent, F32) + 1.0f;
    const Mask<float> small = x < 0.707106781186547524f;
    e -= select<float>(small, broadcast(1.0f), F32{});
    x = (x - 1.0f) + select<float>(small, x, F32{});
    const F32 square = x * x;
    F32 y = broadcast(7.0376836292e-2f);
    constexpr float coefficients[] = {-1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f,
                                      1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f,
                                      -2.4999993993e-1f, 3.3333331174e-1f};
    for (const float c : coefficients) y = fused(y, x, c);
    y = y * x;
    y = fused(y, square, e * -2.12194440e-4f);
    y = fused(square, -0.5f, y);
    return fused(e, 0.693359375f, x + y);
}

// Sine and cosine of x in [0, 2 pi].
PT_INLINE void sincos_turn(F32 x, F32& sine, F32& cosine) {
    Vec<int32_t> octant = __builtin_convertvector(x * 1.27323954473516f, Vec<int32_t>);  // 4 / pi
    octant = (octant + 1) & ~1;
    const F32 y = __builtin_convertvector(octant, F32);
    x = fused(y, -0.78515625f, x);  // x - y * pi / 4 in three parts
    x = fused(y, -2.4187564849853515625e-4f, x);
    x = fused(y, -3.77489497744594108e-8f, x);
    const F32 z = x * x;
    F32 even = broadcast(2.443315711809948e-5f);
    even = fused(even, z, -1.388731625493765e-3f);
    even = fused(even, z, 4.166664568298827e-2f);
    even = even * z;
    even = fused(even, z, -(z * 0.5f)) + 1.0f;
    F32 odd = broadcast(-1.9515295891e-4f);
    odd = fused(odd, z, 8.3321608736e-3f);
    odd = fused(odd, z, -1.6666654611e-1f);
    odd = odd * z;
    odd = fused(odd, x, x);
    const Mask<float> straight = (octant & 2) == 0;
    const Vec<int32_t> sine_sign = (octant & 4) << 29;
    const Vec<int32_t> cosine_sign = (~(octant - 2) & 4) << 29;
    sine = bits<F32>(bits<Vec<int32_t>>(select<float>(straight, odd, even)) ^ sine_sign);
    cosine = bits<F32>(bits<Vec<int32_t>>(select<float>(straight, even, odd)) ^ cosine_sign);
}

PT_INLINE void box_muller(F32 u, F32 v, float mean, float std, F32& first, F32& second) {
    const F32 radius = sqrt(-2.0f * log_unit(1.0f - u));
    F32 sine, cosine;
    sincos_turn(v * 6.283185307179586f, sine, cosine);
    first = fused(radius * cosine, std, broadcast(mean));
    second = fused(radius * sine, std, broadcast(mean));
}

#if PT_VEC_BYTES == 64
// The first and the second halves of two registers.
PT_INLINE F32 low_halves(F32 a, F32 b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}
PT_INLINE F32 high_halves(F32 a, F32 b) {
    return __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
#endif

static void normal_blocks(float* data, int64_t blocks, float mean, float std) {
    F32 first, second;
#if PT_VEC_BYTES == 64
    // A register holds a whole block: take two and swap their halves.
    int64_t b = 0;
    for (; b + 2 <= blocks; b += 2, data += 32) {
        const F32 one = load(data), two = load(data + 16);
        box_muller(low_halves(one, two), high_halves(one, two), mean, std, first, second);
        store(data, low_halves(first, second));
        store(data + 16, high_halves(first, second));
    }
    if (b < blocks) {
        box_muller(load_n(data, 8), load_n(data + 8, 8), mean, std, first, second);
        store_n(data, first, 8);
        store_n(data + 8, second, 8);
    }
#else
    for (int64_t b = 0; b < blocks; ++b, data += 16) {
        for (int i = 0; i < 8; i += lanes<float>) {
            box_muller(load(data + i), load(data + i + 8), mean, std, first, second);
            store(data + i, first);
            store(data + i + 8, second);
        }
    }
#endif
}

// --- integers and masks
// --------------------------------------------------------------------------------------

static void bernoulli(const uint32_t* raw, uint8_t* out, int64_t n, uint64_t threshold) {
    constexpr int width = lanes<uint64_t>;
    typedef int8_t Bytes __attribute__((vector_size(width)));
    const Vec<int64_t> limit = broadcast(static_cast<int64_t>(threshold));
    int64_t i = 0;
    for (; i + width <= n; i += width) {
        const Vec<int64_t> below = bits<Vec<int64_t>>(bits53(bits<U64>(load(raw + 2 * i)))) < limit;
        const Bytes ones = __builtin_convertvector(below & 1, Bytes);
        __builtin_memcpy(out + i, &ones, width);
    }
    for (; i < n; ++i) out[i] = bits53(raw + 2 * i) < threshold;
}

// The quotient in double is right to within one; the remainder shows by how much.
static void remainder(const uint32_t* raw, int64_t* out, int64_t n, uint32_t range, int64_t base) {
    constexpr int width = lanes<int64_t>;
    const F64 inverse = broadcast(1.0 / range);
    const F64 divisor = broadcast(static_cast<double>(range));
    const U64 magic = broadcast<uint64_t>(0x4330000000000000u);
    int64_t i = 0;
    for (; i + width <= n; i += width) {
        U64 v;
        for (int j = 0; j < width; ++j) v[j] = raw[i + j];
        const F64 x = bits<F64>(v | magic) - 0x1p52;
        const F64 quotient = (x * inverse + 0x1p52) - 0x1p52;  // rounded to an integer
        F64 rest = x - quotient * divisor;
        rest = select<double>(rest < 0.0, rest + divisor, rest);
        rest = select<double>(rest >= divisor, rest - divisor, rest);
        const U64 whole = bits<U64>(rest + 0x1p52) ^ magic;
        store(out + i, bits<Vec<int64_t>>(whole) + base);
    }
    for (; i < n; ++i) out[i] = static_cast<int64_t>(raw[i] % range) + base;
}

template <class T>
PT_INLINE void mask_any(const T* x, const uint8_t* mask, T* out, int64_t n, T scale) {
    const T factors[] = {T(0), scale};
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factors[mask[i] & 1];
}
static void mask_float(const float* x, const uint8_t* mask, float* out, int64_t n, float scale) {
    constexpr int width = lanes<float>;
    typedef int8_t Bytes __attribute__((vector_size(width)));
    int64_t i = 0;
    for (; i + width <= n; i += width) {
        Bytes m;
        __builtin_memcpy(&m, mask + i, width);
        const Vec<int32_t> keep = -__builtin_convertvector(m, Vec<int32_t>);
        store(out + i, load(x + i) * bits<F32>(keep & bits<Vec<int32_t>>(broadcast(scale))));
    }
    mask_any(x + i, mask + i, out + i, n - i, scale);
}
static void mask_double(const double* x, const uint8_t* mask, double* out, int64_t n, double scale) {
    mask_any(x, mask, out, n, scale);
}

// --- other distributions, computed in double ---------------------------------------------------------------

// out[i] = f(u[i]), rounded to float.
template <class F>
PT_INLINE void rounded_map(const double* u, float* out, int64_t n, const F& f) {
    constexpr int width = lanes<double>;
    for (int64_t i = 0; i < n; i += width) {
        const int part = n - i < width ? static_cast<int>(n - i) : width;
        const HalfFloats y = __builtin_convertvector(f(load_n(u + i, part, 0.5)), HalfFloats);
        __builtin_memcpy(out + i, &y, static_cast<size_t>(part) * sizeof(float));
    }
}

static void exponential_float(const double* u, float* out, int64_t n, double rate) {
    rounded_map(u, out, n, [=](F64 x) { return log1p(-x) * (-1.0 / rate); });
}

static void geometric_float(const double* u, float* out, int64_t n, double p) {
    const F64 scale = log1p(broadcast(-p));
    rounded_map(u, out, n, [=](F64 x) {
        const F64 trials = log(x) / scale;
        const F64 nearest = (trials + 0x1p52) - 0x1p52;
        return select<double>(nearest < trials, nearest + 1.0, nearest);
    });
}

static void cauchy_float(const double* u, float* out, int64_t n, double median, double sigma) {
    rounded_map(u, out, n, [=](F64 x) { return tan((x - 0.5) * 3.14159265358979323846) * sigma + median; });
}

// n is even: pairs are u0 v0 u1 v1 ..., the results the cosine and the sine of each.
static void log_normal_float(const double* pairs, float* out, int64_t n, double mean, double std) {
    constexpr int width = lanes<double>;
    for (int64_t i = 0; i < n; i += 2 * width) {
        const int64_t part = n - i < 2 * width ? (n - i) / 2 : width;
        F64 u = broadcast(0.5), v = broadcast(0.5);
        for (int64_t j = 0; j < part; ++j) {
            u[j] = pairs[i + 2 * j];
            v[j] = pairs[i + 2 * j + 1];
        }
        const F64 radius = sqrt(log1p(-v) * -2.0), angle = u * 6.28318530717958647692;
        const F64 first = exp(radius * cos(angle) * std + mean);
        const F64 second = exp(radius * sin(angle) * std + mean);
        for (int64_t j = 0; j < part; ++j) {
            out[i + 2 * j] = static_cast<float>(first[j]);
            out[i + 2 * j + 1] = static_cast<float>(second[j]);
        }
    }
}

}  // namespace pt::random::PT_ISA
