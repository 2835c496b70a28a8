// Pooling over Vec: maximum and average; the gradients are in gradients.h and avg_gradients.h.
#pragma once

#include "kernels/pool/avg_gradients.h"
#include "kernels/pool/channels_last.h"

namespace pt::pooling::PT_ISA {

// --- maximum ---
// Every row of inputs is pooled along itself once, whatever number of windows it belongs to; windows then
// take the maximum down the pooled rows. Both in the order of the taps: the first of equal values wins.

// Marks are what is remembered of the winner. A tap's mark is that of its row + lane[ow] + kw * step: as an
// offset the tap's number (lane 0, step 1), as an index its position in the plane. first[ow] is the mark of
// the first tap inside the row. Row (a, b) of a window has the mark a * block + b * row + its start's.
template <class T>
struct Marks {
    IntOf<T>*lane, *first;
    int64_t step, row, block;
    bool positions;  // else offsets

    Marks(const Window& w, bool indices, IntOf<T>* memory)
        : lane(memory),
          first(memory + round_up<T>(w.out[2])),
          step(indices ? w.dilation[2] : 1),
          row(indices ? w.dilation[1] * w.in[2] : w.kernel[2]),
          block(indices ? w.dilation[0] * w.in[1] * w.in[2] : w.kernel[1] * w.kernel[2]),
          positions(indices) {
        for (int64_t ow = 0; ow < round_up<T>(w.out[2]); ++ow) {
            const int64_t start = indices ? ow * w.stride[2] - w.padding[2] : 0;
            lane[ow] = static_cast<IntOf<T>>(start);
            first[ow] = static_cast<IntOf<T>>(start + valid_taps(w, 2, ow).begin * step);
        }
    }
};

// Pools rows of inputs, from column -padding on, to n outputs each, `pitch` apart. Taps is the number of
// taps, 0 for any. Only with Careful do NaN win; without, gives sums that are NaN if one of the inputs is
// (and rarely otherwise).
template <class T>
using AlongRows = Vec<T> (*)(Rows<const T> src, int64_t count, const Window&, const Marks<T>&, int64_t n,
                             T* best, IntOf<T>* mark, int64_t pitch);

template <class T, int S, int Taps, bool Tracked, bool Careful>
static Vec<T> max_along(Rows<const T> src, int64_t count, const Window& w, const Marks<T>& marks, int64_t n,
                        T* best_out, IntOf<T>* mark_out, int64_t pitch) {
    const int64_t step = S == 0 ? w.stride[2] : S;
    Vec<T> total{};
    for (int64_t r = 0; r < count; ++r, src.first += src.pitch, best_out += pitch, mark_out += pitch)
        for (int64_t ow = 0; ow < n; ow += lanes<T>) {
            Vec<T> best = broadcast(-static_cast<T>(__builtin_inf()));
            Mask<T> mark{}, lane{};
            if constexpr (Tracked) {
                mark = load(marks.first + ow);
                lane = load(marks.lane + ow);
            }
            each_tap<T, S, Taps>(
                src.first + ow * step, w, [&](Vec<T> v, int64_t kw) __attribute__((always_inline)) {
                    total += v;
                    take_max<T, Tracked, Careful>(v, lane + broadcast(static_cast<IntOf<T>>(kw * marks.step)),
                                                  best, mark);
                });
            store_upto(best_out + ow, best, static_cast<int>(at_most(n - ow, lanes<T>)));
            if constexpr (Tracked) store(mark_out + ow, mark);
        }
    return total;
}

// The same for wide windows, of at least two vectors and without dilation: a lane per tap, one output at a
// time.
template <class T, bool Tracked>
static Vec<T> max_along_wide(Rows<const T> src, int64_t count, const Window& w, const Marks<T>& marks,
                             int64_t, T* best_out, IntOf<T>* mark_out, int64_t pitch) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    Vec<T> total{};
    for (int64_t r = 0; r < count; ++r, src.first += src.pitch, best_out += pitch, mark_out += pitch)
        for (int64_t ow = 0; ow < w.out[2]; ++ow) {
            const T* taps = src.first + ow * w.stride[2];
            Vec<T> best = broadcast(lowest);
            each_vector<T>(w.kernel[2], [&](int64_t i, int used) __attribute__((always_inline)) {
                const Vec<T> v = load_upto(taps + i, used, lowest);
                total += v;
                best = max_hw<T>(v, best);
            });
            best_out[ow] = max_lanes<T>(best);
            if constexpr (Tracked) {
                mark_out[ow] = marks.first[ow];
                if (best_out[ow] == lowest) continue;
                int64_t i = 0;
                int lane = lanes<T>;
                for (; i < w.kernel[2] && lane == lanes<T>; i += lanes<T>) {
                    const int used = static_cast<int>(at_most(w.kernel[2] - i, lanes<T>));
                    lane = first_lane<T>(load_upto(taps + i, used, lowest) == broadcast(best_out[ow]));
                }
                const auto won =
                    static_cast<IntOf<T>>(i - lanes<T> + lane);  // beyond the window only with NaN
                mark_out[ow] = marks.lane[ow] + won * static_cast<IntOf<T>>(marks.step);
            }
        }
    return total;
}

