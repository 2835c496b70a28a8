#include "kernels/index/bags.h"

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/index/kernels.h"
#include "kernels/index/order.h"

namespace pt::index {
namespace {

constexpr double kNsPerByte = 0.015;  // of a row that is read
constexpr double kNsPerRow = 1.5;

double ns_of_row(const Bags& bags, int64_t item) {
    return kNsPerRow + kNsPerByte * static_cast<double>(bags.columns * item);
}

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
    const double each = static_cast<double>(bags.total()) / static_cast<double>(bags.count) + 1;
    parallel_for(0, bags.count, Work{each * ns_of_row(bags, 4)}, body);
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
    const int64_t rows = out.shape[0];
    const int64_t n = bags.count > 0 ? bags.total() : 0;
    const double each = static_cast<double>(n) / static_cast<double>(rows);
    const double ns = ns_of_row(bags, item_size(out.dtype));
    if (bags.bounds == nullptr && bags.size == 1 && weights.data == nullptr) {
        const Order order(bags.numbers, n, rows,
                          bags.padding);  // an embedding: a row of grad for every number
        const RowSums sums{nullptr, grad.data, order.order, order.start, bags.columns};
        const auto add = PT_SELECT(Kernels).add_rows[sum_of(out.dtype)];
        parallel_for(0, rows, Work{ns * (1 + each)},
                     [&](int64_t first, int64_t last) { add(sums, first, last, out.data); });
        return;
    }
    // Every thread sees all numbers, so it gets one part.
    const int threads = num_threads();
    const Work work{ns * (1 + each), (rows + threads - 1) / threads};
    with_float(out.dtype, [&](const auto& kernels, auto t) {
        using T = decltype(t);
        parallel_for(0, rows, work, [&](int64_t first, int64_t last) {
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
