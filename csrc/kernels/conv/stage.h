// Where the products read their patches. A patch element is source[offset of k + offset of column], where k
// counts (channel, tap) and a column is one position of the output: a sum of two table entries, whatever the
// padding, stride and dilation.
//
// That holds in the array itself when no window leaves it and the last axis is dense and not stepped.
// Otherwise a group of images is copied to scratch memory with its padding around it, and the last axis cut
// into `step` phases (elements 0, step, 2 step, ... then 1, 1 + step, ...), so that neighbouring columns are
// neighbours in memory there.
#pragma once

#include "base/parallel.h"
#include "kernels/conv/lane_mask.h"
#include "kernels/conv/problem.h"
#include "simd/shuffle.h"

namespace pt::conv::PT_ISA {

using namespace ::pt::PT_ISA;

// The coordinates that windows reach: lo <= coordinate <= hi, first tap at lo + t * step.
struct Reach {
    int64_t lo[3], hi[3], step[3];
};

template <class T>
struct Stage {
    Reach reach;
    int64_t in[3], extent[3];  // of the array; of the part that is reached
    Operand array;
    bool copied;
    int64_t image, channel, plane, row, phase;  // distances in what is read

    static constexpr int64_t slack = 2 * lanes<T>;  // kernels may load a vector from any element

