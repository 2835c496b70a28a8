#include "kernels/index/count.h"

#include <limits>

#include "base/check.h"
#include "kernels/index/tally.h"

namespace pt::index {
namespace {

template <class Fn>
void with_integer(DType dtype, const Fn& fn) {
    PT_ASSERT(can_count(dtype));
    dtype == DType::int32 ? fn(int32_t{}) : fn(int64_t{});
}

// The bin of a value, counted from 1, up to one: right but for rounding where the edges are equally far
// apart. 0 is no bin.
template <class T>
struct Guess {
    const T* edges;
    int64_t bins;
    double low;
    double scale;

    Guess(const T* edges, int64_t bins)
        : edges(edges),
          bins(bins),
          low(static_cast<double>(edges[0])),
          scale(static_cast<double>(bins) / (static_cast<double>(edges[bins]) - low)) {}

    int32_t operator()(T x) const {
        const double g = (static_cast<double>(x) - low) * scale + 1;
        const double least = g > 1 ? g : 1;  // NaN is 1
        const double last = static_cast<double>(bins);
        const int32_t bin = static_cast<int32_t>(least < last ? least : last);
        return (x >= edges[0]) & (x <= edges[bins]) ? bin : 0;
    }
    // A guess grows with the value, so if it is right to within one at the edges, it is everywhere.
    bool serves() const {
        if (bins >= INT32_MAX) return false;
        for (int64_t b = 0; b < bins; ++b)
            if (const int64_t g = (*this)(edges[b]); g != b + 1 && g != b) return false;
        return true;
    }
};

template <class T>
void search_bins(const T* x, int64_t n, const T* edges, int64_t bins, int64_t* counts) {
    count_each(n, bins, counts, [&](int64_t i) -> int64_t {
        if (!(x[i] >= edges[0] && x[i] <= edges[bins])) return -1;
        return std::min<int64_t>(std::upper_bound(edges, edges + bins + 1, x[i]) - edges - 1, bins - 1);
    });
}

template <class T>
void histogram_of(const T* x, int64_t n, const T* edges, int64_t bins, int64_t* counts) {
    const Guess<T> guess(edges, bins);
    if (!guess.serves()) return search_bins(x, n, edges, bins, counts);
    pool::Scratch scratch(static_cast<size_t>(2 * bins + 2) * sizeof(T));
    T* const lower = scratch.as<T>();  // what is below is in the bin before
    T* const upper = lower + bins + 1;
    lower[0] = upper[0] = std::numeric_limits<T>::quiet_NaN();
    for (int64_t b = 0; b < bins; ++b) {
        lower[b + 1] = b > 0 ? edges[b] : -std::numeric_limits<T>::infinity();
        upper[b + 1] = b + 1 < bins ? edges[b + 1] : std::numeric_limits<T>::quiet_NaN();
    }
    count_bins(n, bins, counts, [&](int64_t begin, int64_t end, const auto& put) {
        constexpr int64_t kBlock = 256;
        int32_t guesses[kBlock];
        for (int64_t i = begin; i < end; i += kBlock) {
            const int64_t some = std::min(kBlock, end - i);
            for (int64_t k = 0; k < some; ++k) guesses[k] = guess(x[i + k]);
            for (int64_t k = 0; k < some; ++k) {
                const T value = x[i + k];
                const int64_t g = guesses[k];
                put(k, g - (value < lower[g]) + (value >= upper[g]) - 1);
            }
        }
    });
}

}  // namespace

bool can_count(DType dtype) { return dtype == DType::int32 || dtype == DType::int64; }

int64_t common_bits(const ArrayView& in) {
    int64_t bits = 0;
    with_integer(in.dtype, [&](auto t) {
        using T = decltype(t);
        const T* const x = in.as<T>();
        T all = 0;
        for (int64_t i = 0, n = in.numel(); i < n; ++i) all = static_cast<T>(all | x[i]);
        bits = static_cast<int64_t>(all);
    });
    return bits < 0 ? -1 : bits;
}

void bin_counts(const ArrayView& in, const ArrayView& counts) {
    with_integer(in.dtype, [&](auto t) {
        const auto* const x = in.as<decltype(t)>();
        count_each(in.numel(), counts.numel(), counts.as<int64_t>(),
                   [&](int64_t i) { return static_cast<int64_t>(x[i]); });
    });
}

int64_t bin_weights(const ArrayView& in, const ArrayView& weights, const ArrayView& totals) {
    double* const out = totals.as<double>();
    int64_t greatest = -1;
    with_integer(in.dtype, [&](auto t) {
        const auto* const x = in.as<decltype(t)>();
        const auto add = [&](const auto* w) {
            for (int64_t i = 0, n = in.numel(); i < n; ++i) {
                out[x[i]] += static_cast<double>(w[i]);
                greatest = std::max(greatest, static_cast<int64_t>(x[i]));
            }
        };
        weights.dtype == DType::float32 ? add(weights.as<float>()) : add(weights.as<double>());
    });
    return greatest;
}

void histogram(const ArrayView& in, const ArrayView& edges, const ArrayView& counts) {
    const int64_t n = in.numel(), bins = counts.numel();
    if (in.dtype == DType::float32)
        histogram_of(in.as<float>(), n, edges.as<float>(), bins, counts.as<int64_t>());
    else
        histogram_of(in.as<double>(), n, edges.as<double>(), bins, counts.as<int64_t>());
}

}  // namespace pt::index
