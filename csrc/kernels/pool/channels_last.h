// Pooling of arrays whose channels lie beside each other, (images, depth, height, width, channels):
// one lane per channel, so that every window has the same steps for all lanes wherever it lies and however
// large it is. Adaptive windows are pooled so too, with as many planes as there are lanes transposed first.
#pragma once

#include "kernels/pool/gradients.h"
#include "simd/transpose.h"

namespace pt::pooling::PT_ISA {

// Where a row of outputs goes; offsets and indices may be null.
template <class T>
struct MaxOutputs {
    T* values;
    uint8_t* offsets;
    int64_t* indices;

    MaxOutputs from(int64_t o) const {
        return {values + o, offsets == nullptr ? nullptr : offsets + o,
                indices == nullptr ? nullptr : indices + o};
    }
};

// Stores up to a vector of marks as bytes or as 64-bit numbers.
template <class T, class To>
PT_INLINE void store_marks(To* to, Mask<T> marks, int64_t n) {
#if defined(__AVX512VL__)
    if constexpr (sizeof(To) == 1) {
        const __m128i narrow = sizeof(T) == 4 ? _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)marks)
                                              : _mm512_maskz_cvtepi64_epi8(0xff, (__m512i)marks);
        return _mm_mask_storeu_epi8(to, static_cast<__mmask16>((1u << n) - 1u), narrow);
    }
#endif
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

// Takes v and its mark where it is greater; only with Careful do NaN win, over all.
template <class T, bool Tracked, bool Careful>
PT_INLINE void take_max(Vec<T> v, Mask<T> here, Vec<T>& best, Mask<T>& mark) {
    if constexpr (!Tracked && !Careful) {
        best = max_hw<T>(v, best);
    } else {
        const Mask<T> better = Careful ? (v > best) | (v != v) : v > best;
        best = better ? v : best;
        if constexpr (Tracked) mark = better ? here : mark;
    }
}

// The inputs of an output along each axis: at[i] + k * dilation[i] for the taps k.
struct Box {
    int64_t at[3];
    Span taps[3];
};

// The marks of a window's taps: first + a * step[0] + b * step[1] + c * step[2]. Offsets number the taps of a
// window, positions the inputs of a plane.
struct Marking {
    int64_t first, step[3];

    static Marking offsets(const Window& w) { return {0, {w.kernel[1] * w.kernel[2], w.kernel[2], 1}}; }
    static Marking positions(const Window& w, const Box& box) {
        return {(box.at[0] * w.in[1] + box.at[1]) * w.in[2] + box.at[2],
                {w.dilation[0] * w.in[1] * w.in[2], w.dilation[1] * w.in[2], w.dilation[2]}};
    }
    __attribute__((always_inline)) int64_t of(int64_t a, int64_t b, int64_t c) const {
        return first + a * step[0] + b * step[1] + c * step[2];
    }
};

// done(i, maximum, its mark) for V vectors of channels of `box`, of one image. With V = 0 they are n
// channels, less than a vector. Adds all inputs to `total`: it is NaN if one of them is.
template <class T, bool Tracked, bool Careful, int V, class Done>
PT_INLINE void max_channels(const T* x, int64_t pitch, const Window& w, const Box& box,
                            const Marking& marking, int64_t n, Vec<T>& total, const Done& done) {
    constexpr int count = V == 0 ? 1 : V;
    Vec<T> best[count], sum[count] = {};
    Mask<T> won[count];
    const auto first = static_cast<IntOf<T>>(
        Tracked ? marking.of(box.taps[0].begin, box.taps[1].begin, box.taps[2].begin) : 0);
    for (int i = 0; i < count; ++i) {
        best[i] = broadcast(-static_cast<T>(__builtin_inf()));
        won[i] = broadcast(first);
    }
    for (int64_t a = box.taps[0].begin; a < box.taps[0].end; ++a)
        for (int64_t b = box.taps[1].begin; b < box.taps[1].end; ++b) {
            const int64_t row = (box.at[0] + a * w.dilation[0]) * w.in[1] + box.at[1] + b * w.dilation[1];
            for (int64_t c = box.taps[2].begin; c < box.taps[2].end; ++c) {
                const T* src = x + (row * w.in[2] + box.at[2] + c * w.dilation[2]) * pitch;
                Mask<T> here{};
                if constexpr (Tracked) here = broadcast(static_cast<IntOf<T>>(marking.of(a, b, c)));
#pragma GCC unroll 4
                for (int i = 0; i < count; ++i) {
                    const Vec<T> v = V == 0 ? load_n(src, static_cast<int>(n)) : load(src + i * lanes<T>);
                    if constexpr (!Careful) sum[i] += v;
                    take_max<T, Tracked, Careful>(v, here, best[i], won[i]);
                }
            }
        }
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) {
        done(i, best[i], won[i]);
        total += sum[i];
    }
}