// Pooled rows (a, b) of `count` windows below each other: best[a * block + b * row + ow], the next window's
// `step` further and its marks greater by `mark_step`.
template <class T>
struct PooledRows {
    const T* best;
    const IntOf<T>* mark;
    int64_t blocks, rows, block, row;
    int64_t first_mark;
    int64_t count, step, mark_step;
};
// The maxima down the pooled rows. Rows is their number where there is one block, 0 for any.
template <class T, int RowCount, bool Tracked, bool Careful>
static void max_down(PooledRows<T> in, const Window& w, const Marks<T>& marks, MaxOutputs<T> out) {
    const int64_t rows = RowCount == 0 ? in.rows : RowCount, blocks = RowCount == 0 ? in.blocks : 1;
    for (; in.count > 0; --in.count) {
        for (int64_t ow = 0; ow < w.out[2]; ow += lanes<T>) {
            Vec<T> best = broadcast(-static_cast<T>(__builtin_inf()));
            Mask<T> mark{};
            if constexpr (Tracked)
                mark = load(marks.first + ow) + broadcast(static_cast<IntOf<T>>(in.first_mark));
            for (int64_t a = 0; a < blocks; ++a)
#pragma GCC unroll 3
                for (int64_t b = 0; b < rows; ++b) {
                    const int64_t at = a * in.block + b * in.row + ow;
                    Mask<T> here{};
                    if constexpr (Tracked)
                        here =
                            load(in.mark + at) +
                            broadcast(static_cast<IntOf<T>>(in.first_mark + a * marks.block + b * marks.row));
                    take_max<T, Tracked, Careful>(load(in.best + at), here, best, mark);
                }
            const int64_t n = at_most(w.out[2] - ow, lanes<T>);
            store_upto(out.values + ow, best, static_cast<int>(n));
            if (Tracked && out.offsets != nullptr) store_marks<T>(out.offsets + ow, mark, n);
            if (Tracked && out.indices != nullptr) store_marks<T>(out.indices + ow, mark, n);
        }
        in.best += in.step;
        in.mark += in.step;
        in.first_mark += in.mark_step;
        out.values += w.out[2];
        if (Tracked && out.offsets != nullptr) out.offsets += w.out[2];
        if (Tracked && out.indices != nullptr) out.indices += w.out[2];
    }
}

// A plane of windows two wide, two apart, that share no rows and lie inside: nothing to be gained from
// pooling the rows first.
template <class T, bool Tracked>
static Vec<T> max_apart(const T* x, const Window& w, const Marks<T>& marks, MaxOutputs<T> out) {
    Vec<T> total{};
    for (int64_t r = 0; r < w.out[0] * w.out[1]; ++r) {
        const int64_t top = (r / w.out[1] * w.stride[0] * w.in[1] + r % w.out[1] * w.stride[1]) * w.in[2];
        const int64_t first = marks.positions ? top : 0;
        for (int64_t ow = 0; ow < w.out[2]; ow += lanes<T>) {
            Vec<T> best = broadcast(-static_cast<T>(__builtin_inf()));
            Mask<T> mark{}, lane{};
            if constexpr (Tracked) {
                lane = load(marks.lane + ow) + broadcast(static_cast<IntOf<T>>(first));
                mark = lane;
            }
            for (int64_t a = 0; a < w.kernel[0]; ++a)
                for (int64_t b = 0; b < w.kernel[1]; ++b) {
                    const T* src = x + top + (a * w.in[1] + b) * w.in[2] + 2 * ow;
                    const Mask<T> here =
                        lane + broadcast(static_cast<IntOf<T>>(a * marks.block + b * marks.row));
                    each_tap<T, 2, 2>(src, w, [&](Vec<T> v, int64_t kw) __attribute__((always_inline)) {
                        total += v;
                        take_max<T, Tracked, false>(v, here + broadcast(static_cast<IntOf<T>>(kw)), best,
                                                    mark);
                    });
                }
            const int64_t n = at_most(w.out[2] - ow, lanes<T>);
            store_upto(out.values + ow, best, static_cast<int>(n));
            if (Tracked && out.offsets != nullptr) store_marks<T>(out.offsets + ow, mark, n);
            if (Tracked && out.indices != nullptr) store_marks<T>(out.indices + ow, mark, n);
        }
        out.values += w.out[2];
        if (Tracked && out.offsets != nullptr) out.offsets += w.out[2];
        if (Tracked && out.indices != nullptr) out.indices += w.out[2];
    }
    return total;
}

