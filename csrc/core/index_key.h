// x[key] taken apart: the view that ints, slices, None and Ellipsis name, and the index tensors on its axes.
#pragma once

#include "core/op.h"

namespace pt::core {

enum IndexNode { kSelect, kSlice, kUnsqueeze, kAlias };  // as registry.index_nodes has them

constexpr int kMostIndices = 8;

struct IndexKey {
    OwnedView view;           // what the basic part names
    IndexNode node = kAlias;  // the class of the last step to it
    bool whole = true;        // it is all of the source
    bool raw = true;          // the basic part stands in the key as NumPy takes it
    bool masked = false;      // indices[0] is a mask of the view's shape
    int count = 0;            // of the index arrays
    int axes[kMostIndices];   // of the view, that they are on; ascending
    ArrayView indices[kMostIndices];
    PyObject* arrays[kMostIndices] = {};  // owned, behind the indices
    int tensor_count = 0;
    PyObject* tensors[kMostIndices];  // borrowed, in the key: what the indices were made from
    int index_axis = 0;               // of the result, the first of the indices
    int index_ndim = 0;
    int64_t index_shape[kMaxDims];  // that the indices broadcast to

    IndexKey() = default;
    IndexKey(const IndexKey&) = delete;
    IndexKey& operator=(const IndexKey&) = delete;
    ~IndexKey();

    // False for keys that Python has to look at, wrong ones too. There may be an error set; clear it.
    bool read(PyArrayObject* source, PyObject* key);

    // The basic part as a tuple for NumPy. New reference, null on error.
    PyObject* basic_key(PyObject* key) const;

    // The shape of view[indices] (not for a mask).
    int result_shape(int64_t* shape) const;

    int64_t index_numel() const;

  private:
    bool read_part(PyObject* part, const ArrayView& source, int& axis);
    bool read_tensor(PyObject* part, const ArrayView& source, int& axis);
    bool read_mask(PyArrayObject* mask, const ArrayView& source, int& axis);
    bool read_list(PyObject* list, const ArrayView& source, int& axis);
    bool select(int64_t index, const ArrayView& source, int& axis);
    void keep(int64_t size, int64_t stride);
    bool add_index(PyObject* array, const ArrayView& source, int& axis);
    bool finish();
};

// A NumPy view of `array`'s memory with this geometry. New reference, null on error.
PyObject* geometry_view(PyArrayObject* array, const ArrayView& geometry);

}  // namespace pt::core
