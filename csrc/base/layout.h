// The memory layout of results: PyTorch's rules (TensorIterator), by which a result keeps the order that its
// inputs' axes have in memory.
#pragma once

#include "base/array_view.h"

namespace pt {

// Do the elements fill one piece of memory without gaps, each once?
bool is_dense(const ArrayView& view);

// The byte strides of a new array of `shape` with elements of `item` bytes that is computed element by
// element from `inputs`, each of which broadcasts to `shape`. Always dense. Row-major when all inputs are;
// the inputs' own strides when they all are dense and agree; else the axes in the order of the first input
// that tells two axes apart (broadcast axes don't).
void result_strides(const ArrayView* inputs, int count, int ndim, const int64_t* shape, int64_t item,
                    int64_t* strides);

}  // namespace pt