static inline bool are_apart(const Window& w) {
    for (int axis = 0; axis < 3; ++axis)
        if (w.padding[axis] != 0 || w.dilation[axis] != 1 || w.stride[axis] < w.kernel[axis] ||
            (w.out[axis] - 1) * w.stride[axis] + w.kernel[axis] > w.in[axis])
            return false;
    return w.kernel[2] == 2 && w.stride[2] == 2;
}

// The kernels for a window and what is asked for.
template <class T>
struct MaxKernels {
    AlongRows<T> along;
    void (*whole)(PooledRows<T>, const Window&, const Marks<T>&, MaxOutputs<T>);
    void (*part)(PooledRows<T>, const Window&, const Marks<T>&, MaxOutputs<T>);

    template <bool Tracked>
    static MaxKernels of(const Window& w) {
        const int64_t rows = w.kernel[0] == 1 ? w.kernel[1] : 0;
        return {w.stride[2] == 1                                    ? along_with<1, Tracked>(w)
                : w.stride[2] == 2                                  ? along_with<2, Tracked>(w)
                : w.dilation[2] == 1 && w.kernel[2] >= 2 * lanes<T> ? max_along_wide<T, Tracked>
                                                                    : max_along<T, 0, 0, Tracked, false>,
                rows == 2   ? max_down<T, 2, Tracked, false>
                : rows == 3 ? max_down<T, 3, Tracked, false>
                            : max_down<T, 0, Tracked, false>,
                max_down<T, 0, Tracked, false>};
    }
    static MaxKernels careful(const Window& w) {
        return {w.stride[2] == 1   ? max_along<T, 1, 0, true, true>
                : w.stride[2] == 2 ? max_along<T, 2, 0, true, true>
                                   : max_along<T, 0, 0, true, true>,
                max_down<T, 0, true, true>, max_down<T, 0, true, true>};
    }

  private:
    template <int S, bool Tracked>
    static AlongRows<T> along_with(const Window& w) {
        if (w.dilation[2] == 1 && w.kernel[2] == 2) return max_along<T, S, 2, Tracked, false>;
        if (w.dilation[2] == 1 && w.kernel[2] == 3) return max_along<T, S, 3, Tracked, false>;
        return max_along<T, S, 0, Tracked, false>;
    }
};

// One plane at a time, in groups of rows of outputs whose pooled rows stay in the first-level cache.
template <class T>
class MaxPlane {
  public:
    MaxPlane(const T* end, const Window& w, bool indices)
        : w_(w),
          pitch_(round_up<T>(w.out[2])),
          reach_((w.kernel[1] - 1) * w.dilation[1] + 1),
          group_(group_of(w, pitch_, reach_)),
          held_(at_most((group_ - 1) * w.stride[1] + reach_, w.in[1])),
          input_(end, held_, w, -static_cast<T>(__builtin_inf())),
          scratch_(static_cast<size_t>((2 * w.kernel[0] * held_ + 2) * pitch_) * sizeof(T)),
          best_(scratch_.template as<T>()),
          mark_(reinterpret_cast<IntOf<T>*>(best_ + w.kernel[0] * held_ * pitch_)),
          marks_(w, indices, mark_ + w.kernel[0] * held_ * pitch_) {}

