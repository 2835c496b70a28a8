// Reductions over contiguous rows and over neighbouring columns, as templates over the vector type.
//
// Floating point: eight vector accumulators run through a leaf of elements; the leaf's result joins a double.
// Sums keep what those additions lose, so the error is that of one leaf whatever the length. Integers are
// plain loops that the compiler vectorises.
#pragma once

#include "kernels/reduce/functors.h"
#include "simd/transpose.h"

namespace pt::reduce::PT_ISA {

template <class T>
constexpr int64_t kLeaf = 128 * lanes<T>;  // elements of a row that join before the double does
template <class T>
constexpr int64_t kAhead = 1024 / sizeof(T);
constexpr int64_t kLeafRows = 64;  // the same for columns

// ---- rows ----

template <class T, class Op>
PT_INLINE T join_lanes(Vec<T> v) {
    const auto lane = iota<typename int_of<sizeof(T)>::type>();
    for (int width = lanes<T> / 2; width > 0; width /= 2) v = Op::join(v, __builtin_shuffle(v, lane ^ width));
    return v[0];
}

// The order statistics by the hardware's own maximum, which may drop a NaN. `poison` becomes NaN when there
// is one (or an infinity); the elements are then folded again with care.
template <class T, class Op, bool Prefetch>
PT_INLINE Vec<T> fold_quickly(const T* x, int64_t n, int64_t& done, Vec<T>& poison) {
    constexpr int L = lanes<T>;
    constexpr int U = 8;
    Vec<T> acc[U];
    Vec<T> bad[U / 2] = {};
    for (int u = 0; u < U; ++u) acc[u] = load(x + u * L);
    for (int u = 0; u < U; ++u) bad[u % (U / 2)] += acc[u] * broadcast<T>(0);
    int64_t i = U * L;
    for (; i + U * L <= n; i += U * L) {
        if constexpr (Prefetch)
            for (int u = 0; u < U; ++u) __builtin_prefetch(x + i + u * L + kAhead<T>);
        for (int u = 0; u < U; ++u) {
            const Vec<T> v = load(x + i + u * L);
            acc[u] = Op::quick(acc[u], v);
            bad[u % (U / 2)] += v * broadcast<T>(0);
        }
    }
#pragma GCC unroll 4
    for (int width = U / 2; width > 0; width /= 2)
#pragma GCC unroll 4
        for (int u = 0; u < width; ++u) acc[u] = Op::quick(acc[u], acc[u + width]);
    done = i;
    poison += (bad[0] + bad[1]) + (bad[2] + bad[3]);
    return acc[0];
}

// Of fewer than eight vectors, joined in pairs: one after the other, each would wait for the one before.
template <class T, class Op>
PT_INLINE Vec<T> fold_rest(const T* x, int64_t n) {
    constexpr int L = lanes<T>;
    const auto at = [x](int64_t i) { return Op::lift(load(x + i)); };
    Vec<T> total = broadcast<T>(Op::identity());
    int64_t i = 0;
    if (n >= 2 * L) {
        if (n >= 4 * L) {
            total = Op::join(Op::join(at(0), at(L)), Op::join(at(2 * L), at(3 * L)));
            i = 4 * L;
        }
        if (i + 2 * L <= n) {
            total = Op::join(total, Op::join(at(i), at(i + L)));
            i += 2 * L;
        }
    }
    if (i + L <= n) {
        total = Op::join(total, at(i));
        i += L;
    }
    if (i < n) total = Op::join(total, Op::lift(load_n(x + i, static_cast<int>(n - i), Op::fill())));
    return total;
}

template <class T, class Op>
constexpr bool kHasQuick = requires(Vec<T> v) { Op::quick(v, v); };

// The elements joined lane by lane. Quick: see fold_quickly(). Prefetch: the rest of a long row.
template <class T, class Op, bool Quick, bool Prefetch = true>
PT_INLINE Vec<T> fold_vectors(const T* x, int64_t n, Vec<T>& poison) {
    constexpr int L = lanes<T>;
    constexpr int U = 8;
    Vec<T> total = broadcast<T>(Op::identity());
    int64_t i = 0;
    if (n >= U * L) {
        if constexpr (Quick) {
            total = fold_quickly<T, Op, Prefetch>(x, n, i, poison);
        } else {
            Vec<T> acc[U];
            for (int u = 0; u < U; ++u) acc[u] = Op::lift(load(x + u * L));
            for (i = U * L; i + U * L <= n; i += U * L) {
                if constexpr (Prefetch)
                    for (int u = 0; u < U; ++u) __builtin_prefetch(x + i + u * L + kAhead<T>);
                for (int u = 0; u < U; ++u) acc[u] = Op::join(acc[u], Op::lift(load(x + i + u * L)));
            }
#pragma GCC unroll 4
            for (int width = U / 2; width > 0; width /= 2)
#pragma GCC unroll 4
                for (int u = 0; u < width; ++u) acc[u] = Op::join(acc[u], acc[u + width]);
            total = acc[0];
        }
    }
    if (i < n) total = Op::join(total, fold_rest<T, Op>(x + i, n - i));
    return total;
}

template <class T, class Op>
static T fold_leaf(const T* x, int64_t n) {
    Vec<T> poison{};
    if constexpr (kHasQuick<T, Op>) {
        const Vec<T> total = fold_vectors<T, Op, true>(x, n, poison);
        if (sum_lanes<T>(poison) == 0) return join_lanes<T, Op>(total);
    }
    return join_lanes<T, Op>(fold_vectors<T, Op, false>(x, n, poison));
}

// Lane i of the result is v[i], its lanes joined: in the order of join_lanes, for all of them at once.
template <class T, class Op>
PT_INLINE Vec<T> join_lanes_of_each(Vec<T>* v) {
#pragma GCC unroll 4
    for (int count = lanes<T> / 2; count > 0; count /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < count; ++i)
            v[i] = Op::join(interleave<0>(v[i], v[i + count]), interleave<1>(v[i], v[i + count]));
    return v[0];
}

// One result for each of many rows of at most kLeaf elements. Lanes are joined for several rows at once: one
// row at a time, that would take as long as the additions of a thousand elements.
template <class T, class Op, bool Quick>
static bool fold_short_rows(const RowBatch& b, T* out) {
    constexpr int L = lanes<T>;
    Vec<T> poison{};
    for (int64_t r = 0; r < b.rows; r += L) {
        const int64_t count = b.rows - r < L ? b.rows - r : L;
        Vec<T> totals[L];
        for (int64_t k = 0; k < count; ++k) {
            const char* row = b.x + (r + k) * b.stride;
            if (b.ahead != 0)
                for (int64_t j = 0; j < b.n; j += lanes<T>)
                    __builtin_prefetch(row + b.ahead + j * static_cast<int64_t>(sizeof(T)));
            totals[k] = fold_vectors<T, Op, Quick, false>(reinterpret_cast<const T*>(row), b.n, poison);
        }
        for (int64_t k = count; k < L; ++k) totals[k] = Vec<T>{};
        Vec<T> results = join_lanes_of_each<T, Op>(totals);
        if constexpr (is_float<T> && requires { Op::kRoots; }) {
            if (b.roots) results = sqrt(results);
        } else if constexpr (is_float<T> && requires { Op::kPlain; }) {
            if (b.means) results /= broadcast(static_cast<T>(b.n));
        }
        store_n(out + r, results, static_cast<int>(count));
    }
    return sum_lanes<T>(poison) == 0;
}

// Of integers, 64-bit sums only: a row that is its own loop pays for its end what 200 elements cost.
template <class T, class Op>
constexpr bool kShort = is_float<T> || (sizeof(T) == 8 && requires { requires Op::kPlain; });

template <class T, template <class> class Functor>
struct Fold {
    using Op = Functor<T>;

