// Random counts, Poisson and binomial: the rejections of PyTorch, whose decisions must fall as PyTorch's do.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/random/random.h"

namespace pt::random {

namespace {

using Lock = std::lock_guard<std::mutex>;

// Double uniforms of a generator, made by the block. Those that were not used are not taken from it: what is
// used is subtracted at the end.
class Uniforms {
  public:
    explicit Uniforms(Generator& g) : g_(g) {}
    Uniforms(const Uniforms&) = delete;
    Uniforms& operator=(const Uniforms&) = delete;
    ~Uniforms() { g_.skip(2 * at_); }

    double next() { return at_ < count_ ? values_[at_++] : of_next_block(); }

  private:
    double of_next_block() {
        g_.skip(2 * at_);
        uint32_t* words = reinterpret_cast<uint32_t*>(values_);
        count_ = g_.peek(words) / 2;
        at_ = 0;
        if (count_ == 0) return g_.next_double();  // one word is left of this block: the pair spans two
        kernels().uniform_double(words, values_, count_, 0, 1);
        return values_[at_++];
    }

    Generator& g_;
    int64_t at_ = 0, count_ = 0;
    alignas(64) double values_[kStateWords / 2];
};

// log(k!), which libm takes longer for than for all the rest.
double log_factorial(double k) {
    static const auto table = [] {
        std::array<double, 1024> values;
        for (size_t i = 0; i < values.size(); ++i) values[i] = std::lgamma(static_cast<double>(i) + 1);
        return values;
    }();
    return k < static_cast<double>(table.size()) ? table[static_cast<size_t>(k)] : std::lgamma(k + 1);
}

// Whether left <= right, where `about` is left but for its rounding: most often that decides.
constexpr double kRounding = 1e-9;
template <class Exact>
bool not_above(double about, double right, const Exact& exact) {
    const double slack = kRounding * (1 + std::fabs(right));
    if (about < right - slack) return true;
    if (about > right + slack) return false;
    return exact() <= right;
}

// By multiplication of uniforms.
class SmallPoisson {
  public:
    explicit SmallPoisson(double rate) : limit_(std::exp(-rate)) {}
    double operator()(Uniforms& uniforms) const {
        int64_t count = 0;
        for (double product = uniforms.next(); product > limit_; product *= uniforms.next()) ++count;
        return static_cast<double>(count);
    }

  private:
    double limit_;
};

// By transformed rejection (PTRS) [Hoermann 1993, "The transformed rejection method for generating Poisson
// random variables"].
class LargePoisson {
  public:
    explicit LargePoisson(double rate)
        : rate_(rate),
          b_(0.931 + 2.53 * std::sqrt(rate)),
          a_(-0.059 + 0.02483 * b_),
          inverse_alpha_(1.1239 + 1.1328 / (b_ - 3.4)),
          log_inverse_alpha_(std::log(inverse_alpha_)),
          v_r_(0.9277 - 3.6224 / (b_ - 2)),
          log_rate_(std::log(rate)) {}

    double operator()(Uniforms& uniforms) const {
        for (;;) {
            const double u = uniforms.next() - 0.5;
            const double v = uniforms.next();
            const double us = 0.5 - std::fabs(u);
            const double k = std::floor((2 * a_ / us + b_) * u + rate_ + 0.43);
            if (us >= 0.07 && v <= v_r_) return k;
            if (k < 0 || (us < 0.013 && v > us)) continue;
            const double hat = a_ / (us * us) + b_;
            const double ratio = -rate_ + k * log_rate_ - log_factorial(k);
            const auto exact = [&] { return std::log(v) + log_inverse_alpha_ - std::log(hat); };
            if (not_above(std::log(v * inverse_alpha_ / hat), ratio, exact)) return k;
        }
    }

