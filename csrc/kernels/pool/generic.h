// Pooling over Vec: one lane per output along the contiguous axis.
//
// Rows are made wide enough (by a padded copy of the plane where need be) that every access of a whole vector
// is in range: no tap needs an edge case. A stride of 2 reads two vectors and keeps the even or odd lanes.
#pragma once

#include "base/pool.h"
#include "kernels/pool/adaptive.h"
#include "kernels/pool/pool.h"
#include "simd/shuffle.h"

namespace pt::pooling::PT_ISA {

using namespace pt::PT_ISA;

template <class T>
using IntOf = typename int_of<sizeof(T)>::type;

PT_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

template <class T>
PT_INLINE void copy(const T* from, T* to, int64_t n) {
    __builtin_memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
}

template <class T>
PT_INLINE int64_t round_up(int64_t n) {
    return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// How far a padded row is touched, from column -padding on, by whole vectors of outputs.
template <class T>
PT_INLINE int64_t row_reach(const Window& w) {
    return w.stride[2] * round_up<T>(w.out[2]) + (w.kernel[2] - 1) * w.dilation[2];
}
template <class T>
PT_INLINE int64_t padded_row(const Window& w) {
    const int64_t reach = row_reach<T>(w), data = w.padding[2] + w.in[2];
    return reach > data ? reach : data;
}

// Rows of one plane: (d, h) starts at first + (d * in[1] + h) * pitch, at column -padding.
template <class T>
struct Rows {
    T* first;
    int64_t pitch;
};

// The planes of an input, as Rows: in place where no window leaves the row and reading whole vectors stays
// inside the array, else a copy with `pad` around each row.
template <class T>
class InputPlanes {
  public:
    InputPlanes(const T* x, int64_t planes, const Window& w, T pad)
        : x_(x),
          end_(x + planes * w.in_size()),
          w_(w),
          pad_(pad),
          pitch_(padded_row<T>(w)),
          rows_(w.in[0] * w.in[1]),
          inside_(w.padding[2] == 0 &&
                  (w.out[2] - 1) * w.stride[2] + (w.kernel[2] - 1) * w.dilation[2] < w.in[2]),
          scratch_(static_cast<size_t>(rows_ * pitch_) * sizeof(T)) {}

    __attribute__((always_inline)) Rows<const T> plane(int64_t p) {
        const T* x = x_ + p * w_.in_size();
        if (inside_ && x + (rows_ - 1) * w_.in[2] + row_reach<T>(w_) <= end_) return {x, w_.in[2]};
        T* padded = scratch_.template as<T>();
        if (!filled_) fill(padded, rows_ * pitch_, pad_);
        filled_ = true;
        for (int64_t r = 0; r < rows_; ++r)
            copy(x + r * w_.in[2], padded + r * pitch_ + w_.padding[2], w_.in[2]);
        return {padded, pitch_};
    }

  private:
    const T *x_, *end_;
    const Window& w_;
    T pad_;
    int64_t pitch_, rows_;
    bool inside_, filled_ = false;
    pool::Scratch scratch_;
};

// The input rows that output row (od, oh) covers.
struct WindowRows {
    Span kd, kh;
    int64_t d, h;  // of tap 0; may lie outside

    WindowRows(const Window& w, int64_t od, int64_t oh)
        : kd(valid_taps(w, 0, od)),
          kh(valid_taps(w, 1, oh)),
          d(od * w.stride[0] - w.padding[0]),
          h(oh * w.stride[1] - w.padding[1]) {}

    // body(d, h, number of the first tap in that row) for each of them.
    template <class Body>
    __attribute__((always_inline)) void each(const Window& w, const Body& body) const {
        for (int64_t a = kd.begin; a < kd.end; ++a)
            for (int64_t b = kh.begin; b < kh.end; ++b)
                body(d + a * w.dilation[0], h + b * w.dilation[1], (a * w.kernel[1] + b) * w.kernel[2]);
    }
};

// use(inputs of one vector of outputs, kw) for the taps kw of a row; `src` is at the first output's tap 0.
// S is the stride: 1, 2 or 0 for any other.
template <class T, int S, class Use>
PT_INLINE void each_tap(const T* src, const Window& w, const Use& use) {
    const int64_t taps = w.kernel[2], dilation = w.dilation[2], stride = w.stride[2];
    int64_t kw = 0;
    if constexpr (S == 2) {
        if (dilation == 1)
            for (; kw + 1 < taps; kw += 2) {
                const VecPair<T> pair = load_deinterleaved(src + kw);
                use(pair.first, kw);
                use(pair.second, kw + 1);
            }
    }
    for (; kw < taps; ++kw) {
        const T* p = src + kw * dilation;
        if constexpr (S == 1) {
            use(load(p), kw);
        } else if constexpr (S == 2) {
            use(load_deinterleaved(p).first, kw);
        } else {
            Vec<T> v;
            for (int i = 0; i < lanes<T>; ++i) v[i] = p[i * stride];
            use(v, kw);
        }
    }
}

// dst[ow * stride + kw * dilation] += value(ow, kw) for all outputs of a row and all taps; value gives whole
// vectors, 0 beyond the last output. Outputs run inside, taps outside: additions to the same place are then
// far apart.
template <class T, int S, class Value>
PT_INLINE void add_taps(T* dst, const Window& w, const Value& value) {
    const int64_t taps = w.kernel[2], dilation = w.dilation[2], stride = w.stride[2], outs = w.out[2];
    const auto add = [](T* p, Vec<T> v) __attribute__((always_inline)) { store(p, load(p) + v); };
    int64_t kw = 0;
    if constexpr (S == 2) {
        if (dilation == 1)
            for (; kw + 1 < taps; kw += 2)
                for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
                    const VecPair<T> pair = interleave<T>(value(ow, kw), value(ow, kw + 1));
                    add(dst + 2 * ow + kw, pair.first);
                    add(dst + 2 * ow + kw + lanes<T>, pair.second);
                }
    }
    for (; kw < taps; ++kw)
        for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
            T* p = dst + ow * stride + kw * dilation;
            const Vec<T> v = value(ow, kw);
            if constexpr (S == 1) {
                add(p, v);
            } else if constexpr (S == 2) {
                const VecPair<T> pair = interleave<T>(v, Vec<T>{});
                add(p, pair.first);
                add(p + lanes<T>, pair.second);
            } else {
                for (int i = 0; i < lanes<T>; ++i) p[i * stride] += v[i];
            }
        }
}

