// Batch and group norm over Vec.
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
    return sum_pairs<T>(n, [&](int64_t i, int used, Vec<T>& first, Vec<T>& second)
                               __attribute__((always_inline)) {
                                   const Vec<T> d = load_upto(x + i, used, center) - c;
                                   first += d;
                                   second += d * d;
                               });
}

// Adds n contiguous elements, one pass over each piece: deviations are taken from the mean of its first
// vector. Where that is so far from the mean of the piece that squares would cancel, and where something is
// not finite, a second pass takes them from the mean itself; what rounding left in that mean is found again in
// the sum of the deviations from it.
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

// --- batch norm: channels of contiguous pieces ---

template <class T>
static void batch_forward_planes(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var,
                                 T eps, bool training, T* y, int64_t begin, int64_t end) {
    const int64_t step = s.channels * s.spatial;
    for (int64_t c = begin; c < end; ++c) {
        const int64_t first = c * s.spatial;
        if (training) {
            Moments moments;
            for (int64_t b = 0; b < s.batch; ++b) add_moments(moments, x + first + b * step, s.spatial);
            mean[c] = static_cast<T>(moments.mean);
            var[c] = static_cast<T>(moments.squares / moments.count);
        }
        const T rstd =
            static_cast<T>(1 / square_root(static_cast<double>(var[c]) + static_cast<double>(eps)));
        const T scale = weight == nullptr ? rstd : weight[c] * rstd, shift = bias == nullptr ? T(0) : bias[c];
        for (int64_t b = 0; b < s.batch; ++b) {
            const int64_t at = first + b * step;
            apply(x + at, y + at, s.spatial, mean[c], scale, shift);
        }
    }
}

template <class T>
static void batch_backward_planes(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                                  const T* var, T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias,
                                  int64_t begin, int64_t end) {
    const int64_t step = s.channels * s.spatial;
    const double count = static_cast<double>(s.batch * s.spatial);
    for (int64_t c = begin; c < end; ++c) {
        const int64_t first = c * s.spatial;
        double sum = 0, dot = 0;
        for (int64_t b = 0; b < s.batch; ++b) {
            const int64_t at = first + b * step;
            const Products p = sum_products(grad + at, x + at, mean[c], s.spatial);
            sum += p.grad;
            dot += p.dot;
        }
        const double rstd = 1 / square_root(static_cast<double>(var[c]) + static_cast<double>(eps));
        grad_weight[c] = static_cast<T>(dot * rstd);
        grad_bias[c] = static_cast<T>(sum);
        if (grad_x == nullptr) continue;
        const T scale = static_cast<T>(weight == nullptr ? rstd : static_cast<double>(weight[c]) * rstd);
        const T shift = training ? static_cast<T>(sum / count) : T(0);
        const T slope = training ? static_cast<T>(dot * rstd * rstd / count) : T(0);
        for (int64_t b = 0; b < s.batch; ++b) {
            const int64_t at = first + b * step;
            apply_backward(grad + at, x + at, grad_x + at, s.spatial, mean[c], shift, slope, scale);
        }
    }
}

// --- batch norm of (batch, channels): one lane per channel, whole rows at a time ---

constexpr int64_t kColumns = 1024;

// body(position, column from the first, lanes in use) for all elements of some columns.
template <class T, class Body>
PT_INLINE void each_element(const Batch& s, int64_t first, int64_t columns, const Body& body) {
    for (int64_t b = 0; b < s.batch; ++b)
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            body(b * s.channels + first + j, j, used);
        });
}
template <class T>
PT_INLINE void add_upto(T* to, Vec<T> v, int used) {
    store_upto(to, load_upto(to, used) + v, used);
}
template <class T>
PT_INLINE void clear(T* p, int64_t n) {
    for (int64_t i = 0; i < n; ++i) p[i] = 0;
}

// Mean and biased variance of some columns. What rounding left in the mean is found again in the sum of the
// deviations from it.
template <class T>
static void column_moments(const Batch& s, const T* x, int64_t first, int64_t columns, T* mean, T* var,
                           T* rest) {
    const Vec<T> count = broadcast(static_cast<T>(s.batch));
    clear(mean, columns);
    clear(var, columns);
    clear(rest, columns);
    each_element<T>(s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
        add_upto(mean + j, load_upto(x + at, used), used);
    });
    each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
        store_upto(mean + j, load_upto(mean + j, used) / count, used);
    });
    each_element<T>(s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
        const Vec<T> d = load_upto(x + at, used) - load_upto(mean + j, used);
        add_upto(rest + j, d, used);
        add_upto(var + j, d * d, used);
    });
    each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
        const Vec<T> shift = load_upto(rest + j, used) / count;
        store_upto(mean + j, load_upto(mean + j, used) + shift, used);
        store_upto(var + j, load_upto(var + j, used) / count - shift * shift, used);
    });
}

