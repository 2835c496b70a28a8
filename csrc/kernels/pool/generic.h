// Pooling over Vec: maximum and average; the gradients are in gradients.h.
#pragma once

#include "kernels/pool/channels_last.h"

namespace pt::pooling::PT_ISA {

// --- maximum ---

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

// One plane. Taps is the number of taps along a row, 0 for any. Only with Careful do NaN win; without, gives
// a sum that is NaN if one of the inputs is (and rarely otherwise), for the caller to do the plane again.
template <class T, int S, Track track, int Taps, bool Careful>
static T max_plane(Rows<const T> rows, const Window& w, const Marks<T>& marks, T* values, uint8_t* offsets,
                   int64_t* indices) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    const auto row_mark = [&](int64_t d, int64_t h, int64_t tap) __attribute__((always_inline)) {
        return static_cast<IntOf<T>>(track == Track::indices ? (d * w.in[1] + h) * w.in[2] : tap);
    };
    Vec<T> total{};
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
                    each_tap<T, S, Taps>(src, w, [&](Vec<T> v, int64_t kw) __attribute__((always_inline)) {
                        if constexpr (!Careful) total += v;
                        if constexpr (track == Track::none && !Careful) {
                            best = max_hw<T>(v, best);
                            return;
                        }
                        const Mask<T> better = Careful ? (v > best) | (v != v) : v > best;
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
    return sum_lanes<T>(total);
}

template <class T, int S, Track track, int Taps>
static void max_planes(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                       const Window& w) {
    InputPlanes<T> input(x, planes, w, -static_cast<T>(__builtin_inf()));
    pool::Scratch scratch(static_cast<size_t>(2 * round_up<T>(w.out[2])) * sizeof(T));
    const Marks<T> marks = make_marks<T, track>(w, scratch.template as<IntOf<T>>());
    for (int64_t p = 0; p < planes; ++p) {
        const Rows<const T> rows = input.plane(p);
        const T total = max_plane<T, S, track, Taps, false>(rows, w, marks, values, offsets, indices);
        if (total != total) max_plane<T, S, track, 0, true>(rows, w, marks, values, offsets, indices);
        values += w.out_size();
        if constexpr (track == Track::offsets) offsets += w.out_size();
        if constexpr (track == Track::indices) indices += w.out_size();
    }
}

template <class T, int S, Track track>
static void max_taps(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                     const Window& w) {
    const bool usual = w.dilation[2] == 1 && S != 0;
    const auto run = usual && w.kernel[2] == 2   ? max_planes<T, S, track, 2>
                     : usual && w.kernel[2] == 3 ? max_planes<T, S, track, 3>
                                                 : max_planes<T, S, track, 0>;
    run(x, values, offsets, indices, planes, w);
}

template <class T, int S>
static void max_tracked(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes,
                        const Window& w) {
    if (offsets != nullptr)
        max_taps<T, S, Track::offsets>(x, values, offsets, indices, planes, w);
    else if (indices != nullptr)
        max_taps<T, S, Track::indices>(x, values, offsets, indices, planes, w);
    else
        max_taps<T, S, Track::none>(x, values, offsets, indices, planes, w);
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
