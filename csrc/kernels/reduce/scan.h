// Cumulative sums and products along one axis.
//
// Contract: `in` and `out` have the same shape and dtype (float32, float64 or int64), any strides, and do not
// overlap. Floats are accumulated in double precision (float64 in the order of the axis), integers modulo
// 2^64; results do not depend on the number of threads.
#pragma once

#include "base/array_view.h"

namespace pt::reduce {

enum class Scan : int { sum, product };

bool can_scan(DType dtype);
// reverse: from the end of the axis to its beginning.
void scan(Scan op, const ArrayView& in, int axis, const ArrayView& out, bool reverse);

// The greatest (or least) element so far and the place of the last such element; NaN wins. `in`: one of the
// types of the reductions; `indices`: int64, of the same shape.
bool can_scan_extremes(DType dtype);
void scan_extremes(bool greatest, const ArrayView& in, int axis, const ArrayView& values,
                   const ArrayView& indices);

// log(exp(x0) + ... + exp(xi)), float32 or float64, in double precision and without overflow.
void scan_logsumexp(const ArrayView& in, int axis, const ArrayView& out);

}  // namespace pt::reduce