// --- maximum ---

enum class Track { none, offsets, indices };

// Marks are what is remembered of the winner. A tap's mark is that of its row + lane[ow] + kw * step: as an
// offset the tap's number (lane 0, step 1), as an index its position in the plane. first[ow] is the mark of
// the first tap inside the row.
template <class T>
struct Marks {
    IntOf<T>*lane, *first;
    int64_t step;
};

template <class T, Track track>
static Marks<T> make_marks(const Window& w, IntOf<T>* memory) {
    const int64_t padded = round_up<T>(w.out[2]);
    Marks<T> marks{memory, memory + padded, track == Track::indices ? w.dilation[2] : 1};
    for (int64_t ow = 0; ow < padded; ++ow) {
        const int64_t start = ow * w.stride[2] - w.padding[2];
        const int64_t lane = track == Track::indices ? start : 0;
        marks.lane[ow] = static_cast<IntOf<T>>(lane);
        marks.first[ow] = static_cast<IntOf<T>>(lane + valid_taps(w, 2, ow).begin * marks.step);
    }
    return marks;
}

// Stores up to a vector of marks as bytes or as 64-bit numbers.
template <class T, class To>
PT_INLINE void store_marks(To* to, Mask<T> marks, int64_t n) {
    if (n == lanes<T>) {
        typedef To Narrow __attribute__((vector_size(lanes<T> * sizeof(To))));
        const Narrow narrow = __builtin_convertvector(marks, Narrow);
        __builtin_memcpy(to, &narrow, sizeof narrow);
        return;
    }
    IntOf<T> buffer[lanes<T>];
    store(buffer, marks);
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(buffer[i]);
}

template <class T, int S, Track track>
static void max_plane(Rows<const T> rows, const Window& w, const Marks<T>& marks, T* values, uint8_t* offsets,
                      int64_t* indices) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    const auto row_mark = [&](int64_t d, int64_t h, int64_t tap) __attribute__((always_inline)) {
        return static_cast<IntOf<T>>(track == Track::indices ? (d * w.in[1] + h) * w.in[2] : tap);
    };
    int64_t o = 0;
    for (int64_t od = 0; od < w.out[0]; ++od)
        for (int64_t oh = 0; oh < w.out[1]; ++oh) {
            const WindowRows window(w, od, oh);
            const int64_t kd = window.kd.begin, kh = window.kh.begin;
            const IntOf<T> first = row_mark(window.d + kd * w.dilation[0], window.h + kh * w.dilation[1],
                                            (kd * w.kernel[1] + kh) * w.kernel[2]);
            for (int64_t ow = 0; ow < w.out[2]; ow += lanes<T>) {
                Vec<T> best = broadcast(lowest);
                Mask<T> mark{}, lane{};
                if constexpr (track != Track::none) {
                    mark = load(marks.first + ow) + broadcast(first);
                    lane = load(marks.lane + ow);
                }
                window.each(w, [&](int64_t d, int64_t h, int64_t tap) __attribute__((always_inline)) {
                    const T* src = rows.first + (d * w.in[1] + h) * rows.pitch + ow * w.stride[2];
                    const Mask<T> here = lane + broadcast(row_mark(d, h, tap));
                    each_tap<T, S>(src, w, [&](Vec<T> v, int64_t kw) __attribute__((always_inline)) {
                        const Mask<T> better = (v > best) | (v != v);
                        best = better ? v : best;
                        if constexpr (track != Track::none)
                            mark = better ? here + broadcast(static_cast<IntOf<T>>(kw * marks.step)) : mark;
                    });
                });
                const int64_t n = at_most(w.out[2] - ow, lanes<T>);
                if (n == lanes<T>)
                    store(values + o + ow, best);
                else
                    store_n(values + o + ow, best, static_cast<int>(n));
                if constexpr (track == Track::offsets) store_marks<T>(offsets + o + ow, mark, n);
                if constexpr (track == Track::indices) store_marks<T>(indices + o + ow, mark, n);
            }
            o += w.out[2];
        }
}