    static void row(const char* data, int64_t n, Partial* result) {
        const T* x = reinterpret_cast<const T*>(data);
        if constexpr (is_float<T>) {
            double total = fold_leaf<T, Op>(x, n < kLeaf<T> ? n : kLeaf<T>);
            double lost = 0;
            for (int64_t i = kLeaf<T>; i < n; i += kLeaf<T>)
                Op::accumulate(total, lost, fold_leaf<T, Op>(x + i, n - i < kLeaf<T> ? n - i : kLeaf<T>));
            Op::finish(total, lost, result);
        } else {
            typename Op::Acc total = Op::identity();
            constexpr int64_t kStep = 64;
            int64_t i = 0;
            for (; i + kStep <= n; i += kStep) {
                for (int64_t k = 0; k < kStep; k += 64 / static_cast<int64_t>(sizeof(T)))
                    __builtin_prefetch(x + i + k + kAhead<T>);
                for (int64_t k = 0; k < kStep; ++k) total = Op::join(total, Op::lift(x[i + k]));
            }
            for (; i < n; ++i) total = Op::join(total, Op::lift(x[i]));
            result->i[0] = static_cast<int64_t>(total);
        }
    }

    static void short_rows(const RowBatch& batch, void* out) {
        if constexpr (is_float<T>) {
            if constexpr (kHasQuick<T, Op>)
                if (fold_short_rows<T, Op, true>(batch, static_cast<T*>(out))) return;
        }
        if constexpr (kShort<T, Op>) fold_short_rows<T, Op, false>(batch, static_cast<T*>(out));
    }

