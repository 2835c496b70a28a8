// Mean and sum of squared deviations. A leaf of a row is read twice while it is in the cache: first its mean,
// then the deviations from it, corrected for the mean's own rounding. Columns take the deviations from the
// mean of their first rows instead. Leaves are merged by Chan's formula, so nothing cancels even where the
// mean is large against the deviation.
#pragma once

#include "kernels/reduce/generic.h"

namespace pt::reduce::PT_ISA {

// (mean, m2) of na elements and of nb others -> of all, in `mean` and `m2`. Scalars or vectors.
template <class V, class S>
PT_INLINE void merge_moments(V& mean, V& m2, V other_mean, V other_m2, S na, S nb) {
    const V delta = other_mean - mean;
    mean = mean + delta * (nb / (na + nb));
    m2 = m2 + (other_m2 + delta * delta * (na * nb / (na + nb)));
}

template <class T, template <class> class Functor>
struct Moments {
    static constexpr bool kFloatsOnly = true;

    static void row(const char* data, int64_t n, Partial* result) {
        const T* x = reinterpret_cast<const T*>(data);
        double mean = 0;
        double m2 = 0;
        for (int64_t i = 0; i < n; i += kLeaf<T>) {
            double leaf_mean, leaf_m2;
            const int64_t count = n - i < kLeaf<T> ? n - i : kLeaf<T>;
            leaf(x + i, count, leaf_mean, leaf_m2);
            if (i == 0) {
                mean = leaf_mean;
                m2 = leaf_m2;
            } else {
                merge_moments(mean, m2, leaf_mean, leaf_m2, static_cast<double>(i),
                              static_cast<double>(count));
            }
        }
        result->f[0] = mean;
        result->f[1] = m2;
        result->count = n;
    }

    static void columns(const char* data, int64_t rows, int64_t stride, int64_t cols, ColumnState* state) {
        if (cols < lanes<T>) return narrow(data, rows, stride, cols, state);
        for (int64_t r = 0; r < rows; r += kLeafRows) {
            LeafSums sums;
            const int64_t n = rows - r < kLeafRows ? rows - r : kLeafRows;
            add_rows(data + r * stride, n, stride, cols, sums);
            merge(sums, n, cols, state);
        }
    }

  private:
    static void leaf(const T* x, int64_t n, double& mean, double& m2) {
        constexpr int L = lanes<T>;
        const T center = static_cast<T>(fold_leaf<T, Sum<T>>(x, n) / static_cast<T>(n));
        Vec<T> first[4] = {};
        Vec<T> second[4] = {};
        int64_t i = 0;
        for (; i + 4 * L <= n; i += 4 * L)
            for (int u = 0; u < 4; ++u) add(load(x + i + u * L) - center, first[u], second[u]);
        for (; i + L <= n; i += L) add(load(x + i) - center, first[0], second[0]);
        if (i < n) add(load_n(x + i, static_cast<int>(n - i), center) - center, first[1], second[1]);
        const double s1 = sum_lanes<T>((first[0] + first[1]) + (first[2] + first[3]));
        const double s2 = sum_lanes<T>((second[0] + second[1]) + (second[2] + second[3]));
        const double count = static_cast<double>(n);
        mean = static_cast<double>(center) + s1 / count;
        m2 = s2 - s1 * s1 / count;
        if (m2 < 0) m2 = 0;
    }
    PT_INLINE void add(Vec<T> d, Vec<T>& first, Vec<T>& second) {
        first += d;
        second += d * d;
    }

    // Of each column the deviations from `shift` and their squares. The shift is the mean of the leaf's first
    // rows, so it is never further from the mean of all than a few standard deviations. Tile t is at t *
    // lanes; the last one is moved back to end with the last column, and merge() skips its overlap.
    struct LeafSums {
        T shift[kColumns + lanes<T>];
        T first[kColumns + lanes<T>];
        T second[kColumns + lanes<T>];
    };

