// The scan of log(sum(exp)), which goes through a line one element after the other.
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
};

// body(line) for every line of `in` along `axis`, and of the result; an element takes `ns`.
template <class Body>
void for_lines(const ArrayView& in, int axis, const ArrayView& out, double ns, const Body& body) {
    const int64_t n = in.shape[axis];
    const int64_t count = in.numel() / n;
    parallel_for(0, count, Work{ns * static_cast<double>(n)}, [&](int64_t begin, int64_t end) {
        for (int64_t number = begin; number < end; ++number) {
            Line line{in.data, out.data};
            int64_t rest = number;
            for (int i = in.ndim - 1; i >= 0; --i) {
                if (i == axis) continue;
                const int64_t k = rest % in.shape[i];
                rest /= in.shape[i];
                line.x += k * in.strides[i];
                line.y += k * out.strides[i];
            }
            body(line);
        }
    });
}

// A running maximum and the sum of exp(x - maximum): one exponential for each element.
template <class T>
void logsumexps(const ArrayView& in, int axis, const ArrayView& out) {
    const int64_t n = in.shape[axis];
    const int64_t step = in.strides[axis];
    const int64_t out_step = out.strides[axis];
    for_lines(in, axis, out, 15, [&](Line line) {
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

void scan_logsumexp(const ArrayView& in, int axis, const ArrayView& out) {
    PT_ASSERT(in.dtype == DType::float32 || in.dtype == DType::float64);
    if (in.numel() == 0) return;
    (in.dtype == DType::float32 ? logsumexps<float> : logsumexps<double>)(in, axis, out);
}

}  // namespace pt::reduce
