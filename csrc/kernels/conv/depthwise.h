// Depthwise convolution (one input channel in each group) of images, forward and input gradient. Every plane
// goes alone: a strip of one vector of columns, rows of outputs in registers, so that what is loaded of an
// input row serves all output rows that see it. Borders are masked loads; nothing is copied.
//
// MobileNet (Howard and others 2017) made these layers common. There is little arithmetic in them (9
// multiplications per element with 3x3), so that loads and stores are what counts.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/conv/depthwise_lanes.h"
#include "kernels/conv/lane_mask.h"
#include "kernels/conv/problem.h"
#include "simd/shuffle.h"

namespace pt::conv::PT_ISA::depthwise {

// One plane against one kernel. Result row q is at out + q * out_row; it sees source rows
// first + pitch * (q * stride + i), of which those in [0, height) exist.
template <class T>
struct Pass {
    int64_t height, width, in_row;  // of the source
    int64_t rows, columns, out_row;
    int64_t first, pitch;
    int64_t left, step;  // column x sees source columns x * stride - left + j * step
    int64_t kernel[2];
    const T* in;
    const T* weight;  // [kernel[0]][kernel[1]]
    T* out;
    T bias;
    bool add;  // to what is there
};

// For every strip of one vector of columns: whether it touches a border, which lanes tap j finds inside (in
// every one of the vectors that a stride needs), and which columns there are.
template <class T, int S>
struct Borders {
    int64_t per_strip;
    pool::Scratch memory;

