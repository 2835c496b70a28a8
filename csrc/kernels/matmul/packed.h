// Products with a B that was packed before, for one matrix that many others are multiplied with: the weights
// of a recurrent layer, the keys of an attention.
//
// Packed, B is a row of strips of kPackedColumns columns over the whole depth, one behind the other; row k of
// a strip is contiguous and filled up with zeros to whole vectors. Products of few rows take several strips
// at once: there have to be enough sums at work to hide the latency of the additions.
#pragma once

#include "kernels/matmul/gemm.h"

namespace pt::matmul::PT_ISA {

constexpr int64_t kPackedRowsInPlace = 48;  // rows of A up to which copying them costs more than it brings
template <class T>
constexpr int64_t kPackedColumns = kMaxVecs * lanes<T>;

template <class T>
static void pack(int64_t k, int64_t n, const T* b, int64_t b_k, int64_t b_col, T* to) {
    const int64_t strips = ceil_div(n, kPackedColumns<T>);
    const double bytes = static_cast<double>(k * kPackedColumns<T>) * sizeof(T);
    parallel_for(0, strips, Work{0.03 * bytes}, [&](int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; ++s) {
            const int64_t j = s * kPackedColumns<T>, left = n - j;
            pack_columns(b + j * b_col, b_k, b_col,
                         left < kPackedColumns<T> ? static_cast<int>(left) : kPackedColumns<T>, k,
                         to + j * k);
        }
    });
}

// Rows x Strips * kColumns elements of C; the strips lie `b_strip` apart.
template <class T, int Rows, int Strips>
static void wide_tile(int64_t depth, const T* a, int64_t a_row, int64_t a_k, const T* b, int64_t b_strip,
                      T* c, int64_t c_row, bool add) {
    constexpr int L = lanes<T>, vecs = Strips * kMaxVecs;
    Vec<T> sums[Rows][vecs] = {};
    for (int64_t k = 0; k < depth; ++k) {
        Vec<T> x[Rows];
#pragma GCC unroll 6
        for (int r = 0; r < Rows; ++r) x[r] = broadcast(a[r * a_row + k * a_k]);
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) {
            const Vec<T> y = load(b + v / kMaxVecs * b_strip + (k * kMaxVecs + v % kMaxVecs) * L);
#pragma GCC unroll 6
            for (int r = 0; r < Rows; ++r) sums[r][v] += x[r] * y;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) {
            T* at = c + r * c_row + v * L;
            store(at, add ? load(at) + sums[r][v] : sums[r][v]);
        }
}

constexpr int strips_together(int rows) { return rows <= 3 ? 2 : 1; }

template <class T, int Rows>
PT_INLINE void multiply_wide(const PackedProblem<T>& p, const Output<T>& out, Range strips) {
    constexpr int together = strips_together(Rows);
    const int64_t passes = passes_over(p.k);
    for (int64_t s = strips.begin; s < strips.end;) {
        const int64_t j = s * kPackedColumns<T>, left = p.n - j;
        const bool wide = strips.end - s >= together && left >= together * kPackedColumns<T>;
        const int64_t columns = wide                       ? together * kPackedColumns<T>
                                : left < kPackedColumns<T> ? left
                                                           : kPackedColumns<T>;
        const int64_t width = ceil_div(columns, lanes<T>) * lanes<T>;
        for (int64_t pass = 0; pass < passes; ++pass) {
            const Range depth = even_part(p.k, pass, passes);
            const T* a = p.a + depth.begin * p.a_k;
            const T* b = p.packed + j * p.k;
            if (wide)
                wide_tile<T, Rows, together>(depth.size(), a, p.a_row, p.a_k,
                                             b + depth.begin * kPackedColumns<T>, kPackedColumns<T> * p.k,
                                             out.c + j, out.row, p.add || pass > 0);
            else
                multiply_tile(out, Part{0, Rows, j, columns}, depth.size(), Strip<T>{a, p.a_row, p.a_k},
                              Strip<T>{b + depth.begin * width, 0, width}, false, pass == 0, false);
        }
        if (out.has_epilogue()) finish(out, Part{0, Rows, j, columns});
        s += wide ? together : 1;
    }
}

template <class T>
static void multiply_wide(const PackedProblem<T>& p, const Output<T>& out, Range strips) {
    switch (p.m) {
        case 1:
            return multiply_wide<T, 1>(p, out, strips);
        case 2:
            return multiply_wide<T, 2>(p, out, strips);
        case 3:
            return multiply_wide<T, 3>(p, out, strips);
        case 4:
            return multiply_wide<T, 4>(p, out, strips);
        case 5:
            return multiply_wide<T, 5>(p, out, strips);
        default:
            return multiply_wide<T, 6>(p, out, strips);
    }
}

// Rows [rows.begin, rows.end) by the columns of some strips.
template <class T>
static void multiply_packed_part(const PackedProblem<T>& p, const Output<T>& out, Range rows, Range strips) {
    const int64_t passes = passes_over(p.k);
    const bool in_place = rows.size() <= kPackedRowsInPlace;
    const TileShape shape{max_rows(kMaxVecs), kPackedColumns<T>};
    pool::Scratch packed_a(in_place ? 0 : bytes_of_a<T>(shape, ceil_div(p.k, passes)));
    const Rows<T> a{p.a, p.a_row, p.a_k, in_place};
    for (int64_t pass = 0; pass < passes; ++pass) {
        const Range depth = even_part(p.k, pass, passes);
        multiply_block(a, out, Block{shape, rows, strips, 0, p.n, depth, pass == 0, pass == passes - 1},
                       PackedStrips<T>{p.packed, kPackedColumns<T> * p.k, depth.begin}, packed_a.as<T>());
    }
}

template <class T>
static void multiply_packed(const PackedProblem<T>& p) {
    const Output<T> out{p.c, p.c_row, 1, p.bias, 0, 1, p.activation, p.add};
    constexpr int64_t rows = max_rows(kMaxVecs);
    const int64_t strips = ceil_div(p.n, kPackedColumns<T>), tiles = ceil_div(p.m, rows);
    const int64_t work = p.m * p.n * (p.k + 1);
    const int threads = work < kParallel ? 1 : num_threads();
    if (p.m <= 6) {
        // Parts of whole groups of strips, so that results do not depend on where they are cut. Few rows wait
        // for B.
        const int64_t groups = ceil_div(strips, 2);
        const Work each = product_work<T>(p.m < 3 ? 3 : p.m, 2 * kPackedColumns<T>, p.k);
        return parallel_for(0, groups, each, [&](int64_t begin, int64_t end) {
            multiply_wide(p, out, Range{begin * 2, end == groups ? strips : end * 2});
        });
    }
    if (threads == 1) return multiply_packed_part(p, out, Range{0, p.m}, Range{0, strips});
    if (tiles >= 2 * threads)
        parallel_for(0, tiles, product_work<T>(rows, p.n, p.k), [&](int64_t begin, int64_t end) {
            multiply_packed_part(p, out, Range{begin * rows, end == tiles ? p.m : end * rows},
                                 Range{0, strips});
        });
    else
        parallel_for(0, strips, product_work<T>(p.m, kPackedColumns<T>, p.k),
                     [&](int64_t begin, int64_t end) {
                         multiply_packed_part(p, out, Range{0, p.m}, Range{begin, end});
                     });
}

}  // namespace pt::matmul::PT_ISA