    // Gives a number that is NaN if an input is.
    T pool(const T* x, const MaxKernels<T>& kernels, const MaxOutputs<T>& out) {
        Vec<T> total{};
        for (int64_t od = 0; od < w_.out[0]; ++od)
            for (int64_t oh = 0; oh < w_.out[1]; oh += group_) {
                const int64_t last = at_most(oh + group_, w_.out[1]) - 1;
                const WindowRows top(w_, od, oh);
                const Span rows = rows_of(oh, last);
                const int64_t begin = rows.begin, end = rows.end;
                for (int64_t a = top.kd.begin; a < top.kd.end; ++a) {
                    const T* first = x + ((top.d + a * w_.dilation[0]) * w_.in[1] + begin) * w_.in[2];
                    const int64_t to = (a - top.kd.begin) * held_ * pitch_;
                    total += kernels.along(input_.rows(first, end - begin), end - begin, w_, marks_, pitch_,
                                           best_ + to, mark_ + to, pitch_);
                }
                for (int64_t o = oh; o <= last;) {
                    int64_t count = 1;
                    while (o + count <= last && is_whole(od, o) && is_whole(od, o + count)) ++count;
                    down(WindowRows(w_, od, o), count, begin, kernels, out, od, o);
                    o += count;
                }
            }
        return sum_lanes<T>(total);
    }

    bool in_place(const T* x) const { return input_.in_place(x, w_.in[0] * w_.in[1]); }
    const Marks<T>& marks() const { return marks_; }

    // The same for windows of one row, whose values need no second step.
    T pool_rows(const T* x, const MaxKernels<T>& kernels, T* values) {
        Vec<T> total{};
        for (int64_t od = 0; od < w_.out[0]; ++od)
            for (int64_t oh = 0; oh < w_.out[1]; ++oh, values += w_.out[2]) {
                const T* row = x + (od * w_.stride[0] * w_.in[1] + oh * w_.stride[1]) * w_.in[2];
                total += kernels.along(input_.rows(row, 1), 1, w_, marks_, w_.out[2], values, mark_, 0);
            }
        return sum_lanes<T>(total);
    }

  private:
    static int64_t group_of(const Window& w, int64_t pitch, int64_t reach) {
        constexpr int64_t kBytes = 16384;
        const int64_t fit = kBytes / (2 * w.kernel[0] * pitch * static_cast<int64_t>(sizeof(T)));
        return fit > reach ? (fit - reach) / w.stride[1] + 1 : 1;
    }

    // The input rows that windows oh ... last touch: dilated taps of a window that lies partly in the padding
    // may begin further down than those of the next.
    Span rows_of(int64_t oh, int64_t last) const {
        Span rows{w_.in[1], 0};
        for (; oh <= last; ++oh) {
            const WindowRows window(w_, 0, oh);
            if (window.kh.size() <= 0) continue;
            const int64_t begin = window.h + window.kh.begin * w_.dilation[1];
            const int64_t end = window.h + (window.kh.end - 1) * w_.dilation[1] + 1;
            if (begin < rows.begin) rows.begin = begin;
            if (end > rows.end) rows.end = end;
        }
        return rows.end > 0 ? rows : Span{0, 0};
    }

    bool is_whole(int64_t od, int64_t oh) const {
        return valid_taps(w_, 0, od).size() == w_.kernel[0] && valid_taps(w_, 1, oh).size() == w_.kernel[1];
    }

    void down(const WindowRows& window, int64_t count, int64_t begin, const MaxKernels<T>& kernels,
              const MaxOutputs<T>& out, int64_t od, int64_t oh) const {
        const int64_t kd = window.kd.begin, kh = window.kh.begin, o = (od * w_.out[1] + oh) * w_.out[2];
        const int64_t from = (window.h + kh * w_.dilation[1] - begin) * pitch_;
        const int64_t position =
            ((window.d + kd * w_.dilation[0]) * w_.in[1] + window.h + kh * w_.dilation[1]) * w_.in[2];
        const PooledRows<T> rows{best_ + from,
                                 mark_ + from,
                                 window.kd.size(),
                                 window.kh.size(),
                                 held_ * pitch_,
                                 w_.dilation[1] * pitch_,
                                 marks_.positions ? position : (kd * w_.kernel[1] + kh) * w_.kernel[2],
                                 count,
                                 w_.stride[1] * pitch_,
                                 marks_.positions ? w_.stride[1] * w_.in[2] : 0};
        const bool whole = rows.rows == w_.kernel[1] && rows.blocks == w_.kernel[0];
        (whole ? kernels.whole : kernels.part)(rows, w_, marks_, out.from(o));
    }

