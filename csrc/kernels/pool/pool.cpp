// The plain versions, and the choice of kernel and threads.
#include "base/by_type.h"
#include "kernels/pool/pool.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::pooling {

namespace plain {

// body(tap, position in the plane) for every tap of output (od, oh, ow) that lies inside the input.
template <class Body>
void each_tap(const Window& w, int64_t od, int64_t oh, int64_t ow, const Body& body) {
    const Span kd = valid_taps(w, 0, od), kh = valid_taps(w, 1, oh), kw = valid_taps(w, 2, ow);
    for (int64_t a = kd.begin; a < kd.end; ++a) {
        const int64_t d = od * w.stride[0] - w.padding[0] + a * w.dilation[0];
        for (int64_t b = kh.begin; b < kh.end; ++b) {
            const int64_t h = oh * w.stride[1] - w.padding[1] + b * w.dilation[1];
            for (int64_t c = kw.begin; c < kw.end; ++c) {
                const int64_t x = ow * w.stride[2] - w.padding[2] + c * w.dilation[2];
                body((a * w.kernel[1] + b) * w.kernel[2] + c, (d * w.in[1] + h) * w.in[2] + x);
            }
        }
    }
}

// body(output position in the plane, od, oh, ow) for every output of a plane.
template <class Body>
void each_output(const Window& w, const Body& body) {
    int64_t o = 0;
    for (int64_t od = 0; od < w.out[0]; ++od)
        for (int64_t oh = 0; oh < w.out[1]; ++oh)
            for (int64_t ow = 0; ow < w.out[2]; ++ow) body(o++, od, oh, ow);
}

template <class T>
void max_forward(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes, const Window& w) {
    for (int64_t p = 0; p < planes; ++p) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            const int64_t at[3] = {od, oh, ow};
            T best = -std::numeric_limits<T>::infinity();
            int64_t tap = 0, position = 0;  // of the first tap inside the input, until one is greater
            for (int axis = 0; axis < 3; ++axis) {
                const int64_t k = valid_taps(w, axis, at[axis]).begin;
                tap = tap * w.kernel[axis] + k;
                position = position * w.in[axis] + at[axis] * w.stride[axis] - w.padding[axis] +
                           k * w.dilation[axis];
            }
            each_tap(w, od, oh, ow, [&](int64_t k, int64_t i) {
                if (x[i] > best || std::isnan(x[i])) {
                    best = x[i];
                    tap = k;
                    position = i;
                }
            });
            values[o] = best;
            if (offsets != nullptr) offsets[o] = static_cast<uint8_t>(tap);
            if (indices != nullptr) indices[o] = position;
        });
        x += w.in_size();
        values += w.out_size();
        if (offsets != nullptr) offsets += w.out_size();
        if (indices != nullptr) indices += w.out_size();
    }
}

template <class T>
void max_backward(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w,
                  int64_t) {
    std::fill_n(grad_x, planes * w.in_size(), T(0));
    for (int64_t p = 0; p < planes; ++p) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            each_tap(w, od, oh, ow, [&](int64_t k, int64_t i) {
                if (k == offsets[o]) grad_x[i] += grad[o];
            });
        });
        grad += w.out_size();
        offsets += w.out_size();
        grad_x += w.in_size();
    }
}

template <class T>
T divisor_at(const Window& w, const Divisor& divisor, int64_t od, int64_t oh, int64_t ow) {
    if (divisor.fixed != 0) return static_cast<T>(divisor.fixed);
    return static_cast<T>(axis_count(w, divisor, 0, od) * axis_count(w, divisor, 1, oh) *
                          axis_count(w, divisor, 2, ow));
}

template <class T>
void avg_forward(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    for (int64_t p = 0; p < planes; ++p, x += w.in_size(), out += w.out_size()) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            T sum = 0;
            each_tap(w, od, oh, ow, [&](int64_t, int64_t i) { sum += x[i]; });
            out[o] = sum / divisor_at<T>(w, divisor, od, oh, ow);
        });
    }
}

template <class T>
void avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w, const Divisor& divisor) {
    std::fill_n(grad_x, planes * w.in_size(), T(0));
    for (int64_t p = 0; p < planes; ++p, grad += w.out_size(), grad_x += w.in_size()) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            const T g = grad[o] / divisor_at<T>(w, divisor, od, oh, ow);
            each_tap(w, od, oh, ow, [&](int64_t, int64_t i) { grad_x[i] += g; });
        });
    }
}

