// The choice of the road for one product: by its sizes and layout, never by the number of threads, so that
// results do not depend on that.
#pragma once

#include "kernels/matmul/few.h"
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
PT_INLINE Output<T> output_of(const Problem<T>& p) {
    return {p.c, p.c_row, p.c_col, p.bias, p.bias_row, p.bias_col, p.relu};
}

// The product of the transposes, which has the same elements.
template <class T>
PT_INLINE Problem<T> transposed(const Problem<T>& p) {
    return {p.n,     p.m, p.k,     p.b,     p.b_col, p.b_k,      p.a,        p.a_k,
            p.a_row, p.c, p.c_col, p.c_row, p.bias,  p.bias_col, p.bias_row, p.relu};
}

constexpr int64_t kSmall = 32768;  // multiplications that packing would hold up

// B is read where it lies: its rows are contiguous, and no vector of them reaches beyond their end.
template <class T>
static void multiply_in_place(const Problem<T>& p) {
    const Output<T> out = output_of(p);
    const int vecs = p.n > 2 * lanes<T> && p.m <= max_rows(kMaxVecs) ? kMaxVecs : kVecs;
    const int64_t width = vecs * lanes<T>, tiles = ceil_div(p.m, max_rows(vecs));
    for (int64_t j = 0; j < p.n; j += width) {
        const int64_t columns = p.n - j < width ? p.n - j : width;
        const Strip<T> b{p.b + j, 0, p.b_k};
        for (int64_t t = 0; t < tiles; ++t) {
            const Range rows = even_part(p.m, t, tiles);
            const Strip<T> a{p.a + rows.begin * p.a_row, p.a_row, p.a_k};
            multiply_tile(out, Part{rows.begin, static_cast<int>(rows.size()), j, columns}, p.k, a, b,
                          columns % lanes<T> != 0, true, true);
        }
    }
}

template <class T>
static void multiply(const Problem<T>& given) {
    Problem<T> p = given;
    // The columns of C are to be neighbours; of products with few columns, the transposed one has few rows.
    const int64_t work = p.m * p.n * p.k;
    const bool small = work <= kSmall && (p.n > kFewRows || p.k <= 64);
    if (p.c_row == 1 && p.c_col != 1) p = transposed(p);
    if (small && p.b_col == 1 && (kMaskedLoads || p.n % lanes<T> == 0)) return multiply_in_place(p);
    if (p.n <= kFewRows && p.m > p.n) p = transposed(p);
    if (p.m <= kFewRows && (p.b_col == 1 || p.b_k == 1)) return multiply_few(p);
    if (p.c_row == 1 && p.c_col != 1) p = transposed(p);
    const int threads = work < 500000 ? 1 : num_threads();
    gemm<T>(p.m, p.n, p.k, Rows<T>{p.a, p.a_row, p.a_k}, Columns<T>{p.b, p.b_k, p.b_col}, output_of(p),
            threads);
}

}  // namespace pt::matmul::PT_ISA
