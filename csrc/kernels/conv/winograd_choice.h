// When Winograd's convolution is taken, and with which tiles.
#pragma once

#include "kernels/conv/winograd.h"

namespace pt::conv::PT_ISA::winograd {

// Estimated cycles of the roads, from the vector instructions that they take. The constants were measured on
// an AVX-512 machine (docs/performance/conv.md) and are the same at every level, as is the order of the
// results.
PT_INLINE double direct_cost(const Problem& p) {
    const double pixels = static_cast<double>(p.batch * p.out[0] * p.out[1]);
    return pixels * static_cast<double>(p.channels * p.rows) * 9 / (2 * kLanes) * 1.2;
}
PT_INLINE double cost(const Problem& p, int m) {
    const int64_t e = (m + 2) * (m + 2);
    const Tiling tiling(p, m, 4 * kLanes);
    const double channels = static_cast<double>(p.channels), rows = static_cast<double>(p.rows);
    const double vectors = static_cast<double>(tiling.blocks * tiling.width) / kLanes;
    const double products = vectors * static_cast<double>(e) * channels * rows / 2 * 1.2;
    const double transforms = static_cast<double>(tiling.segments * e) * (channels + rows) * 5;
    const double weights = channels * rows * static_cast<double>(e) / kLanes * 5;
    return products + transforms + weights;
}

// Tiles of 2, of 4, or 0: the direct road.
PT_INLINE int choose(const Problem& p, Winograd mode) {
    if (mode == Winograd::tiles_of_2) return 2;
    if (mode == Winograd::tiles_of_4) return 4;
    const double direct = direct_cost(p), two = cost(p, 2), four = cost(p, 4);
    if (direct <= two && direct <= four) return 0;
    return two < four ? 2 : 4;
}

// Whether the weights' taps lie together, and a row of the source does.
PT_INLINE bool fits(const conv::Problem& p, const Operand& source, const Operand& weight) {
    return p.winograd != Winograd::off && p.groups == 1 && p.in[0] == 1 && p.out[0] == 1 &&
           p.kernel[0] == 1 && p.stride[0] == 1 && p.padding[0] == 0 && p.kernel[1] == 3 &&
           p.kernel[2] == 3 && p.stride[1] == 1 && p.stride[2] == 1 && p.dilation[1] == 1 &&
           p.dilation[2] == 1 && p.batch > 0 && p.out_channels > 0 && p.in_channels > 0 && p.in[1] > 0 &&
           p.in[2] > 0 && p.out[1] > 0 && p.out[2] > 0 && source.strides[4] == 1 && weight.strides[4] == 1 &&
           weight.strides[3] == 3;
}

PT_INLINE bool run(const Problem& p, Winograd mode) {
    const int m = choose(p, mode);
    if (m == 0) return false;
    return m == 2 ? convolve<2>(p) : convolve<4>(p);
}

// These return false where nothing was done, or nothing that counts.
template <class T>
static bool forward(const conv::Problem& p, const Operand& input, const Operand& weight, const Operand& bias,
                    void* output) {
    if constexpr (sizeof(T) != sizeof(float)) {
        return false;
    } else {
        if (!fits(p, input, weight)) return false;
        return run({p.batch,
                    p.in_channels,
                    p.out_channels,
                    {p.in[1], p.in[2]},
                    {p.out[1], p.out[2]},
                    {-p.padding[1], -p.padding[2]},
                    static_cast<const float*>(input.data),
                    input.strides[0],
                    input.strides[1],
                    input.strides[3],
                    static_cast<const float*>(weight.data),
                    weight.strides[0],
                    weight.strides[1],
                    false,
                    bias,
                    static_cast<float*>(output)},
                   p.winograd);
    }
}

template <class T>
static bool grad_input(const conv::Problem& p, const Operand& grad_output, const Operand& weight,
                       const Operand& bias, void* result) {
    if constexpr (sizeof(T) != sizeof(float)) {
        return false;
    } else {
        if (!fits(p, grad_output, weight)) return false;
        return run({p.batch,
                    p.out_channels,
                    p.in_channels,
                    {p.out[1], p.out[2]},
                    {p.in[1], p.in[2]},
                    {p.padding[1] - 2, p.padding[2] - 2},
                    static_cast<const float*>(grad_output.data),
                    grad_output.strides[0],
                    grad_output.strides[1],
                    grad_output.strides[3],
                    static_cast<const float*>(weight.data),
                    weight.strides[1],
                    weight.strides[0],
                    true,
                    bias,
                    static_cast<float*>(result)},
                   p.winograd);
    }
}

}  // namespace pt::conv::PT_ISA::winograd
