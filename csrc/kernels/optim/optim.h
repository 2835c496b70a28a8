// Optimizer steps: all parameters of a group in one call, in place, one pass over memory.
//
// Every array of an item is contiguous (in the same element order) and has `numel` elements of the call's
// type; no two overlap. Results are the same for any number of threads.
#pragma once

#include <string_view>

#include "base/cpu_level.h"
#include "base/dtype.h"

namespace pt::optim {

constexpr int kMaxStates = 3, kMaxScalars = 3, kMaxFactors = 3;

// One parameter. `state`: its arrays, in the order of the algorithm; an optional one is null when it is not
// kept. `factor`: what `Algorithm::prepare` computed from the step count.
struct Item {
    void* param;
    const void* grad;
    void* state[kMaxStates];
    int64_t numel;
    double factor[kMaxFactors];
};

// The hyperparameters of a group; an algorithm reads those that it has.
struct Rule {
    double lr = 0, weight_decay = 0, eps = 0;
    double beta1 = 0, beta2 = 0;  // how much of the running averages of gradients and of their squares stays
    double momentum = 0, dampening = 0;
    double lr_decay = 0, momentum_decay = 0;
    double lambd = 0, alpha = 0, t0 = 0;  // ASGD's decay term, power of its learning rate, start of averaging
    double eta_minus = 0, eta_plus = 0, step_min = 0, step_max = 0;  // Rprop
    // The gradient's sign is turned; weight decay shrinks the parameter instead of joining the gradient.
    bool maximize = false, decoupled = false;
    bool nesterov = false;
};

// Elements [begin, end) of one item.
using StepKernel = void (*)(const Item& item, int64_t begin, int64_t end, const Rule& rule);

// The sum of the squares of n elements, n <= kBlock.
using SquaresKernel = double (*)(const void* data, int64_t n);
constexpr int64_t kBlock = 4096;

// data[i] *= factor, or clamped to [-bound, bound] (a NaN stays one).
using ChangeKernel = void (*)(void* data, int64_t n, double value);

struct Kernels {
#define PT_KERNEL(name, type, signature, body) signature name;
#include "kernels/optim/kernels.inc"
#undef PT_KERNEL
};
PT_DECLARE_LEVELS(Kernels)
inline const Kernels& kernels() { return PT_SELECT(Kernels); }

// A number that an optimizer keeps beside each parameter (the step count ...) in an array of one element.
struct Scalar {
    void* data;
    DType dtype;  // float32 or float64

    double get() const {
        return dtype == DType::float32 ? *static_cast<float*>(data) : *static_cast<double*>(data);
    }
    // Returns the value as it is stored.
    double set(double value) const {
        if (dtype == DType::float32)
            *static_cast<float*>(data) = static_cast<float>(value);
        else
            *static_cast<double*>(data) = value;
        return get();
    }
    // Multiplies in the scalar's own precision.
    double scale(double factor) const {
        return set(dtype == DType::float32 ? static_cast<float>(get()) * static_cast<float>(factor)
                                           : get() * factor);
    }
};

// d below is the gradient, with `maximize` and joined weight decay applied. t is the step count, from 1.
//
//   sgd       momentum_buffer?      buf = momentum buf + (1 - dampening) d; p -= lr (nesterov ? d + momentum
//   buf : buf) adam      exp_avg, exp_avg_sq, max_exp_avg_sq?    m = lerp(m, d, 1 - beta1), v = beta2 v + (1
//   - beta2) d^2;
//             p -= f0 m / (sqrt(v) f1 + eps), f0 = lr / (1 - beta1^t), f1 = 1 / sqrt(1 - beta2^t); the
//             largest v so far stands in for v where it is kept
//   rmsprop   square_avg, momentum_buffer?, grad_avg?    v = beta2 v + (1 - beta2) d^2, a = lerp(a, d, 1 -
//   beta2);
//             u = d / (sqrt(v - a^2) + eps); buf = momentum buf + u; p -= lr buf
//   adagrad   sum                   s += d^2; p -= f0 d / (sqrt(s) + eps), f0 = lr / (1 + (t - 1) lr_decay)
//   adadelta  square_avg, acc_delta    v as above; u = sqrt(acc + eps) / sqrt(v + eps) d;
//             acc = beta2 acc + (1 - beta2) u^2; p -= lr u
//   adamax    exp_avg, exp_inf      m as above; n = max(beta2 n, |d| + eps); p -= f0 m / n
//   nadam     exp_avg, exp_avg_sq   m and v as above; p -= (f0 d + f1 m) / (sqrt(v) f2 + eps)
//   radam     exp_avg, exp_avg_sq   m and v as above; p -= f0 m (f2 ? f1 / (sqrt(v) + eps) : 1)
//   rprop     prev, step_size       s grows by eta_plus where d and prev have the same sign, shrinks by
//   eta_minus where
//             they differ (there d = 0 this time), within its bounds; p -= sign(d) s; prev = d
//   asgd      ax                    p = f0 p - f1 d; ax += f2 (p - ax)
struct Algorithm {
    std::string_view name;
    int states, scalars;  // how many of each an item has; the first scalar, if any, is the step count
    StepKernel Kernels::* float32;
    StepKernel Kernels::* float64;
    // Counts the step and updates the other scalars; fills the factors.
    void (*prepare)(const Scalar* scalars, const Rule& rule, double* factor);
};

// Null when there is none of that name.
const Algorithm* find(std::string_view name);

// dtype: float32 or float64.
void step(const Algorithm& algorithm, const Item* items, int64_t count, DType dtype, const Rule& rule);

// The sum of squares of `numel` contiguous elements: blocks in the type itself, added up in double precision.
double sum_of_squares(const void* data, int64_t numel, DType dtype);

// A contiguous array, for the functions below.
struct Span {
    void* data;
    int64_t numel;
};
void scale(const Span* spans, int64_t count, DType dtype, double factor);
void clamp(const Span* spans, int64_t count, DType dtype, double bound);

}  // namespace pt::optim
