// What the kernels of a level are given: one product of two matrices, strides in elements.
#pragma once

#include "base/cpu_level.h"
#include "kernels/matmul/activation.h"

#include <cstdint>

namespace pt::matmul {

// c = activation(a @ b + bias): a is [m, k], b is [k, n], c is [m, n]. A bias is a vector over the rows
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
    Activation activation;
};

// How far the matrices of neighbouring products of a batch are apart.
struct BatchSteps {
    int64_t a, b, out;
};

// The same with a B that pack() wrote and rows of c that are contiguous; `add`: c is added to the product.
template <class T>
struct PackedProblem {
    int64_t m, n, k;
    const T* a;
    int64_t a_row, a_k;
    const T* packed;
    T* c;
    int64_t c_row;
    const T* bias;  // [n], contiguous, or null
    Activation activation;
    bool add;
};

struct Kernels {
#define PT_MATMUL_KERNEL(dtype, T)                                                                   \
    void (*multiply_##dtype)(const Problem<T>& problem);                                             \
    bool (*multiply_small_##dtype)(const Problem<T>& first, const BatchSteps& steps, int64_t count); \
    void (*multiply_packed_##dtype)(const PackedProblem<T>& problem);                                \
    void (*pack_##dtype)(int64_t k, int64_t n, const T* b, int64_t b_k, int64_t b_col, T* to);
#include "kernels/matmul/kernels.inc"
#undef PT_MATMUL_KERNEL
    void (*multiply_float16)(const Problem<uint16_t>& problem);  // their bits
    void (*multiply_bfloat16)(const Problem<uint16_t>& problem);
    void (*multiply_bits8)(const Problem<uint8_t>& problem);  // integers of a width, without activation
    void (*multiply_bits16)(const Problem<uint16_t>& problem);
    void (*multiply_bits32)(const Problem<uint32_t>& problem);
    void (*multiply_bits64)(const Problem<uint64_t>& problem);
};

PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::matmul
