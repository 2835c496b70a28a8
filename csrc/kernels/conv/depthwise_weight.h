// The weight gradient of depthwise convolution,
//
//     grad_weight[channel][i][j] = sum over images, rows and columns of grad_output * (input seen through the
//     tap)
//
// with a vector of partial sums for every tap in registers. As in the forward pass what is loaded of an input
// row serves all rows of a band of grad_output.
#pragma once

#include "kernels/conv/depthwise.h"

namespace pt::conv::PT_ISA::depthwise {

// Adds to the sums of H x W taps what R rows of one strip give. p.out is grad_output, which is read.
template <class T, int H, int W, int S, int R, bool Edge>
PT_INLINE void add_block(const Pass<T>& p, int64_t y, int64_t x, const LaneMask<T>* strip, Vec<T>* sums) {
    constexpr int last = (R - 1) * S + H - 1;
    const int64_t first = p.first + y * S, in_row = p.in_row, step = p.step;
    const T* from = p.in + first * in_row + x * S - p.left;  // dereferenced where the row exists
    const T* grad = p.out + y * p.out_row + x;
    const int64_t begin = -first, end = p.height - first;
    LaneMask<T> masks[W * S];
#pragma GCC unroll 14
    for (int i = 0; i < W * S; ++i) masks[i] = strip[2 + i];
    Vec<T> g[R];
#pragma GCC unroll 8
    for (int q = 0; q < R; ++q) g[q] = load_tap<T, 1, Edge>(grad + q * p.out_row, strip + 1);
#pragma GCC unroll 16
    for (int r = 0; r <= last; ++r, from += in_row) {
        if (r < begin || r >= end) continue;
        Vec<T> taps[W];
#pragma GCC unroll 7
        for (int j = 0; j < W; ++j) taps[j] = load_tap<T, S, Edge>(from + j * step, masks + j * S);
#pragma GCC unroll 8
        for (int q = 0; q < R; ++q) {
            const int i = r - q * S;
            if (i < 0 || i >= H) continue;
#pragma GCC unroll 7
            for (int j = 0; j < W; ++j) sums[i * W + j] += g[q] * taps[j];
        }
    }
}

template <class T, int H, int W, int S, int R>
PT_INLINE void add_band(const Pass<T>& p, const Borders<T, S>& borders, int64_t y, Vec<T>* sums) {
    for (int64_t x = 0; x < p.columns; x += lanes<T>) {
        const LaneMask<T>* masks = borders.strip(x);
        if (is_edge<T>(masks))
            add_block<T, H, W, S, R, true>(p, y, x, masks, sums);
        else
            add_block<T, H, W, S, R, false>(p, y, x, masks, sums);
    }
}

// Adds a plane to `total`; the sums are in registers while it lasts.
template <class T, int H, int W, int S>
static void add_plane(const Pass<T>& p, const Borders<T, S>& borders, T* total) {
    constexpr int R = H == 1 ? 1 : H * W > 16 ? 2 : kManyRows, L = lanes<T>;
    Vec<T> sums[H * W];
#pragma GCC unroll 25
    for (int k = 0; k < H * W; ++k) sums[k] = load(total + k * L);
    int64_t y = 0;
    for (; y + R <= p.rows; y += R) add_band<T, H, W, S, R>(p, borders, y, sums);
    if constexpr (R > 1)
        for (; y < p.rows; ++y) add_band<T, H, W, S, 1>(p, borders, y, sums);
#pragma GCC unroll 25
    for (int k = 0; k < H * W; ++k) store(total + k * L, sums[k]);
}

// Channels [begin, end), kernel rows [row, row + H). Some channels go together, image by image, so that small
// planes are read in the order in which they lie.
template <class T, int H, int W, int S>
static void sum_taps(const Problem& p, Pass<T> pass, const Borders<T, S>& borders, const Operand& input,
                     const T* grad, int64_t begin, int64_t end, int64_t row, T* to) {
    constexpr int64_t together = 32, L = lanes<T>, length = H * W * L;
    const int64_t positions = p.out[1] * p.out[2], multiplier = p.out_channels / p.groups;
    const int64_t size = p.kernel[1] * p.kernel[2];
    pass.first += row * p.dilation[1];
    pool::Scratch memory(sizeof(T) * static_cast<size_t>(together * length));
    T* sums = memory.as<T>();
    for (int64_t first = begin; first < end; first += together) {
        const int64_t last = end - first < together ? end : first + together;
        for (int64_t i = 0; i < together * length; ++i) sums[i] = T(0);
        for (int64_t n = 0; n < p.batch; ++n)
            for (int64_t c = first; c < last; ++c) {
                pass.in = static_cast<const T*>(input.data) + n * input.strides[0] +
                          c / multiplier * input.strides[1];
                pass.out = const_cast<T*>(grad) + (n * p.out_channels + c) * positions;
                add_plane<T, H, W, S>(pass, borders, sums + (c - first) * length);
            }
        for (int64_t c = first; c < last; ++c)
            for (int64_t k = 0; k < H * W; ++k)
                to[c * size + row * W + k] = sum_lanes<T>(load(sums + (c - first) * length + k * L));
    }
}

template <class T, int H, int W, int S>
static void sum_channels(const Problem& p, const Pass<T>& pass, const Borders<T, S>& borders,
                         const Operand& input, const T* grad, int64_t begin, int64_t end, T* to) {
    for (int64_t row = 0; row < p.kernel[1]; row += H)
        sum_taps<T, H, W, S>(p, pass, borders, input, grad, begin, end, row, to);
}

template <class T, int S>
static void weight_of_stride(const Problem& p, const Operand& input, const T* grad, T* to) {
    const Pass<T> pass = pass_over<T>(p, input);
    const Borders<T, S> borders(pass);
    Work work = plane_work(p);
    work.ns *= static_cast<double>(p.batch);
    parallel_for(0, p.out_channels, work, [&](int64_t begin, int64_t end) {
        const auto run = [&](auto kernel) { kernel(p, pass, borders, input, grad, begin, end, to); };
        const bool dense = p.dilation[1] == 1;
        if (dense && p.kernel[1] == 3 && p.kernel[2] == 3)
            run(&sum_channels<T, 3, 3, S>);
        else if (dense && p.kernel[1] == 5 && p.kernel[2] == 5)
            run(&sum_channels<T, 5, 5, S>);
        else if (p.kernel[2] == 3)
            run(&sum_channels<T, 1, 3, S>);
        else if (p.kernel[2] == 5)
            run(&sum_channels<T, 1, 5, S>);
        else
            run(&sum_channels<T, 1, 7, S>);
    });
}

// grad_output is C-contiguous. False: not done.
template <class T>
static bool grad_weight(const Problem& p, const T* grad_output, const Operand& input, T* result) {
    const int64_t w = p.kernel[2];
    if (!fits(p, input) || p.batch == 0) return false;
    const Window window = window_over(p);
    if (is_small<T>(p, window, input)) {
        correlate_lanes(p, window, input, grad_output, result);
        return true;
    }
    if (w != 3 && w != 5 && w != 7) return false;
    p.stride[2] == 1 ? weight_of_stride<T, 1>(p, input, grad_output, result)
                     : weight_of_stride<T, 2>(p, input, grad_output, result);
    return true;
}

}  // namespace pt::conv::PT_ISA::depthwise
