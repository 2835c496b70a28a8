// Normalisations of contiguous arrays: batch norm, group norm (layer norm is its case of one group without
// spatial axes), softmax and log-softmax. T is float or double. Results do not depend on the number of
// threads.
#pragma once

#include <cstdint>

#include "base/cpu_level.h"

namespace pt::norm {

struct Batch {
    int64_t batch, channels, spatial;
};
// Rows are (batch, group) pairs; a row is channels / groups channels of `spatial` elements each. Not centered
// (RMS norm) the mean counts as 0.
struct Groups {
    int64_t batch, channels, spatial, groups;
    bool centered;

    int64_t rows() const { return batch * groups; }
    int64_t row_channels() const { return channels / groups; }
    int64_t row_size() const { return row_channels() * spatial; }
};

template <class T>
struct Table {
#define PT_KERNEL(name, ...) void (*name)(__VA_ARGS__);
#include "kernels/norm/kernels.inc"
#undef PT_KERNEL
};
struct Kernels {
    Table<float> f32;
    Table<double> f64;
};
PT_DECLARE_LEVELS(Kernels)

// y = (x - mean) / sqrt(var + eps) * weight + bias per channel; weight and bias may be null. Training writes
// the mean and the biased variance of each channel, evaluation reads them. Variances are taken about the mean
// of each short piece and combined, so a large mean does not cancel.
template <class T>
void batch_forward(const Batch&, const T* x, const T* weight, const T* bias, T* mean, T* var, T eps,
                   bool training, T* y);
// grad_x may be null; grad_weight and grad_bias are always written.
template <class T>
void batch_backward(const Batch&, const T* grad, const T* x, const T* weight, const T* mean, const T* var,
                    T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias);

// The same per row, with one weight and bias (may be null) per channel; mean and rstd = 1 / sqrt(var + eps)
// have one element per row.
template <class T>
void group_forward(const Groups&, const T* x, const T* weight, const T* bias, T eps, T* mean, T* rstd, T* y);
template <class T>
void group_backward(const Groups&, const T* grad, const T* x, const T* weight, const T* mean, const T* rstd,
                    T* grad_x, T* grad_weight, T* grad_bias);

// Over the middle axis of (outer, n, inner); `log` for log-softmax. backward takes the result y.
template <class T>
void softmax_forward(const T* x, T* y, bool log, int64_t outer, int64_t n, int64_t inner);
template <class T>
void softmax_backward(const T* grad, const T* y, T* grad_x, bool log, int64_t outer, int64_t n,
                      int64_t inner);

// Softmax kernels divide the work into items: rows when inner is 1, else (outer, `piece` of inner).

}  // namespace pt::norm
