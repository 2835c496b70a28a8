// The elements where a mask is set: their values, their places, new values for them.
#pragma once

#include "base/array_view.h"

namespace pt::index {

// How many of n mask bytes are not 0.
int64_t count_set(const uint8_t* mask, int64_t n);

// The elements of x where mask (as many booleans) is set, in row-major order. `out` has room for all of
// them. All C-contiguous.
void compress(const ArrayView& x, const ArrayView& mask, const ArrayView& out);

// The places where a C-contiguous mask is set, in row-major order: out[axis][i] is an index of the i-th of
// them.
void places(const ArrayView& mask, const ArrayView& out);

// x[i] where mask is set = the next element of `source`, or its only one. All C-contiguous; `mask` has as
// many elements as x, `source` as many as are set, or one.
void expand(const ArrayView& x, const ArrayView& mask, const ArrayView& source);

}  // namespace pt::index
