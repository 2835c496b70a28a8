// Packers: strips of the operands, as the micro-kernel reads them. Any strides; a strip whose elements lie
// well already is copied in vectors, a transposed one is turned in registers.
#pragma once

#include "kernels/matmul/tile.h"
#include "simd/transpose.h"

namespace pt::matmul::PT_ISA {

// Element (r, k) of a strip of A is data[r * row + k * step]; row k of a strip of B starts at data[k * step].
template <class T>
struct Strip {
    const T* data;
    int64_t row, step;
};

// Scratch elements that one packed strip takes.
template <class T>
constexpr int64_t strip_a(int64_t rows, int64_t depth) {
    return rows * depth + lanes<T>;
}

template <class T>
PT_INLINE void copy(const T* from, int64_t count, T* to) {
    constexpr int L = lanes<T>;
    int64_t i = 0;
    for (; i + L <= count; i += L) store(to + i, load(from + i));
    if (i < count)
        store_n(to + i, load_n(from + i, static_cast<int>(count - i)), static_cast<int>(count - i));
}

// rows x depth of a matrix that starts at `from`.
template <class T>
static Strip<T> pack_rows(const T* from, int64_t row, int64_t step, int rows, int64_t depth, T* to) {
    if (step == 1) {
        for (int r = 0; r < rows; ++r) copy(from + r * row, depth, to + r * depth);
        return {to, depth, 1};
    }
    for (int64_t k = 0; k < depth; ++k)
        for (int r = 0; r < rows; ++r) to[k * rows + r] = from[r * row + k * step];
    return {to, 1, rows};
}

// rows x depth of a matrix whose columns are contiguous: turned as a whole, a line of it at a time, into rows
// that lie `apart`. Strip by strip, of fewer rows than a line has, every line would be fetched several times.
template <class T>
static void turn_rows(const T* from, int64_t step, int64_t rows, int64_t depth, T* to, int64_t apart) {
    constexpr int L = lanes<T>;
    for (int64_t k = 0; k < depth; k += L)
        for (int64_t i = 0; i < rows; i += L)
            transpose_block(from + i + k * step, step, depth - k < L ? static_cast<int>(depth - k) : L,
                            rows - i < L ? static_cast<int>(rows - i) : L, to + i * apart + k, apart, false);
}

// depth x columns of a matrix that starts at `from`; rows are filled up with zeros to whole vectors.
template <class T>
static Strip<T> pack_columns(const T* from, int64_t step, int64_t column, int columns, int64_t depth, T* to) {
    constexpr int L = lanes<T>;
    const int vecs = (columns + L - 1) / L, width = vecs * L, tail = columns - (vecs - 1) * L;
    if (column == 1) {
        for (int64_t k = 0; k < depth; ++k) {
            const T* row = from + k * step;
            T* at = to + k * width;
            for (int v = 0; v < vecs - 1; ++v) store(at + v * L, load(row + v * L));
            const int v = (vecs - 1) * L;
            store(at + v, tail == L ? load(row + v) : load_n(row + v, tail));
        }
    } else if (step == 1) {
        for (int v = 0; v < vecs; ++v)
            for (int64_t k = 0; k < depth; k += L)
                transpose_block(from + v * L * column + k, column, v < vecs - 1 ? L : tail,
                                depth - k < L ? static_cast<int>(depth - k) : L, to + k * width + v * L,
                                width, true);
    } else {
        for (int64_t k = 0; k < depth; ++k)
            for (int j = 0; j < width; ++j)
                to[k * width + j] = j < columns ? from[k * step + j * column] : T(0);
    }
    return {to, 0, width};
}

}  // namespace pt::matmul::PT_ISA
