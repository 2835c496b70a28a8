// The input gradient of depthwise convolution: with a stride of 1 a convolution with the taps turned round,
// with a stride of 2 a spread of every element of grad_output.
#pragma once

#include "kernels/conv/depthwise.h"

namespace pt::conv::PT_ISA::depthwise {

// The gradient of a stride of 2: input row y gets from output rows (y + padding - i) / 2 where that is whole,
// and so with the columns: even and odd ones are summed apart and interleaved.
template <class T>
struct Spread {
    const Problem& p;
    const T* grad;  // plane
    int64_t grad_row;
    const T* weight;
    T* out;
    T bias;
    bool add;

    // Columns 2 * t and 2 * t + 1 of row y for a vector of t.
    inline __attribute__((always_inline)) void store_pair(int64_t y, int64_t t, Vec<T> even,
                                                          Vec<T> odd) const {
        const VecPair<T> both = interleave<T>(even, odd);
        T* to = out + y * p.in[2] + 2 * t;
        const LaneMask<T> low = lanes_between<T>(0, p.in[2] - 2 * t);
        const LaneMask<T> high = lanes_between<T>(0, p.in[2] - 2 * t - lanes<T>);
        store_where(to, add ? both.first + load_where(to, low) : both.first, low);
        to += lanes<T>;
        store_where(to, add ? both.second + load_where(to, high) : both.second, high);
    }
    inline __attribute__((always_inline)) Vec<T> read(int64_t row, int64_t t) const {
        return load_where(grad + row * grad_row + t, lanes_between<T>(-t, p.out[2] - t));
    }

    void pair_of_any(int64_t y, int64_t t) const {
        Vec<T> sums[2] = {broadcast(bias), broadcast(bias)};
        for (int64_t i = (y + p.padding[1]) % 2; i < p.kernel[1]; i += 2) {
            const int64_t reach = y + p.padding[1] - i, row = reach / 2;
            if (reach < 0 || row >= p.out[1]) continue;
            for (int64_t j = 0; j < p.kernel[2]; ++j) {
                const int odd = static_cast<int>((j + p.padding[2]) % 2);  // the columns that tap j goes to
                sums[odd] +=
                    broadcast(weight[i * p.kernel[2] + j]) * read(row, t + (odd + p.padding[2] - j) / 2);
            }
        }
        store_pair(y, t, sums[0], sums[1]);
    }
    void run_any() const {
        for (int64_t y = 0; y < p.in[1]; ++y)
            for (int64_t t = 0; 2 * t < p.in[2]; t += lanes<T>) pair_of_any(y, t);
    }

