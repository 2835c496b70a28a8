// Means, variances and the sums of their gradients over Vec.
#pragma once

#include "kernels/norm/softmax.h"

namespace pt::norm::PT_ISA {

PT_INLINE double square_root(double x) { return sqrt(broadcast(x))[0]; }

// Mean and sum of squared deviations of what has been added so far (Chan's combination).
struct Moments {
    double count = 0, mean = 0, squares = 0;

    __attribute__((always_inline)) void add(double n, double piece_mean, double piece_squares) {
        const double delta = piece_mean - mean, total = count + n;
        mean += delta * n / total;
        squares += piece_squares + delta * delta * count * n / total;
        count = total;
    }
};

// Sums are taken over pieces of this many bytes: short enough for rounding errors to stay small and for a
// second pass to find the piece in the first-level cache.
constexpr int64_t kPieceBytes = 8192;

// Sums of grad and of grad * (x - mean), or of deviations and their squares.
template <class T>
struct Sums {
    T first, second;
};

// body(i, lanes in use, first, second) adds to two vectors; four sets of them, to have four chains of
// additions.
template <class T, class Body>
PT_INLINE Sums<T> sum_pairs(int64_t n, const Body& body) {
    Vec<T> first[4] = {}, second[4] = {};
    int64_t i = 0;
    for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) body(i + k * lanes<T>, lanes<T>, first[k], second[k]);
    for (; i + lanes<T> <= n; i += lanes<T>) body(i, lanes<T>, first[0], second[0]);
    if (i < n) body(i, static_cast<int>(n - i), first[1], second[1]);
    return {sum_lanes<T>((first[0] + first[1]) + (first[2] + first[3])),
            sum_lanes<T>((second[0] + second[1]) + (second[2] + second[3]))};
}

// Sums of x - center and of its square.
template <class T>
PT_INLINE Sums<T> sum_deviations(const T* x, int64_t n, T center) {
    const Vec<T> c = broadcast(center);
    return sum_pairs<T>(
        n, [&](int64_t i, int used, Vec<T>& first, Vec<T>& second) __attribute__((always_inline)) {
            const Vec<T> d = load_upto(x + i, used, center) - c;
            first += d;
            second += d * d;
        });
}

// Adds n contiguous elements, one pass over each piece: deviations are taken from the mean of its first
// vector. Where that is so far from the mean of the piece that squares would cancel, and where something is
// not finite, a second pass takes them from the mean itself; what rounding left in that mean is found again
// in the sum of the deviations from it.
template <class T>
PT_INLINE void add_moments(Moments& moments, const T* x, int64_t n) {
    constexpr int64_t kPiece = kPieceBytes / sizeof(T);
    for (int64_t at = 0; at < n; at += kPiece) {
        const T* p = x + at;
        const int64_t size = at_most(n - at, kPiece), begin = at_most(size, lanes<T>);
        const double count = static_cast<double>(size);
        T center = sum_lanes<T>(load_upto(p, static_cast<int>(begin))) / static_cast<T>(begin);
        Sums<T> sums = sum_deviations(p, size, center);
        double shift = static_cast<double>(sums.first) / count, squares = static_cast<double>(sums.second);
        if (!(2 * shift * shift * count <= squares)) {
            center += static_cast<T>(shift);
            sums = sum_deviations(p, size, center);
            shift = static_cast<double>(sums.first) / count;
            squares = static_cast<double>(sums.second);
        }
        moments.add(count, static_cast<double>(center) + shift, squares - shift * shift * count);
    }
}

// Mean of the squares of n contiguous elements.
template <class T>
PT_INLINE double mean_square(const T* x, int64_t n) {
    constexpr int64_t kPiece = kPieceBytes / sizeof(T);
    double total = 0;
    for (int64_t at = 0; at < n; at += kPiece)
        total += static_cast<double>(
            sum_terms<T>(at_most(n - at, kPiece), [&](int64_t i, int used) __attribute__((always_inline)) {
                const Vec<T> v = load_upto(x + at + i, used);
                return v * v;
            }));
    return total / static_cast<double>(n);
}

// Sums of grad and of grad * (x - mean) over n contiguous elements.
struct Products {
    double grad = 0, dot = 0;
};
template <class T>
PT_INLINE Products sum_products(const T* grad, const T* x, T mean, int64_t n) {
    constexpr int64_t kPiece = kPieceBytes / sizeof(T);
    const Vec<T> center = broadcast(mean);
    Products total;
    for (int64_t at = 0; at < n; at += kPiece) {
        const T *g = grad + at, *p = x + at;
        const Sums<T> part = sum_pairs<T>(at_most(n - at, kPiece),
                                          [&](int64_t i, int used, Vec<T>& first, Vec<T>& second)
                                              __attribute__((always_inline)) {
                                                  const Vec<T> v = load_upto(g + i, used);
                                                  first += v;
                                                  second += v * (load_upto(p + i, used, mean) - center);
                                              });
        total.grad += static_cast<double>(part.first);
        total.dot += static_cast<double>(part.second);
    }
    return total;
}

// y = (x - mean) * scale + shift
template <class T>
PT_INLINE void apply(const T* x, T* y, int64_t n, T mean, T scale, T shift) {
    const Vec<T> m = broadcast(mean), a = broadcast(scale), b = broadcast(shift);
    each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        store_upto(y + i, (load_upto(x + i, used) - m) * a + b, used);
    });
}

// grad_x = (grad - shift - (x - mean) * slope) * scale
template <class T>
PT_INLINE void apply_backward(const T* grad, const T* x, T* grad_x, int64_t n, T mean, T shift, T slope,
                              T scale) {
    const Vec<T> m = broadcast(mean), s = broadcast(shift), k = broadcast(slope), a = broadcast(scale);
    each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        const Vec<T> d = (load_upto(x + i, used) - m) * k;
        store_upto(grad_x + i, (load_upto(grad + i, used) - s - d) * a, used);
    });
}

}  // namespace pt::norm::PT_ISA
