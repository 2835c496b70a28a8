// The axes of a reduction, sorted out: what is kept and what is reduced, without axes of size 1, neighbours
// merged, so that most inputs end up with one or two axes.
#pragma once

#include "base/array_view.h"

namespace pt::reduce {

struct Axes {
    int count = 0;
    int64_t size[kMaxDims];
    int64_t in[kMaxDims];     // strides in bytes
    int64_t out[kMaxDims];    // kept axes only
    int64_t index[kMaxDims];  // kept axes only

    int64_t numel() const {
        int64_t n = 1;
        for (int i = 0; i < count; ++i) n *= size[i];
        return n;
    }
    // The place, in bytes, of element `i` in row-major order, by the given strides.
    int64_t offset(const int64_t* strides, int64_t i) const {
        int64_t sum = 0;
        for (int d = count - 1; d > 0; --d) {
            const int64_t rest = i / size[d];
            sum += (i - rest * size[d]) * strides[d];
            i = rest;
        }
        return count > 0 ? sum + i * strides[0] : 0;
    }
};

struct Layout {
    const char* in;
    char* out;
    char* index;  // null when no indices are wanted
    Axes kept;
    Axes reduced;
};

// `ordered`: the reduced axes keep their order and direction, because places in them are counted.
void sort_out(const ArrayView& in, uint64_t axes, const ArrayView& out, const ArrayView* indices,
              bool ordered, Layout& layout);

}  // namespace pt::reduce
