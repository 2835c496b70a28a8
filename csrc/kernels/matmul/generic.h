// The choice of the road for one product: by its sizes and layout, never by the number of threads, so that
// results do not depend on that.
#pragma once

#include "kernels/matmul/gemm.h"

namespace pt::matmul::PT_ISA {

// Strips of a matrix.
template <class T>
struct Rows {
    const T* data;
    int64_t row, step;

    Strip<T> strip(int64_t i, int rows, int64_t k, int64_t depth, T* scratch) const {
        return pack_rows(data + i * row + k * step, row, step, rows, depth, scratch);
    }
};
template <class T>
struct Columns {
    const T* data;
    int64_t step, column;

    Strip<T> strip(int64_t j, int columns, int64_t k, int64_t depth, T* scratch) const {
        return pack_columns(data + k * step + j * column, step, column, columns, depth, scratch);
    }
};

template <class T>
static void multiply(const Problem<T>& p) {
    const Output<T> out{p.c, p.c_row, p.c_col, p.bias, p.bias_row, p.bias_col, p.relu};
    const int threads = p.m * p.n * p.k < 500000 ? 1 : num_threads();
    gemm<T>(p.m, p.n, p.k, Rows<T>{p.a, p.a_row, p.a_k}, Columns<T>{p.b, p.b_k, p.b_col}, out, threads);
}

}  // namespace pt::matmul::PT_ISA