// One row of outputs, to `to`. Without Careful gives sums that are NaN if an input is: then it is to be done
// again with Careful, in which a NaN wins. Testing every value for that is twice the work.
template <class T, bool Tracked, bool Careful>
static Vec<T> max_row_last(const T* image, const Window& w, int64_t channels, int64_t od, int64_t oh,
                           const MaxOutputs<T>& to) {
    constexpr int L = lanes<T>;
    Vec<T> total{};
    Box box{{od * w.stride[0] - w.padding[0], oh * w.stride[1] - w.padding[1], 0},
            {valid_taps(w, 0, od), valid_taps(w, 1, oh), {0, 0}}};
    for (int64_t ow = 0; ow < w.out[2]; ++ow) {
        box.at[2] = ow * w.stride[2] - w.padding[2];
        box.taps[2] = valid_taps(w, 2, ow);
        const Marking marking = to.indices != nullptr ? Marking::positions(w, box) : Marking::offsets(w);
        int64_t c = 0;
        const auto done = [&](int64_t i, Vec<T> best, Mask<T> won) __attribute__((always_inline)) {
            const int64_t o = ow * channels + c + i * L;
            const int n = static_cast<int>(at_most(channels - c - i * L, L));
            store_upto(to.values + o, best, n);
            if (Tracked && to.offsets != nullptr) store_marks<T>(to.offsets + o, won, n);
            if (Tracked && to.indices != nullptr) store_marks<T>(to.indices + o, won, n);
        };
        if constexpr (!Careful)
            for (; c + 4 * L <= channels; c += 4 * L)
                max_channels<T, Tracked, Careful, 4>(image + c, channels, w, box, marking, 0, total, done);
        for (; c + L <= channels; c += L)
            max_channels<T, Tracked, Careful, 1>(image + c, channels, w, box, marking, 0, total, done);
        if (c < channels)
            max_channels<T, Tracked, Careful, 0>(image + c, channels, w, box, marking, channels - c, total,
                                                 done);
    }
    return total;
}

template <class T>
static void max_forward_last(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t first,
                             int64_t rows, int64_t channels, const Window& w) {
    if (sizeof(T) == 4 &&
        w.in_size() >= (int64_t{1} << 30)) {  // positions are counted in integers of T's size
        if constexpr (sizeof(T) == 4)
            return plain::kernels.f32.max_forward_last(x, values, offsets, indices, first, rows, channels, w);
    }
    const bool tracked = offsets != nullptr || indices != nullptr;
    const int64_t out_rows = w.out[0] * w.out[1];
    for (int64_t r = first; r < first + rows; ++r) {
        const T* image = x + r / out_rows * w.in_size() * channels;
        const int64_t od = r % out_rows / w.out[1], oh = r % w.out[1];
        const auto to = MaxOutputs<T>{values, offsets, indices}.from(r * w.out[2] * channels);
        const T total =
            sum_lanes<T>((tracked ? max_row_last<T, true, false>
                                  : max_row_last<T, false, false>)(image, w, channels, od, oh, to));
        if (total != total) max_row_last<T, true, true>(image, w, channels, od, oh, to);
    }
}