    static void columns(const char* data, int64_t rows, int64_t stride, int64_t cols, ColumnState* state) {
        if constexpr (is_float<T>) {
            if (cols < lanes<T>) return narrow(data, rows, stride, cols, state);
            for (int64_t r = 0; r < rows; r += kLeafRows) {
                T acc[kColumns + lanes<T>];
                fold_rows(data + r * stride, rows - r < kLeafRows ? rows - r : kLeafRows, stride, cols, acc);
                flush(acc, cols, state);
                state->count += rows - r < kLeafRows ? rows - r : kLeafRows;
            }
        } else {
            integer_columns(data, rows, stride, cols, state);
        }
    }

  private:
    // acc[t * lanes ...] = the fold of `rows` rows of tile t. The last tile is moved back to end with the
    // last column: it overlaps its neighbour, and flush() skips the overlap.
    static void fold_rows(const char* data, int64_t rows, int64_t stride, int64_t cols, T* acc) {
        int64_t r = 0;
        if (rows >= 4) {
            fold_group<4, true>(data, stride, cols, acc);
            for (r = 4; r + 4 <= rows; r += 4) fold_group<4, false>(data + r * stride, stride, cols, acc);
        } else {
            fold_group<1, true>(data, stride, cols, acc);
            r = 1;
        }
        for (; r < rows; ++r) fold_group<1, false>(data + r * stride, stride, cols, acc);
    }

    // Four rows at a time: with more of them, a stride of a power of two puts too many lines in one set of
    // the cache.
    template <int R, bool First>
    static void fold_group(const char* data, int64_t stride, int64_t cols, T* acc) {
        constexpr int L = lanes<T>;
        for (int64_t j = 0; j < cols; j += L) {
            const char* x = data + (j + L <= cols ? j : cols - L) * static_cast<int64_t>(sizeof(T));
            Vec<T> v[R];
            if constexpr (R == 4)
                for (int u = 0; u < R; ++u) __builtin_prefetch(x + (R + u) * stride);
            for (int u = 0; u < R; ++u) v[u] = Op::lift(load(reinterpret_cast<const T*>(x + u * stride)));
            for (int width = R / 2; width > 0; width /= 2)
                for (int u = 0; u < width; ++u) v[u] = Op::join(v[u], v[u + width]);
            store(acc + j, First ? v[0] : Op::join(load(acc + j), v[0]));
        }
    }

    static void flush(const T* acc, int64_t cols, ColumnState* state) {
        const int64_t whole = cols / lanes<T> * lanes<T>;
        flush_part(acc, 0, whole, state);
        if (whole < cols) flush_part(acc + whole + (lanes<T> - (cols - whole)), whole, cols, state);
    }
    static void flush_part(const T* acc, int64_t begin, int64_t end, ColumnState* state) {
        if (state->count == 0) {
            for (int64_t j = begin; j < end; ++j) Op::start(acc[j - begin], j, state);
            return;
        }
        for (int64_t j = begin; j < end; ++j) Op::add(acc[j - begin], j, state);
    }

    // Fewer columns than lanes: each column is gathered into a row.
    static void narrow(const char* data, int64_t rows, int64_t stride, int64_t cols, ColumnState* state) {
        constexpr int64_t kBlock = 512;
        T buffer[kBlock];
        for (int64_t r = 0; r < rows; r += kBlock) {
            const int64_t n = rows - r < kBlock ? rows - r : kBlock;
            for (int64_t j = 0; j < cols; ++j) {
                const char* x = data + r * stride + j * static_cast<int64_t>(sizeof(T));
                for (int64_t k = 0; k < n; ++k) buffer[k] = *reinterpret_cast<const T*>(x + k * stride);
                const T value = fold_leaf<T, Op>(buffer, n);
                if (state->count == 0)
                    Op::start(value, j, state);
                else
                    Op::add(value, j, state);
            }
            state->count += n;
        }
    }

