// Products with few rows (matrix-vector products among them): every element of B is used a few times only, so
// B is read once, as it lies, and never packed. Rows of B that are contiguous are added up (combine_rows);
// columns that are, give dot products (dot_columns).
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/matmul/output.h"

namespace pt::matmul::PT_ISA {

constexpr int kFewRows = 4;
constexpr int kDotRows = 12;          // up to which dot products with contiguous columns beat packing them
constexpr int64_t kDotDepth = 128;    // from which on
constexpr int kTogether = 4;          // rows of B that are added in one pass over c
constexpr double kNsPerByte = 0.012;  // of B, from the third cache

// How B is read: as it is, or widened (half.h).
template <class T>
struct AsIs {
    using Type = T;
    static PT_INLINE_MEMBER Vec<T> read(const T* p) { return load(p); }
    static PT_INLINE_MEMBER Vec<T> read_n(const T* p, int n) { return load_n(p, n); }
};

// c[r][j] (+)= sum over k < Depth of a[r][k] * b[k][j] for columns [0, count)
template <class T, class In, int Rows, int Depth>
static void combine(const T* a, int64_t a_row, int64_t a_k, const typename In::Type* b, int64_t b_k,
                    int64_t count, T* c, int64_t c_row, bool add) {
    constexpr int L = lanes<T>;
    Vec<T> factors[Rows][Depth];
    for (int r = 0; r < Rows; ++r)
        for (int k = 0; k < Depth; ++k) factors[r][k] = broadcast(a[r * a_row + k * a_k]);
    const auto step = [&](int64_t j, auto read, auto get, auto put) __attribute__((always_inline)) {
        Vec<T> sums[Rows];
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) sums[r] = add ? get(c + r * c_row + j) : Vec<T>{};
#pragma GCC unroll 8
        for (int k = 0; k < Depth; ++k) {
            const Vec<T> x = read(b + k * b_k + j);
            __builtin_prefetch(b + (k + Depth) * b_k + j);  // the next pass: a page of its own, often
#pragma GCC unroll 4
            for (int r = 0; r < Rows; ++r) sums[r] += factors[r][k] * x;
        }
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) put(c + r * c_row + j, sums[r]);
    };
    int64_t j = 0;
    for (; j + L <= count; j += L)
        step(
            j, [](const typename In::Type* p) __attribute__((always_inline)) { return In::read(p); },
            [](const T* p) __attribute__((always_inline)) { return load(p); },
            [](T* p, Vec<T> x) __attribute__((always_inline)) { store(p, x); });
    const int rest = static_cast<int>(count - j);
    if (rest > 0)
        step(
            j,
            [rest](const typename In::Type* p) __attribute__((always_inline)) { return In::read_n(p, rest); },
            [rest](const T* p) __attribute__((always_inline)) { return load_n(p, rest); },
            [rest](T* p, Vec<T> x) __attribute__((always_inline)) { store_n(p, x, rest); });
}

// Columns [begin, end), whose rows are contiguous. c has contiguous rows too.
template <class T, class In, int Rows>
static void combine_rows(const Problem<T>& p, const typename In::Type* b, int64_t begin, int64_t end, T* c,
                         int64_t c_row) {
    constexpr int together = Rows > 2 && kRegisters == 16 ? kTogether / 2 : kTogether;
    constexpr int64_t width = 1024;  // of c, which stays in the level 1 cache
    if (p.k == 0) {                  // no step below would write c
        for (int r = 0; r < Rows; ++r)
            for (int64_t j = 0; j < end - begin; ++j) c[r * c_row + j] = T(0);
        return;
    }
    for (int64_t j = begin; j < end; j += width) {
        const int64_t count = end - j < width ? end - j : width;
        int64_t k = 0;
        for (; k + together <= p.k; k += together)
            combine<T, In, Rows, together>(p.a + k * p.a_k, p.a_row, p.a_k, b + k * p.b_k + j, p.b_k, count,
                                           c + (j - begin), c_row, k > 0);
        for (; k < p.k; ++k)
            combine<T, In, Rows, 1>(p.a + k * p.a_k, p.a_row, p.a_k, b + k * p.b_k + j, p.b_k, count,
                                    c + (j - begin), c_row, k > 0);
    }
}

