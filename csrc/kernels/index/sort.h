// Sorting and selection along one axis, and search in sorted rows.
//
// Contract: `in` has any strides; `values` (in's dtype) and `indices` (int64) have in's shape, along `axis`
// as many elements as are wanted, any strides, and overlap nothing. Lines are shorter than 2^32. The order is
// PyTorch's: NaN is the greatest value, -0 equals 0, and equal elements keep their order (also descending),
// so results are unique and do not depend on the number of threads.
#pragma once

#include "base/array_view.h"

namespace pt::index {

bool can_sort(DType dtype);  // float32, float64, bool, uint8, int8, int16, int32, int64

void sort(const ArrayView& in, int axis, bool descending, const ArrayView& values, const ArrayView& indices);

// The first k of the sorted line; k is the size of `values` along `axis`.
void top_k(const ArrayView& in, int axis, bool largest, const ArrayView& values, const ArrayView& indices);

// The element of the sorted line at a rank, counted from 0: at `rank`, or where `ranks` is not null at its
// own rank for every line, in row-major order. `values` and `indices` have size 1 along `axis`.
void select_rank(const ArrayView& in, int axis, int64_t rank, const int64_t* ranks, const ArrayView& values,
                 const ArrayView& indices);

// out[r][i] = how many of the n sorted elements of row r are less than values[r][i] (right: not greater). All
// C-contiguous; `edges` has one row for all, or as many as `values` has.
void search_sorted(const ArrayView& edges, const ArrayView& values, bool right, const ArrayView& out);

}  // namespace pt::index
