// Convolution over 1 to 3 spatial axes: forward, both gradients, and im2col / col2im (unfold / fold).
//
// Contract: input is [batch, in_channels, *in], weight [out_channels, in_channels / groups, *kernel], output
// [batch, out_channels, *out] with out = (in + padding_low + padding_high - dilation * (kernel - 1) - 1) /
// stride + 1; only the low padding is passed, the high one follows from the sizes. One dtype that supports()
// accepts; any strides on what is read; what is written is C-contiguous and disjoint from what is read. Sizes
// may be 0: an empty sum gives zeros (plus bias).
//
// grad_input() is also the forward of a transposed convolution, hence its bias, of shape [in_channels].
// The results do not depend on the number of threads.
#pragma once

#include "base/array_view.h"
#include "kernels/conv/winograd_mode.h"

namespace pt::conv {

struct Params {  // one entry per spatial axis
    int64_t stride[3], padding[3], dilation[3];
    int64_t groups;
};

bool supports(DType dtype);  // float32 and float64

void forward(const ArrayView& input, const ArrayView& weight, const ArrayView* bias, const ArrayView& output,
             const Params& params);
void grad_input(const ArrayView& grad_output, const ArrayView& weight, const ArrayView* bias,
                const ArrayView& grad_input, const Params& params);
// grad_bias, of shape [out_channels], may be null.
void grad_weight(const ArrayView& grad_output, const ArrayView& input, const ArrayView& grad_weight,
                 const ArrayView* grad_bias, const Params& params);

// columns is [batch, channels * prod(kernel), prod(out)]; image is [batch, channels, *in]. col2im sums what
// falls on the same element. groups is not looked at.
void im2col(const ArrayView& image, const ArrayView& columns, const int64_t* kernel, const int64_t* out,
            const Params& params);
void col2im(const ArrayView& columns, const ArrayView& image, const int64_t* kernel, const int64_t* out,
            const Params& params);

}  // namespace pt::conv
