// Adaptive average pooling over Vec: whole rows are added up first, then segments of their sum.
#pragma once

#include "base/pool.h"
#include "kernels/pool/pool.h"
#include "simd/transpose.h"

namespace pt::pooling::PT_ISA {

using namespace pt::PT_ISA;

PT_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

// Asks for V vectors from p on, to be read or written soon: the hardware foresees neither masked accesses nor
// strips of columns. p may lie beyond the array.
constexpr int64_t kAhead = 2048;  // elements
template <class T, int V, bool Written>
PT_INLINE void fetch_ahead(const T* p) {
    for (int i = 0; i < V; ++i) __builtin_prefetch(p + i * lanes<T>, Written);
}

template <class T>
PT_INLINE void fill(T* p, int64_t n, T value) {
    for (int64_t i = 0; i < n; ++i) p[i] = value;
}

template <class T>
PT_INLINE T sum_of(const T* p, int64_t n) {
    Vec<T> a{}, b{}, c{}, d{};
    int64_t i = 0;
    for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
        a += load(p + i);
        b += load(p + i + lanes<T>);
        c += load(p + i + 2 * lanes<T>);
        d += load(p + i + 3 * lanes<T>);
    }
    for (; i + lanes<T> <= n; i += lanes<T>) a += load(p + i);
    if (i < n) b += load_n(p + i, static_cast<int>(n - i));
    return sum_lanes<T>((a + b) + (c + d));
}

// sums[i] = the sum over `rows` rows, `pitch` apart, of row[i], and over `blocks` such blocks, `apart` apart.
template <class T>
PT_INLINE void sum_rows_of(const T* row, int64_t rows, int64_t pitch, int64_t blocks, int64_t apart,
                           int64_t n, T* sums) {
    const auto sum_at = [&](int64_t i, int used) __attribute__((always_inline)) {
        Vec<T> sum{};
        for (int64_t a = 0; a < blocks; ++a)
            for (int64_t b = 0; b < rows; ++b) {
                const T* p = row + a * apart + b * pitch + i;
                sum += used == lanes<T> ? load(p) : load_n(p, used);
            }
        return sum;
    };
    int64_t i = 0;
    for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
        Vec<T> first{}, second{};
        for (int64_t a = 0; a < blocks; ++a) {
            const T* p = row + a * apart + i;
            for (int64_t b = 0; b < rows; ++b, p += pitch) {
                first += load(p);
                second += load(p + lanes<T>);
            }
        }
        store(sums + i, first);
        store(sums + i + lanes<T>, second);
    }
    for (; i < n; i += lanes<T>) {
        const int used = static_cast<int>(n - i < lanes<T> ? n - i : lanes<T>);
        if (used == lanes<T>)
            store(sums + i, sum_at(i, lanes<T>));
        else
            store_n(sums + i, sum_at(i, used), used);
    }
}

template <class T>
PT_INLINE void add_to(T* to, const T* from, int64_t n) {
    int64_t i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) store(to + i, load(to + i) + load(from + i));
    if (i < n) {
        const int used = static_cast<int>(n - i);
        store_n(to + i, load_n(to + i, used) + load_n(from + i, used), used);
    }
}
template <class T>
PT_INLINE void copy_row(const T* from, T* to, int64_t n) {
    int64_t i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) store(to + i, load(from + i));
    if (i < n) store_n(to + i, load_n(from + i, static_cast<int>(n - i)), static_cast<int>(n - i));
}