    explicit Borders(const Pass<T>& p)
        : per_strip(p.kernel[1] * S + 2),
          memory(sizeof(LaneMask<T>) * per_strip * ((p.columns + lanes<T> - 1) / lanes<T>)) {
        LaneMask<T>* to = memory.as<LaneMask<T>>();
        for (int64_t x = 0; x < p.columns; x += lanes<T>) {
            const int64_t begin = x * S - p.left, end = begin + (p.kernel[1] - 1) * p.step + S * lanes<T>;
            const bool edge = begin < 0 || end > p.width || x + lanes<T> > p.columns;
            *to++ = edge ? lanes_between<T>(0, lanes<T>) : LaneMask<T>{};
            *to++ = lanes_between<T>(0, p.columns - x);
            for (int64_t j = 0; j < p.kernel[1]; ++j)
                for (int64_t part = 0; part < S; ++part) {
                    const int64_t at = begin + j * p.step + part * lanes<T>;
                    const int64_t wanted = (p.columns - x - 1) * S + 1 - part * lanes<T>;
                    const int64_t inside = p.width - at;
                    *to++ = lanes_between<T>(-at, inside < wanted ? inside : wanted);
                }
        }
    }
    const LaneMask<T>* strip(int64_t x) const { return memory.as<LaneMask<T>>() + x / lanes<T> * per_strip; }
};
template <class T>
PT_INLINE bool is_edge(const LaneMask<T>* strip) {
#if defined(__AVX512VL__)
    return strip[0] != 0;
#else
    return strip[0][0] != 0;
#endif
}

template <class T, int S, bool Edge>
PT_INLINE Vec<T> load_tap(const T* p, const LaneMask<T>* masks) {
    if constexpr (S == 1) {
        return Edge ? load_where(p, masks[0]) : load(p);
    } else {
        constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
        const Vec<T> a = Edge ? load_where(p, masks[0]) : load(p);
        const Vec<T> b = Edge ? load_where(p + lanes<T>, masks[1]) : load(p + lanes<T>);
        return even_lanes_of<T>(a, b, all);
    }
}

template <class T, bool Edge>
PT_INLINE void put(T* to, Vec<T> v, LaneMask<T> mask) {
    if (Edge)
        store_where(to, v, mask);
    else
        store(to, v);
}

// R rows of one strip.
template <class T, int H, int W, int S, int R, bool Edge>
PT_INLINE void block(const Pass<T>& p, const Vec<T>* w, int64_t y, int64_t x, const LaneMask<T>* strip) {
    constexpr int last = (R - 1) * S + H - 1;
    const int64_t first = p.first + p.pitch * y * S, pitch = p.pitch, step = p.step;
    const int64_t out_row = p.out_row;
    const int64_t in_row = p.in_row * pitch;
    const T* from = p.in + first * p.in_row + x * S - p.left;  // dereferenced where the row exists
    LaneMask<T> masks[W * S];
#pragma GCC unroll 10
    for (int i = 0; i < W * S; ++i) masks[i] = strip[2 + i];
    int64_t begin = 0, end = last;  // rows that exist
    if (first < 0) begin = (-first + pitch - 1) / pitch;
    if (first + last * pitch >= p.height) end = p.height > first ? (p.height - first - 1) / pitch : -1;
    Vec<T> sums[R];
#pragma GCC unroll 8
    for (int q = 0; q < R; ++q) sums[q] = broadcast(p.bias);
#pragma GCC unroll 16
    for (int r = 0; r <= last; ++r, from += in_row) {
        if (r < begin || r > end) continue;
        Vec<T> taps[W];
#pragma GCC unroll 5
        for (int j = 0; j < W; ++j) taps[j] = load_tap<T, S, Edge>(from + j * step, masks + j * S);
#pragma GCC unroll 8
        for (int q = 0; q < R; ++q) {
            const int i = r - q * S;
            if (i < 0 || i >= H) continue;
#pragma GCC unroll 5
            for (int j = 0; j < W; ++j) sums[q] += w[i * W + j] * taps[j];
        }
    }
    T* to = p.out + y * out_row + x;
#pragma GCC unroll 8
    for (int q = 0; q < R; ++q) put<T, Edge>(to + q * out_row, sums[q], strip[1]);
}

// Bands of R rows; the last overlaps the one before.
template <class T, int H, int W, int S, int R>
static void plane_of(const Pass<T>& p, const Borders<T, S>& borders) {
    Vec<T> w[H * W];
#pragma GCC unroll 25
    for (int k = 0; k < H * W; ++k) w[k] = broadcast(p.weight[k]);
    for (int64_t y = 0; y < p.rows; y += R) {
        if (y + R > p.rows) y = p.rows - R;
        for (int64_t x = 0; x < p.columns; x += lanes<T>) {
            const LaneMask<T>* masks = borders.strip(x);
            if (is_edge<T>(masks))
                block<T, H, W, S, R, true>(p, w, y, x, masks);
            else
                block<T, H, W, S, R, false>(p, w, y, x, masks);
        }
    }
}

// Any kernel, one row at a time.
template <class T, int S, bool Edge>
PT_INLINE void row_of_any(const Pass<T>& p, int64_t y, int64_t x, const LaneMask<T>* masks) {
    T* to = p.out + y * p.out_row + x;
    Vec<T> sum = broadcast(p.bias), other{};
    if (p.add) sum += Edge ? load_where(to, masks[1]) : load(to);
    for (int64_t i = 0; i < p.kernel[0]; ++i) {
        const int64_t row = p.first + p.pitch * (y * S + i);
        if (row < 0 || row >= p.height) continue;
        const T* from = p.in + row * p.in_row + x * S - p.left;
        const T* w = p.weight + i * p.kernel[1];
        int64_t j = 0;
        for (; j + 2 <= p.kernel[1]; j += 2) {
            sum += broadcast(w[j]) * load_tap<T, S, Edge>(from + j * p.step, masks + 2 + j * S);
            other +=
                broadcast(w[j + 1]) * load_tap<T, S, Edge>(from + (j + 1) * p.step, masks + 2 + (j + 1) * S);
        }
        if (j < p.kernel[1])
            sum += broadcast(w[j]) * load_tap<T, S, Edge>(from + j * p.step, masks + 2 + j * S);
    }
    put<T, Edge>(to, sum + other, masks[1]);
}

template <class T, int S>
static void plane_of_any(const Pass<T>& p, const Borders<T, S>& borders) {
    for (int64_t y = 0; y < p.rows; ++y)
        for (int64_t x = 0; x < p.columns; x += lanes<T>) {
            const LaneMask<T>* masks = borders.strip(x);
            if (is_edge<T>(masks))
                row_of_any<T, S, true>(p, y, x, masks);
            else
                row_of_any<T, S, false>(p, y, x, masks);
        }
}

// Bands of 7 rows (images have 7, 14, 28 ... rows often), or of 4, whichever overlap less.
constexpr int kManyRows = kMasksAreFree ? 7 : 3;
template <int S>
constexpr int kFewRows = S == 1 ? 4 : 2;

template <class T, int H, int W, int S>
static void plane_in_bands(const Pass<T>& p, const Borders<T, S>& borders) {
    constexpr int many = kManyRows, few = kFewRows<S>;
    const auto padded = [&](int64_t band) { return (p.rows + band - 1) / band * band; };
    if (p.rows >= many && padded(many) <= padded(few))
        plane_of<T, H, W, S, many>(p, borders);
    else
        plane_of<T, H, W, S, few>(p, borders);
}

template <class T, int S>
static void plane(const Pass<T>& p, const Borders<T, S>& borders) {
    const bool bands = p.rows >= kFewRows<S> && !p.add;
    if (bands && p.kernel[0] == 3 && p.kernel[1] == 3)
        plane_in_bands<T, 3, 3, S>(p, borders);
    else if (bands && p.kernel[0] == 5 && p.kernel[1] == 5)
        plane_in_bands<T, 5, 5, S>(p, borders);
    else
        plane_of_any<T, S>(p, borders);
}

// All kernels as [out channel][row][column], turned round when wanted; where they lie when they lie so.
template <class T>
struct Taps {
    pool::Scratch memory;
    const T* data;
    int64_t size;