    const Window& w_;
    int64_t pitch_, reach_, group_, held_;
    InputRows<T> input_;
    pool::Scratch scratch_;
    T* best_;
    IntOf<T>* mark_;
    Marks<T> marks_;
};

template <class T>
static void max_forward(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                        const Window& w) {
    // Positions are counted in integers of T's size.
    if (sizeof(T) == 4 && w.in_size() >= (int64_t{1} << 30)) {
        if constexpr (sizeof(T) == 4)
            return plain::kernels.f32.max_forward(x, values, offsets, indices, planes, w);
    }
    const bool tracked = offsets != nullptr || indices != nullptr;
    const bool single = !tracked && w.kernel[0] * w.kernel[1] == 1 && w.padding[0] + w.padding[1] == 0;
    const auto kernels = tracked ? MaxKernels<T>::template of<true>(w) : MaxKernels<T>::template of<false>(w);
    const bool apart = are_apart(w);
    MaxPlane<T> plane(x + planes * w.in_size(), w, indices != nullptr);
    for (int64_t p = 0; p < planes; ++p, x += w.in_size(), values += w.out_size()) {
        const MaxOutputs<T> out{values, offsets, indices};
        T total;
        if (single)
            total = plane.pool_rows(x, kernels, values);
        else if (apart && plane.in_place(x))
            total =
                sum_lanes<T>((tracked ? max_apart<T, true> : max_apart<T, false>)(x, w, plane.marks(), out));
        else
            total = plane.pool(x, kernels, out);
        if (total != total) plane.pool(x, MaxKernels<T>::careful(w), out);
        if (offsets != nullptr) offsets += w.out_size();
        if (indices != nullptr) indices += w.out_size();
    }
}

// --- average ---

// Rows of outputs that are summed up before the first of them is taken apart: what has just been stored is
// slow to read at another alignment.
constexpr int64_t kSumRows = 8;

// Sums go down the rows of each window first, into padded rows, then along those.
template <class T, int S, int Taps>
static void avg_planes(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    const Divisors<T> divisors(w, divisor);
    const int64_t pitch = round_up<T>(padded_row<T>(w)), rows = w.out[0] * w.out[1];
    pool::Scratch scratch(static_cast<size_t>(kSumRows * pitch) * sizeof(T));
    T* sums = scratch.template as<T>();
    fill(sums, kSumRows * pitch, T(0));
    for (int64_t p = 0; p < planes; ++p, x += w.in_size())
        for (int64_t first = 0; first < rows; first += kSumRows) {
            const int64_t last = at_most(first + kSumRows, rows);
            for (int64_t r = first; r < last; ++r) {
                const WindowRows window(w, r / w.out[1], r % w.out[1]);
                const int64_t d = window.d + window.kd.begin, h = window.h + window.kh.begin;
                sum_rows_of(x + (d * w.in[1] + h) * w.in[2], window.kh.size(), w.in[2], window.kd.size(),
                            w.in[1] * w.in[2], w.in[2], sums + (r - first) * pitch + w.padding[2]);
            }
            for (int64_t r = first; r < last; ++r, out += w.out[2]) {
                const T count = divisors.row(r / w.out[1], r % w.out[1]);
                const T* row = sums + (r - first) * pitch;
                for (int64_t ow = 0; ow < w.out[2]; ow += lanes<T>) {
                    Vec<T> sum{};
                    each_tap<T, S, Taps>(row + ow * w.stride[2], w,
                                         [&](Vec<T> v, int64_t) __attribute__((always_inline)) { sum += v; });
                    const Vec<T> mean = sum / divisors.at(count, ow);
                    const int64_t n = at_most(w.out[2] - ow, lanes<T>);
                    if (n == lanes<T>)
                        store(out + ow, mean);
                    else
                        store_n(out + ow, mean, static_cast<int>(n));
                }
            }
        }
}

template <class T, int S>
static void avg_taps(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    const auto run = w.kernel[2] == 2   ? avg_planes<T, S, 2>
                     : w.kernel[2] == 3 ? avg_planes<T, S, 3>
                                        : avg_planes<T, S, 0>;
    run(x, out, planes, w, divisor);
}

template <class T>
static void avg_forward(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    if (w.stride[2] == 1) return avg_taps<T, 1>(x, out, planes, w, divisor);
    if (w.stride[2] == 2) return avg_taps<T, 2>(x, out, planes, w, divisor);
    avg_planes<T, 0, 0>(x, out, planes, w, divisor);
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
