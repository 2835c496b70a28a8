// What forward and backward are made of: packed operands, products with them, and rows of scores.
#pragma once

#include "base/pool.h"
#include "kernels/attention/attention.h"
#include "kernels/matmul/pack.h"
#include "simd/math.h"
#include "simd/partial.h"

namespace pt::attention::PT_ISA {

using namespace pt::PT_ISA;
using matmul::PT_ISA::max_rows;
using matmul::PT_ISA::pack_columns;
using matmul::PT_ISA::tile;
using matmul::PT_ISA::Tile;

constexpr int kVecs = 2;
constexpr int kRows = max_rows(kVecs);
template <class T>
constexpr int kStrip = kVecs * lanes<T>;
// Keys of a block: a block of scores stays in the level 2 cache with all that it is multiplied with.
constexpr int64_t kBlockKeys = 256;
// From row to row of a block of scores: not a power of two, or a column of it would fill one set of the
// cache.
template <class T>
constexpr int64_t kScoresRow = kBlockKeys + lanes<T>;

PT_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
template <class T>
PT_INLINE int64_t whole_vectors(int64_t n) {
    return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

template <class T>
struct TileTable {
    Tile<T> of[kVecs][kRows];  // [vectors - 1][rows - 1]
};
template <class T, int Rows>
static constexpr void fill_tiles(TileTable<T>& table) {
    table.of[0][Rows - 1] = &tile<T, Rows, 1, false>;
    table.of[1][Rows - 1] = &tile<T, Rows, 2, false>;
    if constexpr (Rows < kRows) fill_tiles<T, Rows + 1>(table);
}
template <class T>
static constexpr TileTable<T> make_tiles() {
    TileTable<T> table{};
    fill_tiles<T, 1>(table);
    return table;
}
template <class T>
static constexpr TileTable<T> tiles = make_tiles<T>();

// A matrix of depth x columns in strips of kStrip columns, each of them row after row, filled up with zeros
// to whole vectors. Or, with a `row` stride, as it lies, of whole vectors too.
template <class T>
struct Packed {
    const T* data;
    int64_t depth, columns;
    int64_t row = 0;

    static int64_t size(int64_t depth, int64_t columns) { return depth * whole_vectors<T>(columns); }
};

// Element (r, c) is at from[r * row + c * column].
template <class T>
static Packed<T> pack(const T* from, int64_t row, int64_t column, int64_t depth, int64_t columns, T* to) {
    for (int64_t j = 0; j < columns; j += kStrip<T>)
        pack_columns(from + j * column, row, column, static_cast<int>(at_most(columns - j, kStrip<T>)), depth,
                     to + j * depth);
    return {to, depth, columns};
}
template <class T>
PT_INLINE bool has_whole_vectors(int64_t column, int64_t columns) {
    return column == 1 && columns % lanes<T> == 0;
}

// A left operand: element (r, k) is data[r * row + k * step].
template <class T>
struct Left {
    const T* data;
    int64_t row, step;
};

// c (+)= a b for `rows` rows of a, the rows [begin, end) of b and its columns [first, last), where `first` is
// a multiple of kStrip. Rows of c are filled up to whole vectors.
template <class T>
static void multiply(const Left<T>& a, int64_t rows, const Packed<T>& b, int64_t begin, int64_t end,
                     int64_t first, int64_t last, T* c, int64_t c_row, bool add) {
    const int64_t parts = (rows + kRows - 1) / kRows;
    for (int64_t j = first; j < last; j += kStrip<T>) {
        const bool in_place = b.row != 0;
        const int64_t width = in_place ? b.row : whole_vectors<T>(at_most(b.columns - j, kStrip<T>));
        const int vecs = last - j > lanes<T> ? 2 : 1;
        const T* strip = b.data + (in_place ? j : j * b.depth) + begin * width;
        for (int64_t part = 0; part < parts; ++part) {
            const int64_t r = rows * part / parts, count = rows * (part + 1) / parts - r;
            tiles<T>.of[vecs - 1][count - 1](end - begin, a.data + r * a.row, a.row, a.step, strip, width,
                                             lanes<T>, c + r * c_row + (j - first), c_row, add);
        }
    }
}

// exp of what is hardly above zero: no overflow to care for. Float: 2^(x log2 e), its fraction by a
// polynomial with a relative error of 2^-26. exp(-infinity) is zero, NaN stays NaN.
PT_INLINE Vec<float> exp_of_difference(Vec<float> x) {
    constexpr float c[] = {0.6931472057374293f,   0.2402264689061186f,    0.05550328776612363f,
                           0.009618488958258592f, 0.0013399931362376508f, 0.0001534581202946774f};
    const Vec<float> t = max_hw<float>(broadcast(-200.0f), x * broadcast(Format<float>::log2e));
    const Rounded<float> n = round_to_integer<float>(t);
    const Vec<float> f = t - n.value;
    return scale<float>(polynomial<float>(f, c) * f + broadcast(1.0f), n);
}
PT_INLINE Vec<double> exp_of_difference(Vec<double> x) { return exp(x); }

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

// Lanes of a row of booleans, as a mask: the first n count.
template <class T>
PT_INLINE Mask<T> load_booleans(const uint8_t* p, int n) {
    typedef uint8_t Bytes __attribute__((vector_size(lanes<T>)));
    Bytes bytes{};
    __builtin_memcpy(&bytes, p, lanes<T> == n ? lanes<T> : static_cast<size_t>(n));
    return __builtin_convertvector(bytes, Mask<T>) != Mask<T>{};
}

// x[j] of the row of a mask from element `at`, for j < n: added, or -infinity where it is false. Any column
// stride.
template <class T>
static void apply_mask(const Head<T>& h, int64_t at, T* x, int64_t n) {
    if (h.mask_column != 1) {
        for (int64_t j = 0; j < n; ++j) {
            const int64_t i = at + j * h.mask_column;
            x[j] = h.added != nullptr ? x[j] + h.added[i] : h.kept[i] != 0 ? x[j] : -kInfinity<T>;
        }
    } else if (h.added != nullptr) {
        const T* mask = h.added + at;
        each_vector<T>(n, [&](int64_t j, int used) __attribute__((always_inline)) {
            store_upto(x + j, load_upto(x + j, used) + load_upto(mask + j, used), used);
        });
    } else {
        const uint8_t* mask = h.kept + at;
        each_vector<T>(n, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Mask<T> kept = load_booleans<T>(mask + j, used);
            store_upto(x + j, select<T>(kept, load_upto(x + j, used), broadcast(-kInfinity<T>)), used);
        });
    }
}

// The factors that dropout puts on the probabilities of a row.
template <class T>
PT_INLINE Vec<T> keep_factors(const uint8_t* kept, int n, Vec<T> factor) {
    return select<T>(load_booleans<T>(kept, n), factor, Vec<T>{});
}

// rows x columns of `from`, times `factor`, into or onto a matrix of any strides.
template <class T>
static void put(const T* from, int64_t from_row, int64_t rows, int64_t columns, T factor, bool add, T* to,
                int64_t row, int64_t column) {
    for (int64_t r = 0; r < rows; ++r) {
        const T* x = from + r * from_row;
        T* y = to + r * row;
        if (column == 1) {
            each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> value = load_upto(x + j, used) * broadcast(factor);
                store_upto(y + j, add ? load_upto(y + j, used) + value : value, used);
            });
        } else {
            for (int64_t j = 0; j < columns; ++j)
                y[j * column] = (add ? y[j * column] : T(0)) + x[j] * factor;
        }
    }
}

// rows x columns of a matrix of any strides, times `factor`, row after row.
template <class T>
static void gather_rows(const T* from, int64_t row, int64_t column, int64_t rows, int64_t columns, T factor,
                        T* to) {
    for (int64_t r = 0; r < rows; ++r, from += row, to += columns) {
        if (column == 1)
            each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
                store_upto(to + j, load_upto(from + j, used) * broadcast(factor), used);
            });
        else
            for (int64_t j = 0; j < columns; ++j) to[j] = from[j * column] * factor;
    }
}

}  // namespace pt::attention::PT_ISA
