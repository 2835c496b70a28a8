// Products of integers, which wrap around: the signed and unsigned types of a width share a kernel. Types of
// 8 and 16 bits are multiplied in 32 bits and cut off at the end.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/matmul/problem.h"
#include "simd/vec.h"

namespace pt::matmul::PT_ISA {

using namespace ::pt::PT_ISA;

constexpr int kIntegerRows = 4, kIntegerVecs = 2;

// Rows [i, i + Rows) of a strip of C, whose columns of B are packed in whole vectors.
template <class T, class Lane, int Rows>
static void integer_tile(const Problem<T>& p, int64_t i, const Lane* b, int64_t j, int columns) {
    constexpr int L = lanes<Lane>, width = kIntegerVecs * L;
    Vec<Lane> sums[Rows][kIntegerVecs] = {};
    const T* a = p.a + i * p.a_row;
    for (int64_t k = 0; k < p.k; ++k, b += width, a += p.a_k) {
        Vec<Lane> row[kIntegerVecs];
#pragma GCC unroll 2
        for (int v = 0; v < kIntegerVecs; ++v) row[v] = load(b + v * L);
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) {
            const Vec<Lane> x = broadcast<Lane>(static_cast<Lane>(a[r * p.a_row]));
#pragma GCC unroll 2
            for (int v = 0; v < kIntegerVecs; ++v) sums[r][v] += x * row[v];
        }
    }
    for (int r = 0; r < Rows; ++r) {
        Lane line[width];
        for (int v = 0; v < kIntegerVecs; ++v) store(line + v * L, sums[r][v]);
        T* to = p.c + (i + r) * p.c_row + j * p.c_col;
        for (int c = 0; c < columns; ++c) {
            Lane sum = line[c];
            if (p.bias != nullptr)
                sum += static_cast<Lane>(p.bias[(i + r) * p.bias_row + (j + c) * p.bias_col]);
            to[c * p.c_col] = static_cast<T>(sum);
        }
    }
}

template <class T, class Lane>
static void multiply_integers(const Problem<T>& p) {
    constexpr int width = kIntegerVecs * lanes<Lane>;
    const int64_t strips = (p.n + width - 1) / width;
    const double ns = 0.05 * static_cast<double>(p.m * p.k * width);
    parallel_for(0, strips, Work{ns}, [&](int64_t begin, int64_t end) {
        pool::Scratch scratch(sizeof(Lane) * static_cast<size_t>(p.k * width));
        Lane* packed = scratch.as<Lane>();
        for (int64_t s = begin; s < end; ++s) {
            const int64_t j = s * width;
            const int columns = p.n - j < width ? static_cast<int>(p.n - j) : width;
            for (int64_t k = 0; k < p.k; ++k)
                for (int c = 0; c < width; ++c)
                    packed[k * width + c] =
                        c < columns ? static_cast<Lane>(p.b[k * p.b_k + (j + c) * p.b_col]) : Lane(0);
            int64_t i = 0;
            for (; i + kIntegerRows <= p.m; i += kIntegerRows)
                integer_tile<T, Lane, kIntegerRows>(p, i, packed, j, columns);
            for (; i < p.m; ++i) integer_tile<T, Lane, 1>(p, i, packed, j, columns);
        }
    });
}

}  // namespace pt::matmul::PT_ISA
