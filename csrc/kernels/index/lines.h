// Walking the lines of an index array, beside the lines of an array that its indices address.
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
    int64_t size;        // of x's axis
    int64_t count = 1;   // of lines
    int64_t length = 1;  // of each
    int64_t step_x = 0;  // along a line, the indexed axis left out
    int64_t step_y = 0;
    int64_t step_index = 0;
    int64_t jump = 0;  // bytes in x from one index to the next

    Lines(const ArrayView& index, const ArrayView& x, const ArrayView& y, int axis)
        : index(index), x(x), y(y), axis(axis), last(index.ndim - 1), size(x.shape[axis]) {
        for (int i = 0; i < last; ++i) count *= index.shape[i];
        length = index.shape[last];
        step_x = axis == last ? 0 : x.strides[last];
        step_y = y.strides[last];
        step_index = index.strides[last];
        jump = x.strides[axis];
    }
};

// Elements [begin, end) of a line, whose indices are in bounds.
struct Stretch {
    const Lines& lines;
    char* x;
    char* y;
    const char* index;
    int64_t begin, end;
};
using Along = void (*)(const Stretch&);

struct Errand {
    Along along = nullptr;  // what is done with each element
    double ns = 1;          // and what that takes
    bool writes_x = false;  // then no two threads come to one place of x, and all in the order of the indices
    // x's places that are met take part as what `fill` writes there, or, if that is less work, the first to
    // come to a row of x replaces it by `first`. Null: as what they are.
    Along fill = nullptr;
    Along first = nullptr;
    const ArrayView* start = nullptr;  // what x is before; null: what it holds. Both C-contiguous.
};

// Does an errand on all lines. Indices are checked just before they are used; false when one is outside.
bool walk(const Lines& lines, const Errand& errand);

// errand.along for an operation on one element of x and one of y, Op::run(T& x, T& y).
template <class T, class Op>
void along(const Stretch& s) {
    const Lines& l = s.lines;
    constexpr int64_t item = sizeof(T);
    T* const x = reinterpret_cast<T*>(s.x);
    T* const y = reinterpret_cast<T*>(s.y);
    if (l.step_index == 0 && l.axis != l.last && l.step_x == item &&
        l.step_y == item) {  // a row of x and one of y
        T* __restrict row = reinterpret_cast<T*>(s.x + *reinterpret_cast<const int64_t*>(s.index) * l.jump);
        for (int64_t j = s.begin; j < s.end; ++j) Op::run(row[j], y[j]);
        return;
    }
    const int64_t* const places = reinterpret_cast<const int64_t*>(s.index);
    const bool packed = l.step_index == 8 && (l.step_y == item || l.step_y == 0);
    const int64_t step = l.step_y / item;
    if (packed && l.axis == l.last && l.jump == item) {
        int64_t j = s.begin;
        for (; j + 8 <= s.end; j += 8) {  // meanwhile the indices of the next line come near
            __builtin_prefetch(places + j + l.length);
            for (int64_t u = j; u < j + 8; ++u) Op::run(x[places[u]], y[u * step]);
        }
        for (; j < s.end; ++j) Op::run(x[places[j]], y[j * step]);
        return;
    }
    if (packed && l.axis != l.last && l.step_x == item) {
        for (int64_t j = s.begin; j < s.end; ++j)
            Op::run(*reinterpret_cast<T*>(s.x + places[j] * l.jump + j * item), y[j * step]);
        return;
    }
    for (int64_t j = s.begin; j < s.end; ++j) {
        const int64_t place = *reinterpret_cast<const int64_t*>(s.index + j * l.step_index);
        Op::run(*reinterpret_cast<T*>(s.x + place * l.jump + j * l.step_x),
                *reinterpret_cast<T*>(s.y + j * l.step_y));
    }
}

}  // namespace pt::index
