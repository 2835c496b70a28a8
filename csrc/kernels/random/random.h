// Random numbers: the Mersenne Twister MT19937 [Matsumoto & Nishimura 1998] and fills of contiguous buffers.
//
// Every fill draws in PyTorch's order, so one seed gives one stream in both libraries. The bits are the same
// at every CPU level (the polynomials of the float normals are evaluated with the same fused multiply-adds
// everywhere), but for float64 uniforms on intervals other than [0, 1), which the baseline level rounds
// twice. Fills lock the generator; threads share the arithmetic, never the drawing, so results do not depend
// on their number.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "kernels/random/kernels.h"

namespace pt::random {

constexpr uint64_t kDefaultSeed = 67280421310721;

class Generator {
  public:
    explicit Generator(uint64_t seed = kDefaultSeed) { set_seed(seed); }

    std::mutex mutex;                        // held by whoever draws
    std::optional<double> next_normal;       // the second half of a Box-Muller pair
    std::optional<float> next_normal_float;  // kept only for states written by older PyTorch
    uint64_t seed() const { return seed_; }

    void set_seed(uint64_t seed);
    uint32_t next();
    uint64_t next64() {
        const uint64_t high = next();
        return high << 32 | next();
    }
    double next_double() { return static_cast<double>(next64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53; }
    double normal();                     // mean 0, standard deviation 1
    void raw(uint32_t* out, int64_t n);  // n outputs
    // The outputs up to the next twist (1 to kStateWords of them, their number is returned), which stay to be
    // drawn; and drawing so many of them.
    int64_t peek(uint32_t* out);
    void skip(int64_t n) {
        next_ += static_cast<uint32_t>(n);
        left_ -= static_cast<int32_t>(n);
    }

    // The state as PyTorch lays it out in memory; set_state() returns false for one that cannot be.
    static constexpr int64_t kStateBytes = 5056;
    void get_state(uint8_t* out) const;
    bool set_state(const uint8_t* in);

  private:
    void twist();

    uint64_t seed_ = 0;
    int32_t left_ = 1;  // outputs left before the next twist, plus one
    bool seeded_ = true;
    uint32_t next_ = 0;
    alignas(64) uint32_t state_[kStateWords];
};

// Each fills out[0, n) of a contiguous buffer.
void uniform(Generator& g, float* out, int64_t n, float from, float to);
void uniform(Generator& g, double* out, int64_t n, double from, double to);
// 16 and more: Box-Muller on blocks of 16 uniforms; fewer, or `serial`: one by one from double uniforms.
void normal(Generator& g, float* out, int64_t n, double mean, double std, bool serial);
void normal(Generator& g, double* out, int64_t n, double mean, double std, bool serial);
// out[i] = one when a double uniform is below p.
void bernoulli(Generator& g, uint8_t* out, int64_t n, double p);
// base + draw % range, with 64-bit draws when `wide` (range 0 then stands for 2^64), else 32-bit ones.
void integers(Generator& g, int64_t* out, int64_t n, uint64_t range, int64_t base, bool wide);
void permutation(Generator& g, int64_t* out, int64_t n);
// x * (mask ? 1 / keep : 0), with mask drawn as bernoulli(keep).
template <class T>
void dropout(Generator& g, const T* x, T* out, uint8_t* mask, int64_t n, double keep);
// x * (mask ? scale : 0)
template <class T>
void masked_scale(const T* x, const uint8_t* mask, T* out, int64_t n, T scale);

// Distributions made from one double uniform u (log_normal: one normal) each.
enum class Kind { exponential, geometric, cauchy, log_normal };
void transformed(Generator& g, Kind kind, float* out, int64_t n, double a, double b);
void transformed(Generator& g, Kind kind, double* out, int64_t n, double a, double b);
// Poisson samples for the rates in `rate`.
void poisson(Generator& g, const double* rate, double* out, int64_t n);
// Successes of `count` trials of probability p. No success where p <= 0 or count <= 0; NaN where one is NaN,
// and `count` where it is infinite (PyTorch does not return then).
template <class T>
void binomial(Generator& g, const T* count, const T* p, T* out, int64_t n);
// Whether rows of weights can be drawn from: 0, or 1: an element is negative or not finite, or 2: a row is
// all zeros.
template <class T>
int weights_fault(const T* weights, int64_t rows, int64_t categories);
// `samples` category indices with replacement per row of the [rows, categories] weights; `cumulative` has
// room for one row.
template <class T>
void multinomial(Generator& g, const T* weights, int64_t rows, int64_t categories, int64_t samples,
                 T* cumulative, int64_t* out);

}  // namespace pt::random