    Taps(const Problem& p, const Operand& weight, bool turned)
        : memory(lies_well(p, weight, turned) ? 0 : sizeof(T) * p.out_channels * p.kernel[1] * p.kernel[2]),
          data(static_cast<const T*>(weight.data)),
          size(p.kernel[1] * p.kernel[2]) {
        if (lies_well(p, weight, turned)) return;
        T* to = memory.template as<T>();
        for (int64_t c = 0; c < p.out_channels; ++c)
            for (int64_t i = 0; i < p.kernel[1]; ++i)
                for (int64_t j = 0; j < p.kernel[2]; ++j) {
                    const int64_t y = turned ? p.kernel[1] - 1 - i : i, x = turned ? p.kernel[2] - 1 - j : j;
                    *to++ = data[c * weight.strides[0] + y * weight.strides[3] + x * weight.strides[4]];
                }
        data = memory.template as<T>();
    }
    static bool lies_well(const Problem& p, const Operand& weight, bool turned) {
        return !turned && weight.strides[4] == 1 && weight.strides[3] == p.kernel[2] &&
               weight.strides[0] == p.kernel[1] * p.kernel[2];
    }
    const T* of(int64_t channel) const { return data + channel * size; }
};

template <class T>
PT_INLINE T bias_of(const Operand& bias, int64_t channel) {
    return bias.data == nullptr ? T(0) : static_cast<const T*>(bias.data)[channel * bias.strides[0]];
}

// Rows that lie `sets` (the dilation) apart see the same rows: each set of these is a convolution without
// dilation.
template <class T, int S>
static void plane_in_sets(Pass<T> p, const Borders<T, S>& borders, int64_t sets) {
    const int64_t rows = p.rows, out_row = p.out_row, first = p.first;
    T* out = p.out;
    for (int64_t set = 0; set < sets && set < rows; ++set) {
        p.rows = (rows - set + sets - 1) / sets;
        p.out = out + set * out_row;
        p.out_row = out_row * sets;
        p.first = first + set;
        p.pitch = sets;
        plane<T, S>(p, borders);
    }
}

PT_INLINE bool fits(const Problem& p, const Operand& read) {
    if (p.groups == 1 || p.in_channels != p.groups || read.strides[4] != 1) return false;
    if (p.in[0] != 1 || p.out[0] != 1 || p.kernel[0] != 1 || p.stride[0] != 1 || p.padding[0] != 0)
        return false;
    const bool one_row = p.in[1] == 1 && p.out[1] == 1 && p.kernel[1] == 1 && p.padding[1] == 0;
    const int64_t s = p.stride[2];
    return s <= 2 && (one_row || p.stride[1] == s) && (s == 1 || (p.dilation[1] == 1 && p.dilation[2] == 1));
}

PT_INLINE Work plane_work(const Problem& p) {  // of one plane of the result
    const int64_t positions = p.out[1] * p.out[2];
    return {0.03 * static_cast<double>(positions * (2 + p.kernel[1] * p.kernel[2])), 2};
}

// The input's planes as the result's see them, without pointers.
template <class T>
PT_INLINE Pass<T> pass_over(const Problem& p, const Operand& input) {
    Pass<T> pass{};
    pass.height = p.in[1], pass.width = p.in[2], pass.in_row = input.strides[3];
    pass.rows = p.out[1], pass.columns = pass.out_row = p.out[2];
    pass.first = -p.padding[1], pass.pitch = 1;
    pass.left = p.padding[2], pass.step = p.dilation[2];
    pass.kernel[0] = p.kernel[1], pass.kernel[1] = p.kernel[2];
    return pass;
}
PT_INLINE Window window_over(const Problem& p) {
    return {{p.in[1], p.in[2]},
            {p.out[1], p.out[2]},
            {p.kernel[1], p.kernel[2]},
            {p.padding[1], p.padding[2]},
            p.stride[2],
            {p.dilation[1], p.dilation[2]},
            false};
}

template <class T, int S>
static void forward_of_stride(const Problem& p, const Operand& input, const Operand& weight,
                              const Operand& bias, T* output) {
    const int64_t multiplier = p.out_channels / p.groups, positions = p.out[1] * p.out[2];
    const Pass<T> pass = pass_over<T>(p, input);
    const Borders<T, S> borders(pass);
    const Taps<T> taps(p, weight, false);
    parallel_for(0, p.batch * p.out_channels, plane_work(p), [&](int64_t begin, int64_t end) {
        Pass<T> mine = pass;
        for (int64_t at = begin; at < end; ++at) {
            const int64_t n = at / p.out_channels, c = at % p.out_channels;
            mine.in =
                static_cast<const T*>(input.data) + n * input.strides[0] + c / multiplier * input.strides[1];
            mine.weight = taps.of(c);
            mine.out = output + at * positions;
            mine.bias = bias_of<T>(bias, c);
            plane_in_sets<T, S>(mine, borders, S == 1 ? p.dilation[1] : 1);
        }
    });
}

template <class T>
static bool forward(const Problem& p, const Operand& input, const Operand& weight, const Operand& bias,
                    void* output) {
    if (!fits(p, input)) return false;
    const Window window = window_over(p);
    if (is_small<T>(p, window, input)) {
        const Taps<T> taps(p, weight, false);
        convolve_lanes(p, window, input, taps.data, bias, static_cast<T*>(output));
        return true;
    }
    p.stride[2] == 1 ? forward_of_stride<T, 1>(p, input, weight, bias, static_cast<T*>(output))
                     : forward_of_stride<T, 2>(p, input, weight, bias, static_cast<T*>(output));
    return true;
}

}  // namespace pt::conv::PT_ISA::depthwise