// The sums of `box` in V vectors of channels of one image, or n channels with V = 0, over `count`.
template <class T, int V>
PT_INLINE void mean_channels(const T* x, int64_t pitch, const Window& w, const Box& box, int64_t n,
                             Vec<T> count, T* out) {
    constexpr int vectors = V == 0 ? 1 : V;
    Vec<T> sum[vectors] = {};
    for (int64_t a = box.taps[0].begin; a < box.taps[0].end; ++a)
        for (int64_t b = box.taps[1].begin; b < box.taps[1].end; ++b) {
            const int64_t row = ((box.at[0] + a) * w.in[1] + box.at[1] + b) * w.in[2] + box.at[2];
            for (int64_t c = box.taps[2].begin; c < box.taps[2].end; ++c)
#pragma GCC unroll 4
                for (int i = 0; i < vectors; ++i) {
                    const T* src = x + (row + c) * pitch + i * lanes<T>;
                    sum[i] += V == 0 ? load_n(src, static_cast<int>(n)) : load(src);
                }
        }
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i)
        store_upto(out + i * lanes<T>, sum[i] / count, V == 0 ? static_cast<int>(n) : lanes<T>);
}

// Averages; without a divisor of adaptive windows.
template <class T>
static void avg_forward_last(const T* x, T* out, int64_t first, int64_t rows, int64_t channels,
                             const Window& w, const Divisor* divisor) {
    constexpr int L = lanes<T>;
    const int64_t out_rows = w.out[0] * w.out[1];
    for (int64_t r = first; r < first + rows; ++r) {
        const T* image = x + r / out_rows * w.in_size() * channels;
        const int64_t at[2] = {r % out_rows / w.out[1], r % w.out[1]};
        Box box;
        int64_t counts[3];
        const auto place = [&](int axis, int64_t o) {
            const Span s = divisor == nullptr ? adaptive_span(w, axis, o) : valid_taps(w, axis, o);
            box.at[axis] = divisor == nullptr ? s.begin : o * w.stride[axis] - w.padding[axis];
            box.taps[axis] = divisor == nullptr ? Span{0, s.size()} : s;
            counts[axis] = divisor == nullptr ? s.size() : axis_count(w, *divisor, axis, o);
        };
        place(0, at[0]);
        place(1, at[1]);
        for (int64_t ow = 0; ow < w.out[2]; ++ow) {
            place(2, ow);
            const int64_t all = counts[0] * counts[1] * counts[2];
            const bool fixed = divisor != nullptr && divisor->fixed != 0;
            const Vec<T> count = broadcast(static_cast<T>(fixed ? divisor->fixed : all));
            T* to = out + (r * w.out[2] + ow) * channels;
            int64_t c = 0;
            for (; c + 4 * L <= channels; c += 4 * L)
                mean_channels<T, 4>(image + c, channels, w, box, 0, count, to + c);
            for (; c + L <= channels; c += L)
                mean_channels<T, 1>(image + c, channels, w, box, 0, count, to + c);
            if (c < channels) mean_channels<T, 0>(image + c, channels, w, box, channels - c, count, to + c);
        }
    }
}

// The gradient of n channels of one input, less than a vector of them if Part. The outputs that cover it are
// the products of `rows` and `columns`.
template <class T, bool Part>
PT_INLINE void gather_channels(const T* grad, const uint8_t* offsets, int64_t pitch, int64_t width,
                               const Cover* rows, int row_count, const Cover* columns, int column_count,
                               int64_t n, T* grad_x) {
    Vec<T> sum{};
    for (int i = 0; i < row_count; ++i)
        for (int j = 0; j < column_count; ++j) {
            const int64_t from = (rows[i].row * width + columns[j].row) * pitch;
            IntOf<T> taps[lanes<T>] = {};
            if (Part)
                for (int64_t c = 0; c < n; ++c) taps[c] = offsets[from + c];
            else
                for (int c = 0; c < lanes<T>; ++c) taps[c] = offsets[from + c];
            const Mask<T> won =
                load(taps) == broadcast(static_cast<IntOf<T>>(rows[i].first + columns[j].first));
            const Vec<T> g = Part ? load_n(grad + from, static_cast<int>(n)) : load(grad + from);
            sum += (Vec<T>)(won & (Mask<T>)g);
        }
    if (Part)
        store_n(grad_x, sum, static_cast<int>(n));
    else
        store(grad_x, sum);
}

