// Counting: how often each number comes, the different elements, histograms.
//
// Contract: all arrays are C-contiguous and overlap nothing; `counts` is int64. Results do not depend on the
// number of threads.
#pragma once

#include "base/array_view.h"

namespace pt::index {

bool can_count(DType dtype);  // int32, int64

// A number of which no element has more bits; -1: one is negative.
int64_t common_bits(const ArrayView& in);

// counts[x] += 1 for every element; all lie in [0, counts.numel()).
void bin_counts(const ArrayView& in, const ArrayView& counts);

// totals[x] += weight for every element and its weight, in their order. `weights` is float32 or float64,
// `totals` float64. The greatest element, or -1.
int64_t bin_weights(const ArrayView& in, const ArrayView& weights, const ArrayView& totals);

// counts[b] += 1 for every element in [edges[b], edges[b + 1]), the last bin with its upper edge. float32 or
// float64, as the ascending edges; quick where the edges are about equally far apart.
void histogram(const ArrayView& in, const ArrayView& edges, const ArrayView& counts);

// The different elements in order (every NaN is one), each with how often it comes, in `values` and `counts`
// of as many elements as `in`; how many. `inverse` unless null: for each element, which of them it is.
// float32, float64, int32 or int64, less than 2^32 elements.
int64_t unique(const ArrayView& in, const ArrayView& values, const ArrayView& counts,
               const ArrayView* inverse);

// The same for the first one of each run of equal neighbours.
int64_t unique_runs(const ArrayView& in, const ArrayView& values, const ArrayView& counts,
                    const ArrayView* inverse);

}  // namespace pt::index
