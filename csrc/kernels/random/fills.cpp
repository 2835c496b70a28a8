// Fills: draw a chunk with the lock held, then transform it, on several threads where that is dear.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/random/random.h"

namespace pt::random {

namespace {

constexpr int64_t kChunk = 2048;         // numbers drawn and converted while they are in the L1 cache
constexpr int64_t kLongChunk = 1 << 18;  // numbers drawn before threads share the arithmetic on them
constexpr double kLibmNs = 20;           // of a number that costs a call of libm or two
constexpr double kVectorNs = 1;          // ... and when vectors do it
constexpr int64_t kBlock = 16;           // PyTorch's normal fill
constexpr double kPi = 3.14159265358979323846;

using Lock = std::lock_guard<std::mutex>;

uint64_t threshold53(double p) { return static_cast<uint64_t>(std::ceil(p * 0x1p53)); }

// Uniforms on [from, to): raw outputs are drawn into the result and converted in place.
void uniform_locked(Generator& g, float* out, int64_t n, float from, float to) {
    const Kernels& k = kernels();
    for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t part = std::min(kChunk, n - i);
        uint32_t* raw = reinterpret_cast<uint32_t*>(out + i);
        g.raw(raw, part);
        k.uniform_float(raw, out + i, part, from, to);
    }
}
void uniform_locked(Generator& g, double* out, int64_t n, double from, double to) {
    const Kernels& k = kernels();
    for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t part = std::min(kChunk, n - i);
        uint32_t* raw = reinterpret_cast<uint32_t*>(out + i);
        g.raw(raw, 2 * part);
        k.uniform_double(raw, out + i, part, from, to);
    }
}

template <class T>
void uniform_any(Generator& g, T* out, int64_t n, T from, T to) {
    Lock lock(g.mutex);
    uniform_locked(g, out, n, from, to);
    if (from == T(0) && to == T(1)) return;
    for (int64_t i = 0; i < n; ++i)  // rounding may have reached the excluded end
        if (out[i] == to) out[i] = from;
}

// Standard normals in pairs from double uniforms; the generator keeps an odd one's twin.
void normals_locked(Generator& g, double* out, int64_t n) {
    if (n > 0 && g.next_normal) {
        *out++ = g.normal();
        --n;
    }
    const int64_t even = n & ~int64_t{1};
    for (int64_t i = 0; i < even; i += kLongChunk) {
        const int64_t part = std::min(kLongChunk, even - i);
        double* pairs = out + i;
        uniform_locked(g, pairs, part, 0.0, 1.0);
        parallel_for(0, part / 2, Work{2 * kLibmNs}, [pairs](int64_t begin, int64_t end) {
            for (int64_t j = 2 * begin; j < 2 * end; j += 2) {
                const double radius = std::sqrt(-2.0 * std::log1p(-pairs[j + 1]));
                const double angle = 2.0 * kPi * pairs[j];
                pairs[j] = radius * std::cos(angle);
                pairs[j + 1] = radius * std::sin(angle);
            }
        });
    }
    if (even < n) out[even] = g.normal();
}

template <class T>
void normal_serial(Generator& g, T* out, int64_t n, double mean, double std) {
    pool::Scratch scratch(static_cast<size_t>(std::min(n, kLongChunk)) * sizeof(double));
    double* z = scratch.as<double>();
    for (int64_t i = 0; i < n; i += kLongChunk) {
        const int64_t part = std::min(kLongChunk, n - i);
        normals_locked(g, z, part);
        for (int64_t j = 0; j < part; ++j) out[i + j] = static_cast<T>(std::fma(z[j], std, mean));
    }
}

// On the caller: the arithmetic takes no longer than the drawing.
void box_muller_blocks(float* data, int64_t blocks, double mean, double std) {
    kernels().normal_blocks(data, blocks, static_cast<float>(mean), static_cast<float>(std));
}
void box_muller_blocks(double* data, int64_t blocks, double mean, double std) {
    parallel_for(0, blocks, Work{kBlock * kLibmNs}, [=](int64_t begin, int64_t end) {
        for (double* block = data + begin * kBlock; block < data + end * kBlock; block += kBlock) {
            for (int i = 0; i < 8; ++i) {
                const double radius = std::sqrt(-2.0 * std::log(1.0 - block[i]));
                const double angle = 2.0 * kPi * block[i + 8];
                block[i] = std::fma(radius * std::cos(angle), std, mean);
                block[i + 8] = std::fma(radius * std::sin(angle), std, mean);
            }
        }
    });
}