// body(position in the plane) for every input of adaptive output (od, oh, ow); gives their number.
template <class Body>
int64_t each_adaptive(const Window& w, int64_t od, int64_t oh, int64_t ow, const Body& body) {
    const Span d = adaptive_span(w, 0, od), h = adaptive_span(w, 1, oh), x = adaptive_span(w, 2, ow);
    for (int64_t a = d.begin; a < d.end; ++a)
        for (int64_t b = h.begin; b < h.end; ++b)
            for (int64_t c = x.begin; c < x.end; ++c) body((a * w.in[1] + b) * w.in[2] + c);
    return d.size() * h.size() * x.size();
}

template <class T>
void adaptive_avg_forward(const T* x, T* out, int64_t planes, const Window& w) {
    for (int64_t p = 0; p < planes; ++p, x += w.in_size(), out += w.out_size()) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            T sum = 0;
            const int64_t count = each_adaptive(w, od, oh, ow, [&](int64_t i) { sum += x[i]; });
            out[o] = sum / static_cast<T>(count);
        });
    }
}

template <class T>
void adaptive_avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w) {
    std::fill_n(grad_x, planes * w.in_size(), T(0));
    for (int64_t p = 0; p < planes; ++p, grad += w.out_size(), grad_x += w.in_size()) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            const int64_t count = each_adaptive(w, od, oh, ow, [](int64_t) {});
            const T g = grad[o] / static_cast<T>(count);
            each_adaptive(w, od, oh, ow, [&](int64_t i) { grad_x[i] += g; });
        });
    }
}

template <class T>
void adaptive_max_forward(const T* x, T* values, int64_t* indices, int64_t planes, const Window& w) {
    for (int64_t p = 0; p < planes; ++p, x += w.in_size()) {
        each_output(w, [&](int64_t, int64_t od, int64_t oh, int64_t ow) {
            const Span d = adaptive_span(w, 0, od), h = adaptive_span(w, 1, oh), s = adaptive_span(w, 2, ow);
            T best = -std::numeric_limits<T>::infinity();
            int64_t position = (d.begin * w.in[1] + h.begin) * w.in[2] + s.begin;
            each_adaptive(w, od, oh, ow, [&](int64_t i) {
                const bool better = (x[i] > best) | std::isnan(x[i]);
                position = better ? i : position;
                best = better ? x[i] : best;
            });
            *values++ = best;
            *indices++ = position;
        });
    }
}

template <class T>
void max_forward_last(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t first, int64_t rows,
                      int64_t channels, const Window& w) {
    const int64_t out_rows = w.out[0] * w.out[1];
    for (int64_t o = first * w.out[2]; o < (first + rows) * w.out[2]; ++o) {
        const int64_t row = o / w.out[2], at[3] = {row % out_rows / w.out[1], row % w.out[1], o % w.out[2]};
        const T* image = x + row / out_rows * w.in_size() * channels;
        int64_t first_tap = 0, first_position = 0;
        for (int axis = 0; axis < 3; ++axis) {
            const int64_t k = valid_taps(w, axis, at[axis]).begin;
            first_tap = first_tap * w.kernel[axis] + k;
            first_position = first_position * w.in[axis] + at[axis] * w.stride[axis] - w.padding[axis] +
                             k * w.dilation[axis];
        }
        for (int64_t c = 0; c < channels; ++c) {
            T best = -std::numeric_limits<T>::infinity();
            int64_t tap = first_tap, position = first_position;
            each_tap(w, at[0], at[1], at[2], [&](int64_t k, int64_t i) {
                const T v = image[i * channels + c];
                if (!(v > best) && !std::isnan(v)) return;
                best = v;
                tap = k;
                position = i;
            });
            values[o * channels + c] = best;
            if (offsets != nullptr) offsets[o * channels + c] = static_cast<uint8_t>(tap);
            if (indices != nullptr) indices[o * channels + c] = position;
        }
    }
}

template <class T>
void max_backward_last(const T* grad, const uint8_t* offsets, T* grad_x, int64_t first, int64_t rows,
                       int64_t channels, const Window& w) {
    const int64_t row_size = w.in[2] * channels, in_rows = w.in[0] * w.in[1];
    std::fill_n(grad_x + first * row_size, rows * row_size, T(0));
    for (int64_t image = first / in_rows; image * in_rows < first + rows; ++image) {
        each_output(w, [&](int64_t o, int64_t od, int64_t oh, int64_t ow) {
            each_tap(w, od, oh, ow, [&](int64_t k, int64_t i) {
                const int64_t row = image * in_rows + i / w.in[2];
                if (row < first || row >= first + rows) return;
                const int64_t from = (image * w.out_size() + o) * channels;
                for (int64_t c = 0; c < channels; ++c)
                    if (offsets[from + c] == k)
                        grad_x[row * row_size + i % w.in[2] * channels + c] += grad[from + c];
            });
        });
    }
}