// c[r][j] = sum over k of a[r][k] * b[j][k] for Rows x Columns elements, along contiguous k.
template <class T, class In, int Rows, int Columns, int Unroll>
static void dot(int64_t depth, const T* a, int64_t a_row, const typename In::Type* b, int64_t b_column, T* c,
                int64_t c_row, int64_t c_column) {
    constexpr int L = lanes<T>;
    Vec<T> sums[Unroll][Rows][Columns] = {};
    int64_t k = 0;
    for (; k + Unroll * L <= depth; k += Unroll * L) {
#pragma GCC unroll 4
        for (int u = 0; u < Unroll; ++u) {
            Vec<T> x[Rows];
#pragma GCC unroll 4
            for (int r = 0; r < Rows; ++r) x[r] = load(a + r * a_row + k + u * L);
#pragma GCC unroll 8
            for (int j = 0; j < Columns; ++j) {
                const Vec<T> y = In::read(b + j * b_column + k + u * L);
#pragma GCC unroll 4
                for (int r = 0; r < Rows; ++r) sums[u][r][j] += x[r] * y;
            }
        }
    }
    for (; k < depth; k += L) {
        const int n = depth - k < L ? static_cast<int>(depth - k) : L;
        for (int j = 0; j < Columns; ++j) {
            const Vec<T> y = In::read_n(b + j * b_column + k, n);
            for (int r = 0; r < Rows; ++r) sums[0][r][j] += load_n(a + r * a_row + k, n) * y;
        }
    }
    for (int r = 0; r < Rows; ++r)
        for (int j = 0; j < Columns; ++j) {
            Vec<T> sum = sums[0][r][j];
            for (int u = 1; u < Unroll; ++u) sum += sums[u][r][j];
            c[r * c_row + j * c_column] = sum_lanes<T>(sum);
        }
}

// Columns [begin, end), which are contiguous, as the rows of A are. The order of a column's sum does not
// depend on the columns beside it.
template <class T, class In, int Rows>
static void dot_columns(const Problem<T>& p, const typename In::Type* b, int64_t begin, int64_t end) {
    constexpr int group = kRegisters == 32 || Rows < 3 ? 4 : 2, unroll = Rows == 1 ? 2 : 1;
    if (p.n == 1) {  // one stream: more sums hide the latency of the additions
        dot<T, In, Rows, 1, 4>(p.k, p.a, p.a_row, b, p.b_col, p.c, p.c_row, p.c_col);
        return;
    }
    const auto run = [&](auto kernel, int64_t j) {
        kernel(p.k, p.a, p.a_row, b + j * p.b_col, p.b_col, p.c + j * p.c_col, p.c_row, p.c_col);
    };
    int64_t j = begin;
    for (; j + group <= end; j += group) run(&dot<T, In, Rows, group, unroll>, j);
    for (; j < end; ++j) run(&dot<T, In, Rows, 1, unroll>, j);
}

template <class T>
PT_INLINE bool reads_columns(const Problem<T>& p) {
    return p.b_k == 1 && (p.b_col != 1 || p.n == 1);
}

// A column of C. Rows of B are to be read in long pieces.
template <class In, class T>
PT_INLINE Work few_work(const Problem<T>& p, int64_t rows, bool dots) {
    const double bytes = static_cast<double>(p.k) * static_cast<double>(sizeof(typename In::Type));
    const double arithmetic = 0.015 * static_cast<double>(p.k * rows * static_cast<int64_t>(sizeof(T))) / 4;
    const int64_t piece = p.n / (2 * num_threads()), least = 4 * lanes<T>;
    return {bytes * kNsPerByte + arithmetic, dots ? 16 : piece < least ? least : piece / lanes<T> * lanes<T>};
}