// The means of `count` rows of n elements. As many rows as lanes are added up side by side; a tree of
// interleavings then adds their lanes, one lane per row.
template <class T>
static void means_of_rows(const T* x, int64_t n, int64_t count, T* out) {
    constexpr int L = lanes<T>;
    int64_t r = 0;
    for (; r + L <= count; r += L, x += L * n) {
        Vec<T> v[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) {
            const T* p = x + i * n;
            Vec<T> sum{};
            int64_t at = 0;
            for (; at + L <= n; at += L) {
                fetch_ahead<T, 1, false>(p + at + kAhead);
                sum += load(p + at);
            }
            v[i] = at < n ? sum + load_n(p + at, static_cast<int>(n - at)) : sum;
        }
#pragma GCC unroll 4
        for (int half = L / 2; half > 0; half /= 2)
#pragma GCC unroll 8
            for (int i = 0; i < half; ++i)
                v[i] = interleave<0>(v[i], v[i + half]) + interleave<1>(v[i], v[i + half]);
        store(out + r, v[0] / broadcast(static_cast<T>(n)));
    }
    for (; r < count; ++r, x += n) out[r] = sum_of(x, n) / static_cast<T>(n);
}

// The spans of every output along each axis: they cost divisions.
class AdaptiveSpans {
  public:
    explicit AdaptiveSpans(const Window& w)
        : scratch_(static_cast<size_t>(w.out[0] + w.out[1] + w.out[2]) * sizeof(Span)) {
        Span* next = scratch_.template as<Span>();
        for (int axis = 0; axis < 3; ++axis) {
            axes_[axis] = next;
            for (int64_t o = 0; o < w.out[axis]; ++o) *next++ = adaptive_span(w, axis, o);
        }
    }
    __attribute__((always_inline)) const Span& of(int axis, int64_t o) const { return axes_[axis][o]; }

  private:
    pool::Scratch scratch_;
    const Span* axes_[3];
};

// to[j][i] = from[i][j] for i < rows, j < columns, block by block.
template <class T>
__attribute__((noinline)) static void transpose_all(const T* from, int64_t rows, int64_t columns,
                                                    int64_t from_row, T* to, int64_t to_row, bool pad) {
    for (int64_t i = 0; i < rows; i += lanes<T>)
        for (int64_t j = 0; j < columns; j += lanes<T>)
            transpose_block(from + i * from_row + j, from_row, static_cast<int>(at_most(rows - i, lanes<T>)),
                            static_cast<int>(at_most(columns - j, lanes<T>)), to + j * to_row + i, to_row,
                            pad);
}

// Small planes with many windows are pooled one lane per plane, transposed before and after.
static inline bool goes_across(const Window& w) {
    return w.in_size() <= 4096 && w.in_size() <= 32 * w.out_size();
}

template <class T>
static void avg_across(const T* x, T* out, int64_t planes, const Window& w) {
    constexpr int L = lanes<T>;
    const int64_t in = w.in_size(), outs = w.out_size(), width = w.in[2];
    const AdaptiveSpans spans(w);
    pool::Scratch scratch(static_cast<size_t>((in + width + outs) * L) * sizeof(T));
    T *inputs = scratch.template as<T>(), *sums = inputs + in * L, *means = sums + width * L;
    for (int64_t p = 0; p < planes; p += L) {
        const int64_t n = at_most(planes - p, L);
        transpose_all(x + p * in, n, in, in, inputs, L, true);
        T* mean = means;
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                const Span d = spans.of(0, od), h = spans.of(1, oh);
                const T* first = inputs + (d.begin * w.in[1] + h.begin) * width * L;
                sum_rows_of(first, h.size(), width * L, d.size(), w.in[1] * width * L, width * L, sums);
                for (int64_t ow = 0; ow < w.out[2]; ++ow, mean += L) {
                    const Span s = spans.of(2, ow);
                    Vec<T> sum{};
                    for (int64_t i = s.begin; i < s.end; ++i) sum += load(sums + i * L);
                    store(mean, sum / broadcast(static_cast<T>(d.size() * h.size() * s.size())));
                }
            }
        transpose_all(means, outs, n, L, out + p * outs, outs, false);
    }
}

