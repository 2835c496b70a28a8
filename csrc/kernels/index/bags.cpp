#include "kernels/index/bags.h"

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/index/kernels.h"

namespace pt::index {
namespace {

constexpr int64_t kGrain = 16384;  // elements read below which a second thread does not pay

// fn(kernels, T{}) for the table's type.
template <class Fn>
void with_float(DType dtype, const Fn& fn) {
    const Kernels& kernels = PT_SELECT(Kernels);
    if (dtype == DType::float32) return fn(kernels.bags4, float{});
    PT_ASSERT(dtype == DType::float64);
    fn(kernels.bags8, double{});
}

// body(first, last) over the bags.
template <class Body>
void over_bags(const Bags& bags, const Body& body) {
    const int64_t each = (bags.total() / bags.count + 1) * (bags.columns + 1);
    parallel_for(0, bags.count, kGrain / each + 1, body);
}

}  // namespace

bool can_bag(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

void bag_sum(const Bags& bags, const ArrayView& table, const ArrayView& weights, bool mean,
             const ArrayView& out) {
    if (out.numel() == 0) return;
    with_float(table.dtype, [&](const auto& kernels, auto t) {
        using T = decltype(t);
        over_bags(bags, [&](int64_t first, int64_t last) {
            kernels.sum(bags, table.as<T>(), weights.as<T>(), mean, first, last, out.as<T>());
        });
    });
}

void bag_max(const Bags& bags, const ArrayView& table, const ArrayView& out, int64_t* places) {
    if (out.numel() == 0) return;
    with_float(table.dtype, [&](const auto& kernels, auto t) {
        using T = decltype(t);
        over_bags(bags, [&](int64_t first, int64_t last) {
            kernels.max(bags, table.as<T>(), first, last, out.as<T>(), places);
        });
    });
}

void bag_spread(const Bags& bags, const ArrayView& grad, const ArrayView& weights, bool mean,
                const ArrayView& out) {
    if (out.numel() == 0) return;
    with_float(out.dtype, [&](const auto& kernels, auto t) {
        using T = decltype(t);
        parallel_for(0, out.shape[0], kGrain / bags.columns + 1, [&](int64_t first, int64_t last) {
            kernels.spread(bags, grad.as<T>(), weights.as<T>(), mean, first, last, out.as<T>());
        });
    });
}

void bag_dot(const Bags& bags, const ArrayView& grad, const ArrayView& table, const ArrayView& out) {
    if (out.numel() == 0) return;
    with_float(out.dtype, [&](const auto& kernels, auto t) {
        using T = decltype(t);
        for (int64_t k = 0; k < out.shape[0]; ++k) out.as<T>()[k] = 0;
        if (bags.count == 0) return;
        over_bags(bags, [&](int64_t first, int64_t last) {
            kernels.dot(bags, grad.as<T>(), table.as<T>(), first, last, out.as<T>());
        });
    });
}

}  // namespace pt::index