    static void integer_columns(const char* data, int64_t rows, int64_t stride, int64_t cols,
                                ColumnState* state) {
        typename Op::Acc acc[kColumns];
        for (int64_t j = 0; j < cols; ++j)
            acc[j] = state->count == 0 ? Op::identity() : static_cast<typename Op::Acc>(state->i[0][j]);
        for (int64_t r = 0; r < rows; ++r) {
            const T* x = reinterpret_cast<const T*>(data + r * stride);
            for (int64_t j = 0; j < cols; ++j) acc[j] = Op::join(acc[j], Op::lift(x[j]));
        }
        for (int64_t j = 0; j < cols; ++j) state->i[0][j] = static_cast<int64_t>(acc[j]);
        state->count += rows;
    }
};

// ---- arg reductions ----
// First the best value of each block, NaN included; then the place of it, in the winning block only.

template <class T, template <class> class Functor>
struct Arg {
    using Op = Functor<T>;

    static void row(const char* data, int64_t n, Partial* result) {
        const T* x = reinterpret_cast<const T*>(data);
        T best = leaf(x, n < kLeaf<T> ? n : kLeaf<T>);
        int64_t start = 0;
        for (int64_t i = kLeaf<T>; i < n; i += kLeaf<T>) {
            const T value = leaf(x + i, n - i < kLeaf<T> ? n - i : kLeaf<T>);
            if (!Op::better(value, best)) continue;
            best = value;
            start = i;
        }
        put(best, 0, result->f, result->i);
        result->index = start + find(x + start, n - start, best);
    }

    static void short_rows(const RowBatch& batch, void* out) {
        if constexpr (is_float<T>) {
            T best[kShortRows];
            if (!fold_short_rows<T, Op, true>(batch, best)) fold_short_rows<T, Op, false>(batch, best);
            Partial* results = static_cast<Partial*>(out);
            for (int64_t k = 0; k < batch.rows; ++k) {
                results[k].f[0] = best[k];
                const char* row = batch.x + k * batch.stride;
                results[k].index = find(reinterpret_cast<const T*>(row), batch.n, best[k]);
            }
        }
    }

    static void columns(const char* data, int64_t rows, int64_t stride, int64_t cols, ColumnState* state) {
        T best[kColumns];
        Int group[kColumns];
        if (is_float<T> && cols >= lanes<T>)
            vector_groups(data, rows, stride, cols, best, group);
        else
            scalar_groups(data, rows, stride, cols, best, group);
        for (int64_t j = 0; j < cols; ++j) {
            if (state->count != 0 && !Op::better(best[j], static_cast<T>(get(state, j)))) continue;
            int64_t r = static_cast<int64_t>(group[j]) * kGroup;
            const char* x = data + j * static_cast<int64_t>(sizeof(T));
            while (!same(*reinterpret_cast<const T*>(x + r * stride), best[j])) ++r;
            put(best[j], j, state->f[0], state->i[0]);
            state->index[j] = state->count + r;
        }
        state->count += rows;
    }

  private:
    using Int = typename int_of<(sizeof(T) < 4 ? 4 : sizeof(T))>::type;
    static constexpr int64_t kGroup = 4;  // rows that are compared before the place is noted

    static T leaf(const T* x, int64_t n) {
        if constexpr (is_float<T>) {
            return fold_leaf<T, Op>(x, n);
        } else {
            T best = x[0];
            for (int64_t i = 1; i < n; ++i) best = Op::join(best, x[i]);
            return best;
        }
    }
    static bool same(T a, T b) { return a == b || (a != a && b != b); }
    static void put(T value, int64_t j, double* f, int64_t* i) {
        if constexpr (is_float<T>)
            f[j] = value;
        else
            i[j] = value;
    }
    static auto get(const ColumnState* state, int64_t j) {
        if constexpr (is_float<T>)
            return state->f[0][j];
        else
            return state->i[0][j];
    }
    static int64_t find(const T* x, int64_t n, T best) {
        constexpr int64_t kStep = 64;
        int64_t i = 0;
        for (; i + kStep <= n; i += kStep) {
            int found = 0;
            if (best == best)
                for (int64_t k = 0; k < kStep; ++k) found |= x[i + k] == best;
            else
                for (int64_t k = 0; k < kStep; ++k) found |= x[i + k] != x[i + k];
            if (found != 0) break;
        }
        if constexpr (is_float<T>) {
            const Vec<T> wanted = broadcast(best);
            for (;; i += lanes<T>) {
                const int64_t rest = n - i;
                const Vec<T> v =
                    rest >= lanes<T> ? load(x + i) : load_n(x + i, static_cast<int>(rest), Op::fill());
                const int lane = first_lane<T>((v == wanted) | ((v != v) & (wanted != wanted)));
                if (lane < lanes<T>) return i + lane;
            }
        }
        while (!same(x[i], best)) ++i;
        return i;
    }