template <class T>
void normal_any(Generator& g, T* out, int64_t n, double mean, double std, bool serial) {
    Lock lock(g.mutex);
    if (serial || n < kBlock) return normal_serial(g, out, n, mean, std);
    // All uniforms come first, those of an incomplete block too; that block's place is then taken by 16 new
    // ones.
    constexpr int64_t chunk = std::is_same_v<T, float> ? kChunk : kLongChunk;
    for (int64_t i = 0; i < n; i += chunk) {
        const int64_t part = std::min(chunk, n - i);
        uniform_locked(g, out + i, part, T(0), T(1));
        box_muller_blocks(out + i, part / kBlock, mean, std);
    }
    if (n % kBlock != 0) {
        T* last = out + n - kBlock;
        uniform_locked(g, last, kBlock, T(0), T(1));
        box_muller_blocks(last, 1, mean, std);
    }
}

double transform(Kind kind, double u, double a, double b) {
    switch (kind) {
        case Kind::exponential:
            return -1.0 / a * std::log1p(-u);
        case Kind::geometric:
            return std::ceil(std::log(u) / std::log1p(-a));
        case Kind::cauchy:
            return std::fma(b, std::tan(kPi * (u - 0.5)), a);
        case Kind::log_normal:
            return std::exp(std::fma(u, b, a));
    }
    return u;
}

void mask(const float* x, const uint8_t* m, float* out, int64_t n, float scale) {
    kernels().mask_float(x, m, out, n, scale);
}
void mask(const double* x, const uint8_t* m, double* out, int64_t n, double scale) {
    kernels().mask_double(x, m, out, n, scale);
}

void bernoulli_locked(Generator& g, uint8_t* out, int64_t n, uint64_t threshold) {
    uint32_t raw[2 * kChunk];
    for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t part = std::min(kChunk, n - i);
        g.raw(raw, 2 * part);
        kernels().bernoulli(raw, out + i, part, threshold);
    }
}

}  // namespace

void uniform(Generator& g, float* out, int64_t n, float from, float to) { uniform_any(g, out, n, from, to); }
void uniform(Generator& g, double* out, int64_t n, double from, double to) {
    uniform_any(g, out, n, from, to);
}
void normal(Generator& g, float* out, int64_t n, double mean, double std, bool serial) {
    normal_any(g, out, n, mean, std, serial);
}
void normal(Generator& g, double* out, int64_t n, double mean, double std, bool serial) {
    normal_any(g, out, n, mean, std, serial);
}

void bernoulli(Generator& g, uint8_t* out, int64_t n, double p) {
    Lock lock(g.mutex);
    bernoulli_locked(g, out, n, threshold53(p));
}

template <class T>
void dropout(Generator& g, const T* x, T* out, uint8_t* drawn, int64_t n, double keep) {
    Lock lock(g.mutex);
    const T scale = T(1) / static_cast<T>(keep);
    for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t part = std::min(kChunk, n - i);
        bernoulli_locked(g, drawn + i, part, threshold53(keep));
        mask(x + i, drawn + i, out + i, part, scale);
    }
}
template void dropout<float>(Generator&, const float*, float*, uint8_t*, int64_t, double);
template void dropout<double>(Generator&, const double*, double*, uint8_t*, int64_t, double);

template <class T>
void masked_scale(const T* x, const uint8_t* drawn, T* out, int64_t n, T scale) {
    parallel_for(0, n, Work{0.1, 1024}, [=](int64_t begin, int64_t end) {
        mask(x + begin, drawn + begin, out + begin, end - begin, scale);
    });
}
template void masked_scale<float>(const float*, const uint8_t*, float*, int64_t, float);
template void masked_scale<double>(const double*, const uint8_t*, double*, int64_t, double);

void integers(Generator& g, int64_t* out, int64_t n, uint64_t range, int64_t base, bool wide) {
    Lock lock(g.mutex);
    if (!wide) {
        uint32_t raw[kChunk];
        for (int64_t i = 0; i < n; i += kChunk) {
            const int64_t part = std::min(kChunk, n - i);
            g.raw(raw, part);
            kernels().remainder(raw, out + i, part, static_cast<uint32_t>(range), base);
        }
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        const uint64_t draw = g.next64();
        out[i] = static_cast<int64_t>((range != 0 ? draw % range : draw) + static_cast<uint64_t>(base));
    }
}

// Fisher-Yates. From 2^32 / 20 on a 32-bit remainder is visibly uneven: PyTorch then shuffles inside out.
void permutation(Generator& g, int64_t* out, int64_t n) {
    Lock lock(g.mutex);
    if (n >= 4294967295 / 20) {
        for (int64_t i = 0; i < n; ++i) {
            const int64_t j = static_cast<int64_t>(g.next64() % static_cast<uint64_t>(i + 1));
            out[i] = i;
            std::swap(out[i], out[j]);
        }
        return;
    }
    for (int64_t i = 0; i < n; ++i) out[i] = i;
    uint32_t raw[kChunk];
    for (int64_t start = 0; start < n - 1; start += kChunk) {
        const int64_t part = std::min(kChunk, n - 1 - start);
        g.raw(raw, part);
        for (int64_t j = 0; j < part; ++j) {
            const int64_t i = start + j;
            std::swap(out[i], out[i + raw[j] % static_cast<uint32_t>(n - i)]);
        }
    }
}