template <class T, class In, int Rows>
static void few_rows(const Problem<T>& p, const typename In::Type* b) {
    const Output<T> out{p.c, p.c_row, p.c_col, p.bias, p.bias_row, p.bias_col, p.activation, false};
    const bool dots = reads_columns(p);
    parallel_for(0, p.n, few_work<In>(p, Rows, dots), [&](int64_t begin, int64_t end) {
        if (dots) {
            dot_columns<T, In, Rows>(p, b, begin, end);
        } else if (p.c_col == 1) {
            combine_rows<T, In, Rows>(p, b, begin, end, p.c + begin, p.c_row);
        } else {
            pool::Scratch sums(sizeof(T) * static_cast<size_t>(Rows * (end - begin)));
            T* c = sums.as<T>();
            combine_rows<T, In, Rows>(p, b, begin, end, c, end - begin);
            for (int r = 0; r < Rows; ++r)
                for (int64_t j = begin; j < end; ++j)
                    p.c[r * p.c_row + j * p.c_col] = c[r * (end - begin) + j - begin];
        }
        if (out.has_epilogue()) finish(out, Part{0, Rows, begin, end - begin});
    });
}

// Dot products of more rows, kFewRows at a time with the columns of B that are in the level 1 cache.
template <class T, class In>
static void many_dots(const Problem<T>& p, const typename In::Type* b) {
    constexpr int64_t columns = 4;
    const Output<T> out{p.c, p.c_row, p.c_col, p.bias, p.bias_row, p.bias_col, p.activation, false};
    const int64_t groups = (p.m + kFewRows - 1) / kFewRows;
    parallel_for(0, p.n, few_work<In>(p, p.m, true), [&](int64_t begin, int64_t end) {
        for (int64_t j = begin; j < end; j += columns) {
            const int64_t last = end - j < columns ? end : j + columns;
            for (int64_t g = 0; g < groups; ++g) {
                const int64_t i = p.m * g / groups, next = p.m * (g + 1) / groups;
                Problem<T> part = p;
                part.a += i * p.a_row;
                part.c += i * p.c_row;
                if (next - i == 4)
                    dot_columns<T, In, 4>(part, b, j, last);
                else if (next - i == 3)
                    dot_columns<T, In, 3>(part, b, j, last);
                else
                    dot_columns<T, In, 2>(part, b, j, last);
            }
        }
        if (out.has_epilogue()) finish(out, Part{0, p.m, begin, end - begin});
    });
}

// p.m <= kFewRows, or p.m <= kDotRows and columns of B are contiguous. B, which begins at `b`, is contiguous
// along one axis.
template <class T, class In = AsIs<T>>
static void multiply_few(const Problem<T>& given, const typename In::Type* b) {
    Problem<T> p = given;
    const bool copied = p.a_k != 1 && reads_columns(p);  // dot products read vectors of A
    pool::Scratch rows(copied ? sizeof(T) * static_cast<size_t>(p.m * p.k) : 0);
    if (copied) {
        T* to = rows.as<T>();
        for (int64_t r = 0; r < p.m; ++r)
            for (int64_t k = 0; k < p.k; ++k) to[r * p.k + k] = p.a[r * p.a_row + k * p.a_k];
        p.a = to;
        p.a_row = p.k;
        p.a_k = 1;
    }
    if (p.m == 1)
        few_rows<T, In, 1>(p, b);
    else if (p.m == 2)
        few_rows<T, In, 2>(p, b);
    else if (p.m == 3)
        few_rows<T, In, 3>(p, b);
    else if (p.m == 4)
        few_rows<T, In, 4>(p, b);
    else
        many_dots<T, In>(p, b);
}

}  // namespace pt::matmul::PT_ISA