template <class T>
static void avg_across_backward(const T* grad, T* grad_x, int64_t planes, const Window& w) {
    constexpr int L = lanes<T>;
    const int64_t in = w.in_size(), outs = w.out_size(), width = w.in[2];
    const AdaptiveSpans spans(w);
    pool::Scratch scratch(static_cast<size_t>((in + width + outs) * L) * sizeof(T));
    T *inputs = scratch.template as<T>(), *shares = inputs + in * L, *grads = shares + width * L;
    for (int64_t p = 0; p < planes; p += L) {
        const int64_t n = at_most(planes - p, L);
        transpose_all(grad + p * outs, n, outs, outs, grads, L, true);
        fill(inputs, in * L, T(0));
        const T* g = grads;
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                const Span d = spans.of(0, od), h = spans.of(1, oh);
                fill(shares, width * L, T(0));
                for (int64_t ow = 0; ow < w.out[2]; ++ow, g += L) {
                    const Span s = spans.of(2, ow);
                    const Vec<T> share = load(g) / broadcast(static_cast<T>(d.size() * h.size() * s.size()));
                    for (int64_t i = s.begin; i < s.end; ++i)
                        store(shares + i * L, load(shares + i * L) + share);
                }
                for (int64_t a = d.begin; a < d.end; ++a)
                    for (int64_t b = h.begin; b < h.end; ++b)
                        add_to(inputs + (a * w.in[1] + b) * width * L, shares, width * L);
            }
        transpose_all(inputs, in, n, L, grad_x + p * in, in, false);
    }
}

template <class T>
static void adaptive_avg_forward(const T* x, T* out, int64_t planes, const Window& w) {
    const int64_t width = w.in[2];
    if (w.out_size() == 1) {
        means_of_rows(x, w.in_size(), planes, out);
        return;
    }
    if (goes_across(w) && planes >= lanes<T> / 2) return avg_across(x, out, planes, w);
    const AdaptiveSpans spans(w);
    pool::Scratch scratch(static_cast<size_t>(width) * sizeof(T));
    T* sums = scratch.template as<T>();
    for (int64_t p = 0; p < planes; ++p, x += w.in_size())
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                const Span d = spans.of(0, od), h = spans.of(1, oh);
                const T* row = x + (d.begin * w.in[1] + h.begin) * width;
                if (d.size() * h.size() > 1) {
                    sum_rows_of(row, h.size(), width, d.size(), w.in[1] * width, width, sums);
                    row = sums;
                }
                for (int64_t ow = 0; ow < w.out[2]; ++ow) {
                    const Span s = spans.of(2, ow);
                    *out++ = sum_of(row + s.begin, s.size()) / static_cast<T>(d.size() * h.size() * s.size());
                }
            }
}

template <class T>
static void adaptive_avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w) {
    const int64_t width = w.in[2];
    if (w.out_size() == 1) {
        const int64_t n = w.in_size();
        for (int64_t p = 0; p < planes; ++p) fill(grad_x + p * n, n, grad[p] / static_cast<T>(n));
        return;
    }
    if (goes_across(w) && planes >= lanes<T> / 2) return avg_across_backward(grad, grad_x, planes, w);
    const AdaptiveSpans spans(w);
    pool::Scratch scratch(static_cast<size_t>(width) * sizeof(T));
    T* shares = scratch.template as<T>();
    fill(grad_x, planes * w.in_size(), T(0));
    for (int64_t p = 0; p < planes; ++p, grad_x += w.in_size())
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                const Span d = spans.of(0, od), h = spans.of(1, oh);
                fill(shares, width, T(0));
                for (int64_t ow = 0; ow < w.out[2]; ++ow) {
                    const Span s = spans.of(2, ow);
                    const T share = *grad++ / static_cast<T>(d.size() * h.size() * s.size());
                    for (int64_t i = s.begin; i < s.end; ++i) shares[i] += share;
                }
                for (int64_t a = d.begin; a < d.end; ++a)
                    for (int64_t b = h.begin; b < h.end; ++b)
                        add_to(grad_x + (a * w.in[1] + b) * width, shares, width);
            }
}

}  // namespace pt::pooling::PT_ISA
