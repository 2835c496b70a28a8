// Gathering and scattering by tensors of int64 indices.
//
// gather and the scatters check 0 <= index < size themselves, line by line, and give false when one is
// outside: `out` is then written in part. The functions of slices expect indices that in_bounds() has seen.
//
// Contract: `index` is int64. Strides are any, except that no two elements of what is written may share
// memory, and that nothing written overlaps what is read. Of several sources for one place the last in
// row-major order stays (scatter), or they are added in that order (add): results do not depend on the number
// of threads.
#pragma once

#include "base/array_view.h"

namespace pt::index {

bool can_move(DType dtype);  // gather, scatter and take_rows move any type of 1, 2, 4, 8 or 16 bytes
bool can_add(DType dtype);   // float32, float64, int32, int64

// Are all of n indices in a row in [0, size)?
bool in_bounds(const int64_t* index, int64_t n, int64_t size);

// out[i][j] = in[index[i][j]][j] for axis 0, and so on. out has index's shape, which is no larger than in's
// in the other axes.
bool gather(const ArrayView& in, int axis, const ArrayView& index, const ArrayView& out);

// out = start, and then out[index[i][j]][j] = the reduction of itself and source[i][j], of one after the
// other; NaN wins as an extreme. Where include_self is false, places that are met begin with the first of
// their sources. `source` is at least as large as index. `start` is `out`, or both are C-contiguous.
enum class Reduction : int { store, sum, product, max, min };
bool can_reduce(Reduction reduction, DType dtype);  // any but halves, and extremes of complex numbers
bool scatter(Reduction reduction, const ArrayView& start, const ArrayView& out, int axis,
             const ArrayView& index, const ArrayView& source, bool include_self = true);

// Slices along an axis, by n indices in a row. `in` and `out` are C-contiguous, index too.
void take_rows(const ArrayView& in, int axis, const int64_t* index, int64_t n, const ArrayView& out);

// out = in, with slices of source added to those at the indices. All C-contiguous; out may be in.
void plus_rows(const ArrayView& in, int axis, const int64_t* index, int64_t n, const ArrayView& source,
               const ArrayView& out);

}  // namespace pt::index