template <class T>
static void max_backward_last(const T* grad, const uint8_t* offsets, T* grad_x, int64_t first, int64_t rows,
                              int64_t channels, const Window& w) {
    const Window along{{1, w.in[2], 1},     {1, w.out[2], 1},     {1, w.kernel[2], 1},
                       {1, w.stride[2], 1}, {0, w.padding[2], 0}, {1, w.dilation[2], 1}};
    const Covers row_covers(w), column_covers(along);
    const int64_t in_rows = w.in[0] * w.in[1];
    for (int64_t r = first; r < first + rows; ++r) {
        const int64_t image = r / in_rows * w.out_size() * channels;
        const Cover* over = row_covers.of(r % in_rows);
        const int count = row_covers.count(r % in_rows);
        for (int64_t i = 0; i < w.in[2]; ++i) {
            T* to = grad_x + (r * w.in[2] + i) * channels;
            int64_t c = 0;
            for (; c + lanes<T> <= channels; c += lanes<T>)
                gather_channels<T, false>(grad + image + c, offsets + image + c, channels, w.out[2], over,
                                          count, column_covers.of(i), column_covers.count(i), 0, to + c);
            if (c < channels)
                gather_channels<T, true>(grad + image + c, offsets + image + c, channels, w.out[2], over,
                                         count, column_covers.of(i), column_covers.count(i), channels - c,
                                         to + c);
        }
    }
}

template <class T>
static void adaptive_max_forward(const T* x, T* values, int64_t* indices, int64_t planes, const Window& w) {
    if (planes < lanes<T> / 2 || w.in_size() >= (int64_t{1} << 30)) {
        if constexpr (sizeof(T) == 4)
            return plain::kernels.f32.adaptive_max_forward(x, values, indices, planes, w);
        else
            return plain::kernels.f64.adaptive_max_forward(x, values, indices, planes, w);
    }
    constexpr int L = lanes<T>;
    const int64_t in = w.in_size(), out = w.out_size();
    const AdaptiveSpans spans(w);
    Window taps = w;
    for (int axis = 0; axis < 3; ++axis) taps.dilation[axis] = 1;
    pool::Scratch scratch(static_cast<size_t>((in + 3 * out) * L) * sizeof(T));
    T *inputs = scratch.template as<T>(), *best = inputs + in * L, *won = best + out * L,
      *rows = won + out * L;
    Vec<T> total{};
    for (int64_t p = 0; p < planes; p += L) {
        const int64_t n = at_most(planes - p, L);
        transpose_all(x + p * in, n, in, in, inputs, L, true);
        for (int64_t o = 0; o < out; ++o) {
            const Span s[3] = {spans.of(0, o / (w.out[1] * w.out[2])), spans.of(1, o / w.out[2] % w.out[1]),
                               spans.of(2, o % w.out[2])};
            const Box box{{s[0].begin, s[1].begin, s[2].begin},
                          {{0, s[0].size()}, {0, s[1].size()}, {0, s[2].size()}}};
            max_channels<T, true, true, 1>(inputs, L, taps, box, Marking::positions(taps, box), 0, total,
                                           [&](int, Vec<T> value, Mask<T> mark)
                                               __attribute__((always_inline)) {
                                                   store(best + o * L, value);
                                                   store(reinterpret_cast<IntOf<T>*>(won) + o * L, mark);
                                               });
        }
        transpose_all(best, out, n, L, values + p * out, out, false);
        transpose_all(won, out, n, L, rows, out, false);
        for (int64_t i = 0; i < n * out; i += L)
            store_marks<T>(indices + p * out + i, (Mask<T>)load(rows + i), at_most(n * out - i, L));
    }
}

}  // namespace pt::pooling::PT_ISA
