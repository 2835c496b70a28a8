// The plain versions (sums in long double), and the choice of kernel and threads.
#include "base/by_type.h"
#include "kernels/norm/norm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::norm {

namespace plain {

template <class T>
T weight_at(const T* weight, int64_t c) {
    return weight == nullptr ? T(1) : weight[c];
}
template <class T>
T bias_at(const T* bias, int64_t c) {
    return bias == nullptr ? T(0) : bias[c];
}

// body(position) for every element of a channel.
template <class Body>
void each_of_channel(const Batch& s, int64_t c, const Body& body) {
    for (int64_t b = 0; b < s.batch; ++b)
        for (int64_t i = 0; i < s.spatial; ++i) body((b * s.channels + c) * s.spatial + i);
}

template <class T>
void batch_forward(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var, T eps,
                   bool training, T* y, int64_t begin, int64_t end) {
    const double count = static_cast<double>(s.batch * s.spatial);
    for (int64_t c = begin; c < end; ++c) {
        if (training) {
            long double sum = 0, squares = 0;
            each_of_channel(s, c, [&](int64_t i) { sum += x[i]; });
            const double center = static_cast<double>(sum / count);
            each_of_channel(s, c, [&](int64_t i) { squares += (x[i] - center) * (x[i] - center); });
            mean[c] = static_cast<T>(center);
            var[c] = static_cast<T>(squares / count);
        }
        const T scale = weight_at(weight, c) / std::sqrt(var[c] + eps), shift = bias_at(bias, c);
        each_of_channel(s, c, [&](int64_t i) { y[i] = (x[i] - mean[c]) * scale + shift; });
    }
}

template <class T>
void batch_backward(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean, const T* var,
                    T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias, int64_t begin,
                    int64_t end) {
    const double count = static_cast<double>(s.batch * s.spatial);
    for (int64_t c = begin; c < end; ++c) {
        const double center = mean[c], rstd = 1 / std::sqrt(static_cast<double>(var[c]) + eps);
        long double sum = 0, dot = 0;
        each_of_channel(s, c, [&](int64_t i) {
            sum += grad[i];
            dot += grad[i] * (x[i] - center);
        });
        grad_weight[c] = static_cast<T>(dot * rstd);
        grad_bias[c] = static_cast<T>(sum);
        if (grad_x == nullptr) continue;
        const double scale = weight_at(weight, c) * rstd;
        const long double shift = training ? sum / count : 0,
                          slope = training ? dot * rstd * rstd / count : 0;
        each_of_channel(s, c, [&](int64_t i) {
            grad_x[i] = static_cast<T>((grad[i] - shift - (x[i] - center) * slope) * scale);
        });
    }
}

template <class T>
void group_forward(const Groups& s, const T* x, const T* weight, const T* bias, T eps, T* mean, T* rstd, T* y,
                   int64_t begin, int64_t end) {
    const int64_t size = s.row_size();
    for (int64_t r = begin; r < end; ++r) {
        long double sum = 0, squares = 0;
        for (int64_t i = r * size; i < (r + 1) * size; ++i) sum += x[i];
        const double center = s.centered ? static_cast<double>(sum) / static_cast<double>(size) : 0;
        for (int64_t i = r * size; i < (r + 1) * size; ++i) squares += (x[i] - center) * (x[i] - center);
        mean[r] = static_cast<T>(center);
        rstd[r] =
            static_cast<T>(1 / std::sqrt(static_cast<double>(squares) / static_cast<double>(size) + eps));
        const int64_t first = r % s.groups * s.row_channels();
        for (int64_t i = 0; i < size; ++i) {
            const int64_t c = first + i / s.spatial;
            y[r * size + i] = (x[r * size + i] - mean[r]) * rstd[r] * weight_at(weight, c) + bias_at(bias, c);
        }
    }
}

// Adds to grad_weight and grad_bias (not null): the caller clears them.
template <class T>
void group_backward(const Groups& s, const T* grad, const T* x, const T* weight, const T* mean, const T* rstd,
                    T* grad_x, T* grad_weight, T* grad_bias, int64_t begin, int64_t end) {
    const int64_t size = s.row_size();
    for (int64_t r = begin; r < end; ++r) {
        const int64_t first = r % s.groups * s.row_channels();
        const double scale = rstd[r], count = static_cast<double>(size);
        long double sum = 0, dot = 0;
        for (int64_t i = 0; i < size; ++i) {
            const int64_t at = r * size + i, c = first + i / s.spatial;
            const double normal = (x[at] - mean[r]) * scale;
            sum += grad[at] * weight_at(weight, c);
            dot += grad[at] * weight_at(weight, c) * normal;
            grad_weight[c] += static_cast<T>(grad[at] * normal);
            grad_bias[c] += grad[at];
        }
        if (grad_x == nullptr) continue;
        for (int64_t i = 0; i < size; ++i) {
            const int64_t at = r * size + i, c = first + i / s.spatial;
            const double normal = (x[at] - mean[r]) * scale;
            const long double shift = s.centered ? sum / count : 0;
            grad_x[at] =
                static_cast<T>((grad[at] * weight_at(weight, c) - shift - normal * dot / count) * scale);
        }
    }
}

// body(first element) for every line of n elements, `inner` apart, of the items begin .. end.
template <class Body>
void each_line(int64_t n, int64_t inner, int64_t piece, int64_t begin, int64_t end, const Body& body) {
    const int64_t per_outer = (inner + piece - 1) / piece;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t from = item % per_outer * piece;
        for (int64_t i = from; i < std::min(from + piece, inner); ++i) body(item / per_outer * n * inner + i);
    }
}

