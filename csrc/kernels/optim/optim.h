// Optimizer steps: all parameters of a group in one call, in place, one pass over memory.
//
// Every array of an item is contiguous (in the same element order) and has `numel` elements of the group's
// type; no two overlap. Results are the same for any number of threads.
#pragma once

#include "base/cpu_level.h"
#include "base/dtype.h"

namespace pt::optim {

// buf = momentum * buf + (1 - dampening) * d, d = +-grad + weight_decay * param; the step goes along buf, or
// d + momentum * buf with nesterov. On the first step (`fresh`) buf = d.
struct SgdItem {
    void* param;
    const void* grad;
    void* momentum_buffer;  // null without momentum
    int64_t numel;
    bool fresh;
};
struct SgdRule {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize;
};

// m = lerp(m, g, 1 - beta1), v = beta2 v + (1 - beta2) g^2, and param -= step_size * m / (sqrt(v) * scale +
// eps), where step_size and scale carry the bias corrections of the item's step count. With amsgrad the
// largest v so far stands in for v. Weight decay is added to the gradient or, decoupled, shrinks the
// parameter.
struct AdamItem {
    void* param;
    const void* grad;
    void* exp_avg;
    void* exp_avg_sq;
    void* max_exp_avg_sq;  // null without amsgrad
    int64_t numel;
    double step_size, scale;
};
struct AdamRule {
    double lr, beta1, beta2, eps, weight_decay;
    bool maximize, decoupled;
};

// Elements [begin, end) of one item.
using SgdKernel = void (*)(const SgdItem& item, int64_t begin, int64_t end, const SgdRule& rule);
using AdamKernel = void (*)(const AdamItem& item, int64_t begin, int64_t end, const AdamRule& rule);

// The sum of the squares of n elements, n <= kBlock.
using SquaresKernel = double (*)(const void* data, int64_t n);
constexpr int64_t kBlock = 4096;

struct Kernels {
#define PT_KERNEL(name, type, signature, body) signature name;
#include "kernels/optim/kernels.inc"
#undef PT_KERNEL
};
PT_DECLARE_LEVELS(Kernels)
inline const Kernels& kernels() { return PT_SELECT(Kernels); }

// dtype: float32 or float64.
void sgd(const SgdItem* items, int64_t count, DType dtype, const SgdRule& rule);
// The sum of squares of `numel` contiguous elements: blocks in the type itself, added up in double precision.
double sum_of_squares(const void* data, int64_t numel, DType dtype);
void adam(const AdamItem* items, int64_t count, DType dtype, const AdamRule& rule);

}  // namespace pt::optim
