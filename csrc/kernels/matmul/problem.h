// What the kernels of a level are given: one product of two matrices, strides in elements.
#pragma once

#include "base/cpu_level.h"

#include <cstdint>

namespace pt::matmul {

// c = a @ b + bias, then relu: a is [m, k], b is [k, n], c is [m, n]. A bias is a vector over the rows
// (bias_col = 0) or over the columns (bias_row = 0) of c, or null.
template <class T>
struct Problem {
    int64_t m, n, k;
    const T* a;
    int64_t a_row, a_k;
    const T* b;
    int64_t b_k, b_col;
    T* c;
    int64_t c_row, c_col;
    const T* bias;
    int64_t bias_row, bias_col;
    bool relu;
};

struct Kernels {
#define PT_MATMUL_KERNEL(name, dtype, T) void (*name##_##dtype)(const Problem<T>& problem);
#include "kernels/matmul/kernels.inc"
#undef PT_MATMUL_KERNEL
};

PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::matmul