    int64_t offset(int64_t c, int64_t i, int64_t j, int64_t k) const {  // of a coordinate, less lo
        return c * channel + i * plane + j * row + k % reach.step[2] * phase + k / reach.step[2];
    }
    int64_t elements(int64_t images) const { return copied ? images * image + slack : 0; }
};

template <class T>
static Stage<T> make_stage(const Operand& array, int64_t channels, const int64_t* in, const Reach& reach,
                           bool must_copy) {
    Stage<T> s;
    s.reach = reach;
    s.array = array;
    bool inside = array.strides[4] == 1 && reach.step[2] == 1;
    for (int a = 0; a < 3; ++a) {
        s.in[a] = in[a];
        s.extent[a] = reach.hi[a] - reach.lo[a] + 1;
        inside = inside && reach.lo[a] >= 0 && reach.hi[a] < in[a];
    }
    s.copied = must_copy || !inside;
    if (s.copied) {
        s.phase = (s.extent[2] + reach.step[2] - 1) / reach.step[2];
        s.row = s.phase * reach.step[2];
        s.plane = s.row * s.extent[1];
        s.channel = s.plane * s.extent[0];
        s.image = s.channel * channels;
    } else {
        s.phase = 0;
        s.row = array.strides[3];
        s.plane = array.strides[2];
        s.channel = array.strides[1];
        s.image = array.strides[0];
    }
    return s;
}

// Copies to[i] = from[i * stride] where first <= i < last, and zeros elsewhere in [0, count).
template <class T>
PT_INLINE void copy_row(const T* from, int64_t stride, int64_t first, int64_t last, int64_t count, T* to) {
#if defined(__AVX512F__)
    if (stride == 1) {  // rows are short: one masked vector does most of them
        constexpr int64_t L = lanes<T>;
        for (int64_t i = 0; i < count; i += L) {
            const int64_t n = count - i < L ? count - i : L;
            const int64_t low = first > i ? (first - i < n ? first - i : n) : 0;
            const int64_t high = last < i + n ? (last > i + low ? last - i : low) : n;
            const unsigned keep = ((1u << high) - 1u) & ~((1u << low) - 1u), all = (1u << n) - 1u;
            if constexpr (sizeof(T) == 4) {
                const __m512 v = _mm512_maskz_loadu_ps(static_cast<__mmask16>(keep), from + i);
                _mm512_mask_storeu_ps(to + i, static_cast<__mmask16>(all), v);
            } else {
                const __m512d v = _mm512_maskz_loadu_pd(static_cast<__mmask8>(keep), from + i);
                _mm512_mask_storeu_pd(to + i, static_cast<__mmask8>(all), v);
            }
        }
        return;
    }
#endif
    for (int64_t i = 0; i < first; ++i) to[i] = T(0);
    if (stride == 1)
        for (int64_t i = first; i < last; ++i) to[i] = from[i];
    else if (stride == 2)
        for (int64_t i = first; i < last; ++i) to[i] = from[2 * i];
    else
        for (int64_t i = first; i < last; ++i) to[i] = from[i * stride];
    for (int64_t i = last; i < count; ++i) to[i] = T(0);
}

PT_INLINE int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

constexpr int64_t kChannelsAhead = 4;

// Rows whose phases, one or two, take at most one vector each. Whole vectors are written, what comes next
// overwrites what is too much, but for the last ones. The hardware does not guess that short rows of many
// channels follow each other in memory: fetching ahead is three times as fast.
template <class T>
static void stage_narrow_channel(const Stage<T>& s, const T* from, T* to) {
    constexpr int64_t L = lanes<T>;
    const int64_t step = s.reach.step[2], w = s.reach.lo[2], width = s.in[2];
    const LaneMask<T> low = lanes_between<T>(-w, width - w), high = lanes_between<T>(-w - L, width - w - L);
    const T* end = to + s.channel;
    const int64_t ahead = kChannelsAhead * s.array.strides[1], ahead_to = kChannelsAhead * s.channel;
    const auto put = [&](T* at, Vec<T> v) {
        if (at + L <= end)
            store(at, v);
        else
            store_n(at, v, static_cast<int>(s.phase));
    };
    for (int64_t i = 0; i < s.extent[0]; ++i) {
        const int64_t d = i + s.reach.lo[0];
        const bool d_inside = d >= 0 && d < s.in[0];
        const T* plane = from + (d_inside ? d * s.array.strides[2] : 0) + w;
        T* row = to + i * s.plane;
        for (int64_t j = 0; j < s.extent[1]; ++j, row += s.row) {
            const int64_t h = j + s.reach.lo[1];
            const bool inside = d_inside && h >= 0 && h < s.in[1];
            const T* at = plane + h * s.array.strides[3];
            __builtin_prefetch(at + ahead);
            __builtin_prefetch(row + ahead_to, 1);
            const Vec<T> a = inside ? load_where<T>(at, low) : Vec<T>{};
            if (step == 1) {
                put(row, a);
                continue;
            }
            const Vec<T> b = inside ? load_where<T>(at + L, high) : Vec<T>{};
            constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
            put(row, even_lanes_of<T>(a, b, all));
            put(row + s.phase, odd_lanes_of<T>(a, b, all));
        }
    }
}

// One (image, channel) with its padding and phases.
template <class T>
static void stage_channel(const Stage<T>& s, const T* from, T* to) {
    const int64_t step = s.reach.step[2], w_stride = s.array.strides[4];
    if (kMasksAreFree && step <= 2 && w_stride == 1 && s.phase <= lanes<T>)
        return stage_narrow_channel(s, from, to);
    for (int64_t f = 0; f < step; ++f) {  // element q of phase f is coordinate w = lo + f + q * step
        const int64_t w = s.reach.lo[2] + f;
        const int64_t first = w < 0 ? (-w + step - 1) / step : 0;
        const int64_t last = w < s.in[2] ? (s.in[2] - w + step - 1) / step : 0;
        const int64_t begin = clamp(first, 0, s.phase), end = clamp(last, begin, s.phase);
        for (int64_t i = 0; i < s.extent[0]; ++i) {
            const int64_t d = i + s.reach.lo[0];
            const bool d_inside = d >= 0 && d < s.in[0];
            const T* plane = from + (d_inside ? d * s.array.strides[2] : 0) + w * w_stride;
            T* row = to + i * s.plane + f * s.phase;
            for (int64_t j = 0; j < s.extent[1]; ++j, row += s.row) {
                const int64_t h = j + s.reach.lo[1];
                const bool inside = d_inside && h >= 0 && h < s.in[1];
                copy_row(plane + (inside ? h * s.array.strides[3] : 0), step * w_stride, inside ? begin : 0,
                         inside ? end : 0, s.phase, row);
            }
        }
    }
}

// What so much costs one thread at most rates near the machine's, for Work.
PT_INLINE double flops_ns(int64_t flops) { return 0.006 * static_cast<double>(flops); }
PT_INLINE double bytes_ns(int64_t bytes) { return 0.015 * static_cast<double>(bytes); }

constexpr int64_t kMostGroupBytes = 1 << 18;  // of what one thread stages for itself, in the second cache

// Channels [first, first + count) of one image.
template <class T>
static void stage_channels(const Stage<T>& s, int64_t image, int64_t first, int64_t count, T* to) {
    const T* from = static_cast<const T*>(s.array.data) + image * s.array.strides[0];
    for (int64_t c = 0; c < count; ++c)
        stage_channel(s, from + (first + c) * s.array.strides[1], to + c * s.channel);
}

// Images [first, first + images), all channels: returns where the group's elements lie.
template <class T>
static const T* stage_images(const Stage<T>& s, int64_t first, int64_t images, int64_t channels, T* scratch) {
    const T* base = static_cast<const T*>(s.array.data) + first * s.array.strides[0];
    if (!s.copied) return base + s.reach.lo[0] * s.plane + s.reach.lo[1] * s.row + s.reach.lo[2];
    parallel_for(
        0, images * channels, Work{bytes_ns(2 * s.channel * sizeof(T))}, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i)
                stage_channel(s, base + i / channels * s.array.strides[0] + i % channels * s.array.strides[1],
                              scratch + i * s.channel);
        });
    for (int64_t i = 0; i < Stage<T>::slack; ++i) scratch[images * s.image + i] = T(0);
    return scratch;
}

// How many images to stage at once: the copy should stay in the last-level cache, or in the second where
// little is done with it.
template <class T>
static int64_t images_per_group(const Stage<T>& s, int64_t batch, bool little = false) {
    if (!s.copied || batch == 0) return batch;
    const int64_t budget = (int64_t{1} << (little ? 19 : 23)) / static_cast<int64_t>(sizeof(T));
    const int64_t most = s.image > 0 && budget / s.image > 1 ? budget / s.image : 1;
    const int64_t groups = (batch + most - 1) / most;
    return (batch + groups - 1) / groups;
}

}  // namespace pt::conv::PT_ISA
