// Depthwise convolution (one input channel in each group) of images, forward and input gradient. Every plane
// goes alone: a strip of one vector of columns, rows of outputs in registers, so that what is loaded of an
// input row serves all output rows that see it. Borders are masked loads; nothing is copied.
//
// MobileNet (Howard and others 2017) made these layers common. There is little arithmetic in them (9
// multiplications per element with 3x3), so that loads and stores are what counts.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
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

// The lanes of a vector of columns that begins at `x`, of which `count` are wanted, that tap j finds inside.
// With a stride of 2 two vectors are loaded: `part` says which.
template <class T, int S>
PT_INLINE LaneMask<T> inside(const Pass<T>& p, int64_t x, int64_t j, int part) {
    const int64_t at = x * S - p.left + j * p.step + part * lanes<T>;
    const int64_t wanted = (p.columns - x - 1) * S + 1 - part * lanes<T>;
    const int64_t high = p.width - at;
    return lanes_between<T>(-at, high < wanted ? high : wanted);
}

template <class T, int S>
PT_INLINE bool is_edge(const Pass<T>& p, int64_t x) {
    const int64_t begin = x * S - p.left, end = begin + (p.kernel[1] - 1) * p.step + S * lanes<T>;
    return begin < 0 || end > p.width || x + lanes<T> > p.columns;
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

// R rows at a time; the last ones overlap those before.
template <class T, int H, int W, int S, int R, bool Edge>
static void strip(const Pass<T>& p, int64_t x) {
    LaneMask<T> masks[W][S];
    for (int j = 0; j < W; ++j)
        for (int part = 0; part < S; ++part) masks[j][part] = inside<T, S>(p, x, j, part);
    const LaneMask<T> wanted = lanes_between<T>(0, p.columns - x);
    Vec<T> w[H * W];
#pragma GCC unroll 25
    for (int k = 0; k < H * W; ++k) w[k] = broadcast(p.weight[k]);
    for (int64_t y = 0; y < p.rows; y += R) {
        if (y + R > p.rows) y = p.rows - R;
        T* to = p.out + y * p.out_row + x;
        Vec<T> sums[R];
#pragma GCC unroll 4
        for (int q = 0; q < R; ++q) sums[q] = broadcast(p.bias);
#pragma GCC unroll 16
        for (int r = 0; r < (R - 1) * S + H; ++r) {
            const int64_t row = p.first + p.pitch * (y * S + r);
            if (row < 0 || row >= p.height) continue;
            const T* from = p.in + row * p.in_row + x * S - p.left;
            Vec<T> taps[W];
#pragma GCC unroll 5
            for (int j = 0; j < W; ++j) taps[j] = load_tap<T, S, Edge>(from + j * p.step, masks[j]);
#pragma GCC unroll 4
            for (int q = 0; q < R; ++q) {
                const int i = r - q * S;
                if (i < 0 || i >= H) continue;
#pragma GCC unroll 5
                for (int j = 0; j < W; ++j) sums[q] += w[i * W + j] * taps[j];
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < R; ++q) put<T, Edge>(to + q * p.out_row, sums[q], wanted);
    }
}

// Any kernel, one row at a time.
template <class T, int S, bool Edge>
static void strip_of_any(const Pass<T>& p, int64_t x) {
    const LaneMask<T> wanted = lanes_between<T>(0, p.columns - x);
    for (int64_t y = 0; y < p.rows; ++y) {
        T* to = p.out + y * p.out_row + x;
        Vec<T> sum = broadcast(p.bias);
        if (p.add) sum += Edge ? load_where(to, wanted) : load(to);
        for (int64_t i = 0; i < p.kernel[0]; ++i) {
            const int64_t row = p.first + p.pitch * (y * S + i);
            if (row < 0 || row >= p.height) continue;
            const T* from = p.in + row * p.in_row + x * S - p.left;
            const T* w = p.weight + i * p.kernel[1];
            for (int64_t j = 0; j < p.kernel[1]; ++j) {
                LaneMask<T> masks[S] = {};
                for (int part = 0; Edge && part < S; ++part) masks[part] = inside<T, S>(p, x, j, part);
                sum += broadcast(w[j]) * load_tap<T, S, Edge>(from + j * p.step, masks);
            }
        }
        put<T, Edge>(to, sum, wanted);
    }
}

template <class T, int S, bool Edge>
static void strip_of_kernel(const Pass<T>& p, int64_t x) {
    constexpr int R = S == 1 ? 4 : 2;
    const bool several = p.rows >= R && !p.add;
    if (several && p.kernel[0] == 3 && p.kernel[1] == 3)
        strip<T, 3, 3, S, R, Edge>(p, x);
    else if (several && p.kernel[0] == 5 && p.kernel[1] == 5)
        strip<T, 5, 5, S, R, Edge>(p, x);
    else
        strip_of_any<T, S, Edge>(p, x);
}

template <class T, int S>
static void plane(const Pass<T>& p) {
    for (int64_t x = 0; x < p.columns; x += lanes<T>)
        if (kMasksAreFree || is_edge<T, S>(p, x))
            strip_of_kernel<T, S, true>(p, x);
        else
            strip_of_kernel<T, S, false>(p, x);
}

// The kernel of an output channel as [row][column], turned round when wanted.
template <class T>
PT_INLINE void copy_kernel(const Problem& p, const Operand& weight, int64_t out_channel, bool turned, T* to) {
    const T* from = static_cast<const T*>(weight.data) + out_channel * weight.strides[0];
    for (int64_t i = 0; i < p.kernel[1]; ++i)
        for (int64_t j = 0; j < p.kernel[2]; ++j) {
            const int64_t y = turned ? p.kernel[1] - 1 - i : i, x = turned ? p.kernel[2] - 1 - j : j;
            to[i * p.kernel[2] + j] = from[y * weight.strides[3] + x * weight.strides[4]];
        }
}

template <class T>
PT_INLINE T bias_of(const Operand& bias, int64_t channel) {
    return bias.data == nullptr ? T(0) : static_cast<const T*>(bias.data)[channel * bias.strides[0]];
}

// Rows that lie `dilation` apart see the same rows: each of these sets is a convolution without dilation.
template <class T, int S>
static void plane_in_sets(Pass<T> p, int64_t dilation) {
    const int64_t rows = p.rows, out_row = p.out_row, first = p.first;
    T* out = p.out;
    const int64_t sets = S == 1 ? dilation : 1;
    for (int64_t set = 0; set < sets && set < rows; ++set) {
        p.rows = (rows - set + sets - 1) / sets;
        p.out = out + set * out_row;
        p.out_row = out_row * sets;
        p.first = first + set;
        p.pitch = sets;
        plane<T, S>(p);
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

PT_INLINE int64_t grain(const Problem& p) {  // planes that are worth a thread
    return 1 + 60000 / (p.out[1] * p.out[2] * p.kernel[1] * p.kernel[2] + 1);
}

template <class T>
static bool forward(const Problem& p, const Operand& input, const Operand& weight, const Operand& bias,
                    void* output) {
    if (!fits(p, input)) return false;
    const int64_t multiplier = p.out_channels / p.groups, positions = p.out[1] * p.out[2];
    parallel_for(0, p.batch * p.out_channels, grain(p), [&](int64_t begin, int64_t end) {
        pool::Scratch taps(sizeof(T) * p.kernel[1] * p.kernel[2]);
        for (int64_t at = begin; at < end; ++at) {
            const int64_t n = at / p.out_channels, c = at % p.out_channels;
            copy_kernel(p, weight, c, false, taps.as<T>());
            const Pass<T> pass{
                p.in[1],
                p.in[2],
                input.strides[3],
                p.out[1],
                p.out[2],
                p.out[2],
                -p.padding[1],
                1,
                p.padding[2],
                p.dilation[2],
                {p.kernel[1], p.kernel[2]},
                static_cast<const T*>(input.data) + n * input.strides[0] + c / multiplier * input.strides[1],
                taps.as<T>(),
                static_cast<T*>(output) + at * positions,
                bias_of<T>(bias, c),
                false};
            p.stride[2] == 1 ? plane_in_sets<T, 1>(pass, p.dilation[1]) : plane<T, 2>(pass);
        }
    });
    return true;
}

// The gradient of a stride of 2: input row y gets from output rows (y + padding - i) / 2 where that is whole,
// and so with the columns: even and odd columns are summed apart and interleaved.
template <class T>
struct Spread {
    const Problem& p;
    const T* grad;  // plane
    int64_t grad_row;
    const T* weight;
    T* out;
    T bias;
    bool add;

    // Input columns 2 * t and 2 * t + 1 for a vector of t.
    void pair(int64_t y, int64_t t) const {
        Vec<T> sums[2] = {broadcast(bias), broadcast(bias)};
        for (int64_t i = (y + p.padding[1]) % 2; i < p.kernel[1]; i += 2) {
            const int64_t reach = y + p.padding[1] - i, row = reach / 2;
            if (reach < 0 || row >= p.out[1]) continue;
            for (int64_t j = 0; j < p.kernel[2]; ++j) {
                const int odd = static_cast<int>((j + p.padding[2]) % 2);  // the columns that tap j goes to
                const int64_t at = t + (odd + p.padding[2] - j) / 2;
                const Vec<T> g = load_where(grad + row * grad_row + at, lanes_between<T>(-at, p.out[2] - at));
                sums[odd] += broadcast(weight[i * p.kernel[2] + j]) * g;
            }
        }
        const VecPair<T> both = interleave<T>(sums[0], sums[1]);
        T* to = out + y * p.in[2] + 2 * t;
        for (int half = 0; half < 2; ++half) {
            const LaneMask<T> mask = lanes_between<T>(0, p.in[2] - 2 * t - half * lanes<T>);
            const Vec<T> value = half == 0 ? both.first : both.second;
            T* at = to + half * lanes<T>;
            store_where(at, add ? value + load_where(at, mask) : value, mask);
        }
    }
    void run() const {
        for (int64_t y = 0; y < p.in[1]; ++y)
            for (int64_t t = 0; 2 * t < p.in[2]; t += lanes<T>) pair(y, t);
    }
};

template <class T>
static bool grad_input(const Problem& p, const Operand& grad_output, const Operand& weight,
                       const Operand& bias, void* result) {
    if (!fits(p, grad_output)) return false;
    const int64_t multiplier = p.out_channels / p.groups, positions = p.in[1] * p.in[2];
    parallel_for(0, p.batch * p.in_channels, grain(p), [&](int64_t begin, int64_t end) {
        pool::Scratch taps(sizeof(T) * p.kernel[1] * p.kernel[2]);
        for (int64_t at = begin; at < end; ++at)
            for (int64_t m = 0; m < multiplier; ++m) {
                const int64_t n = at / p.in_channels, c = at % p.in_channels, oc = c * multiplier + m;
                const T* grad = static_cast<const T*>(grad_output.data) + n * grad_output.strides[0] +
                                oc * grad_output.strides[1];
                T* out = static_cast<T*>(result) + at * positions;
                const T start = m == 0 ? bias_of<T>(bias, c) : T(0);
                copy_kernel(p, weight, oc, p.stride[2] == 1, taps.as<T>());
                if (p.stride[2] == 2) {
                    Spread<T>{p, grad, grad_output.strides[3], taps.as<T>(), out, start, m > 0}.run();
                    continue;
                }
                plane_in_sets<T, 1>(Pass<T>{p.out[1],
                                            p.out[2],
                                            grad_output.strides[3],
                                            p.in[1],
                                            p.in[2],
                                            p.in[2],
                                            p.padding[1] - (p.kernel[1] - 1) * p.dilation[1],
                                            1,
                                            (p.kernel[2] - 1) * p.dilation[2] - p.padding[2],
                                            p.dilation[2],
                                            {p.kernel[1], p.kernel[2]},
                                            grad,
                                            taps.as<T>(),
                                            out,
                                            start,
                                            m > 0},
                                    p.dilation[1]);
            }
    });
    return true;
}

}  // namespace pt::conv::PT_ISA::depthwise