template <class T>
void avg_forward_last(const T* x, T* out, int64_t first, int64_t rows, int64_t channels, const Window& w,
                      const Divisor* divisor) {
    const int64_t out_rows = w.out[0] * w.out[1];
    for (int64_t o = first * w.out[2]; o < (first + rows) * w.out[2]; ++o) {
        const int64_t row = o / w.out[2], od = row % out_rows / w.out[1], oh = row % w.out[1],
                      ow = o % w.out[2];
        const T* image = x + row / out_rows * w.in_size() * channels;
        for (int64_t c = 0; c < channels; ++c) {
            T sum = 0, count;
            const auto add = [&](int64_t i) { sum += image[i * channels + c]; };
            if (divisor == nullptr) {
                count = static_cast<T>(each_adaptive(w, od, oh, ow, add));
            } else {
                each_tap(w, od, oh, ow, [&](int64_t, int64_t i) { add(i); });
                count = divisor_at<T>(w, *divisor, od, oh, ow);
            }
            out[o * channels + c] = sum / count;
        }
    }
}

template <class T>
constexpr Table<T> table() {
    return {
#define PT_KERNEL(name, ...) &name<T>,
#include "kernels/pool/kernels.inc"
#undef PT_KERNEL
    };
}
const Kernels kernels = {table<float>(), table<double>()};

}  // namespace plain

namespace {

template <class T>
const Table<T>& selected() {
    return by_type<T>(PT_SELECT(Kernels));
}

// body(first plane, number of planes) over all planes, which take `ns` each. Kernels prepare tables first,
// and some take as many planes as there are lanes together.
template <class Body>
void over_planes(int64_t planes, double ns, const Body& body) {
    parallel_for(0, planes, Work{ns, ns < 400 ? 16 : 1},
                 [&](int64_t begin, int64_t end) { body(begin, end - begin); });
}

// What a plane takes: ns per input and output, measured with AVX-512.
double plane_ns(const Window& w, double input, double output) {
    return input * static_cast<double>(w.in_size()) + output * static_cast<double>(w.out_size());
}

template <class P>
P* advance(P* pointer, int64_t by) {
    return pointer == nullptr ? nullptr : pointer + by;
}

// Adaptive pooling whose windows all have the same size is ordinary pooling with kernel = stride.
bool even_tiles(const Window& w) {
    return w.in[0] % w.out[0] == 0 && w.in[1] % w.out[1] == 0 && w.in[2] % w.out[2] == 0;
}
Window as_tiles(const Window& w) {
    Window tiles = w;
    for (int axis = 0; axis < 3; ++axis) {
        tiles.kernel[axis] = tiles.stride[axis] = w.in[axis] / w.out[axis];
        tiles.padding[axis] = 0;
        tiles.dilation[axis] = 1;
    }
    return tiles;
}

// Ordinary pooling by tiles so wide that adding up along the row beats one output per lane.
bool wide_tiles(const Window& w, const Divisor& divisor) {
    if (w.stride[2] < 3 || divisor.fixed != 0) return false;
    for (int axis = 0; axis < 3; ++axis)
        if (w.kernel[axis] != w.stride[axis] || w.padding[axis] != 0 ||
            w.in[axis] != w.kernel[axis] * w.out[axis])
            return false;
    return true;
}

}  // namespace

template <class T>
void max_forward(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t planes, const Window& w) {
    over_planes(planes, plane_ns(w, 0.1, 0.25), [&](int64_t p, int64_t n) {
        const int64_t o = p * w.out_size();
        selected<T>().max_forward(x + p * w.in_size(), values + o, advance(offsets, o), advance(indices, o),
                                  n, w);
    });
}

template <class T>
void max_backward(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    const int64_t bytes = planes * w.in_size() * static_cast<int64_t>(sizeof(T));
    over_planes(planes, plane_ns(w, 0.1, 0.1), [&](int64_t p, int64_t n) {
        const int64_t o = p * w.out_size();
        selected<T>().max_backward(grad + o, offsets + o, grad_x + p * w.in_size(), n, w, bytes);
    });
}

template <class T>
void avg_forward(const T* x, T* out, int64_t planes, const Window& w, const Divisor& divisor) {
    if (wide_tiles(w, divisor)) return adaptive_avg_forward(x, out, planes, w);
    over_planes(planes, plane_ns(w, 0.1, 0.3), [&](int64_t p, int64_t n) {
        selected<T>().avg_forward(x + p * w.in_size(), out + p * w.out_size(), n, w, divisor);
    });
}