  private:
    double rate_, b_, a_, inverse_alpha_, log_inverse_alpha_, v_r_, log_rate_;
};

// What Stirling's approximation of log(k!) leaves out.
double stirling_tail(double k) {
    static constexpr double kTails[] = {
        0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
        0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287};
    if (k <= 9) return kTails[static_cast<size_t>(k)];
    const double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// Trials between successes are geometric [Devroye 1980, "Generating the maximum of independent identically
// distributed random variables"].
template <class T>
class SmallBinomial {
  public:
    SmallBinomial(T count, T p) : count_(count), log_q_(std::log1p(-p)) {}
    T operator()(Uniforms& uniforms) const {
        T successes = 0;
        for (double trials = std::ceil(std::log(uniforms.next()) / log_q_); !(trials > count_);
             trials += std::ceil(std::log(uniforms.next()) / log_q_))
            successes += 1;
        return successes;
    }

  private:
    T count_;
    double log_q_;  // rounded to T first, as PyTorch has it
};

// By transformed rejection (BTRS) [Hoermann 1993, "The generation of binomial random variates"]. T where
// PyTorch computes in the type of the tensors.
template <class T>
class LargeBinomial {
  public:
    LargeBinomial(T count, T p)
        : count_(count),
          deviation_(std::sqrt(count * p * (1 - p))),
          b_(1.15 + 2.53 * deviation_),
          a_(-0.0873 + 0.0248 * b_ + 0.01 * p),
          c_(count * p + 0.5),
          v_r_(0.92 - 4.2 / b_),
          odds_(p / (1 - p)),
          alpha_((2.83 + 5.1 / b_) * deviation_),
          mode_(std::floor((count + 1) * p)),
          at_mode_((mode_ + 0.5) * std::log((mode_ + 1) / (odds_ * (count - mode_ + 1)))) {}

    T operator()(Uniforms& uniforms) const {
        for (;;) {
            const double u = uniforms.next() - 0.5;
            const double v = uniforms.next();
            const double us = 0.5 - std::fabs(u);
            const T k = static_cast<T>(std::floor((2 * a_ / us + b_) * u + c_));
            if (k < 0 || k > count_) continue;
            if (us >= 0.07 && v <= v_r_) return k;
            if (std::log(v * alpha_ / (a_ / (us * us) + b_)) <= log_ratio(k)) return k;
        }
    }

  private:
    // log(P(k) / P(mode))
    double log_ratio(T k) const {
        return at_mode_ + (count_ + 1) * std::log((count_ - mode_ + 1) / (count_ - k + 1)) +
               (k + 0.5) * std::log(odds_ * (count_ - k + 1) / (k + 1)) + stirling_tail(mode_) +
               stirling_tail(count_ - mode_) - stirling_tail(k) - stirling_tail(count_ - k);
    }

    T count_;
    double deviation_, b_, a_, c_, v_r_, odds_, alpha_, mode_, at_mode_;
};

// The end of the run of elements equal to the first.
template <class Same>
int64_t run_of_equals(int64_t first, int64_t n, const Same& same) {
    int64_t end = first + 1;
    while (end < n && same(end)) ++end;
    return end;
}

template <class T, class Draw>
void draw(Uniforms& uniforms, const Draw& one, T* out, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = one(uniforms);
}

template <class T>
void binomials(Uniforms& uniforms, T count, T p, T* out, int64_t n) {
    if (count <= 0 || p <= 0)
        std::fill_n(out, n, T(0));
    else if (p >= 1 || std::isnan(p) || !std::isfinite(count))
        std::fill_n(out, n, std::isnan(p) ? p : count);
    else if (p <= T(0.5))
        count* p >= T(10) ? draw(uniforms, LargeBinomial<T>(count, p), out, 0, n)
                          : draw(uniforms, SmallBinomial<T>(count, p), out, 0, n);
    else {
        binomials(uniforms, count, static_cast<T>(1.0 - p), out, n);
        for (int64_t i = 0; i < n; ++i) out[i] = count - out[i];
    }
}

}  // namespace

void poisson(Generator& g, const double* rate, double* out, int64_t n) {
    Lock lock(g.mutex);
    Uniforms uniforms(g);
    for (int64_t i = 0; i < n;) {
        const double r = rate[i];
        const int64_t end = run_of_equals(i, n, [&](int64_t j) { return rate[j] == r; });
        if (r >= 10)
            draw(uniforms, LargePoisson(r), out, i, end);
        else if (r == 0)
            std::fill(out + i, out + end, 0.0);
        else
            draw(uniforms, SmallPoisson(r), out, i, end);
        i = end;
    }
}

template <class T>
void binomial(Generator& g, const T* count, const T* p, T* out, int64_t n) {
    Lock lock(g.mutex);
    Uniforms uniforms(g);
    for (int64_t i = 0; i < n;) {
        const int64_t end =
            run_of_equals(i, n, [&](int64_t j) { return count[j] == count[i] && p[j] == p[i]; });
        binomials(uniforms, count[i], p[i], out + i, end - i);
        i = end;
    }
}
template void binomial<float>(Generator&, const float*, const float*, float*, int64_t);
template void binomial<double>(Generator&, const double*, const double*, double*, int64_t);

}  // namespace pt::random
