#include "base/layout.h"

#include <cstdlib>
#include <utility>

namespace pt {

namespace {

// Axes from the innermost to the outermost; size-1 axes count as one element.
void strides_in_order(const int* order, int ndim, const int64_t* shape, int64_t item, int64_t* strides) {
    for (int i = 0; i < ndim; ++i) {
        strides[order[i]] = item;
        item *= shape[order[i]] > 1 ? shape[order[i]] : 1;
    }
}

void row_major(int ndim, const int64_t* shape, int64_t item, int64_t* strides) {
    for (int i = ndim - 1; i >= 0; --i) {
        strides[i] = item;
        item *= shape[i] > 1 ? shape[i] : 1;
    }
}

bool is_channels_last(const ArrayView& view) {
    if (view.ndim != 4) return false;
    constexpr int order[4] = {1, 3, 2, 0};
    int64_t expected = item_size(view.dtype);
    for (int axis : order) {
        if (view.shape[axis] != 1) {
            if (view.strides[axis] != expected) return false;
            expected *= view.shape[axis];
        }
    }
    return true;
}

bool same_shape(const ArrayView& view, int ndim, const int64_t* shape) {
    if (view.ndim != ndim) return false;
    for (int i = 0; i < ndim; ++i)
        if (view.shape[i] != shape[i]) return false;
    return true;
}

// Strides are compared in elements: the inputs may differ in dtype.
bool same_strides(const ArrayView& a, const ArrayView& b) {
    const int64_t item_a = item_size(a.dtype), item_b = item_size(b.dtype);
    for (int i = 0; i < a.ndim; ++i)
        if (a.strides[i] * item_b != b.strides[i] * item_a) return false;
    return true;
}

// Inputs of the result's own shape that agree: row-major, channels-last or any other dense layout.
bool common_strides(const ArrayView* inputs, int count, int ndim, const int64_t* shape, int64_t item,
                    int64_t* strides) {
    bool contiguous = true, channels_last = true, dense = true;
    for (int k = 0; k < count; ++k) {
        if (!same_shape(inputs[k], ndim, shape)) return false;
        contiguous = contiguous && inputs[k].is_contiguous();
    }
    if (contiguous) {
        row_major(ndim, shape, item, strides);
        return true;
    }
    for (int k = 0; k < count; ++k) {
        channels_last = channels_last && is_channels_last(inputs[k]);
        dense = dense && is_dense(inputs[k]) && same_strides(inputs[0], inputs[k]);
    }
    if (channels_last) {
        constexpr int order[4] = {1, 3, 2, 0};
        strides_in_order(order, ndim, shape, item, strides);
        return true;
    }
    if (!dense) return false;
    const int64_t from = item_size(inputs[0].dtype);
    for (int i = 0; i < ndim; ++i) strides[i] = inputs[0].strides[i] / from * item;
    return true;
}

// Positive when axis `a` lies outside axis `b` in memory, negative for inside, 0 when no input tells.
int compare_axes(const ArrayView* inputs, int count, int ndim, const int64_t* shape, int a, int b) {
    for (int k = 0; k < count; ++k) {
        const ArrayView& view = inputs[k];
        const int missing = ndim - view.ndim;
        const auto stride = [&](int axis) -> int64_t {
            const int own = axis - missing;
            if (own < 0 || (view.shape[own] == 1 && shape[axis] != 1)) return 0;
            return std::abs(view.strides[own]);
        };
        const int64_t stride_a = stride(a), stride_b = stride(b);
        if (stride_a == 0 || stride_b == 0) continue;
        if (stride_a != stride_b) return stride_a < stride_b ? -1 : 1;
        if (shape[a] > shape[b]) return 1;
    }
    return 0;
}

}  // namespace

bool is_dense(const ArrayView& view) {
    int order[kMaxDims];
    int count = 0;
    for (int i = 0; i < view.ndim; ++i) {
        if (view.shape[i] == 0) return true;
        if (view.shape[i] == 1) continue;
        int at = count++;
        for (; at > 0 && view.strides[order[at - 1]] > view.strides[i]; --at) order[at] = order[at - 1];
        order[at] = i;
    }
    int64_t expected = item_size(view.dtype);
    for (int i = 0; i < count; ++i) {
        if (view.strides[order[i]] != expected) return false;
        expected *= view.shape[order[i]];
    }
    return true;
}

void result_strides(const ArrayView* inputs, int count, int ndim, const int64_t* shape, int64_t item,
                    int64_t* strides) {
    if (common_strides(inputs, count, ndim, shape, item, strides)) return;
    // An insertion sort, for its way of leaving axes alone that cannot be compared.
    int order[kMaxDims];
    for (int i = 0; i < ndim; ++i) order[i] = ndim - 1 - i;
    for (int i = 1; i < ndim; ++i) {
        int here = i;
        for (int before = i - 1; before >= 0; --before) {
            const int compared = compare_axes(inputs, count, ndim, shape, order[before], order[here]);
            if (compared < 0) break;
            if (compared == 0) continue;
            std::swap(order[before], order[here]);
            here = before;
        }
    }
    strides_in_order(order, ndim, shape, item, strides);
}

}  // namespace pt
