// Gradients of average pooling over Vec, by gathering: see gradients.h for phases and covers.
#pragma once

#include "kernels/pool/gradients.h"

namespace pt::pooling::PT_ISA {

// spread[i] = the sum of share[j] over the outputs j of a padded row that cover input i.
template <class T, int S, int Taps>
PT_INLINE void spread_row(const T* share, const Phases<S>& phases, const Window& w, T* spread) {
    const int64_t taps = Taps == 0 ? w.kernel[2] : Taps;
    for (int64_t m = 0; S * m < w.in[2]; m += lanes<T>) {
        Vec<T> phase[S] = {};
#pragma GCC unroll 2
        for (int r = 0; r < S; ++r) {
            const T* from = share + phases.reach + m + phases.lead[r];
            for (int64_t k = 0, tap = phases.first[r]; tap < taps; ++k, tap += S) phase[r] += load(from - k);
        }
        store_phases<S>(spread, m, w.in[2], phase);
    }
}
// The same with any other stride.
template <class T>
PT_INLINE void spread_row_apart(const T* share, const Window& w, T* spread) {
    fill(spread, w.in[2], T(0));
    for (int64_t ow = 0; ow < w.out[2]; ++ow) {
        const int64_t start = ow * w.stride[2] - w.padding[2];
        const int64_t begin = start < 0 ? 0 : start, end = at_most(start + w.kernel[2], w.in[2]);
        for (int64_t i = begin; i < end; ++i) spread[i] += share[ow];
    }
}

// row = the sum of the spread rows that cover it.
template <class T>
PT_INLINE void sum_rows(T* row, int64_t width, const T* spread, int64_t pitch, const Cover* cover,
                        int count) {
    if (count == 0) return fill(row, width, T(0));
    if (count == 1) return copy_row(spread + cover[0].row * pitch, row, width);
    for (int64_t i = 0; i < width; i += lanes<T>) {  // spread rows have room for whole vectors
        Vec<T> sum = load(spread + cover[0].row * pitch + i);
        for (int c = 1; c < count; ++c) sum += load(spread + cover[c].row * pitch + i);
        if (i + lanes<T> <= width)
            store(row + i, sum);
        else
            store_n(row + i, sum, static_cast<int>(width - i));
    }
}

// The gradient of each row of outputs spreads along it first; rows of inputs then add up what covers them.
template <class T, int S>
static void avg_backward_planes(const T* grad, T* grad_x, int64_t planes, const Window& w,
                                const Divisor& divisor) {
    constexpr int Step = S == 0 ? 1 : S;
    const Phases<Step> phases = Phases<Step>::template of<T>(w);
    const Covers covers(w);
    const Divisors<T> divisors(w, divisor);
    const int64_t outs = w.out[2], out_rows = w.out[0] * w.out[1], in_rows = w.in[0] * w.in[1];
    const int64_t reach = S == 0 ? 0 : phases.reach;
    const int64_t room = S == 0 ? round_up<T>(outs) : phases.pitch + lanes<T>, pitch = round_up<T>(w.in[2]);
    pool::Scratch scratch(static_cast<size_t>(room + out_rows * pitch) * sizeof(T));
    T *share = scratch.template as<T>(), *spread = share + room;
    fill(share, room + out_rows * pitch, T(0));
    for (int64_t p = 0; p < planes; ++p, grad_x += in_rows * w.in[2]) {
        for (int64_t r = 0; r < out_rows; ++r, grad += outs) {
            const T count = divisors.row(r / w.out[1], r % w.out[1]);
            for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
                const int used = static_cast<int>(at_most(outs - ow, lanes<T>));
                const Vec<T> g = used == lanes<T> ? load(grad + ow) : load_n(grad + ow, used);
                store(share + reach + ow, g / divisors.at(count, ow));
            }
            if constexpr (S == 0)
                spread_row_apart(share, w, spread + r * pitch);
            else if (w.kernel[2] == 2)
                spread_row<T, S, 2>(share, phases, w, spread + r * pitch);
            else if (w.kernel[2] == 3)
                spread_row<T, S, 3>(share, phases, w, spread + r * pitch);
            else
                spread_row<T, S, 0>(share, phases, w, spread + r * pitch);
        }
        for (int64_t row = 0; row < in_rows; ++row)
            sum_rows(grad_x + row * w.in[2], w.in[2], spread, pitch, covers.of(row), covers.count(row));
    }
}

template <class T>
static void avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w, const Divisor& divisor) {
    if (w.stride[2] == 1) return avg_backward_planes<T, 1>(grad, grad_x, planes, w, divisor);
    if (w.stride[2] == 2) return avg_backward_planes<T, 2>(grad, grad_x, planes, w, divisor);
    avg_backward_planes<T, 0>(grad, grad_x, planes, w, divisor);
}

}  // namespace pt::pooling::PT_ISA