    static void add_rows(const char* data, int64_t rows, int64_t stride, int64_t cols, LeafSums& sums) {
        int64_t r = 0;
        if (rows >= 8) {
            add_group<8, true>(data, stride, cols, sums);
            for (r = 8; r + 8 <= rows; r += 8) add_group<8, false>(data + r * stride, stride, cols, sums);
        } else {
            add_group<1, true>(data, stride, cols, sums);
            r = 1;
        }
        for (; r < rows; ++r) add_group<1, false>(data + r * stride, stride, cols, sums);
    }

    template <int R>
    PT_INLINE Vec<T> tree_sum(Vec<T>* v) {
        for (int width = R / 2; width > 0; width /= 2)
            for (int u = 0; u < width; ++u) v[u] += v[u + width];
        return v[0];
    }

    template <int R, bool First>
    static void add_group(const char* data, int64_t stride, int64_t cols, LeafSums& sums) {
        constexpr int L = lanes<T>;
        for (int64_t j = 0; j < cols; j += L) {
            const char* x = data + (j + L <= cols ? j : cols - L) * static_cast<int64_t>(sizeof(T));
            Vec<T> v[R], w[R];
            if constexpr (R == 8)
                for (int u = 0; u < R; ++u) __builtin_prefetch(x + (R + u) * stride);
            for (int u = 0; u < R; ++u) w[u] = v[u] = load(reinterpret_cast<const T*>(x + u * stride));
            const Vec<T> shift = First ? tree_sum<R>(w) * (T(1) / T(R)) : load(sums.shift + j);
            for (int u = 0; u < R; ++u) {
                v[u] -= shift;
                w[u] = v[u] * v[u];
            }
            const Vec<T> first = tree_sum<R>(v);
            const Vec<T> second = tree_sum<R>(w);
            if (First) store(sums.shift + j, shift);
            store(sums.first + j, First ? first : load(sums.first + j) + first);
            store(sums.second + j, First ? second : load(sums.second + j) + second);
        }
    }

    static void merge(const LeafSums& sums, int64_t rows, int64_t cols, ColumnState* state) {
        const int64_t whole = cols / lanes<T> * lanes<T>;
        merge_part(sums, 0, 0, whole, rows, state);
        if (whole < cols) merge_part(sums, lanes<T> - (cols - whole), whole, cols, rows, state);
        state->count += rows;
    }
    // Columns [begin, end), which stand `moved` places further on in the sums.
    static void merge_part(const LeafSums& sums, int64_t moved, int64_t begin, int64_t end, int64_t rows,
                           ColumnState* state) {
        const double na = static_cast<double>(state->count);
        const double nb = static_cast<double>(rows);
        for (int64_t j = begin; j < end; ++j) {
            const double s1 = sums.first[j + moved];
            const double mean = sums.shift[j + moved] + s1 / nb;
            const double spread = sums.second[j + moved] - s1 * s1 / nb;
            const double m2 = spread < 0 ? 0.0 : spread;
            if (state->count == 0) {
                state->f[0][j] = mean;
                state->f[1][j] = m2;
            } else {
                merge_moments<double, double>(state->f[0][j], state->f[1][j], mean, m2, na, nb);
            }
        }
    }

    static void narrow(const char* data, int64_t rows, int64_t stride, int64_t cols, ColumnState* state) {
        constexpr int64_t kBlock = 512;
        T buffer[kBlock];
        for (int64_t r = 0; r < rows; r += kBlock) {
            const int64_t n = rows - r < kBlock ? rows - r : kBlock;
            for (int64_t j = 0; j < cols; ++j) {
                const char* x = data + r * stride + j * static_cast<int64_t>(sizeof(T));
                for (int64_t k = 0; k < n; ++k) buffer[k] = *reinterpret_cast<const T*>(x + k * stride);
                double mean, m2;
                leaf(buffer, n, mean, m2);
                if (state->count == 0) {
                    state->f[0][j] = mean;
                    state->f[1][j] = m2;
                } else {
                    merge_moments(state->f[0][j], state->f[1][j], mean, m2, static_cast<double>(state->count),
                                  static_cast<double>(n));
                }
            }
            state->count += n;
        }
    }
};

}  // namespace pt::reduce::PT_ISA