template <class T>
void softmax_forward(const T* x, T* y, bool log, int64_t n, int64_t inner, int64_t piece, int64_t begin,
                     int64_t end) {
    each_line(n, inner, piece, begin, end, [&](int64_t first) {
        const int64_t last = first + n * inner;
        T largest = -std::numeric_limits<T>::infinity();
        for (int64_t i = first; i < last; i += inner) largest = std::max(largest, x[i]);
        long double sum = 0;
        for (int64_t i = first; i < last; i += inner) sum += std::exp(x[i] - largest);
        for (int64_t i = first; i < last; i += inner)
            y[i] = static_cast<T>(log ? (x[i] - largest) - std::log(sum) : std::exp(x[i] - largest) / sum);
    });
}

template <class T>
void softmax_backward(const T* grad, const T* y, T* grad_x, bool log, int64_t n, int64_t inner, int64_t piece,
                      int64_t begin, int64_t end) {
    each_line(n, inner, piece, begin, end, [&](int64_t first) {
        const int64_t last = first + n * inner;
        long double sum = 0;
        for (int64_t i = first; i < last; i += inner) sum += log ? grad[i] : grad[i] * y[i];
        for (int64_t i = first; i < last; i += inner)
            grad_x[i] = static_cast<T>(log ? grad[i] - std::exp(y[i]) * sum : (grad[i] - sum) * y[i]);
    });
}

