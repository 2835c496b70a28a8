// Depthwise convolution of small planes, whose rows would leave most of a vector empty: channels go along the
// lanes. The planes of a vector of channels are transposed to [position][lane], with zeros around them, in
// the first cache. A tap is then one multiply-add that reads there, whatever the kernel, stride and dilation.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/conv/lane_copy.h"
#include "kernels/conv/problem.h"

namespace pt::conv::PT_ISA::depthwise {

// What is read and what it is seen through. Result position x sees source positions
// x * stride - before + j * dilation along either axis.
struct Window {
    int64_t in[2], out[2], kernel[2], before[2], stride, dilation[2];
    bool turned;  // tap j of the weight is the last but j
};

constexpr int kSums = 10;                     // in registers
constexpr int64_t kMostLaneVectors = 1 << 8;  // of a padded plane: half of the first cache at most

// Rows of so many eighths of a vector are faster this way; masked loads cost more below AVX-512.
#if defined(__AVX512VL__)
constexpr int64_t kWidestEighths = 5;
#else
constexpr int64_t kWidestEighths = 10;
#endif

// Tables of a window: where positions and taps lie in the padded planes, in elements.
template <class T>
struct LanePlanes {
    int64_t low[2], extent[2];  // of the padded planes: their first coordinate, their size
    int64_t sources, positions, taps;
    pool::Scratch memory;

    explicit LanePlanes(const Window& w)
        : sources(w.in[0] * w.in[1]),
          positions(w.out[0] * w.out[1]),
          taps(w.kernel[0] * w.kernel[1]),
          memory(sizeof(int64_t) * (sources + positions + taps + 3 * kSums)) {
        reach(w, low, extent);
        const auto fill = [&](int64_t* to, const int64_t* size, const int64_t* step, const int64_t* from) {
            for (int64_t i = 0; i < size[0]; ++i)
                for (int64_t j = 0; j < size[1]; ++j)
                    *to++ = ((i * step[0] + from[0]) * extent[1] + j * step[1] + from[1]) * int64_t{lanes<T>};
            for (int i = 0; i < kSums; ++i) to[i] = to[-1];
        };
        const int64_t one[2] = {1, 1}, zero[2] = {0, 0}, inside[2] = {-low[0], -low[1]};
        const int64_t stride[2] = {w.stride, w.stride};
        const int64_t first[2] = {-w.before[0] - low[0], -w.before[1] - low[1]};
        fill(source(), w.in, one, inside);
        fill(position(), w.out, stride, first);
        fill(tap(), w.kernel, w.dilation, zero);
        for (int64_t i = 0; w.turned && i < taps / 2; ++i) {
            const int64_t other = tap()[taps - 1 - i];
            tap()[taps - 1 - i] = tap()[i];
            tap()[i] = other;
        }
        for (int i = 0; i < kSums; ++i) tap()[taps + i] = tap()[taps - 1];
    }
    static void reach(const Window& w, int64_t* low, int64_t* extent) {
        for (int a = 0; a < 2; ++a) {
            const int64_t last = (w.out[a] - 1) * w.stride + (w.kernel[a] - 1) * w.dilation[a] - w.before[a];
            low[a] = w.before[a] > 0 ? -w.before[a] : 0;
            extent[a] = (last < w.in[a] ? w.in[a] : last + 1) - low[a];
        }
    }
    int64_t* source() const { return memory.template as<int64_t>(); }
    int64_t* position() const { return source() + sources + kSums; }  // kSums more can be read, as of taps
    int64_t* tap() const { return position() + positions + kSums; }
    int64_t size() const { return extent[0] * extent[1] * lanes<T>; }

