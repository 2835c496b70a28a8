#include "kernels/reduce/layout.h"

#include <initializer_list>

namespace pt::reduce {
namespace {

void push(Axes& axes, int64_t size, int64_t in, int64_t out, int64_t index) {
    axes.size[axes.count] = size;
    axes.in[axes.count] = in;
    axes.out[axes.count] = out;
    axes.index[axes.count] = index;
    ++axes.count;
}

int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

void swap_axes(Axes& axes, int a, int b) {
    for (int64_t* field : {axes.size, axes.in, axes.out, axes.index}) {
        const int64_t t = field[a];
        field[a] = field[b];
        field[b] = t;
    }
}

// Largest stride first (insertion sort: there are few axes, mostly in order).
void sort_by_stride(Axes& axes) {
    for (int i = 1; i < axes.count; ++i)
        for (int j = i; j > 0 && magnitude(axes.in[j - 1]) < magnitude(axes.in[j]); --j)
            swap_axes(axes, j - 1, j);
}

void merge_neighbours(Axes& axes) {
    int last = 0;
    for (int i = 1; i < axes.count; ++i) {
        const int64_t n = axes.size[i];
        if (axes.in[last] == n * axes.in[i] && axes.out[last] == n * axes.out[i] &&
            axes.index[last] == n * axes.index[i]) {
            axes.size[last] *= n;
            axes.in[last] = axes.in[i];
            axes.out[last] = axes.out[i];
            axes.index[last] = axes.index[i];
        } else {
            ++last;
            if (last != i) swap_axes(axes, last, i);
        }
    }
    if (axes.count > 0) axes.count = last + 1;
}

}  // namespace

void sort_out(const ArrayView& in, uint64_t axes, const ArrayView& out, const ArrayView* indices,
              bool ordered, Layout& layout) {
    layout.in = in.data;
    layout.out = out.data;
    layout.index = indices != nullptr ? indices->data : nullptr;
    for (int i = 0; i < in.ndim; ++i) {
        const int64_t n = in.shape[i];
        if (n == 1) continue;
        int64_t stride = in.strides[i];
        const bool reduced = (axes >> i & 1) != 0;
        int64_t to_out = reduced ? 0 : out.strides[i];
        int64_t to_index = reduced || indices == nullptr ? 0 : indices->strides[i];
        if (stride < 0 && !(reduced && ordered)) {  // walk it from the other end
            layout.in += (n - 1) * stride;
            layout.out += (n - 1) * to_out;
            if (layout.index != nullptr) layout.index += (n - 1) * to_index;
            stride = -stride;
            to_out = -to_out;
            to_index = -to_index;
        }
        push(reduced ? layout.reduced : layout.kept, n, stride, to_out, to_index);
    }
    sort_by_stride(layout.kept);
    merge_neighbours(layout.kept);
    if (!ordered) sort_by_stride(layout.reduced);
    merge_neighbours(layout.reduced);
}

}  // namespace pt::reduce
