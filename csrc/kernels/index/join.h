// Arrays one after the other along an axis.
#pragma once

#include "base/array_view.h"

namespace pt::index {

// `count` arrays of one dtype, none empty, whose shapes differ along `axis` only, in a C-contiguous `out`
// with room for just these. Any strides; out overlaps none of them.
void join(const ArrayView* parts, int64_t count, int axis, const ArrayView& out);

}  // namespace pt::index
