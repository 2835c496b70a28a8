// Padding: an array with a border of a constant, or of its own elements.
#pragma once

#include "base/array_view.h"

namespace pt::index {

enum class Border : int { constant, reflect, replicate, circular };

// out[o] = in[o - before], where that is inside of `in`; elsewhere the constant (`value`: one element) or
// what the mode says of each axis. `before` is one number for each axis, negative: cropped; what is added or
// cropped behind follows from out's shape. `in` is contiguous along its last axis, `out` entirely.
void pad(const ArrayView& in, const int64_t* before, Border mode, const void* value, const ArrayView& out);

}  // namespace pt::index
