// Transposition of blocks of up to lanes x lanes elements in registers.
#pragma once

#include "simd/vec.h"

namespace pt::PT_ISA {

// a0 b0 a1 b1 ... of the lower (High = 0) or upper halves.
template <int High, class V>
PT_INLINE V interleave(V a, V b) {
    constexpr int n = sizeof(V) / sizeof(a[0]), h = High * (n / 2);
    if constexpr (n == 2)
        return __builtin_shufflevector(a, b, h, h + 2);
    else if constexpr (n == 4)
        return __builtin_shufflevector(a, b, h, h + 4, h + 1, h + 5);
    else if constexpr (n == 8)
        return __builtin_shufflevector(a, b, h, h + 8, h + 1, h + 9, h + 2, h + 10, h + 3, h + 11);
    else
        return __builtin_shufflevector(a, b, h, h + 16, h + 1, h + 17, h + 2, h + 18, h + 3, h + 19, h + 4,
                                       h + 20, h + 5, h + 21, h + 6, h + 22, h + 7, h + 23);
}

// to[j][i] = from[i][j] for i < rows, j < columns. In `to`, rows below `columns` are written as whole vectors
// when `pad` is set (zeros beyond `rows`), else only `rows` elements of them.
template <class T>
PT_INLINE void transpose_block(const T* from, int64_t from_row, int rows, int columns, T* to, int64_t to_row,
                               bool pad) {
    constexpr int L = lanes<T>;
    Vec<T> v[L], w[L];
    if (rows == L && columns == L) {
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) v[i] = load(from + i * from_row);
    } else {
        for (int i = 0; i < L; ++i) v[i] = i < rows ? load_n(from + i * from_row, columns) : Vec<T>{};
    }
    // Each round interleaves vector i with vector i + L/2: a perfect shuffle of the block, log2(L) of which
    // transpose it.
#pragma GCC unroll 4
    for (int round = 1; round < L; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < L / 2; ++i) {
            w[2 * i] = interleave<0>(v[i], v[i + L / 2]);
            w[2 * i + 1] = interleave<1>(v[i], v[i + L / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) v[i] = w[i];
    }
    if (columns == L && (pad || rows == L)) {
#pragma GCC unroll 16
        for (int j = 0; j < L; ++j) store(to + j * to_row, v[j]);
    } else {
        for (int j = 0; j < columns; ++j) store_n(to + j * to_row, v[j], pad ? L : rows);
    }
}

}  // namespace pt::PT_ISA