    // K x K taps, paddings that are even (Odd = 0) or odd: which tap meets which element is known here.
    template <int K, int Odd>
    struct Meeting {
        static constexpr int high = Odd;                  // (1 + Odd - 0) / 2
        static constexpr int low = -((K - 1 - Odd) / 2);  // offsets of elements, less half the padding
        static constexpr int count = high - low + 1;
        static constexpr int residue(int i) { return (i + Odd) % 2; }
        static constexpr int element(int i) { return (residue(i) + Odd - i) / 2 - low; }
    };
    // Rows 2 * r and 2 * r + 1.
    template <int K, int Odd>
    inline __attribute__((always_inline)) void square(const Vec<T>* w, int64_t r, int64_t t) const {
        using M = Meeting<K, Odd>;
        Vec<T> sums[2][2];
        for (int i = 0; i < 4; ++i) sums[i / 2][i % 2] = broadcast(bias);
        LaneMask<T> masks[M::count];
        const int64_t left = t + p.padding[2] / 2 + M::low, top = r + p.padding[1] / 2 + M::low;
#pragma GCC unroll 4
        for (int b = 0; b < M::count; ++b) masks[b] = lanes_between<T>(-(left + b), p.out[2] - (left + b));
#pragma GCC unroll 4
        for (int a = 0; a < M::count; ++a) {
            if (top + a < 0 || top + a >= p.out[1]) continue;
            const T* from = grad + (top + a) * grad_row + left;
            Vec<T> g[M::count];
#pragma GCC unroll 4
            for (int b = 0; b < M::count; ++b) g[b] = load_where(from + b, masks[b]);
#pragma GCC unroll 5
            for (int i = 0; i < K; ++i) {
                if (M::element(i) != a) continue;
#pragma GCC unroll 5
                for (int j = 0; j < K; ++j)
                    sums[M::residue(i)][M::residue(j)] += w[i * K + j] * g[M::element(j)];
            }
        }
        store_pair(2 * r, t, sums[0][0], sums[0][1]);
        if (2 * r + 1 < p.in[1]) store_pair(2 * r + 1, t, sums[1][0], sums[1][1]);
    }
    template <int K, int Odd>
    void run_square() const {
        Vec<T> w[K * K];
#pragma GCC unroll 25
        for (int k = 0; k < K * K; ++k) w[k] = broadcast(weight[k]);
        for (int64_t r = 0; 2 * r < p.in[1]; ++r)
            for (int64_t t = 0; 2 * t < p.in[2]; t += lanes<T>) square<K, Odd>(w, r, t);
    }
    void run() const {
        const bool same = p.kernel[1] == p.kernel[2] && p.padding[1] % 2 == p.padding[2] % 2;
        if (same && p.kernel[1] == 3 && p.padding[1] % 2 == 1)
            run_square<3, 1>();
        else if (same && p.kernel[1] == 5 && p.padding[1] % 2 == 0)
            run_square<5, 0>();
        else
            run_any();
    }
};

// body(grad plane, its channel, result plane, its channel, whether to add) for all planes of the result and
// grad_output that meet.
template <class T, class Body>
PT_INLINE void over_planes(const Problem& p, const Operand& grad_output, T* result, const Body& body) {
    const int64_t multiplier = p.out_channels / p.groups, positions = p.in[1] * p.in[2];
    parallel_for(0, p.batch * p.in_channels, plane_work(p), [&](int64_t begin, int64_t end) {
        for (int64_t at = begin; at < end; ++at) {
            const int64_t n = at / p.in_channels, c = at % p.in_channels;
            for (int64_t m = 0; m < multiplier; ++m) {
                const int64_t oc = c * multiplier + m;
                const T* grad = static_cast<const T*>(grad_output.data) + n * grad_output.strides[0] +
                                oc * grad_output.strides[1];
                body(grad, oc, result + at * positions, c, m > 0);
            }
        }
    });
}

template <class T>
static bool grad_input(const Problem& p, const Operand& grad_output, const Operand& weight,
                       const Operand& bias, void* result) {
    if (!fits(p, grad_output)) return false;
    T* out = static_cast<T*>(result);
    const int64_t above = (p.kernel[1] - 1) * p.dilation[1] - p.padding[1];
    const int64_t left = (p.kernel[2] - 1) * p.dilation[2] - p.padding[2];
    if (p.stride[2] == 1) {
        const Window window{{p.out[1], p.out[2]},
                            {p.in[1], p.in[2]},
                            {p.kernel[1], p.kernel[2]},
                            {above, left},
                            1,
                            {p.dilation[1], p.dilation[2]},
                            true};
        if (is_small<T>(p, window, grad_output)) {
            const Taps<T> taps(p, weight, false);
            convolve_lanes(p, window, grad_output, taps.data, bias, out);
            return true;
        }
    }
    const Taps<T> taps(p, weight, p.stride[2] == 1);
    const auto start = [&](int64_t c, bool add) { return add ? T(0) : bias_of<T>(bias, c); };
    if (p.stride[2] == 2) {
        over_planes(p, grad_output, out, [&](const T* grad, int64_t oc, T* to, int64_t c, bool add) {
            Spread<T>{p, grad, grad_output.strides[3], taps.of(oc), to, start(c, add), add}.run();
        });
        return true;
    }
    Pass<T> pass = pass_over<T>(p, grad_output);
    pass.height = p.out[1], pass.width = p.out[2];
    pass.rows = p.in[1], pass.columns = pass.out_row = p.in[2];
    pass.first = -above, pass.left = left;
    const Borders<T, 1> borders(pass);
    over_planes(p, grad_output, out, [&](const T* grad, int64_t oc, T* to, int64_t c, bool add) {
        Pass<T> mine = pass;
        mine.in = grad;
        mine.weight = taps.of(oc);
        mine.out = to;
        mine.bias = start(c, add);
        mine.add = add;
        plane_in_sets<T, 1>(mine, borders, p.dilation[1]);
    });
    return true;
}

}  // namespace pt::conv::PT_ISA::depthwise
