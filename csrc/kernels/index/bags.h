// Bags of rows of a table, by their numbers: sums, means and maxima, and what their gradients are made of.
// float32 and float64; all arrays are C-contiguous, every number is in [0, rows), bounds ascend.
#pragma once

#include "base/array_view.h"

namespace pt::index {

// Bag b holds the numbers from bounds[b] up to bounds[b + 1]; with no bounds every bag holds `size` of them.
// A number equal to `padding` counts for nothing.
struct Bags {
    const int64_t* numbers = nullptr;
    const int64_t* bounds = nullptr;
    int64_t size = 0;
    int64_t count = 0;     // of bags
    int64_t padding = -1;  // -1: none
    int64_t columns = 0;   // of the table

    int64_t begin(int64_t bag) const { return bounds != nullptr ? bounds[bag] : bag * size; }
    int64_t end(int64_t bag) const { return begin(bag + 1); }
    int64_t total() const { return end(count - 1) - begin(0); }
};

bool can_bag(DType dtype);

// out[b] = the sum of weights[k] * table[numbers[k]] over the bag's k, by the count of them for `mean`.
// weights: one for each number, or none (data == nullptr). An empty bag gives zeros.
void bag_sum(const Bags& bags, const ArrayView& table, const ArrayView& weights, bool mean,
             const ArrayView& out);

// out[b][j]: the greatest; a NaN is kept only where it comes first. places[b][j] (or nullptr): the number of
// the row it is from, 0 for an empty bag, whose maximum is 0.
void bag_max(const Bags& bags, const ArrayView& table, const ArrayView& out, int64_t* places);

// The adjoint of bag_sum in the table: out[numbers[k]] += weights[k] * grad[b], by the count for `mean`.
// `out` is cleared first. Adds in the order of the numbers with any number of threads.
void bag_spread(const Bags& bags, const ArrayView& grad, const ArrayView& weights, bool mean,
                const ArrayView& out);

// The adjoint in the weights: out[k] = grad[b] . table[numbers[k]], 0 for padding and outside of all bags.
void bag_dot(const Bags& bags, const ArrayView& grad, const ArrayView& table, const ArrayView& out);

}  // namespace pt::index
