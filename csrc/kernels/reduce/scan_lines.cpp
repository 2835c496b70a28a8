// Scans that go through a line one element after the other: cummax, cummin, logcumsumexp.
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/reduce/scan.h"

namespace pt::reduce {
namespace {

struct Line {
    const char* x;
    char* y;
    char* place;
};

// body(line) for every line of `in` along `axis`, and of two results beside it (`places` may be null); an
// element takes `ns`.
template <class Body>
void for_lines(const ArrayView& in, int axis, const ArrayView& out, const ArrayView* places, double ns,
               const Body& body) {
    const int64_t n = in.shape[axis];
    const int64_t count = in.numel() / n;
    parallel_for(0, count, Work{ns * static_cast<double>(n)}, [&](int64_t begin, int64_t end) {
        for (int64_t number = begin; number < end; ++number) {
            Line line{in.data, out.data, places != nullptr ? places->data : nullptr};
            int64_t rest = number;
            for (int i = in.ndim - 1; i >= 0; --i) {
                if (i == axis) continue;
                const int64_t k = rest % in.shape[i];
                rest /= in.shape[i];
                line.x += k * in.strides[i];
                line.y += k * out.strides[i];
                if (places != nullptr) line.place += k * places->strides[i];
            }
            body(line);
        }
    });
}

// A contiguous line. In most blocks nothing beats the best so far, which is asked of a block at once; then no
// element waits for the one before.
template <class T, bool Greatest>
void extremes_of_line(const T* x, int64_t n, T* y, int64_t* places) {
    constexpr int64_t kBlock = 16;
    T best = x[0];
    int64_t place = 0;
    const auto wins = [&](T v) { return (Greatest ? v >= best : v <= best) | (v != v); };
    for (int64_t i = 0; i < n;) {
        const int64_t stop = n - i < kBlock ? n : i + kBlock;
        bool any = false;
        if (stop - i == kBlock)
            for (int64_t k = 0; k < kBlock; ++k) any |= wins(x[i + k]);
        if (stop - i == kBlock && !any) {
            for (int64_t k = 0; k < kBlock; ++k) y[i + k] = best;
            for (int64_t k = 0; k < kBlock; ++k) places[i + k] = place;
            i = stop;
            continue;
        }
        for (; i < stop; ++i) {
            const bool better = wins(x[i]);
            best = better ? x[i] : best;
            place = better ? i : place;
            y[i] = best;
            places[i] = place;
        }
    }
}

template <class T, bool Greatest>
void extremes_of(const ArrayView& in, int axis, const ArrayView& values, const ArrayView& indices) {
    const int64_t n = in.shape[axis];
    const int64_t step = in.strides[axis];
    const int64_t value_step = values.strides[axis];
    const int64_t index_step = indices.strides[axis];
    const bool straight = step == sizeof(T) && value_step == sizeof(T) && index_step == sizeof(int64_t);
    for_lines(in, axis, values, &indices, 1, [&](Line line) {
        if (straight)
            return extremes_of_line<T, Greatest>(reinterpret_cast<const T*>(line.x), n,
                                                 reinterpret_cast<T*>(line.y),
                                                 reinterpret_cast<int64_t*>(line.place));
        T best = *reinterpret_cast<const T*>(line.x);
        int64_t place = 0;
        for (int64_t i = 0; i < n; ++i) {
            const T x = *reinterpret_cast<const T*>(line.x + i * step);
            const bool wins = (Greatest ? x >= best : x <= best) || x != x;
            best = wins ? x : best;
            place = wins ? i : place;
            *reinterpret_cast<T*>(line.y + i * value_step) = best;
            *reinterpret_cast<int64_t*>(line.place + i * index_step) = place;
        }
    });
}

template <class T>
void extremes(bool greatest, const ArrayView& in, int axis, const ArrayView& values,
              const ArrayView& indices) {
    (greatest ? extremes_of<T, true> : extremes_of<T, false>)(in, axis, values, indices);
}

// A running maximum and the sum of exp(x - maximum): one exponential for each element.
template <class T>
void logsumexps(const ArrayView& in, int axis, const ArrayView& out) {
    const int64_t n = in.shape[axis];
    const int64_t step = in.strides[axis];
    const int64_t out_step = out.strides[axis];
    for_lines(in, axis, out, nullptr, 15, [&](Line line) {
        double peak = -std::numeric_limits<double>::infinity();
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) {
            const double x = static_cast<double>(*reinterpret_cast<const T*>(line.x + i * step));
            if (x > peak) {
                sum = sum * std::exp(peak - x) + 1;
                peak = x;
            } else if (x == peak) {
                sum += std::isinf(x) && x < 0 ? 0.0 : 1.0;
            } else {
                sum += std::exp(x - peak);  // NaN stays
            }
            const double value = sum == 0                         ? peak
                                 : std::isinf(peak) && sum == sum ? peak
                                                                  : peak + std::log(sum);
            *reinterpret_cast<T*>(line.y + i * out_step) = static_cast<T>(value);
        }
    });
}

}  // namespace

bool can_scan_extremes(DType dtype) {
    return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::uint8 ||
           dtype == DType::boolean || dtype == DType::int32 || dtype == DType::int64;
}

void scan_extremes(bool greatest, const ArrayView& in, int axis, const ArrayView& values,
                   const ArrayView& indices) {
    if (in.numel() == 0) return;
    switch (in.dtype) {
        case DType::float32:
            return extremes<float>(greatest, in, axis, values, indices);
        case DType::float64:
            return extremes<double>(greatest, in, axis, values, indices);
        case DType::int32:
            return extremes<int32_t>(greatest, in, axis, values, indices);
        case DType::int64:
            return extremes<int64_t>(greatest, in, axis, values, indices);
        default:
            return extremes<uint8_t>(greatest, in, axis, values, indices);
    }
}

void scan_logsumexp(const ArrayView& in, int axis, const ArrayView& out) {
    PT_ASSERT(in.dtype == DType::float32 || in.dtype == DType::float64);
    if (in.numel() == 0) return;
    (in.dtype == DType::float32 ? logsumexps<float> : logsumexps<double>)(in, axis, out);
}

}  // namespace pt::reduce
