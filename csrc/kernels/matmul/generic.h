// The choice of the road for one product: by its sizes and layout, never by the number of threads, so that
// results do not depend on that.
#pragma once

#include "kernels/matmul/few.h"
#include "kernels/matmul/half.h"
#include "kernels/matmul/packed.h"

namespace pt::matmul::PT_ISA {

template <class T>
PT_INLINE Output<T> output_of(const Problem<T>& p) {
    return {p.c, p.c_row, p.c_col, p.bias, p.bias_row, p.bias_col, p.activation, false};
}

constexpr int64_t kSmall = 32768;      // multiplications that threads and scratch memory would hold up
constexpr int64_t kRowsInPlace = 256;  // rows of A up to which packing B costs more than it brings

// B is read where it lies: its rows are contiguous, and no vector of them reaches beyond their end. Columns
// [begin, end) of C; few rows, so that what is read of B stays in the cache until all of them have used it.
template <class T>
static void multiply_in_place(const Problem<T>& p, int64_t begin, int64_t end) {
    const Output<T> out = output_of(p);
    const TileShape shape = tile_shape<T>(p.n);
    const int64_t passes = passes_over(p.k), tiles = ceil_div(p.m, shape.rows);
    for (int64_t j = begin; j < end; j += shape.columns) {
        const int64_t columns = end - j < shape.columns ? end - j : shape.columns;
        for (int64_t pass = 0; pass < passes; ++pass) {
            const Range depth = even_part(p.k, pass, passes);
            const Strip<T> b{p.b + depth.begin * p.b_k + j, 0, p.b_k};
            for (int64_t t = 0; t < tiles; ++t) {
                const Range rows = even_part(p.m, t, tiles);
                const Strip<T> a{p.a + rows.begin * p.a_row + depth.begin * p.a_k, p.a_row, p.a_k};
                multiply_tile(out, Part{rows.begin, rows.size(), j, columns}, depth.size(), a, b,
                              columns % lanes<T> != 0, pass == 0, pass == passes - 1);
            }
        }
    }
}

template <class T>
PT_INLINE Problem<T> rows_of(const Problem<T>& p, int64_t begin, int64_t end) {
    Problem<T> part = p;
    part.m = end - begin;
    part.a += begin * p.a_row;
    part.c += begin * p.c_row;
    if (p.bias != nullptr) part.bias += begin * p.bias_row;
    return part;
}

// The same on all threads, which share out the columns of C, or the rows where columns are few.
template <class T>
static void multiply_in_place(const Problem<T>& p) {
    const TileShape shape = tile_shape<T>(p.n);
    const int64_t strips = ceil_div(p.n, shape.columns), tiles = ceil_div(p.m, shape.rows);
    if (strips >= 2 * num_threads())
        parallel_for(0, strips, product_work<T>(p.m, shape.columns, p.k), [&](int64_t begin, int64_t end) {
            multiply_in_place(p, begin * shape.columns, end == strips ? p.n : end * shape.columns);
        });
    else
        parallel_for(0, tiles, product_work<T>(shape.rows, p.n, p.k), [&](int64_t begin, int64_t end) {
            const int64_t last = end == tiles ? p.m : end * shape.rows;
            multiply_in_place(rows_of(p, begin * shape.rows, last), 0, p.n);
        });
}

template <class T>
PT_INLINE bool reads_in_place(const Problem<T>& p) {
    return p.b_col == 1 && (kMaskedLoads || p.n % lanes<T> == 0);
}

template <class T>
static void multiply(const Problem<T>& given) {
    Problem<T> p = given;
    const int64_t work = p.m * p.n * p.k;
    if (p.c_row == 1 && p.c_col != 1) p = transposed(p);  // the rows of C are to be contiguous
    if (work <= kSmall && (p.n > kFewRows || p.k <= 64) && reads_in_place(p))
        return multiply_in_place(p, 0, p.n);
    if (p.n <= kFewRows && p.m > p.n) p = transposed(p);
    // A strip whose sums fit the registers: as few rows, they would be loaded and stored all the time.
    if (p.m <= kFewRows && p.n > 1 && p.n <= kMaxVecs * lanes<T> && work < kParallel && reads_in_place(p))
        return multiply_in_place(p, 0, p.n);
    if (p.m <= kFewRows && (p.b_col == 1 || p.b_k == 1)) return multiply_few(p, p.b);
    if (p.m <= kDotRows && p.k >= kDotDepth && p.n > 1 && p.b_col != 1 && reads_columns(p))
        return multiply_few(p, p.b);
    if (p.m <= kRowsInPlace && reads_in_place(p)) return multiply_in_place(p);
    // B has to be packed, unless the transposed product has the smaller one to pack.
    if (p.b_col != 1 && p.m < p.n && (p.a_k == 1 || p.a_row == 1)) p = transposed(p);
    const Rows<T> a{p.a, p.a_row, p.a_k, p.a_k == 1 ? p.n <= kColumnsInPlace : p.n <= kMaxVecs * lanes<T>};
    const Columns<T> b{p.b, p.b_k, p.b_col};
    gemm<T>(p.m, p.n, p.k, a, b, output_of(p), work < kParallel ? 1 : num_threads());
}

}  // namespace pt::matmul::PT_ISA
