// Group and layer norm over Vec; batch norm is in batch.h, softmax in softmax.h.
#pragma once

#include "kernels/norm/batch.h"

namespace pt::norm::PT_ISA {

// --- group norm ---

template <class T>
static void group_forward(const Groups& s, const T* x, const T* weight, const T* bias, T eps, T* mean,
                          T* rstd, T* y, int64_t begin, int64_t end) {
    const int64_t size = s.row_size(), channels = s.row_channels();
    for (int64_t r = begin; r < end; ++r) {
        const T* row = x + r * size;
        T* out = y + r * size;
        Moments moments;
        if (s.centered) add_moments(moments, row, size);
        const double spread = s.centered ? moments.squares / moments.count : mean_square(row, size);
        const T m = mean[r] = static_cast<T>(moments.mean);
        const T k = rstd[r] = static_cast<T>(1 / square_root(spread + static_cast<double>(eps)));
        const T* w = weight == nullptr ? nullptr : weight + r % s.groups * channels;
        const T* b = bias == nullptr ? nullptr : bias + r % s.groups * channels;
        if (s.spatial != 1) {
            for (int64_t c = 0; c < channels; ++c)
                apply(row + c * s.spatial, out + c * s.spatial, s.spatial, m, w == nullptr ? k : w[c] * k,
                      b == nullptr ? T(0) : b[c]);
            continue;
        }
        each_vector<T>(size, [&](int64_t i, int used) __attribute__((always_inline)) {
            Vec<T> v = (load_upto(row + i, used) - broadcast(m)) * broadcast(k);
            if (w != nullptr) v *= load_upto(w + i, used);
            if (b != nullptr) v += load_upto(b + i, used);
            store_upto(out + i, v, used);
        });
    }
}

// R rows of layer norm (a channel per element): together, so that the gradients of weight and bias are read
// and written once for all of them, and the chains of additions of one row overlap those of the others.
template <int R, class T>
static void layer_backward_rows(const T* grad, const T* x, const T* weight, const T* mean, const T* rstd,
                                T* grad_x, T* grad_weight, T* grad_bias, int64_t n, bool centered) {
    Vec<T> sum[R] = {}, dot[R] = {};
    each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
        const Vec<T> w = weight == nullptr ? broadcast(T(1)) : load_upto(weight + i, used);
        Vec<T> for_weight = load_upto(grad_weight + i, used), for_bias = load_upto(grad_bias + i, used);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            const Vec<T> g = load_upto(grad + r * n + i, used);
            const Vec<T> normal = (load_upto(x + r * n + i, used) - broadcast(mean[r])) * broadcast(rstd[r]);
            for_weight += g * normal;
            for_bias += g;
            sum[r] += g * w;
            dot[r] += g * w * normal;
        }
        store_upto(grad_weight + i, for_weight, used);
        store_upto(grad_bias + i, for_bias, used);
    });
    if (grad_x == nullptr) return;
    for (int r = 0; r < R; ++r) {
        const Vec<T> m = broadcast(mean[r]), k = broadcast(rstd[r]);
        const Vec<T> shift = broadcast(centered ? sum_lanes<T>(sum[r]) / static_cast<T>(n) : T(0));
        const Vec<T> slope = broadcast(sum_lanes<T>(dot[r]) / static_cast<T>(n)) * k;
        each_vector<T>(n, [&](int64_t i, int used) __attribute__((always_inline)) {
            const Vec<T> g = load_upto(grad + r * n + i, used);
            const Vec<T> weighted = weight == nullptr ? g : g * load_upto(weight + i, used);
            const Vec<T> along = (load_upto(x + r * n + i, used) - m) * slope;
            store_upto(grad_x + r * n + i, (weighted - shift - along) * k, used);
        });
    }
}

template <class T>
static void layer_backward(const Groups& s, const T* grad, const T* x, const T* weight, const T* mean,
                           const T* rstd, T* grad_x, T* grad_weight, T* grad_bias, int64_t begin,
                           int64_t end) {
    constexpr int64_t kRows = 4;
    const int64_t n = s.row_channels();
    const int64_t together = s.groups == 1 ? kRows : 1;  // rows of one group share weights
    for (int64_t r = begin; r < end;) {
        const int64_t at = r * n, first = r % s.groups * n, rows = end - r >= together ? together : 1;
        const auto run = rows == kRows ? layer_backward_rows<kRows, T> : layer_backward_rows<1, T>;
        run(grad + at, x + at, weight == nullptr ? nullptr : weight + first, mean + r, rstd + r,
            grad_x == nullptr ? nullptr : grad_x + at, grad_weight + first, grad_bias + first, n, s.centered);
        r += rows;
    }
}

template <class T>
static void group_backward(const Groups& s, const T* grad, const T* x, const T* weight, const T* mean,
                           const T* rstd, T* grad_x, T* grad_weight, T* grad_bias, int64_t begin,
                           int64_t end) {
    if (s.spatial == 1)
        return layer_backward(s, grad, x, weight, mean, rstd, grad_x, grad_weight, grad_bias, begin, end);
    const int64_t size = s.row_size(), channels = s.row_channels();
    for (int64_t r = begin; r < end; ++r) {
        const int64_t at = r * size, first = r % s.groups * channels;
        const T* w = weight == nullptr ? nullptr : weight + first;
        T *gw = grad_weight + first, *gb = grad_bias + first, *gx = grad_x == nullptr ? nullptr : grad_x + at;
        double sum = 0, dot = 0;
        for (int64_t c = 0; c < channels; ++c) {
            const int64_t from = at + c * s.spatial;
            const Products p = sum_products(grad + from, x + from, mean[r], s.spatial);
            const double scale = w == nullptr ? 1 : static_cast<double>(w[c]);
            gw[c] += static_cast<T>(p.dot * static_cast<double>(rstd[r]));
            gb[c] += static_cast<T>(p.grad);
            sum += scale * p.grad;
            dot += scale * p.dot;
        }
        if (gx == nullptr) continue;
        const double k = static_cast<double>(rstd[r]), count = static_cast<double>(size);
        const T shift = s.centered ? static_cast<T>(sum / count * k) : T(0),
                slope = static_cast<T>(dot / count * k * k * k);
        const Vec<T> m = broadcast(mean[r]), a = broadcast(shift), b = broadcast(slope);
        for (int64_t c = 0; c < channels; ++c) {
            const int64_t from = c * s.spatial;
            const Vec<T> scale = broadcast(w == nullptr ? rstd[r] : w[c] * rstd[r]);
            each_vector<T>(s.spatial, [&](int64_t i, int used) __attribute__((always_inline)) {
                const Vec<T> g = load_upto(grad + at + from + i, used) * scale;
                const Vec<T> d = (load_upto(x + at + from + i, used) - m) * b;
                store_upto(gx + from + i, g - a - d, used);
            });
        }
    }
}

template <class T>
constexpr Table<T> table() {
    return {
#define PT_KERNEL(name, ...) &name<T>,
#include "kernels/norm/kernels.inc"
#undef PT_KERNEL
    };
}

}  // namespace pt::norm::PT_ISA
