// Softmax and log-softmax over Vec: along rows when the axis is the last, else one lane per line.
// A NaN in a line makes its sum NaN and with it every result, as does an infinite maximum.
#pragma once

#include "base/pool.h"
#include "kernels/norm/norm.h"
#include "simd/math.h"
#include "simd/partial.h"

namespace pt::norm::PT_ISA {

using namespace pt::PT_ISA;

PT_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

// Four sums side by side: short chains of additions, and rounding errors that grow with n / (4 lanes).
template <class T, class Term>
PT_INLINE T sum_terms(int64_t n, const Term& term) {
    Vec<T> a{}, b{}, c{}, d{};
    int64_t i = 0;
    for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
        a += term(i, lanes<T>);
        b += term(i + lanes<T>, lanes<T>);
        c += term(i + 2 * lanes<T>, lanes<T>);
        d += term(i + 3 * lanes<T>, lanes<T>);
    }
    for (; i + lanes<T> <= n; i += lanes<T>) a += term(i, lanes<T>);
    if (i < n) b += term(i, static_cast<int>(n - i));
    return sum_lanes<T>((a + b) + (c + d));
}

template <class T>
PT_INLINE T row_max(const T* x, int64_t n) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    Vec<T> a = broadcast(lowest), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
        a = max_hw<T>(load(x + i), a);
        b = max_hw<T>(load(x + i + lanes<T>), b);
        c = max_hw<T>(load(x + i + 2 * lanes<T>), c);
        d = max_hw<T>(load(x + i + 3 * lanes<T>), d);
    }
    for (; i + lanes<T> <= n; i += lanes<T>) a = max_hw<T>(load(x + i), a);
    if (i < n) b = max_hw<T>(load_n(x + i, static_cast<int>(n - i), lowest), b);
    return max_lanes<T>(max_hw<T>(max_hw<T>(a, b), max_hw<T>(c, d)));
}

template <class T>
PT_INLINE T log_of(T x) {
    return log(broadcast(x))[0];
}

template <class T>
static void softmax_row(const T* x, T* y, int64_t n, bool log) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    const Vec<T> largest = broadcast(row_max(x, n));
    if (log) {
        const T sum = sum_terms<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
            return exp(load_upto(x + i, used, lowest) - largest);
        });
        const Vec<T> log_sum = broadcast(log_of(sum));
        each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
            store_upto(y + i, load_upto(x + i, used) - largest - log_sum, used);
        });
        return;
    }
    const T sum = sum_terms<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        const Vec<T> e = exp(load_upto(x + i, used, lowest) - largest);
        store_upto(y + i, e, used);
        return e;
    });
    const Vec<T> scale = broadcast(T(1) / sum);
    each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        store_upto(y + i, load_upto(y + i, used) * scale, used);
    });
}

// `width` neighbouring lines, `inner` elements from step to step: whole rows of them at a time, so that
// memory is read in order. `scratch` has room for 2 * width.
template <class T>
static void softmax_lines(const T* x, T* y, int64_t n, int64_t inner, int64_t width, bool log_form,
                          T* scratch) {
    T *largest = scratch, *sum = scratch + width;
    each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
        store_upto(largest + j, load_upto(x + j, used), used);
        store_upto(sum + j, Vec<T>{}, used);
    });
    for (int64_t i = 1; i < n; ++i)
        each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> best = load_upto(largest + j, used);
            store_upto(largest + j, max_hw<T>(load_upto(x + i * inner + j, used), best), used);
        });
    for (int64_t i = 0; i < n; ++i)
        each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> e = exp(load_upto(x + i * inner + j, used) - load_upto(largest + j, used));
            store_upto(sum + j, load_upto(sum + j, used) + e, used);
            if (!log_form) store_upto(y + i * inner + j, e, used);
        });
    each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
        const Vec<T> total = load_upto(sum + j, used, T(1));
        store_upto(sum + j, log_form ? log(total) : broadcast(T(1)) / total, used);
    });
    for (int64_t i = 0; i < n; ++i)
        each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
            const int64_t at = i * inner + j;
            const Vec<T> s = load_upto(sum + j, used);
            store_upto(y + at,
                       log_form ? load_upto(x + at, used) - load_upto(largest + j, used) - s
                                : load_upto(y + at, used) * s,
                       used);
        });
}

