// Softmax cross-entropy with class indices, fused both ways. Logits x are contiguous (batch, classes, inner);
// samples are the (batch, inner) pairs, numbered batch * inner + i. The log-probability of class c is
// (x_c - largest) - log_sum: the forward pass keeps these two per sample, the backward pass is one sweep.
#pragma once

#include <cstdint>

#include "base/cpu_level.h"

namespace pt::loss {

// Losses of one input and one target element each. The parameter is beta, delta or a margin, or one number
// per element: bce_pos_weight has the weights of its positive part there, gaussian its variances. What
// follows `gaussian` are no losses but gradients by something else than x: by the target, by the variance.
enum class PairLoss : int {
    mse,
    l1,
    smooth_l1,
    huber,
    bce,
    bce_with_logits,
    soft_margin,
    kl,
    kl_log,
    hinge,
    bce_pos_weight,
    gaussian,
    kl_by_target,
    kl_log_by_target,
    gaussian_by_variance,
};
constexpr int kPairLosses = 15;

// Whether a loss has a parameter per element.
constexpr bool is_ternary(PairLoss kind) {
    return kind == PairLoss::bce_pos_weight || kind == PairLoss::gaussian ||
           kind == PairLoss::gaussian_by_variance;
}

template <class T>
struct Table {
#define PT_KERNEL(name, ...) void (*name)(__VA_ARGS__);
#include "kernels/loss/kernels.inc"
#undef PT_KERNEL
};
struct Kernels {
    Table<float> f32;
    Table<double> f64;
};
PT_DECLARE_LEVELS(Kernels)

struct Samples {
    int64_t batch, classes, inner;

    int64_t count() const { return batch * inner; }
};

// loss_i = (1 - smoothing) * w[t] * -logp_t + smoothing / classes * sum over c of w[c] * -logp_c, and 0 where
// t = target[i] is ignore_index. weight may be null (all ones).
template <class T>
struct CrossEntropy {
    Samples shape;
    const T* x;
    const int64_t* target;
    const T* weight;
    int64_t ignore_index;
    T smoothing;
};

// Writes the loss of each sample and what backward needs; gives the sum of w[target] over the samples that
// count (their number without weights).
template <class T>
double cross_entropy(const CrossEntropy<T>&, T* losses, T* largest, T* log_sum);

// grad_x, given d / d loss_i = grad[i * grad_step] * factor.
template <class T>
void cross_entropy_backward(const CrossEntropy<T>&, const T* largest, const T* log_sum, const T* grad,
                            int64_t grad_step, T factor, T* grad_x);

// The losses -w[t] * x_t, 0 where t is ignore_index, and the sums of them and of the weights that count.
// Writes each loss unless `losses` is null. smoothing is not used. The sums do not depend on the number of
// threads.
struct NllSums {
    double losses = 0, weights = 0;
    bool wrong = false;  // a target is no class: nothing else is meant then
};
template <class T>
NllSums nll(const CrossEntropy<T>&, T* losses);
// x is not read.
template <class T>
void nll_backward(const CrossEntropy<T>&, const T* grad, int64_t grad_step, T factor, T* grad_x);

// The elements of n pairs; the parameter of element i is param[i % period].
template <class T>
struct Pairs {
    const T *x, *target, *param;
    int64_t period, n;
};

// Gives the sum of the losses; writes each of them too unless `losses` is null. The sum does not depend on
// the number of threads.
template <class T>
double pair_loss(PairLoss kind, const Pairs<T>&, T* losses);
// grad_x[i] = grad[i * grad_step] * factor * d loss_i / d x_i
template <class T>
void pair_loss_backward(PairLoss kind, const Pairs<T>&, const T* grad, int64_t grad_step, T factor,
                        T* grad_x);

// Samples of a row or of a piece of inner.
constexpr int64_t kInnerPiece = 64;

}  // namespace pt::loss