template <class T>
void avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w, const Divisor& divisor) {
    if (wide_tiles(w, divisor)) return adaptive_avg_backward(grad, grad_x, planes, w);
    over_planes(planes, plane_ns(w, 0.15, 0.3), [&](int64_t p, int64_t n) {
        selected<T>().avg_backward(grad + p * w.out_size(), grad_x + p * w.in_size(), n, w, divisor);
    });
}

template <class T>
void adaptive_avg_forward(const T* x, T* out, int64_t planes, const Window& w) {
    if (even_tiles(w) && w.in[2] / w.out[2] < 3) return avg_forward(x, out, planes, as_tiles(w), {0, true});
    over_planes(planes, plane_ns(w, 0.05, 0.4), [&](int64_t p, int64_t n) {
        selected<T>().adaptive_avg_forward(x + p * w.in_size(), out + p * w.out_size(), n, w);
    });
}

template <class T>
void adaptive_avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w) {
    if (even_tiles(w) && w.in[2] / w.out[2] < 3)
        return avg_backward(grad, grad_x, planes, as_tiles(w), {0, true});
    over_planes(planes, plane_ns(w, 0.05, 0.8), [&](int64_t p, int64_t n) {
        selected<T>().adaptive_avg_backward(grad + p * w.out_size(), grad_x + p * w.in_size(), n, w);
    });
}

template <class T>
void adaptive_max_forward(const T* x, T* values, int64_t* indices, int64_t planes, const Window& w) {
    over_planes(planes, plane_ns(w, 0.1, 1.7), [&](int64_t p, int64_t n) {
        const int64_t o = p * w.out_size();
        selected<T>().adaptive_max_forward(x + p * w.in_size(), values + o, indices + o, n, w);
    });
}

template <class T>
void max_forward_last(const T* x, T* values, uint8_t* offsets, int64_t* indices, int64_t images,
                      int64_t channels, const Window& w) {
    const double output = 0.07 * static_cast<double>(w.taps() * channels);  // ns
    over_planes(images * w.out[0] * w.out[1], output * static_cast<double>(w.out[2]),
                [&](int64_t first, int64_t n) {
                    selected<T>().max_forward_last(x, values, offsets, indices, first, n, channels, w);
                });
}

template <class T>
void avg_forward_last(const T* x, T* out, int64_t images, int64_t channels, const Window& w,
                      const Divisor* divisor) {
    const int64_t rows = w.out[0] * w.out[1],
                  taps = divisor == nullptr ? w.in_size() / w.out_size() : w.taps();
    const double output = 0.05 * static_cast<double>((taps + 1) * channels);  // ns
    over_planes(images * rows, output * static_cast<double>(w.out[2]), [&](int64_t first, int64_t n) {
        selected<T>().avg_forward_last(x, out, first, n, channels, w, divisor);
    });
}

template <class T>
void max_backward_last(const T* grad, const uint8_t* offsets, T* grad_x, int64_t images, int64_t channels,
                       const Window& w) {
    over_planes(images * w.in[0] * w.in[1], 0.4 * static_cast<double>(w.in[2] * channels),
                [&](int64_t first, int64_t n) {
                    selected<T>().max_backward_last(grad, offsets, grad_x, first, n, channels, w);
                });
}

#define PT_INSTANTIATE(T)                                                                              \
    template void max_forward(const T*, T*, uint8_t*, int64_t*, int64_t, const Window&);               \
    template void max_backward(const T*, const uint8_t*, T*, int64_t, const Window&);                  \
    template void avg_forward(const T*, T*, int64_t, const Window&, const Divisor&);                   \
    template void avg_forward_last(const T*, T*, int64_t, int64_t, const Window&, const Divisor*);     \
    template void avg_backward(const T*, T*, int64_t, const Window&, const Divisor&);                  \
    template void adaptive_avg_forward(const T*, T*, int64_t, const Window&);                          \
    template void adaptive_avg_backward(const T*, T*, int64_t, const Window&);                         \
    template void adaptive_max_forward(const T*, T*, int64_t*, int64_t, const Window&);                \
    template void max_forward_last(const T*, T*, uint8_t*, int64_t*, int64_t, int64_t, const Window&); \
    template void max_backward_last(const T*, const uint8_t*, T*, int64_t, int64_t, const Window&);
PT_INSTANTIATE(float)
PT_INSTANTIATE(double)
#undef PT_INSTANTIATE

}  // namespace pt::pooling