    // The planes of `channels` channels, `distance` apart, into padded ones; `dense` has room for them.
    void pad(const T* from, int64_t distance, int channels, T* dense, T* padded) const {
        rows_to_lanes(from, distance, sources, channels, dense);
        const int64_t* to = source();
        for (int64_t i = 0; i < sources; ++i) store(padded + to[i], load(dense + i * lanes<T>));
    }
};

// Whether the planes are small, and as they must be: dense, one output for each channel.
template <class T>
PT_INLINE bool is_small(const Problem& p, const Window& w, const Operand& read) {
    int64_t low[2], extent[2];
    LanePlanes<T>::reach(w, low, extent);
    if (w.in[0] * w.in[1] == 0 || w.out[0] * w.out[1] == 0) return false;
    const int64_t widest = kWidestEighths * lanes<T> / 8;
    return p.out_channels == p.groups && read.strides[3] == w.in[1] && w.out[1] <= widest &&
           w.in[1] <= w.stride * widest && extent[0] * extent[1] <= kMostLaneVectors;
}

// to[q] = start + the sum over taps of weights[tap] * the element at from + at[q] + tap, for kSums q.
template <class T>
static void sum_taps_of(int64_t taps, const int64_t* tap, const T* weights, const T* from, const int64_t* at,
                        Vec<T> start, T* to) {
    constexpr int L = lanes<T>;
    const T* of[kSums];
    Vec<T> sums[kSums];
#pragma GCC unroll 10
    for (int q = 0; q < kSums; ++q) of[q] = from + at[q], sums[q] = start;
    for (int64_t k = 0; k < taps; ++k, weights += L) {
        const Vec<T> w = load(weights);
        const int64_t offset = tap[k];
#pragma GCC unroll 10
        for (int q = 0; q < kSums; ++q) sums[q] += w * load(of[q] + offset);
    }
#pragma GCC unroll 10
    for (int q = 0; q < kSums; ++q) store(to + q * L, sums[q]);
}

// `weights` is [channel][tap], the result C-contiguous.
template <class T>
static void convolve_lanes(const Problem& p, const Window& w, const Operand& read, const T* weights,
                           const Operand& bias, T* out) {
    constexpr int L = lanes<T>;
    const LanePlanes<T> planes(w);
    const int64_t channels = p.groups, blocks = (channels + L - 1) / L, taps = planes.taps;
    const int64_t positions = planes.positions;
    pool::Scratch packed(sizeof(T) * blocks * L * (taps + 1));  // [block][tap][lane], then the bias
    T* starts = packed.as<T>() + blocks * L * taps;
    for (int64_t c = 0; c < blocks * L; ++c)
        starts[c] = bias.data != nullptr && c < channels
                        ? static_cast<const T*>(bias.data)[c * bias.strides[0]]
                        : T(0);
    const auto count = [&](int64_t b) {
        return channels - b * L < L ? static_cast<int>(channels - b * L) : L;
    };
    for (int64_t b = 0; b < blocks; ++b)
        rows_to_lanes(weights + b * L * taps, taps, taps, count(b), packed.as<T>() + b * L * taps);
    const double flops = 0.4 * static_cast<double>(L * positions * (taps + 8));
    parallel_for(0, p.batch * blocks, Work{0.04 * flops}, [&](int64_t begin, int64_t end) {
        const int64_t most = planes.sources > positions + kSums ? planes.sources : positions + kSums;
        pool::Scratch memory(sizeof(T) * (planes.size() + most * L));
        T *padded = memory.as<T>(), *dense = padded + planes.size();
        for (int64_t i = 0; i < planes.size(); i += L) store(padded + i, Vec<T>{});
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t n = unit / blocks, b = unit % blocks;
            const T* from = static_cast<const T*>(read.data) + n * read.strides[0] + b * L * read.strides[1];
            planes.pad(from, read.strides[1], count(b), dense, padded);
            for (int64_t i = 0; i < positions; i += kSums)
                sum_taps_of(taps, planes.tap(), packed.as<T>() + b * L * taps, padded, planes.position() + i,
                            load(starts + b * L), dense + i * L);
            lanes_to_rows(dense, positions, count(b), out + (n * channels + b * L) * positions, positions);
        }
    });
}

// sums[k] += the sum over positions of grad * the element at from + its place + tap k, for kSums k.
template <class T>
static void sum_positions(int64_t positions, const int64_t* at, const T* grad, const T* from,
                          const int64_t* tap, T* to) {
    constexpr int L = lanes<T>;
    const T* of[kSums];
    Vec<T> sums[kSums];
#pragma GCC unroll 10
    for (int k = 0; k < kSums; ++k) of[k] = from + tap[k], sums[k] = Vec<T>{};
    for (int64_t i = 0; i < positions; ++i, grad += L) {
        const Vec<T> g = load(grad);
        const int64_t offset = at[i];
#pragma GCC unroll 10
        for (int k = 0; k < kSums; ++k) sums[k] += g * load(of[k] + offset);
    }
#pragma GCC unroll 10
    for (int k = 0; k < kSums; ++k) store(to + k * L, load(to + k * L) + sums[k]);  // image by image
}

// The weight gradient as [channel][tap]; `grad` is C-contiguous.
template <class T>
static void correlate_lanes(const Problem& p, const Window& w, const Operand& read, const T* grad, T* out) {
    constexpr int L = lanes<T>;
    const LanePlanes<T> planes(w);
    const int64_t channels = p.groups, blocks = (channels + L - 1) / L, taps = planes.taps;
    const int64_t positions = planes.positions, padded_taps = (taps + kSums - 1) / kSums * kSums;
    const double flops = 0.4 * static_cast<double>(p.batch * L * positions * (taps + 8));
    parallel_for(0, blocks, Work{0.04 * flops}, [&](int64_t begin, int64_t end) {
        pool::Scratch memory(sizeof(T) * (planes.size() + (planes.sources + positions + padded_taps) * L));
        T *padded = memory.as<T>(), *dense = padded + planes.size(), *of_grad = dense + planes.sources * L;
        T* sums = of_grad + positions * L;
        for (int64_t i = 0; i < planes.size(); i += L) store(padded + i, Vec<T>{});
        for (int64_t b = begin; b < end; ++b) {
            const int64_t left = channels - b * L;
            const int count = left < L ? static_cast<int>(left) : L;
            for (int64_t i = 0; i < padded_taps; ++i) store(sums + i * L, Vec<T>{});
            for (int64_t n = 0; n < p.batch; ++n) {
                planes.pad(static_cast<const T*>(read.data) + n * read.strides[0] + b * L * read.strides[1],
                           read.strides[1], count, dense, padded);
                rows_to_lanes(grad + (n * channels + b * L) * positions, positions, positions, count,
                              of_grad);
                for (int64_t k = 0; k < taps; k += kSums)
                    sum_positions(positions, planes.position(), of_grad, padded, planes.tap() + k,
                                  sums + k * L);
            }
            lanes_to_rows(sums, taps, count, out + b * L * taps, taps);
        }
    });
}

}  // namespace pt::conv::PT_ISA::depthwise
