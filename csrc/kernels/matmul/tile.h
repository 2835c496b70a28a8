// The micro-kernel: a tile of C, Rows x (Vecs vectors), kept in registers over the whole depth.
//
//     c[r][j] (+)= sum over k of a[r * a_row + k * a_k] * b[k * b_k + j]
//
// A is read one element at a time and broadcast, so its strides are free: packed, row-major and column-major
// operands go through the same code. B is read in vectors, its columns are neighbours. Every element of C is
// one chain of multiply-adds in order of k, whatever the tile: results do not depend on how C is cut.
#pragma once

#include "simd/vec.h"

namespace pt::matmul::PT_ISA {

using namespace ::pt::PT_ISA;

// Tiles have at most kMaxRows<Vecs> rows: sums, one row of B and a broadcast fill the registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif
#if defined(__AVX512VL__)
constexpr bool kMaskedLoads = true;  // load_n costs what load costs
#else
constexpr bool kMaskedLoads = false;
#endif

constexpr int kMaxVecs = kRegisters == 32 ? 4 : 2;
constexpr int max_rows(int vecs) {
    if (kRegisters == 32) return vecs <= 2 ? 12 : vecs == 3 ? 8 : 6;
    return vecs == 1 ? 8 : 6;
}

struct MultiplyAdd {
    template <class V>
    static PT_INLINE_MEMBER V apply(V sum, V x, V y) {
        return sum + x * y;
    }
};

// `tail` elements count in the last vector of a row. Masked: nothing behind them is read in B either.
template <class T, int Rows, int Vecs, bool Masked, class Sum = MultiplyAdd>
static void tile(int64_t depth, const T* a, int64_t a_row, int64_t a_k, const T* b, int64_t b_k, int tail,
                 T* c, int64_t c_row, bool add) {
    constexpr int L = lanes<T>;
    Vec<T> sums[Rows][Vecs] = {};
    const T* rows[(Rows + 2) / 3];
#pragma GCC unroll 4
    for (int g = 0; g < (Rows + 2) / 3; ++g) rows[g] = a + 3 * g * a_row;
    if (depth >= 64) {  // time enough for the tile of C to come from memory
#pragma GCC unroll 12
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < Vecs; ++v) __builtin_prefetch(c + r * c_row + v * L, 1);
    }
    for (int64_t k = 0; k < depth; ++k, b += b_k) {
        Vec<T> row[Vecs];
#pragma GCC unroll 4
        for (int v = 0; v < Vecs; ++v)
            row[v] = Masked && v == Vecs - 1 ? load_n(b + v * L, tail) : load(b + v * L);
#pragma GCC unroll 12
        for (int r = 0; r < Rows; ++r) {
            const Vec<T> x = broadcast(rows[r / 3][r % 3 * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < Vecs; ++v) sums[r][v] = Sum::apply(sums[r][v], x, row[v]);
        }
#pragma GCC unroll 4
        for (int g = 0; g < (Rows + 2) / 3; ++g) rows[g] += a_k;
    }
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
        T* to = c + r * c_row;
#pragma GCC unroll 4
        for (int v = 0; v < Vecs; ++v) {
            T* at = to + v * L;
            if (v == Vecs - 1 && tail != L)
                store_n(at, add ? load_n(at, tail) + sums[r][v] : sums[r][v], tail);
            else
                store(at, add ? load(at) + sums[r][v] : sums[r][v]);
        }
    }
}

template <class T>
using Tile = void (*)(int64_t depth, const T* a, int64_t a_row, int64_t a_k, const T* b, int64_t b_k,
                      int tail, T* c, int64_t c_row, bool add);

template <class T>
struct TileTable {
    Tile<T> of[2][kMaxVecs + 1][max_rows(1) + 1];  // [masked][vectors][rows]
};

template <class T, class Sum, int Rows, int Vecs>
static constexpr void fill_tiles(TileTable<T>& table) {
    table.of[0][Vecs][Rows] = &tile<T, Rows, Vecs, false, Sum>;
    table.of[1][Vecs][Rows] = &tile<T, Rows, Vecs, kMaskedLoads, Sum>;
    if constexpr (Rows < max_rows(Vecs))
        fill_tiles<T, Sum, Rows + 1, Vecs>(table);
    else if constexpr (Vecs < kMaxVecs)
        fill_tiles<T, Sum, 1, Vecs + 1>(table);
}

template <class T, class Sum>
static constexpr TileTable<T> make_tiles() {
    TileTable<T> table{};
    fill_tiles<T, Sum, 1, 1>(table);
    return table;
}

// Sum::apply(sum, x, y) is what a tile does with a lane of the sums and of each operand.
template <class T, class Sum = MultiplyAdd>
static constexpr TileTable<T> tile_table = make_tiles<T, Sum>();
template <class T>
static constexpr const TileTable<T>& tiles = tile_table<T>;

}  // namespace pt::matmul::PT_ISA
