// What the kernels of a level are given.
#pragma once

#include "base/cpu_level.h"
#include "kernels/matmul/problem.h"
#include "kernels/rnn/rnn.h"

namespace pt::rnn {

// The steps in the order of the walk: number i is step i, or the i-th from the end.
struct Walk {
    const int64_t* first;  // the first row of each step, and the number of all rows
    int64_t steps;
    bool reverse;

#define PT_ALWAYS_INLINE __attribute__((always_inline))
    PT_ALWAYS_INLINE int64_t step(int64_t i) const { return reverse ? steps - 1 - i : i; }
    PT_ALWAYS_INLINE int64_t row(int64_t i) const { return first[step(i)]; }
    // How many sequences are at number i; none before the first and behind the last.
    PT_ALWAYS_INLINE int64_t batch(int64_t i) const {
        return i < 0 || i >= steps ? 0 : first[step(i) + 1] - first[step(i)];
    }
    // How many sequences were both at i - 1 and at i; the others of i begin there.
    PT_ALWAYS_INLINE int64_t carried(int64_t i) const {
        const int64_t before = batch(i - 1), now = batch(i);
        return before < now ? before : now;
    }
    // What came before row r at number i: a row of `all`, or of the initial state.
    template <class T>
    PT_ALWAYS_INLINE const T* previous(int64_t i, int64_t r, const T* all, int64_t all_row, const T* initial,
                                       int64_t width) const {
        return r < carried(i) ? all + (row(i - 1) + r) * all_row : initial + r * width;
    }
#undef PT_ALWAYS_INLINE
};

// The matrix products of the same level.
template <class T>
struct Products {
    void (*multiply)(const matmul::Problem<T>&);
    void (*multiply_packed)(const matmul::PackedProblem<T>&);
    void (*pack)(int64_t k, int64_t n, const T* b, int64_t b_k, int64_t b_col, T* to);
};

template <class T>
struct Forward {
    Shape shape;
    Walk walk;
    Weights<T> weights;
    ForwardArrays<T> arrays;
    Products<T> products;
};

template <class T>
struct Backward {
    Shape shape;
    Walk walk;
    Weights<T> weights;
    BackwardArrays<T> arrays;
    Products<T> products;
};

template <class T>
struct Table {
    void (*forward)(const Forward<T>&);
    void (*backward)(const Backward<T>&);
};
struct Kernels {
    Table<float> f32;
    Table<double> f64;
};
PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::rnn
