// The kernels one number at a time: the oracle of the vector versions.
#include <cmath>

#include "kernels/random/kernels.h"

namespace pt::random::plain {

namespace {

void twist(uint32_t* state) {
    for (int i = 0; i < kStateWords; ++i) {
        const uint32_t mixed = (state[i] & 0x80000000u) | (state[(i + 1) % kStateWords] & 0x7fffffffu);
        state[i] =
            state[(i + kStateShift) % kStateWords] ^ (mixed >> 1) ^ ((mixed & 1u) != 0 ? 0x9908b0dfu : 0u);
    }
}

void temper(const uint32_t* state, uint32_t* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        uint32_t y = state[i];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        out[i] = y ^ (y >> 18);
    }
}

void uniform_float(const uint32_t* raw, float* out, int64_t n, float from, float to) {
    const float span = to - from;
    for (int64_t i = 0; i < n; ++i)
        out[i] = std::fma(static_cast<float>(raw[i] & 0xffffffu) * 0x1p-24f, span, from);
}

uint64_t bits53(const uint32_t* raw) {
    return (static_cast<uint64_t>(raw[0]) << 32 | raw[1]) & ((uint64_t{1} << 53) - 1);
}

void uniform_double(const uint32_t* raw, double* out, int64_t n, double from, double to) {
    const double span = to - from;
    for (int64_t i = 0; i < n; ++i)
        out[i] = std::fma(static_cast<double>(bits53(raw + 2 * i)) * 0x1p-53, span, from);
}

// Cephes' logf on (0, 1].
float log_unit(float x) {
    int exponent;
    x = std::frexp(x, &exponent);
    float e = static_cast<float>(exponent);
    if (x < 0.707106781186547524f) {
        e -= 1.0f;
        x = (x - 1.0f) + x;
    } else {
        x -= 1.0f;
    }
    constexpr float coefficients[] = {-1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f,
                                      1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f,
                                      -2.4999993993e-1f, 3.3333331174e-1f};
    float y = 7.0376836292e-2f;
    for (const float c : coefficients) y = std::fma(y, x, c);
    const float square = x * x;
    y = y * x;
    y = std::fma(y, square, e * -2.12194440e-4f);
    y = std::fma(square, -0.5f, y);
    return std::fma(e, 0.693359375f, x + y);
}

// Cephes' sinf and cosf on [0, 2 pi].
void sincos_turn(float x, float& sine, float& cosine) {
    const int octant = (static_cast<int>(x * 1.27323954473516f) + 1) & ~1;
    const float y = static_cast<float>(octant);
    x = std::fma(y, -0.78515625f, x);
    x = std::fma(y, -2.4187564849853515625e-4f, x);
    x = std::fma(y, -3.77489497744594108e-8f, x);
    const float z = x * x;
    float even = std::fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    even = std::fma(even, z, 4.166664568298827e-2f);
    even = std::fma(even * z, z, -(z * 0.5f)) + 1.0f;
    float odd = std::fma(-1.9515295891e-4f, z, 8.3321608736e-3f);
    odd = std::fma(odd, z, -1.6666654611e-1f);
    odd = std::fma(odd * z, x, x);
    const bool straight = (octant & 2) == 0;
    sine = straight ? odd : even;
    cosine = straight ? even : odd;
    if ((octant & 4) != 0) sine = -sine;
    if ((~(octant - 2) & 4) != 0) cosine = -cosine;
}

void normal_blocks(float* data, int64_t blocks, float mean, float std) {
    for (int64_t b = 0; b < blocks; ++b, data += 16) {
        for (int i = 0; i < 8; ++i) {
            const float radius = std::sqrt(-2.0f * log_unit(1.0f - data[i]));
            float sine, cosine;
            sincos_turn(data[i + 8] * 6.283185307179586f, sine, cosine);
            data[i] = std::fma(radius * cosine, std, mean);
            data[i + 8] = std::fma(radius * sine, std, mean);
        }
    }
}

void bernoulli(const uint32_t* raw, uint8_t* out, int64_t n, uint64_t threshold) {
    for (int64_t i = 0; i < n; ++i) out[i] = bits53(raw + 2 * i) < threshold;
}

void remainder(const uint32_t* raw, int64_t* out, int64_t n, uint32_t range, int64_t base) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(raw[i] % range) + base;
}

template <class T>
void mask_any(const T* x, const uint8_t* mask, T* out, int64_t n, T scale) {
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * (mask[i] != 0 ? scale : T(0));
}
void mask_float(const float* x, const uint8_t* mask, float* out, int64_t n, float scale) {
    mask_any(x, mask, out, n, scale);
}
void mask_double(const double* x, const uint8_t* mask, double* out, int64_t n, double scale) {
    mask_any(x, mask, out, n, scale);
}

void exponential_float(const double* u, float* out, int64_t n, double rate) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(-1.0 / rate * std::log1p(-u[i]));
}
void geometric_float(const double* u, float* out, int64_t n, double p) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(std::ceil(std::log(u[i]) / std::log1p(-p)));
}
void cauchy_float(const double* u, float* out, int64_t n, double median, double sigma) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = static_cast<float>(std::fma(sigma, std::tan(3.14159265358979323846 * (u[i] - 0.5)), median));
}
void log_normal_float(const double* pairs, float* out, int64_t n, double mean, double std) {
    for (int64_t i = 0; i < n; i += 2) {
        const double radius = std::sqrt(-2.0 * std::log1p(-pairs[i + 1]));
        const double angle = 2.0 * 3.14159265358979323846 * pairs[i];
        out[i] = static_cast<float>(std::exp(std::fma(radius * std::cos(angle), std, mean)));
        out[i + 1] = static_cast<float>(std::exp(std::fma(radius * std::sin(angle), std, mean)));
    }
}

}  // namespace

const Kernels kernels = {
#define PT_KERNEL(name, parameters) name,
#include "kernels/random/kernels.inc"
#undef PT_KERNEL
};

}  // namespace pt::random::plain
