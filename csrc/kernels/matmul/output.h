// Where tiles of C go: any strides, with the epilogue (bias, activation) after the last pass over the depth.
#pragma once

#include "kernels/matmul/pack.h"
#include "kernels/matmul/problem.h"
#include "simd/gelu.h"

namespace pt::matmul::PT_ISA {

template <class T>
struct Output {
    T* c;
    int64_t row, column;
    const T* bias;
    int64_t bias_row, bias_column;
    Activation activation;
    bool add;  // to what stands in c
    const TileTable<T>* tiles = &tile_table<T>;

    bool has_epilogue() const { return bias != nullptr || activation != Activation::none; }
};

// The product of the transposes, which has the same elements.
template <class T>
PT_INLINE Problem<T> transposed(const Problem<T>& p) {
    return {p.n,     p.m, p.k,     p.b,     p.b_col, p.b_k,      p.a,        p.a_k,
            p.a_row, p.c, p.c_col, p.c_row, p.bias,  p.bias_col, p.bias_row, p.activation};
}

// A part of C: rows from i, columns from j.
struct Part {
    int64_t i, rows;
    int64_t j, columns;
};

template <class T, Activation A>
PT_INLINE Vec<T> activate(Vec<T> x) {
    if constexpr (A == Activation::relu) return max_hw<T>(Vec<T>{}, x);  // a NaN stays one
    if constexpr (A == Activation::gelu) return gelu_of<T>(x);
    if constexpr (A == Activation::gelu_tanh) return gelu_tanh_of<T>(x);
    return x;
}

template <class T, Activation A>
static void finish_rows(const Output<T>& out, const Part& part) {
    constexpr int L = lanes<T>;
    const bool vectors =
        out.column == 1 && (out.bias == nullptr || (out.bias_column == 0 || out.bias_column == 1));
    for (int64_t i = part.i; i < part.i + part.rows; ++i) {
        int64_t j = part.j;
        for (; vectors && j < part.j + part.columns; j += L) {
            const int64_t left = part.j + part.columns - j;
            const int count = left < L ? static_cast<int>(left) : L;
            T* at = out.c + i * out.row + j;
            Vec<T> x = load_n(at, count);
            if (out.bias != nullptr) {
                const T* bias = out.bias + i * out.bias_row;
                x += out.bias_column == 1 ? load_n(bias + j, count) : broadcast(*bias);
            }
            store_n(at, activate<T, A>(x), count);
        }
        for (; j < part.j + part.columns; ++j) {
            T& x = out.c[i * out.row + j * out.column];
            if (out.bias != nullptr) x += out.bias[i * out.bias_row + j * out.bias_column];
            x = activate<T, A>(broadcast(x))[0];
        }
    }
}

// Bias and activation, in place: the tile is in the cache still.
template <class T>
static void finish(const Output<T>& out, const Part& part) {
    if (out.column != 1 && out.row == 1) {  // along the columns, then
        const Output<T> turned{out.c,        out.column,     1,      out.bias, out.bias_column,
                               out.bias_row, out.activation, out.add};
        return finish(turned, Part{part.j, part.columns, part.i, part.rows});
    }
    switch (out.activation) {
        case Activation::none:
            return finish_rows<T, Activation::none>(out, part);
        case Activation::relu:
            return finish_rows<T, Activation::relu>(out, part);
        case Activation::gelu:
            return finish_rows<T, Activation::gelu>(out, part);
        case Activation::gelu_tanh:
            return finish_rows<T, Activation::gelu_tanh>(out, part);
    }
}

// Stores (first) or adds a tile of sums into c, whose rows are not contiguous. Its columns may be.
template <class T>
static void put(const T* sums, int width, int rows, int columns, bool first, T* c, int64_t row,
                int64_t column) {
    constexpr int L = lanes<T>;
    if (row != 1) {
        for (int r = 0; r < rows; ++r)
            for (int j = 0; j < columns; ++j) {
                T& to = c[r * row + j * column];
                to = first ? sums[r * width + j] : to + sums[r * width + j];
            }
        return;
    }
    for (int i = 0; i < rows; i += L)
        for (int j = 0; j < columns; j += L) {
            const int height = rows - i < L ? rows - i : L, count = columns - j < L ? columns - j : L;
            T turned[L * L];
            transpose_block(sums + i * width + j, width, height, count, turned, L, true);
            for (int x = 0; x < count; ++x) {
                T* to = c + i + (j + x) * column;
                const Vec<T> value = load(turned + x * L);
                store_n(to, first ? value : value + load_n(to, height), height);
            }
        }
}

// One tile, from strips of A and B.
template <class T>
PT_INLINE void multiply_tile(const Output<T>& out, const Part& part, int64_t depth, const Strip<T>& a,
                             const Strip<T>& b, bool masked, bool first, bool last) {
    constexpr int L = lanes<T>;
    const int columns = static_cast<int>(part.columns);
    const int vecs = (columns + L - 1) / L, tail = columns - (vecs - 1) * L;
    const Tile<T> tile = out.tiles->of[masked][vecs][part.rows];
    T* c = out.c + part.i * out.row + part.j * out.column;
    const bool add = out.add || !first;
    if (out.column == 1) {
        tile(depth, a.data, a.row, a.step, b.data, b.step, tail, c, out.row, add);
    } else {
        constexpr int width = kMaxVecs * L;
        T sums[max_rows(1) * width];
        tile(depth, a.data, a.row, a.step, b.data, b.step, tail, sums, width, false);
        put(sums, width, static_cast<int>(part.rows), columns, !add, c, out.row, out.column);
    }
    if (last && out.has_epilogue()) finish(out, part);
}

}  // namespace pt::matmul::PT_ISA
