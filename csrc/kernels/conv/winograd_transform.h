// The one-dimensional transforms of Winograd's convolution F(M, 3): M outputs of a correlation with 3 taps
// from M + 2 inputs with M + 2 multiplications,
//
//     y = A' [(G g) * (B' d)]
//
// (Toom and Cook: the polynomials are multiplied at M + 2 points.) F(2, 3) has the points 0, 1, -1 and
// infinity, F(4, 3) 0, 5/8, -5/8, 3/2, -3/2 and infinity: binary fractions, whose worst case is a quarter of
// that of the usual 0, 1, -1, 2, -2. Rows of the matrices are written out; Vec<float> holds 16, 8 or 4
// transforms at a time.
#pragma once

#include "simd/vec.h"

namespace pt::conv::PT_ISA {

using namespace ::pt::PT_ISA;

using Floats = Vec<float>;

constexpr float kPointA = 0.625f, kPointB = 1.5f;
constexpr float kA2 = kPointA * kPointA, kB2 = kPointB * kPointB;  // exact

// B' d, of M + 2 inputs.
template <int M>
PT_INLINE void transform_source(const Floats* d, Floats* t) {
    if constexpr (M == 2) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    } else {
        const Floats even_a = d[4] - kB2 * d[2], odd_a = d[3] - kB2 * d[1];
        const Floats even_b = d[4] - kA2 * d[2], odd_b = d[3] - kA2 * d[1];
        t[0] = d[4] - (kA2 + kB2) * d[2] + (kA2 * kB2) * d[0];
        t[1] = even_a + kPointA * odd_a;
        t[2] = even_a - kPointA * odd_a;
        t[3] = even_b + kPointB * odd_b;
        t[4] = even_b - kPointB * odd_b;
        t[5] = d[5] - (kA2 + kB2) * d[3] + (kA2 * kB2) * d[1];
    }
}

// G g, of 3 taps.
template <int M>
PT_INLINE void transform_weight(const Floats* g, Floats* t) {
    if constexpr (M == 2) {
        const Floats sum = 0.5f * (g[0] + g[2]), half = 0.5f * g[1];
        t[0] = g[0];
        t[1] = sum + half;
        t[2] = sum - half;
        t[3] = g[2];
    } else {
        constexpr float for_a = 1.0f / (2 * kA2 * (kA2 - kB2)), for_b = 1.0f / (2 * kB2 * (kB2 - kA2));
        const Floats even_a = for_a * g[0] + (for_a * kA2) * g[2], odd_a = (for_a * kPointA) * g[1];
        const Floats even_b = for_b * g[0] + (for_b * kB2) * g[2], odd_b = (for_b * kPointB) * g[1];
        t[0] = (1.0f / (kA2 * kB2)) * g[0];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = g[2];
    }
}

// A' m: M outputs from M + 2 products.
template <int M>
PT_INLINE void transform_result(const Floats* m, Floats* y) {
    if constexpr (M == 2) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    } else {
        const Floats sum_a = m[1] + m[2], odd_a = m[1] - m[2], sum_b = m[3] + m[4], odd_b = m[3] - m[4];
        y[0] = m[0] + sum_a + sum_b;
        y[1] = kPointA * odd_a + kPointB * odd_b;
        y[2] = kA2 * sum_a + kB2 * sum_b;
        y[3] = (kPointA * kA2) * odd_a + (kPointB * kB2) * odd_b + m[5];
    }
}

// The adjoints of the last two, for the weight gradient: A y of M gradients of outputs, and G' t.
template <int M>
PT_INLINE void transform_gradient(const Floats* y, Floats* t) {
    if constexpr (M == 2) {
        t[0] = y[0];
        t[1] = y[0] + y[1];
        t[2] = y[0] - y[1];
        t[3] = -y[1];
    } else {
        const Floats even_a = y[0] + kA2 * y[2], odd_a = kPointA * y[1] + (kPointA * kA2) * y[3];
        const Floats even_b = y[0] + kB2 * y[2], odd_b = kPointB * y[1] + (kPointB * kB2) * y[3];
        t[0] = y[0];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = y[3];
    }
}
template <int M>
PT_INLINE void gather_weight(const Floats* t, Floats* g) {
    if constexpr (M == 2) {
        const Floats sum = 0.5f * (t[1] + t[2]);
        g[0] = t[0] + sum;
        g[1] = 0.5f * (t[1] - t[2]);
        g[2] = sum + t[3];
    } else {
        constexpr float for_a = 1.0f / (2 * kA2 * (kA2 - kB2)), for_b = 1.0f / (2 * kB2 * (kB2 - kA2));
        const Floats even_a = t[1] + t[2], odd_a = t[1] - t[2], even_b = t[3] + t[4], odd_b = t[3] - t[4];
        g[0] = (1.0f / (kA2 * kB2)) * t[0] + for_a * even_a + for_b * even_b;
        g[1] = (for_a * kPointA) * odd_a + (for_b * kPointB) * odd_b;
        g[2] = (for_a * kA2) * even_a + (for_b * kB2) * even_b + t[5];
    }
}

// The same along both axes.
template <int M, class Get>
PT_INLINE void transform_weight_2d(const Get& tap, Floats* t) {
    constexpr int A = M + 2;
    Floats half[3][A];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
        const Floats column[3] = {tap(0, j), tap(1, j), tap(2, j)};
        transform_weight<M>(column, half[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < A; ++i) {
        const Floats row[3] = {half[0][i], half[1][i], half[2][i]};
        transform_weight<M>(row, t + i * A);
    }
}

template <int M>
PT_INLINE void transform_result_2d(const float* from, int64_t slice, Floats* y) {
    constexpr int A = M + 2;
    Floats half[A][M];
#pragma GCC unroll 6
    for (int j = 0; j < A; ++j) {
        Floats column[A];
#pragma GCC unroll 6
        for (int i = 0; i < A; ++i) column[i] = load(from + (i * A + j) * slice);
        transform_result<M>(column, half[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
        Floats row[A];
#pragma GCC unroll 6
        for (int j = 0; j < A; ++j) row[j] = half[j][i];
        transform_result<M>(row, y + i * M);
    }
}

template <int M>
PT_INLINE void gather_weight_2d(const float* from, int64_t slice, Floats* g) {
    constexpr int A = M + 2;
    Floats half[A][3];
#pragma GCC unroll 6
    for (int j = 0; j < A; ++j) {
        Floats column[A];
#pragma GCC unroll 6
        for (int i = 0; i < A; ++i) column[i] = load(from + (i * A + j) * slice);
        gather_weight<M>(column, half[j]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
        Floats row[A];
#pragma GCC unroll 6
        for (int j = 0; j < A; ++j) row[j] = half[j][i];
        gather_weight<M>(row, g + i * 3);
    }
}

}  // namespace pt::conv::PT_ISA