template <class T>
static void batch_forward_columns(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var,
                                  T eps, bool training, T* y, int64_t begin, int64_t end) {
    pool::Scratch scratch(kColumns * sizeof(T));
    T* scale = scratch.template as<T>();
    const Vec<T> one = broadcast(T(1));
    for (int64_t first = begin; first < end; first += kColumns) {
        const int64_t columns = at_most(end - first, kColumns);
        if (training) column_moments(s, x, first, columns, mean + first, var + first, scale);
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> rstd = one / sqrt(load_upto(var + first + j, used, T(1)) + broadcast(eps));
            store_upto(scale + j, weight == nullptr ? rstd : rstd * load_upto(weight + first + j, used),
                       used);
        });
        each_element<T>(
            s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> d = load_upto(x + at, used) - load_upto(mean + first + j, used);
                const Vec<T> shift = bias == nullptr ? Vec<T>{} : load_upto(bias + first + j, used);
                store_upto(y + at, d * load_upto(scale + j, used) + shift, used);
            });
    }
}

template <class T>
static void batch_backward_columns(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                                   const T* var, T eps, bool training, T* grad_x, T* grad_weight,
                                   T* grad_bias, int64_t begin, int64_t end) {
    pool::Scratch scratch(3 * kColumns * sizeof(T));
    T *shift = scratch.template as<T>(), *slope = shift + kColumns, *scale = slope + kColumns;
    const Vec<T> one = broadcast(T(1)), count = broadcast(static_cast<T>(s.batch));
    for (int64_t first = begin; first < end; first += kColumns) {
        const int64_t columns = at_most(end - first, kColumns);
        const T* center = mean + first;
        T *sum = grad_bias + first, *dot = grad_weight + first;
        clear(sum, columns);
        clear(dot, columns);
        each_element<T>(
            s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> g = load_upto(grad + at, used);
                add_upto(sum + j, g, used);
                add_upto(dot + j, g * (load_upto(x + at, used) - load_upto(center + j, used)), used);
            });
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> rstd = one / sqrt(load_upto(var + first + j, used, T(1)) + broadcast(eps));
            const Vec<T> d = load_upto(dot + j, used) * rstd;
            store_upto(dot + j, d, used);
            store_upto(scale + j, weight == nullptr ? rstd : rstd * load_upto(weight + first + j, used),
                       used);
            store_upto(shift + j, training ? load_upto(sum + j, used) / count : Vec<T>{}, used);
            store_upto(slope + j, training ? d * rstd / count : Vec<T>{}, used);
        });
        if (grad_x == nullptr) continue;
        each_element<T>(
            s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> d =
                    (load_upto(x + at, used) - load_upto(center + j, used)) * load_upto(slope + j, used);
                const Vec<T> g = load_upto(grad + at, used) - load_upto(shift + j, used) - d;
                store_upto(grad_x + at, g * load_upto(scale + j, used), used);
            });
    }
}

template <class T>
static void batch_forward(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var, T eps,
                          bool training, T* y, int64_t begin, int64_t end) {
    const auto kernel = s.spatial == 1 ? batch_forward_columns<T> : batch_forward_planes<T>;
    kernel(s, x, weight, bias, mean, var, eps, training, y, begin, end);
}
template <class T>
static void batch_backward(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                           const T* var, T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias,
                           int64_t begin, int64_t end) {
    const auto kernel = s.spatial == 1 ? batch_backward_columns<T> : batch_backward_planes<T>;
    kernel(s, grad, x, weight, mean, var, eps, training, grad_x, grad_weight, grad_bias, begin, end);
}

// --- group norm ---

template <class T>
static void group_forward(const Groups& s, const T* x, const T* weight, const T* bias, T eps, T* mean,
                          T* rstd, T* y, int64_t begin, int64_t end) {
    const int64_t size = s.row_size(), channels = s.row_channels();
    for (int64_t r = begin; r < end; ++r) {
        const T* row = x + r * size;
        T* out = y + r * size;
        Moments moments;
        add_moments(moments, row, size);
        const T m = mean[r] = static_cast<T>(moments.mean);
        const T k = rstd[r] =
            static_cast<T>(1 / square_root(moments.squares / moments.count + static_cast<double>(eps)));
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
                                T* grad_x, T* grad_weight, T* grad_bias, int64_t n) {
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
        const Vec<T> shift = broadcast(sum_lanes<T>(sum[r]) / static_cast<T>(n));
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
            grad_x == nullptr ? nullptr : grad_x + at, grad_weight + first, grad_bias + first, n);
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
        const T shift = static_cast<T>(sum / count * k), slope = static_cast<T>(dot / count * k * k * k);
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