void transformed(Generator& g, Kind kind, double* out, int64_t n, double a, double b) {
    Lock lock(g.mutex);
    for (int64_t i = 0; i < n; i += kLongChunk) {
        const int64_t part = std::min(kLongChunk, n - i);
        double* u = out + i;
        if (kind == Kind::log_normal)
            normals_locked(g, u, part);
        else
            uniform_locked(g, u, part, 0.0, 1.0);
        parallel_for(0, part, Work{kLibmNs}, [=](int64_t begin, int64_t end) {
            for (int64_t j = begin; j < end; ++j) u[j] = transform(kind, u[j], a, b);
        });
    }
}

// Vector mathematics: its last bits are not libm's, but no float shows that.
void transformed(Generator& g, Kind kind, float* out, int64_t n, double a, double b) {
    Lock lock(g.mutex);
    if (kind == Kind::log_normal && n > 0 && g.next_normal) {
        *out++ = static_cast<float>(transform(kind, g.normal(), a, b));
        --n;
    }
    const Kernels& k = kernels();
    const int64_t drawn = kind == Kind::log_normal ? n & ~int64_t{1} : n;
    pool::Scratch scratch(static_cast<size_t>(std::min(drawn, kLongChunk)) * sizeof(double));
    double* u = scratch.as<double>();
    for (int64_t i = 0; i < drawn; i += kLongChunk) {
        const int64_t part = std::min(kLongChunk, drawn - i);
        float* to = out + i;
        uniform_locked(g, u, part, 0.0, 1.0);
        parallel_for(0, part / 2, Work{2 * kVectorNs, 512}, [&, part](int64_t begin, int64_t end) {
            const int64_t from = 2 * begin, count = end == part / 2 ? part - from : 2 * (end - begin);
            switch (kind) {
                case Kind::exponential:
                    return k.exponential_float(u + from, to + from, count, a);
                case Kind::geometric:
                    return k.geometric_float(u + from, to + from, count, a);
                case Kind::cauchy:
                    return k.cauchy_float(u + from, to + from, count, a, b);
                case Kind::log_normal:
                    return k.log_normal_float(u + from, to + from, count, a, b);
            }
        });
        if (part == 1) to[0] = static_cast<float>(transform(kind, u[0], a, b));
    }
    if (drawn < n) out[drawn] = static_cast<float>(transform(kind, g.normal(), a, b));
}

// The first place whose value is not below u[k]. Which half it lies in cannot be foreseen: no branches, and
// several searches at a time, as each step waits for the one before.
constexpr int kSearches = 8;
template <class T>
static void search_together(const T* sorted, int64_t n, const double* u, int64_t count, int64_t* out) {
    int64_t at[kSearches] = {};
    for (; n > 1; n -= n / 2)
        for (int k = 0; k < kSearches; ++k)
            at[k] += static_cast<double>(sorted[at[k] + n / 2 - 1]) < u[k] ? n / 2 : 0;
    for (int64_t k = 0; k < count; ++k) out[k] = at[k] + (static_cast<double>(sorted[at[k]]) < u[k]);
}

template <class T>
int weights_fault(const T* weights, int64_t rows, int64_t categories) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    bool empty = false;
    for (int64_t row = 0; row < rows; ++row, weights += categories) {
        int wrong = 0, positive = 0;
        for (int64_t j = 0; j < categories; ++j) {
            wrong |= !(weights[j] >= 0) | !(weights[j] < infinity);
            positive |= weights[j] > 0;
        }
        if (wrong != 0) return 1;
        empty |= positive == 0;
    }
    return empty ? 2 : 0;
}
template int weights_fault<float>(const float*, int64_t, int64_t);
template int weights_fault<double>(const double*, int64_t, int64_t);

template <class T>
void multinomial(Generator& g, const T* weights, int64_t rows, int64_t categories, int64_t samples,
                 T* cumulative, int64_t* out) {
    Lock lock(g.mutex);
    for (int64_t row = 0; row < rows; ++row, weights += categories, out += samples) {
        T sum = 0;
        for (int64_t j = 0; j < categories; ++j) cumulative[j] = sum += weights[j];
        for (int64_t j = 0; j < categories; ++j) cumulative[j] /= sum;
        cumulative[categories - 1] = 1;
        for (int64_t s = 0; s < samples; s += kSearches) {
            double u[kSearches] = {};
            const int64_t count = std::min<int64_t>(samples - s, kSearches);
            for (int64_t k = 0; k < count; ++k) u[k] = g.next_double();
            search_together(cumulative, categories, u, count, out + s);
        }
    }
}
template void multinomial<float>(Generator&, const float*, int64_t, int64_t, int64_t, float*, int64_t*);
template void multinomial<double>(Generator&, const double*, int64_t, int64_t, int64_t, double*, int64_t*);

}  // namespace pt::random
