// The lines of an index array and of the arrays that are walked with it. Shared by index.cpp and combine.cpp.
#pragma once

#include "base/array_view.h"
#include "kernels/index/index.h"

namespace pt::index {

// The lines of `index` along its last axis, beside the lines of an array `x` that is addressed by the indices
// along `axis` (so that axis does not count towards x's line) and of an array `y` that is walked with index.
struct Lines {
    const ArrayView& index;
    const ArrayView& x;
    const ArrayView& y;
    int axis;
    int last;
    int64_t count = 1;   // of lines
    int64_t length = 1;  // of each
    int64_t step_x = 0;  // along a line, the indexed axis left out
    int64_t step_y = 0;
    int64_t step_index = 0;
    int64_t jump = 0;  // bytes in x from one index to the next

    Lines(const ArrayView& index, const ArrayView& x, const ArrayView& y, int axis)
        : index(index), x(x), y(y), axis(axis), last(index.ndim - 1) {
        for (int i = 0; i < last; ++i) count *= index.shape[i];
        length = index.shape[last];
        step_x = axis == last ? 0 : x.strides[last];
        step_y = y.strides[last];
        step_index = index.strides[last];
        jump = x.strides[axis];
    }
    void start(int64_t line, char*& at_x, char*& at_y, const char*& at_index) const {
        at_x = x.data;
        at_y = y.data;
        at_index = index.data;
        for (int i = last - 1; i >= 0; --i) {
            const int64_t k = line % index.shape[i];
            line /= index.shape[i];
            if (i != axis) at_x += k * x.strides[i];
            at_y += k * y.strides[i];
            at_index += k * index.strides[i];
        }
    }
};

inline bool line_in_bounds(const char* index, int64_t step, int64_t n, int64_t size) {
    if (step == static_cast<int64_t>(sizeof(int64_t)))
        return in_bounds(reinterpret_cast<const int64_t*>(index), n, size);
    int64_t signs = 0;
    for (int64_t i = 0; i < n; ++i, index += step) {
        const int64_t place = *reinterpret_cast<const int64_t*>(index);
        signs |= place | (size - 1 - place);
    }
    return signs >= 0;
}

}  // namespace pt::index
