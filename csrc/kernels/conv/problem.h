// What the kernels of a level are given: one convolution brought to three spatial axes (missing ones have
// size 1), and pointers with strides in elements.
#pragma once

#include "base/cpu_level.h"
#include "kernels/conv/winograd_mode.h"

#include <cstdint>

namespace pt::conv {

struct Problem {
    int64_t batch, groups, in_channels, out_channels;
    int64_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
    Winograd winograd;
};

// Axes: batch, channel, then the spatial ones; a weight's are out channel, in channel, kernel. A bias has one
// axis and may be null.
struct Operand {
    void* data = nullptr;
    int64_t strides[5] = {};
};

struct Kernels {
#define PT_CONV_KERNEL(name, arguments) \
    void(*name##_float32) arguments;    \
    void(*name##_float64) arguments;
#include "kernels/conv/kernels.inc"
#undef PT_CONV_KERNEL
};

PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::conv