template <class T, int S, Track track>
static void max_planes(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                       const Window& w) {
    InputPlanes<T> input(x, planes, w, -static_cast<T>(__builtin_inf()));
    pool::Scratch scratch(static_cast<size_t>(2 * round_up<T>(w.out[2])) * sizeof(T));
    const Marks<T> marks = make_marks<T, track>(w, scratch.template as<IntOf<T>>());
    for (int64_t p = 0; p < planes; ++p) {
        const int64_t o = p * w.out_size();
        max_plane<T, S, track>(input.plane(p), w, marks, values + o,
                               track == Track::offsets ? offsets + o : nullptr,
                               track == Track::indices ? indices + o : nullptr);
    }
}

template <class T, int S>
static void max_tracked(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                        const Window& w) {
    if (offsets != nullptr)
        max_planes<T, S, Track::offsets>(x, values, offsets, indices, planes, w);
    else if (indices != nullptr)
        max_planes<T, S, Track::indices>(x, values, offsets, indices, planes, w);
    else
        max_planes<T, S, Track::none>(x, values, offsets, indices, planes, w);
}

template <class T>
static void max_forward(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                        const Window& w) {
    // Positions are counted in integers of T's size.
    if (sizeof(T) == 4 && w.in_size() >= (int64_t{1} << 30)) {
        if constexpr (sizeof(T) == 4)
            return plain::kernels.f32.max_forward(x, values, offsets, indices, planes, w);
    }
    if (w.stride[2] == 1) return max_tracked<T, 1>(x, values, offsets, indices, planes, w);
    if (w.stride[2] == 2) return max_tracked<T, 2>(x, values, offsets, indices, planes, w);
    max_tracked<T, 0>(x, values, offsets, indices, planes, w);
}

// --- gradients ---

// Each output has one winner, so going from winner to winner beats going over the taps.
template <class T>
static void max_backward(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    // Where each tap is, from tap 0. A winner outside the plane exists only where a window misses the input.
    int64_t at[256];
    int64_t tap = 0;
    for (int64_t a = 0; a < w.kernel[0]; ++a)
        for (int64_t b = 0; b < w.kernel[1]; ++b)
            for (int64_t c = 0; c < w.kernel[2]; ++c)
                at[tap++] = (a * w.dilation[0] * w.in[1] + b * w.dilation[1]) * w.in[2] + c * w.dilation[2];
    bool misses = false;
    for (int axis = 0; axis < 3; ++axis)
        for (int64_t o = 0; o < w.out[axis]; ++o) misses |= valid_taps(w, axis, o).size() == 0;
    if (misses) {
        if constexpr (sizeof(T) == 4)
            return plain::kernels.f32.max_backward(grad, offsets, grad_x, planes, w);
        else
            return plain::kernels.f64.max_backward(grad, offsets, grad_x, planes, w);
    }
    for (int64_t p = 0; p < planes; ++p, grad_x += w.in_size()) {
        fill(grad_x, w.in_size(), T(0));
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                T* to =
                    grad_x - w.padding[2] +
                    ((od * w.stride[0] - w.padding[0]) * w.in[1] + oh * w.stride[1] - w.padding[1]) * w.in[2];
                for (int64_t ow = 0; ow < w.out[2]; ++ow, to += w.stride[2]) to[at[*offsets++]] += *grad++;
            }
    }
}

// --- average ---