// What the rows' sums are of.
template <class T>
PT_INLINE Vec<T> softmax_backward_term(const T* grad, const T* y, int used, bool log_form) {
    const Vec<T> g = load_upto(grad, used);
    return log_form ? g : g * load_upto(y, used);
}

// Rows one after the other. While short ones are written, the next one is read for its sum: a row alone waits
// for its first loads, and then for its sum.
template <class T>
static void softmax_backward_rows(const T* grad, const T* y, T* grad_x, int64_t rows, int64_t n,
                                  bool log_form) {
    constexpr int64_t kShort = 8192 / sizeof(T);
    const bool ahead = n <= kShort;
    const auto sum = [&](int64_t row) __attribute__((always_inline)) {
        return sum_terms<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
            return softmax_backward_term(grad + row * n + i, y + row * n + i, used, log_form);
        });
    };
    T next = ahead ? sum(0) : T(0);
    for (int64_t r = 0; r < rows; ++r) {
        const Vec<T> total = broadcast(ahead ? next : sum(r));
        const int64_t at = r * n, following = ahead && r + 1 < rows ? n : 0;
        Vec<T> even{}, odd{};
        each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
            const Vec<T> g = load_upto(grad + at + i, used), p = load_upto(y + at + i, used);
            store_upto(grad_x + at + i, log_form ? g - exp(p) * total : (g - total) * p, used);
            if (following == 0) return;
            const int64_t to = at + following + i;
            (i / lanes<T> % 2 == 0 ? even : odd) += softmax_backward_term(grad + to, y + to, used, log_form);
        });
        next = sum_lanes<T>(even + odd);
    }
}

template <class T>
static void softmax_backward_lines(const T* grad, const T* y, T* grad_x, int64_t n, int64_t inner,
                                   int64_t width, bool log_form, T* total) {
    each_vector<T>(width, [&](int64_t j, int used)
                              __attribute__((always_inline)) { store_upto(total + j, Vec<T>{}, used); });
    for (int64_t i = 0; i < n; ++i)
        each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> g = load_upto(grad + i * inner + j, used);
            const Vec<T> term = log_form ? g : g * load_upto(y + i * inner + j, used);
            store_upto(total + j, load_upto(total + j, used) + term, used);
        });
    for (int64_t i = 0; i < n; ++i)
        each_vector<T>(width, [&](int64_t j, int used) __attribute__((always_inline)) {
            const int64_t at = i * inner + j;
            const Vec<T> g = load_upto(grad + at, used), r = load_upto(y + at, used);
            const Vec<T> sum = load_upto(total + j, used);
            store_upto(grad_x + at, log_form ? g - exp(r) * sum : (g - sum) * r, used);
        });
}

// lines(first element, number of lines) for the pieces begin .. end, `piece` lines each.
template <class Lines>
PT_INLINE void each_piece(int64_t n, int64_t inner, int64_t piece, int64_t begin, int64_t end,
                          const Lines& lines) {
    const int64_t per_outer = (inner + piece - 1) / piece;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t from = item % per_outer * piece;
        lines(item / per_outer * n * inner + from, at_most(inner - from, piece));
    }
}

template <class T>
static void softmax_forward(const T* x, T* y, bool log, int64_t n, int64_t inner, int64_t piece,
                            int64_t begin, int64_t end) {
    if (inner == 1) {
        for (int64_t r = begin; r < end; ++r) softmax_row(x + r * n, y + r * n, n, log);
        return;
    }
    pool::Scratch scratch(static_cast<size_t>(2 * piece) * sizeof(T));
    each_piece(n, inner, piece, begin, end, [&](int64_t at, int64_t width) {
        softmax_lines(x + at, y + at, n, inner, width, log, scratch.template as<T>());
    });
}

template <class T>
static void softmax_backward(const T* grad, const T* y, T* grad_x, bool log, int64_t n, int64_t inner,
                             int64_t piece, int64_t begin, int64_t end) {
    if (inner == 1) {
        softmax_backward_rows(grad + begin * n, y + begin * n, grad_x + begin * n, end - begin, n, log);
        return;
    }
    pool::Scratch scratch(static_cast<size_t>(piece) * sizeof(T));
    each_piece(n, inner, piece, begin, end, [&](int64_t at, int64_t width) {
        softmax_backward_lines(grad + at, y + at, grad_x + at, n, inner, width, log,
                               scratch.template as<T>());
    });
}

}  // namespace pt::norm::PT_ISA
