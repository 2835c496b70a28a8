// Writing into a tensor's memory without a graph: what in-place ops of the quick road share.
#pragma once

#include "core/op.h"

namespace pt::core {

// A value to be stored: a tensor's array, or a Python number.
struct Written {
    ArrayView view;
    alignas(8) char number[8];

    // False for what Python has to look at: a tensor in a graph, a number that `dtype` may not hold.
    bool read(PyObject* value, DType dtype);
};

// May `part` of the tensor's memory be written? Not where a graph is recorded or PyTorch has an error: those
// are Python's.
bool is_writable(TensorObject* tensor, const ArrayView& part);

bool same_memory(const ArrayView& a, const ArrayView& b);
bool are_apart(const ArrayView& a, const ArrayView& b);  // no byte of the one lies between bytes of the other
bool broadcasts_to(const ArrayView& view, int ndim, const int64_t* shape);

// target[...] = value, broadcast and cast. False, and nothing was written, where it does not fit, overlaps,
// or the types are Python's.
bool write_into(const ArrayView& target, const ArrayView& value);

}  // namespace pt::core
