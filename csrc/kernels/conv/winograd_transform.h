// The one-dimensional transforms of Winograd's convolution F(M, R): M outputs of a correlation with R taps
// from A = M + R - 1 inputs with A multiplications,
//
//     y = A' [(G g) * (B' d)]
//
// (Toom and Cook: the polynomials are multiplied at A points.) A = 4 has the points 0, 1, -1 and infinity,
// A = 5 has 3/8, -3/8, 3/2, -3/2 and infinity, A = 6 has 0, 5/8, -5/8, 3/2, -3/2 and infinity: binary
// fractions, whose worst case is a quarter of that of the usual 0, 1, -1, 2, -2. B depends on A alone. F(1,
// 1) is no transform at all: the axis that a kernel of one row or column does not have. Rows of the matrices
// are written out; Vec<float> holds 16, 8 or 4 transforms at a time.
#pragma once

#include "simd/vec.h"

namespace pt::conv::PT_ISA {

using namespace ::pt::PT_ISA;

using Floats = Vec<float>;

constexpr float kPointA = 0.625f, kPointB = 1.5f;
constexpr float kA2 = kPointA * kPointA, kB2 = kPointB * kPointB;  // exact
constexpr float kPointC = 0.375f, kC2 = kPointC * kPointC;
constexpr float kForA = 1.0f / (2 * kA2 * (kA2 - kB2)), kForB = 1.0f / (2 * kB2 * (kB2 - kA2));
constexpr float kForC = 1.0f / (2 * kPointC * (kC2 - kB2)), kForBOf5 = 1.0f / (2 * kPointB * (kB2 - kC2));

// B' d, of A inputs.
template <int A>
PT_INLINE void transform_source(const Floats* d, Floats* t) {
    if constexpr (A == 1) {
        t[0] = d[0];
    } else if constexpr (A == 4) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    } else if constexpr (A == 5) {
        const Floats odd_c = d[3] - kB2 * d[1], even_c = d[2] - kB2 * d[0];
        const Floats odd_b = d[3] - kC2 * d[1], even_b = d[2] - kC2 * d[0];
        t[0] = odd_c + kPointC * even_c;
        t[1] = odd_c - kPointC * even_c;
        t[2] = odd_b + kPointB * even_b;
        t[3] = odd_b - kPointB * even_b;
        t[4] = d[4] - (kB2 + kC2) * d[2] + (kB2 * kC2) * d[0];
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

// G g, of R taps.
template <int M, int R>
PT_INLINE void transform_weight(const Floats* g, Floats* t) {
    if constexpr (R == 1) {
        t[0] = g[0];
    } else if constexpr (M == 2) {
        const Floats sum = 0.5f * (g[0] + g[2]), half = 0.5f * g[1];
        t[0] = g[0];
        t[1] = sum + half;
        t[2] = sum - half;
        t[3] = g[2];
    } else if constexpr (R == 2) {
        const Floats even_c = kForC * g[0], odd_c = (kForC * kPointC) * g[1];
        const Floats even_b = kForBOf5 * g[0], odd_b = (kForBOf5 * kPointB) * g[1];
        t[0] = odd_c + even_c;
        t[1] = odd_c - even_c;
        t[2] = odd_b + even_b;
        t[3] = odd_b - even_b;
        t[4] = g[1];
    } else {
        const Floats even_a = kForA * g[0] + (kForA * kA2) * g[2];
        const Floats even_b = kForB * g[0] + (kForB * kB2) * g[2];
        Floats odd_a = (kForA * kPointA) * g[1], odd_b = (kForB * kPointB) * g[1];
        if constexpr (R == 4) {
            odd_a += (kForA * kPointA * kA2) * g[3];
            odd_b += (kForB * kPointB * kB2) * g[3];
        }
        t[0] = (1.0f / (kA2 * kB2)) * g[0];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = g[R - 1];
    }
}

// A' m: M outputs from their products.
template <int M, int R>
PT_INLINE void transform_result(const Floats* m, Floats* y) {
    if constexpr (M == 1) {
        y[0] = m[0];
    } else if constexpr (M == 2) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    } else if constexpr (R == 2) {
        const Floats sum_c = m[0] + m[1], odd_c = m[0] - m[1], sum_b = m[2] + m[3], odd_b = m[2] - m[3];
        y[0] = sum_c + sum_b;
        y[1] = kPointC * odd_c + kPointB * odd_b;
        y[2] = kC2 * sum_c + kB2 * sum_b;
        y[3] = (kPointC * kC2) * odd_c + (kPointB * kB2) * odd_b + m[4];
    } else {
        const Floats sum_a = m[1] + m[2], odd_a = m[1] - m[2], sum_b = m[3] + m[4], odd_b = m[3] - m[4];
        y[0] = m[0] + sum_a + sum_b;
        y[1] = kPointA * odd_a + kPointB * odd_b;
        y[2] = kA2 * sum_a + kB2 * sum_b;
        if constexpr (M == 4) y[3] = (kPointA * kA2) * odd_a + (kPointB * kB2) * odd_b;
        y[M - 1] += m[5];
    }
}

// The adjoints of the last two, for the weight gradient: A y of M gradients of outputs, and G' t.
template <int M>
PT_INLINE void transform_gradient(const Floats* y, Floats* t) {
    if constexpr (M == 1) {
        t[0] = y[0];
    } else if constexpr (M == 2) {
        t[0] = y[0];
        t[1] = y[0] + y[1];
        t[2] = y[0] - y[1];
        t[3] = -y[1];
    } else {
        const Floats even_a = y[0] + kA2 * y[2], even_b = y[0] + kB2 * y[2];
        Floats odd_a = kPointA * y[1], odd_b = kPointB * y[1];
        if constexpr (M == 4) {
            odd_a += (kPointA * kA2) * y[3];
            odd_b += (kPointB * kB2) * y[3];
        }
        t[0] = y[0];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = y[M - 1];
    }
}
template <int M, int R>
PT_INLINE void gather_weight(const Floats* t, Floats* g) {
    if constexpr (R == 1) {
        g[0] = t[0];
    } else if constexpr (M == 2) {
        const Floats sum = 0.5f * (t[1] + t[2]);
        g[0] = t[0] + sum;
        g[1] = 0.5f * (t[1] - t[2]);
        g[2] = sum + t[3];
    } else {
        const Floats even_a = t[1] + t[2], odd_a = t[1] - t[2], even_b = t[3] + t[4], odd_b = t[3] - t[4];
        g[0] = (1.0f / (kA2 * kB2)) * t[0] + kForA * even_a + kForB * even_b;
        g[1] = (kForA * kPointA) * odd_a + (kForB * kPointB) * odd_b;
        g[2] = (kForA * kA2) * even_a + (kForB * kB2) * even_b;
        if constexpr (R == 4) g[3] = (kForA * kPointA * kA2) * odd_a + (kForB * kPointB * kB2) * odd_b;
        g[R - 1] += t[5];
    }
}

// A tile of a convolution: F(M0, R0) along the rows' axis, F(M1, R1) along the columns'.
template <int M0_, int R0_, int M1_, int R1_>
struct Tile2d {
    static constexpr int M0 = M0_, R0 = R0_, M1 = M1_, R1 = R1_;
    static constexpr int A0 = M0 + R0 - 1, A1 = M1 + R1 - 1, E = A0 * A1;
};

// The same along both axes.
template <class Tile, class Get>
PT_INLINE void transform_weight_2d(const Get& tap, Floats* t) {
    Floats half[Tile::R1][Tile::A0];
#pragma GCC unroll 4
    for (int j = 0; j < Tile::R1; ++j) {
        Floats column[Tile::R0];
#pragma GCC unroll 4
        for (int i = 0; i < Tile::R0; ++i) column[i] = tap(i, j);
        transform_weight<Tile::M0, Tile::R0>(column, half[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < Tile::A0; ++i) {
        Floats row[Tile::R1];
#pragma GCC unroll 4
        for (int j = 0; j < Tile::R1; ++j) row[j] = half[j][i];
        transform_weight<Tile::M1, Tile::R1>(row, t + i * Tile::A1);
    }
}

template <class Tile, class Get>
PT_INLINE void transform_result_2d(const Get& product, Floats* y) {
    Floats half[Tile::A1][Tile::M0];
#pragma GCC unroll 6
    for (int j = 0; j < Tile::A1; ++j) {
        Floats column[Tile::A0];
#pragma GCC unroll 6
        for (int i = 0; i < Tile::A0; ++i) column[i] = product(i, j);
        transform_result<Tile::M0, Tile::R0>(column, half[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < Tile::M0; ++i) {
        Floats row[Tile::A1];
#pragma GCC unroll 6
        for (int j = 0; j < Tile::A1; ++j) row[j] = half[j][i];
        transform_result<Tile::M1, Tile::R1>(row, y + i * Tile::M1);
    }
}

template <class Tile>
PT_INLINE void gather_weight_2d(const float* from, int64_t slice, Floats* g) {
    Floats half[Tile::A1][Tile::R0];
#pragma GCC unroll 6
    for (int j = 0; j < Tile::A1; ++j) {
        Floats column[Tile::A0];
#pragma GCC unroll 6
        for (int i = 0; i < Tile::A0; ++i) column[i] = load(from + (i * Tile::A1 + j) * slice);
        gather_weight<Tile::M0, Tile::R0>(column, half[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < Tile::R0; ++i) {
        Floats row[Tile::A1];
#pragma GCC unroll 6
        for (int j = 0; j < Tile::A1; ++j) row[j] = half[j][i];
        gather_weight<Tile::M1, Tile::R1>(row, g + i * Tile::R1);
    }
}

}  // namespace pt::conv::PT_ISA
