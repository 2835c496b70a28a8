// Reading and writing by several index arrays at once, x[i, :, j].
//
// Contract: strides are any unless said otherwise, except that no two elements of what is written share
// memory, and that nothing written overlaps what is read. Where several write one place the last in row-major
// order stays, or they are added in that order: results do not depend on the number of threads.
#pragma once

#include "base/array_view.h"

namespace pt::index {

// An array addressed by index arrays along some of its axes. `result` is the array of what is addressed: the
// axes of x that come before the indexed ones in the result, those of the indices, the rest of x's.
struct Picked {
    const ArrayView& x;
    const ArrayView& result;
    const int* axes;  // of x, the indexed ones, ascending
    const int64_t*
        places;      // bytes from the beginning of x, for each element of the indices: see find_places()
    int count;       // of axes
    int index_axis;  // of the result, the first of the indices
    int index_axes;
};

// places[i] = the sum of index[k][i] * stride of axes[k], over `count` index arrays (int64) that broadcast to
// `shape`; negative ones count from the end. False when one is outside.
bool find_places(const ArrayView& x, const int* axes, const ArrayView* indices, int count, int ndim,
                 const int64_t* shape, int64_t* places);

void pick(const Picked& picked);     // result = what is addressed in x; any dtype
void put(const Picked& picked);      // the other way round
void put_add(const Picked& picked);  // adds; a dtype of can_put_add()

bool can_put_add(DType dtype);  // any but bool and halves

}  // namespace pt::index
