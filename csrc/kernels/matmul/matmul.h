// out = activation(a @ b + bias).
//
// Contract of matmul(): a is [..., m, k], b is [..., k, n], out is [..., m, n] with the same ndim >= 2; batch
// axes are equal or broadcast (size 1); one dtype that supports() accepts; any strides on all three
// (transposed, stepped, reversed, broadcast), out disjoint from a and b. k = 0 gives zeros (plus bias).
// Sums of float16 and bfloat16 are formed in float32 and rounded once; those of integers wrap around.
// `bias`, when given, has shape [n] with any stride and is added to every row; then `activation` is applied.
//
// One matrix for many products: pack() writes b in the order in which the kernel reads it, once, into memory
// of the caller's; multiply() takes it from there. For products of few rows that is the difference between
// reading b at the speed of a copy and walking over its columns:
//
//     pool::Scratch memory(packed_bytes(DType::float32, k, n));
//     const PackedB weights = pack(view_of_b, memory.as<void>());
//     for (each step) multiply<float>({rows, a, a_row, 1, c, c_row, bias, Activation::none, false}, weights);
//
// The elements of such a product do not depend on the number of rows or of threads.
#pragma once

#include "base/array_view.h"
#include "base/cpu_level.h"
#include "kernels/matmul/activation.h"

#include <cstddef>

namespace pt::matmul {

bool supports(DType dtype);
void matmul(const ArrayView& a, const ArrayView& b, const ArrayView& out, const ArrayView* bias = nullptr,
            Activation activation = Activation::none);

// B [k, n] as the kernels of one level read it. It points into the caller's memory and owns nothing.
struct PackedB {
    int64_t k = 0, n = 0;
    const void* data = nullptr;
    DType dtype = DType::unsupported;
    CpuLevel level = CpuLevel::plain;
};

size_t packed_bytes(DType dtype, int64_t k, int64_t n);
PackedB pack(const ArrayView& b, void* memory);  // b: [k, n], any strides; memory: aligned to 64 bytes

// c = activation(a @ b + bias), with `add` activation(c + a @ b + bias). Strides in elements.
template <class T>
struct RowsTimesPacked {
    int64_t m;
    const T* a;  // [m, k]
    int64_t a_row, a_k;
    T* c;  // [m, n], contiguous rows
    int64_t c_row;
    const T* bias = nullptr;  // [n] or null
    Activation activation = Activation::none;
    bool add = false;
};
template <class T>
void multiply(const RowsTimesPacked<T>& product, const PackedB& b);  // T: float or double, b's dtype

}  // namespace pt::matmul