    // Per column the best value, and the first group of kGroup rows that holds it.
    static void vector_groups(const char* data, int64_t rows, int64_t stride, int64_t cols, T* best,
                              Int* group) {
        for (int64_t r = 0; r < rows; r += kGroup) {
            const Int place = static_cast<Int>(r / kGroup);
            if (rows - r >= kGroup)
                compare_group<kGroup>(data + r * stride, kGroup, stride, cols, place, best, group);
            else
                compare_group<0>(data + r * stride, rows - r, stride, cols, place, best, group);
        }
    }

    // The last tile is moved back to end with the last column. Seeing a column twice does no harm here.
    template <int R>
    static void compare_group(const char* data, int64_t rows, int64_t stride, int64_t cols, Int place,
                              T* best, Int* group) {
        if constexpr (is_float<T>) {
            constexpr int L = lanes<T>;
            const int64_t count = R != 0 ? R : rows;
            for (int64_t tile = 0; tile < cols; tile += L) {
                const int64_t j = tile + L <= cols ? tile : cols - L;
                const char* x = data + j * static_cast<int64_t>(sizeof(T));
                if constexpr (R != 0)
                    for (int u = 0; u < R; ++u) __builtin_prefetch(x + (R + u) * stride);
                Vec<T> v = load(reinterpret_cast<const T*>(x));
                for (int64_t u = 1; u < count; ++u)
                    v = Op::join(v, load(reinterpret_cast<const T*>(x + u * stride)));
                if (place == 0) {
                    store(best + j, v);
                    store(group + j, Mask<T>{});
                    continue;
                }
                const Vec<T> old = load(best + j);
                const Mask<T> wins = Op::better(v, old);
                store(best + j, select<T>(wins, v, old));
                store(group + j, select<Int>(wins, broadcast<Int>(place), load(group + j)));
            }
        }
    }

    static void scalar_groups(const char* data, int64_t rows, int64_t stride, int64_t cols, T* best,
                              Int* group) {
        for (int64_t r = 0; r < rows; ++r) {
            const T* x = reinterpret_cast<const T*>(data + r * stride);
            for (int64_t j = 0; j < cols; ++j) {
                const bool wins = r == 0 || Op::better(x[j], best[j]);
                best[j] = wins ? x[j] : best[j];
                group[j] = wins ? static_cast<Int>(r / kGroup) : group[j];
            }
        }
    }
};

}  // namespace pt::reduce::PT_ISA

#include "kernels/reduce/moments.h"

namespace pt::reduce::PT_ISA {

// A row of the table; empty where a family has no kernel for the type.
template <class T, template <class, template <class> class> class Family, template <class> class Functor>
static constexpr Kernel entry() {
    if constexpr (kShort<T, Functor<T>> && requires { &Family<T, Functor>::short_rows; })
        return {&Family<T, Functor>::row, &Family<T, Functor>::columns, &Family<T, Functor>::short_rows,
                kLeaf<T>};
    else if constexpr (is_float<T> || !(
                                          requires { Family<float, Functor>::kFloatsOnly; } ||
                                          requires { Functor<float>::kFloatsOnly; }))
        return {&Family<T, Functor>::row, &Family<T, Functor>::columns};
    else
        return {nullptr, nullptr};
}

}  // namespace pt::reduce::PT_ISA

#define PT_TABLE_ROW(functor, family)                                                                      \
    {entry<float, family, functor>(), entry<double, family, functor>(), entry<uint8_t, family, functor>(), \
     entry<int32_t, family, functor>(), entry<int64_t, family, functor>()},
