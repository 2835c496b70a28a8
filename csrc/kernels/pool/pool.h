// Pooling of contiguous (planes, depth, height, width) arrays; 1d and 2d pooling have leading axes of size 1.
// The namespace is `pooling`: pt::pool is the buffer pool.
//
// Output o of an axis covers the inputs o * stride - padding + k * dilation, k = 0 .. kernel - 1, that exist.
// The caller gives out sizes such that every window starts before the end of the input.
#pragma once

#include <cstdint>

#include "base/cpu_level.h"

namespace pt::pooling {

struct Window {
    int64_t in[3], out[3];
    int64_t kernel[3], stride[3], padding[3], dilation[3];  // the adaptive kernels ignore these

    int64_t in_size() const { return in[0] * in[1] * in[2]; }
    int64_t out_size() const { return out[0] * out[1] * out[2]; }
    int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

// A range of an axis.
struct Span {
    int64_t begin, end;
    int64_t size() const { return end > begin ? end - begin : 0; }
};

// The taps k of output o that lie inside the input. For a window that misses the input altogether begin is
// the first tap at or beyond 0, and the span is empty.
static inline Span valid_taps(const Window& w, int axis, int64_t o) {
    const int64_t start = o * w.stride[axis] - w.padding[axis], dilation = w.dilation[axis];
    if (dilation == 1 && start >= 0 && start + w.kernel[axis] <= w.in[axis]) return {0, w.kernel[axis]};
    const int64_t begin = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const int64_t left = w.in[axis] - start;
    const int64_t end = left > 0 ? (left + dilation - 1) / dilation : 0;
    return {begin, end < w.kernel[axis] ? end : w.kernel[axis]};
}

// The inputs that output o of adaptive pooling covers.
static inline Span adaptive_span(const Window& w, int axis, int64_t o) {
    const int64_t in = w.in[axis], out = w.out[axis];
    return {o / out * in + o % out * in / out, 1 + ((o + 1) * in - 1) / out};
}

// What average pooling divides by: `fixed` if it is not 0, else the number of inputs in the window, where
// count_padding counts padding in (but not what ceil_mode adds beyond it).
struct Divisor {
    int64_t fixed;
    bool count_padding;
};
static inline int64_t axis_count(const Window& w, const Divisor& divisor, int axis, int64_t o) {
    const int64_t start = o * w.stride[axis] - w.padding[axis], stop = start + w.kernel[axis];
    if (divisor.count_padding) {
        const int64_t limit = w.in[axis] + w.padding[axis];
        return (stop < limit ? stop : limit) - start;
    }
    return (stop < w.in[axis] ? stop : w.in[axis]) - (start > 0 ? start : 0);
}

template <class T>
struct Table {
#define PT_KERNEL(name, ...) void (*name)(__VA_ARGS__);
#include "kernels/pool/kernels.inc"
#undef PT_KERNEL
};
struct Kernels {
    Table<float> f32;
    Table<double> f64;
};
PT_DECLARE_LEVELS(Kernels)

// The entry points: T is float or double; planes are divided among threads, results do not depend on how.

// Maximum of each window: the first of equal values, the last NaN if there is one. `offsets` (null, or room
// for one byte per output; window.taps() <= 256) gets the winning tap, which max_backward takes. `indices`
// (null, or room for one per output) gets the winner's flat position in its plane. At most one of them.
template <class T>
void max_forward(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes, const Window&);
template <class T>
void max_backward(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window&);

// The same where channels are the last axis, of (images, depth, height, width, channels). Rows of outputs (of
// inputs) are divided among threads.
template <class T>
void max_forward_last(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t images,
                      int64_t channels, const Window&);
template <class T>
void max_backward_last(const T* grad, const uint8_t* offsets, T* grad_x, int64_t images, int64_t channels,
                       const Window&);

// Average of each window (dilation 1), see Divisor.
template <class T>
void avg_forward(const T* x, T* out, int64_t planes, const Window&, const Divisor&);
template <class T>
void avg_backward(const T* grad, T* grad_x, int64_t planes, const Window&, const Divisor&);

// Averages where channels are the last axis; without a divisor, of adaptive windows.
template <class T>
void avg_forward_last(const T* x, T* out, int64_t images, int64_t channels, const Window&, const Divisor*);

// Adaptive pooling: only window.in and window.out count.
template <class T>
void adaptive_avg_forward(const T* x, T* out, int64_t planes, const Window&);
template <class T>
void adaptive_avg_backward(const T* grad, T* grad_x, int64_t planes, const Window&);
template <class T>
void adaptive_max_forward(const T* x, T* values, int64_t* indices, int64_t planes, const Window&);

// Maximum of windows of window.kernel anywhere inside: plane p's output o of an axis begins at
// starts[axis][p * window.out[axis] + o].
template <class T>
void max_forward_at(const T* x, const int64_t* const* starts, T* values, int64_t* indices, int64_t planes,
                    const Window&);

// By flat positions in each plane; false when one lies outside, and the result is not complete then.
// grad_x[indices[i]] += grad[i], from zero.
template <class T>
bool scatter_backward(const T* grad, const int64_t* indices, T* grad_x, int64_t planes, int64_t out_size,
                      int64_t in_size);
// The same with = for +=: the last of several for one place stays.
template <class T>
bool unpool(const T* x, const int64_t* indices, T* out, int64_t planes, int64_t x_size, int64_t out_size);
// out[i] = x[indices[i]].
template <class T>
bool gather(const T* x, const int64_t* indices, T* out, int64_t planes, int64_t out_size, int64_t x_size);

}  // namespace pt::pooling
