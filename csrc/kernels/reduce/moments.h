// Mean and sum of squared deviations. A leaf is read twice while it is in the cache (for columns: while it is
// in registers): first its mean, then the deviations from it, corrected for the mean's own rounding. Leaves
// are merged by Chan's formula, so nothing cancels even where the mean is large against the deviation.
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
        for (int64_t i = 0; i < n; i += kLeaf) {
            double leaf_mean, leaf_m2;
            const int64_t count = n - i < kLeaf ? n - i : kLeaf;
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
            T mean[kColumns];
            T m2[kColumns];
            const int64_t n = rows - r < kLeafRows ? rows - r : kLeafRows;
            leaf_rows(data + r * stride, n, stride, cols, mean, m2);
            merge(mean, m2, n, cols, state);
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

    static void leaf_rows(const char* data, int64_t rows, int64_t stride, int64_t cols, T* mean, T* m2) {
        int64_t r = 0;
        for (; r + 8 <= rows; r += 8) group<8>(data + r * stride, r, stride, cols, mean, m2);
        for (; r < rows; ++r) group<1>(data + r * stride, r, stride, cols, mean, m2);
    }

    // R rows, after `before` others. The last tile is moved back to end with the last column; its overlap is
    // taken from copies, since a column must not be counted twice.
    template <int R>
    static void group(const char* data, int64_t before, int64_t stride, int64_t cols, T* mean, T* m2) {
        constexpr int L = lanes<T>;
        const int64_t whole = cols / L * L;
        for (int64_t j = 0; j < whole; j += L) {
            Vec<T> a = load(mean + j);
            Vec<T> b = load(m2 + j);
            tile<R>(data + j * static_cast<int64_t>(sizeof(T)), before, stride, a, b);
            store(mean + j, a);
            store(m2 + j, b);
        }
        if (whole == cols) return;
        const int n = static_cast<int>(cols - whole);
        T old_mean[L];
        T old_m2[L];
        for (int l = 0; l < L; ++l) {
            old_mean[l] = l >= L - n ? mean[cols - L + l] : T(0);
            old_m2[l] = l >= L - n ? m2[cols - L + l] : T(0);
        }
        Vec<T> a = load(old_mean);
        Vec<T> b = load(old_m2);
        tile<R>(data + (cols - L) * static_cast<int64_t>(sizeof(T)), before, stride, a, b);
        store(old_mean, a);
        store(old_m2, b);
        for (int l = L - n; l < L; ++l) {
            mean[cols - L + l] = old_mean[l];
            m2[cols - L + l] = old_m2[l];
        }
    }

    template <int R>
    PT_INLINE void tile(const char* x, int64_t before, int64_t stride, Vec<T>& mean, Vec<T>& m2) {
        Vec<T> v[R];
        for (int u = 0; u < R; ++u) v[u] = load(reinterpret_cast<const T*>(x + u * stride));
        Vec<T> sum[R];
        for (int u = 0; u < R; ++u) sum[u] = v[u];
        for (int width = R / 2; width > 0; width /= 2)
            for (int u = 0; u < width; ++u) sum[u] += sum[u + width];
        const Vec<T> center = sum[0] * (T(1) / T(R));
        Vec<T> squares[R];
        for (int u = 0; u < R; ++u) squares[u] = (v[u] - center) * (v[u] - center);
        for (int width = R / 2; width > 0; width /= 2)
            for (int u = 0; u < width; ++u) squares[u] += squares[u + width];
        if (before == 0) {
            mean = center;
            m2 = squares[0];
        } else {
            merge_moments(mean, m2, center, squares[0], static_cast<T>(before), static_cast<T>(R));
        }
    }

    static void merge(const T* mean, const T* m2, int64_t rows, int64_t cols, ColumnState* state) {
        const double na = static_cast<double>(state->count);
        const double nb = static_cast<double>(rows);
        if (state->count == 0)
            for (int64_t j = 0; j < cols; ++j) {
                state->f[0][j] = mean[j];
                state->f[1][j] = m2[j];
            }
        else
            for (int64_t j = 0; j < cols; ++j)
                merge_moments<double, double>(state->f[0][j], state->f[1][j], mean[j], m2[j], na, nb);
        state->count += rows;
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
