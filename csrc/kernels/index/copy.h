// Copies between layouts.
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

}  // namespace pt::index
