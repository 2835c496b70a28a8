// Copies between layouts, and the elements where a mask is set.
#pragma once

#include "base/array_view.h"

namespace pt::index {

// out[...] = in[...]: the same shape and dtype, any strides, no overlap.
void copy(const ArrayView& in, const ArrayView& out);

// Zeros in every byte of a C-contiguous array.
void clear(const ArrayView& out);

// Matrices (the last two axes) with zeros below the given diagonal (upper) or above it. Both C-contiguous,
// the same shape and dtype.
void triangle(const ArrayView& in, bool upper, int64_t diagonal, const ArrayView& out);

// How many of n mask bytes are not 0.
int64_t count_set(const uint8_t* mask, int64_t n);

// The elements of x where mask (as many booleans) is set, in row-major order. `out` has room for all of
// them. All C-contiguous.
void compress(const ArrayView& x, const ArrayView& mask, const ArrayView& out);

// The places where a C-contiguous mask is set, in row-major order: out[axis][i] is an index of the i-th of
// them.
void places(const ArrayView& mask, const ArrayView& out);

}  // namespace pt::index