// The divisors of a row of outputs are scale * column[ow].
template <class T>
class Divisors {
  public:
    Divisors(const Window& w, const Divisor& divisor)
        : w_(w),
          divisor_(divisor),
          scratch_(static_cast<size_t>(round_up<T>(w.out[2])) * sizeof(T)),
          column_(scratch_.template as<T>()) {
        fill(column_, round_up<T>(w.out[2]), T(1));
        if (divisor.fixed != 0) return;
        for (int64_t ow = 0; ow < w.out[2]; ++ow) column_[ow] = static_cast<T>(axis_count(w, divisor, 2, ow));
    }
    __attribute__((always_inline)) T row(int64_t od, int64_t oh) const {
        if (divisor_.fixed != 0) return static_cast<T>(divisor_.fixed);
        return static_cast<T>(axis_count(w_, divisor_, 0, od) * axis_count(w_, divisor_, 1, oh));
    }
    __attribute__((always_inline)) Vec<T> at(T row, int64_t ow) const {
        return broadcast(row) * load(column_ + ow);
    }

  private:
    const Window& w_;
    const Divisor& divisor_;
    pool::Scratch scratch_;
    T* column_;
};

// Sums go down the rows first, into one padded row, then along it.
template <class T, int S>
static void avg_planes(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    const Divisors<T> divisors(w, divisor);
    pool::Scratch scratch(static_cast<size_t>(padded_row<T>(w)) * sizeof(T));
    T* row = scratch.template as<T>();
    T* sums = row + w.padding[2];
    fill(row, padded_row<T>(w), T(0));
    for (int64_t p = 0; p < planes; ++p, x += w.in_size())
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                bool first = true;
                WindowRows(w, od, oh).each(w,
                                           [&](int64_t d, int64_t h, int64_t) __attribute__((always_inline)) {
                                               const T* from = x + (d * w.in[1] + h) * w.in[2];
                                               if (first)
                                                   copy_row(from, sums, w.in[2]);
                                               else
                                                   add_to(sums, from, w.in[2]);
                                               first = false;
                                           });
                if (first) fill(sums, w.in[2], T(0));
                const T count = divisors.row(od, oh);
                for (int64_t ow = 0; ow < w.out[2]; ow += lanes<T>) {
                    Vec<T> sum{};
                    each_tap<T, S>(row + ow * w.stride[2], w,
                                   [&](Vec<T> v, int64_t) __attribute__((always_inline)) { sum += v; });
                    const Vec<T> mean = sum / divisors.at(count, ow);
                    const int64_t n = at_most(w.out[2] - ow, lanes<T>);
                    if (n == lanes<T>)
                        store(out + ow, mean);
                    else
                        store_n(out + ow, mean, static_cast<int>(n));
                }
                out += w.out[2];
            }
}

template <class T>
static void avg_forward(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    if (w.stride[2] == 1) return avg_planes<T, 1>(x, out, planes, w, divisor);
    if (w.stride[2] == 2) return avg_planes<T, 2>(x, out, planes, w, divisor);
    avg_planes<T, 0>(x, out, planes, w, divisor);
}

// The gradient spreads along one padded row first, which is then added to the rows of the window.
template <class T, int S>
static void avg_backward_planes(const T* grad, T* grad_x, int64_t planes, const Window& w,
                                const Divisor& divisor) {
    const int64_t outs = w.out[2], padded = round_up<T>(outs), pitch = padded_row<T>(w);
    const Divisors<T> divisors(w, divisor);
    pool::Scratch scratch(static_cast<size_t>(padded + pitch) * sizeof(T));
    T* share = scratch.template as<T>();  // what each output gives to each of its inputs
    T* spread = share + padded;
    for (int64_t p = 0; p < planes; ++p, grad_x += w.in_size()) {
        fill(grad_x, w.in_size(), T(0));
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh, grad += outs) {
                const T count = divisors.row(od, oh);
                for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
                    const Vec<T> g = ow + lanes<T> <= outs ? load(grad + ow)
                                                           : load_n(grad + ow, static_cast<int>(outs - ow));
                    store(share + ow, g / divisors.at(count, ow));
                }
                fill(spread, pitch, T(0));
                add_taps<T, S>(spread, w, [&](int64_t ow, int64_t) __attribute__((always_inline)) {
                    return load(share + ow);
                });
                WindowRows(w, od, oh).each(
                    w, [&](int64_t d, int64_t h, int64_t) __attribute__((always_inline)) {
                        add_to(grad_x + (d * w.in[1] + h) * w.in[2], spread + w.padding[2], w.in[2]);
                    });
            }
    }
}

template <class T>
static void avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w, const Divisor& divisor) {
    if (w.stride[2] == 1) return avg_backward_planes<T, 1>(grad, grad_x, planes, w, divisor);
    if (w.stride[2] == 2) return avg_backward_planes<T, 2>(grad, grad_x, planes, w, divisor);
    avg_backward_planes<T, 0>(grad, grad_x, planes, w, divisor);
}

template <class T>
constexpr Table<T> table() {
    return {
#define PT_KERNEL(name, ...) &name<T>,
#include "kernels/pool/kernels.inc"
#undef PT_KERNEL
    };
}

}  // namespace pt::pooling::PT_ISA