template <class T>
constexpr Table<T> table() {
    return {
#define PT_KERNEL(name, ...) &name<T>,
#include "kernels/norm/kernels.inc"
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

// What `elements` cost, float32 elements taking `ns` each.
template <class T>
double cost(double ns, int64_t elements) {
    return ns * static_cast<double>(elements) * (sizeof(T) / sizeof(float));
}

// Channels that a kernel does together, or whose rows share lines of the cache (batch.h).
template <class T>
Work batch_work(const Batch& s, double ns) {
    constexpr int64_t kColumns = 64, kShortPlanes = 8;
    return {cost<T>(ns, s.batch * s.spatial), s.spatial == 1 ? kColumns : kShortPlanes};
}

}  // namespace

template <class T>
void batch_forward(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var, T eps,
                   bool training, T* y) {
    parallel_for(0, s.channels, batch_work<T>(s, training ? 0.25 : 0.15), [&](int64_t begin, int64_t end) {
        selected<T>().batch_forward(s, x, weight, bias, mean, var, eps, training, y, begin, end);
    });
}

template <class T>
void batch_backward(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean, const T* var,
                    T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias) {
    parallel_for(0, s.channels, batch_work<T>(s, 0.35), [&](int64_t begin, int64_t end) {
        selected<T>().batch_backward(s, grad, x, weight, mean, var, eps, training, grad_x, grad_weight,
                                     grad_bias, begin, end);
    });
}

template <class T>
void group_forward(const Groups& s, const T* x, const T* weight, const T* bias, T eps, T* mean, T* rstd,
                   T* y) {
    parallel_for(0, s.rows(), Work{cost<T>(0.15, s.row_size())}, [&](int64_t begin, int64_t end) {
        selected<T>().group_forward(s, x, weight, bias, eps, mean, rstd, y, begin, end);
    });
}

// The batch is cut into at most kParts parts, whatever the number of threads; each adds up its own weight and
// bias gradients, which are then added in order.
template <class T>
void group_backward(const Groups& s, const T* grad, const T* x, const T* weight, const T* mean, const T* rstd,
                    T* grad_x, T* grad_weight, T* grad_bias) {
    constexpr int64_t kParts = 16, kPartRows = 32;
    const int64_t parts =
        std::clamp<int64_t>(s.rows() / kPartRows, 1, std::min(kParts, std::max<int64_t>(s.batch, 1)));
    pool::Scratch scratch(static_cast<size_t>(2 * parts * s.channels) * sizeof(T));
    T* sums = scratch.as<T>();
    const Work work{cost<T>(0.3, s.batch * s.channels * s.spatial) / static_cast<double>(parts)};
    parallel_for(0, parts, work, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
            T* part = sums + 2 * p * s.channels;
            std::fill_n(part, 2 * s.channels, T(0));
            selected<T>().group_backward(s, grad, x, weight, mean, rstd, grad_x, part, part + s.channels,
                                         s.batch * p / parts * s.groups,
                                         s.batch * (p + 1) / parts * s.groups);
        }
    });
    for (int64_t c = 0; c < s.channels; ++c) grad_weight[c] = sums[c], grad_bias[c] = sums[s.channels + c];
    for (int64_t p = 1; p < parts; ++p) {
        const T* part = sums + 2 * p * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) {
            grad_weight[c] += part[c];
            grad_bias[c] += part[s.channels + c];
        }
    }
}

namespace {

// Lines that are done side by side: enough to read memory in order (64 take twice as long as 512), few enough
// for the sums to stay near and to give every thread some.
int64_t line_piece(int64_t outer, int64_t inner) {
    constexpr int64_t kMost = 512;
    const int64_t threads = outer >= num_threads() ? 1 : num_threads();
    return std::clamp<int64_t>((inner + threads - 1) / threads, 1, kMost);
}

// run(begin, end, piece) over all items, an element of which takes `ns`.
template <class T, class Run>
void over_lines(int64_t outer, int64_t n, int64_t inner, double ns, const Run& run) {
    if (outer * n * inner == 0) return;
    const int64_t piece = line_piece(outer, inner), items = outer * ((inner + piece - 1) / piece);
    parallel_for(0, items, Work{cost<T>(ns, n * piece)},
                 [&](int64_t begin, int64_t end) { run(begin, end, piece); });
}

}  // namespace

template <class T>
void softmax_forward(const T* x, T* y, bool log, int64_t outer, int64_t n, int64_t inner) {
    over_lines<T>(outer, n, inner, 0.25, [&](int64_t begin, int64_t end, int64_t piece) {
        selected<T>().softmax_forward(x, y, log, n, inner, piece, begin, end);
    });
}

template <class T>
void softmax_backward(const T* grad, const T* y, T* grad_x, bool log, int64_t outer, int64_t n,
                      int64_t inner) {
    over_lines<T>(outer, n, inner, log ? 0.2 : 0.15, [&](int64_t begin, int64_t end, int64_t piece) {
        selected<T>().softmax_backward(grad, y, grad_x, log, n, inner, piece, begin, end);
    });
}

#define PT_INSTANTIATE(T)                                                                                 \
    template void batch_forward(const Batch&, const T*, const T*, const T*, T*, T*, T, bool, T*);         \
    template void batch_backward(const Batch&, const T*, const T*, const T*, const T*, const T*, T, bool, \
                                 T*, T*, T*);                                                             \
    template void group_forward(const Groups&, const T*, const T*, const T*, T, T*, T*, T*);              \
    template void group_backward(const Groups&, const T*, const T*, const T*, const T*, const T*, T*, T*, \
                                 T*);                                                                     \
    template void softmax_forward(const T*, T*, bool, int64_t, int64_t, int64_t);                         \
    template void softmax_backward(const T*, const T*, T*, bool, int64_t, int64_t, int64_t);
PT_INSTANTIATE(float)
PT_INSTANTIATE(double)
#undef PT_INSTANTIATE

}  // namespace pt::norm
