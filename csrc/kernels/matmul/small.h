// Many small products of one shape: the tile is chosen once, and nothing is done per product but to call it.
#pragma once

#include "kernels/matmul/gemm.h"

namespace pt::matmul::PT_ISA {

constexpr int64_t kSmallDepth = 32;

// B [k, n] into rows of whole vectors.
template <class T>
PT_INLINE void pack_small(const Problem<T>& p, const T* b, T* to) {
    constexpr int64_t L = lanes<T>;
    if (p.b_k == 1 && p.n * p.k >= 32) {
        for (int64_t k = 0; k < p.k; k += L)
            transpose_block(b + k, p.b_col, static_cast<int>(p.n),
                            static_cast<int>(p.k - k < L ? p.k - k : L), to + k * L, L, true);
        return;
    }
    for (int64_t j = 0; j < p.n; ++j)
        for (int64_t k = 0; k < p.k; ++k) to[k * L + j] = b[k * p.b_k + j * p.b_col];
}

// `count` products, the first of which is p. False, with nothing done: they are not small.
template <class T>
static bool multiply_small(const Problem<T>& p, const BatchSteps& steps, int64_t count) {
    constexpr int64_t L = lanes<T>, most = max_rows(1);
    if (p.n > L || p.m > 2 * L || p.k > kSmallDepth || p.c_col != 1) return false;
    const bool in_place = p.b_col == 1 && (kMaskedLoads || p.n == L);
    const int64_t tiles = ceil_div(p.m, most);
    T packed[kSmallDepth * L] = {};
    Output<T> out{p.c, p.c_row, p.c_col, p.bias, p.bias_row, p.bias_col, p.activation, false};
    const T *a = p.a, *b = p.b;
    for (int64_t at = 0; at < count; ++at, a += steps.a, b += steps.b, out.c += steps.out) {
        if (!in_place) pack_small(p, b, packed);
        for (int64_t t = 0; t < tiles; ++t) {
            const Range rows = even_part(p.m, t, tiles);
            out.tiles->of[in_place][1][rows.size()](
                p.k, a + rows.begin * p.a_row, p.a_row, p.a_k, in_place ? b : packed, in_place ? p.b_k : L,
                static_cast<int>(p.n), out.c + rows.begin * p.c_row, p.c_row, false);
        }
        if (out.has_epilogue()) finish(out, Part{0, p.m, 0, p.n});
    }
    return true;
}

}  // namespace pt::matmul::PT_ISA
