#include "core/index_key.h"

#include "kernels/index/mask.h"

#include <algorithm>

namespace pt::core {

namespace {

PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

bool is_full(PyObject* part) {
    PySliceObject* slice = reinterpret_cast<PySliceObject*>(part);
    return slice->start == Py_None && slice->stop == Py_None && slice->step == Py_None;
}

// The array of an index tensor, null for what is none.
PyArrayObject* index_array(PyObject* part) {
    return is_tensor(part) && PyArray_CheckExact(as_tensor(part)->array) ? array_of(as_tensor(part))
                                                                         : nullptr;
}

// How many axes of the source a part of the key uses; -1 for parts that are Python's.
int axes_of(PyObject* part) {
    if (PyLong_CheckExact(part) || PySlice_Check(part) || PyList_CheckExact(part)) return 1;
    if (part == Py_None || part == Py_Ellipsis) return 0;
    PyArrayObject* array = index_array(part);
    if (array == nullptr) return -1;
    const DType dtype = dtype_of_array(array);
    if (dtype == DType::int64) return 1;
    return dtype == DType::boolean && PyArray_NDIM(array) > 0 ? PyArray_NDIM(array) : -1;
}

}  // namespace

PyObject* geometry_view(PyArrayObject* array, const ArrayView& geometry) {
    PyArray_Descr* descr = PyArray_DESCR(array);
    Py_INCREF(as_object(descr));
    PyObject* view = PyArray_NewFromDescr(&PyArray_Type, descr, geometry.ndim,
                                          reinterpret_cast<const npy_intp*>(geometry.shape),
                                          reinterpret_cast<const npy_intp*>(geometry.strides), geometry.data,
                                          PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, nullptr);
    if (view != nullptr && PyArray_SetBaseObject(as_array(view), Py_NewRef(as_object(array))) < 0)
        Py_CLEAR(view);
    return view;
}

IndexKey::~IndexKey() {
    for (int i = 0; i < count; ++i) Py_XDECREF(arrays[i]);
}

bool IndexKey::read(PyArrayObject* source, PyObject* key) {
    const ArrayView whole_view = view_of(source);
    if (whole_view.dtype == DType::unsupported) return false;
    PyObject* const* parts = &key;
    Py_ssize_t n = 1;
    if (PyTuple_CheckExact(key)) {
        parts = reinterpret_cast<PyTupleObject*>(key)->ob_item;
        n = PyTuple_GET_SIZE(key);
    }
    int used = 0, ellipses = 0;
    for (Py_ssize_t i = 0; i < n; ++i) {
        const int axes_used = axes_of(parts[i]);
        if (axes_used < 0) return false;
        used += axes_used;
        ellipses += parts[i] == Py_Ellipsis;
    }
    if (used > whole_view.ndim || ellipses > 1 || n > kMaxDims - whole_view.ndim) return false;
    view.data = whole_view.data;
    view.dtype = whole_view.dtype;
    view.shape = view.sizes;
    view.strides = view.steps;
    int axis = 0;
    for (Py_ssize_t i = 0; i < n; ++i) {
        if (parts[i] == Py_Ellipsis) {
            for (int left = whole_view.ndim - used; left > 0; --left, ++axis)
                keep(whole_view.shape[axis], whole_view.strides[axis]);
        } else if (!read_part(parts[i], whole_view, axis)) {
            return false;
        }
    }
    for (; axis < whole_view.ndim; ++axis) keep(whole_view.shape[axis], whole_view.strides[axis]);
    return finish();
}

bool IndexKey::read_part(PyObject* part, const ArrayView& source, int& axis) {
    if (PyLong_CheckExact(part)) {
        int overflow = 0;
        const int64_t index = PyLong_AsLongLongAndOverflow(part, &overflow);
        return overflow == 0 && select(index, source, axis);
    }
    if (part == Py_None) {
        whole = false;
        node = kUnsqueeze;
        keep(1, 0);
        return true;
    }
    if (PySlice_Check(part)) {
        if (!is_full(part)) {
            whole = false;
            PySliceObject* slice = reinterpret_cast<PySliceObject*>(part);
            for (PyObject* bound : {slice->start, slice->stop, slice->step})
                if (bound != Py_None && !PyLong_CheckExact(bound)) return false;
            Py_ssize_t start, stop, step;
            if (PySlice_Unpack(part, &start, &stop, &step) < 0 || step <= 0) return false;
            const Py_ssize_t size = PySlice_AdjustIndices(source.shape[axis], &start, &stop, step);
            if (slice->start != Py_None || slice->stop != Py_None || step != 1) node = kSlice;
            if (size > 0) view.data += start * source.strides[axis];
            keep(size, step * source.strides[axis]);
            ++axis;
            return true;
        }
        keep(source.shape[axis], source.strides[axis]);
        ++axis;
        return true;
    }
    return PyList_CheckExact(part) ? read_list(part, source, axis) : read_tensor(part, source, axis);
}

bool IndexKey::select(int64_t index, const ArrayView& source, int& axis) {
    if (index < 0) index += source.shape[axis];
    if (index < 0 || index >= source.shape[axis]) return false;
    view.data += index * source.strides[axis];
    whole = false;
    node = kSelect;
    ++axis;
    return true;
}

void IndexKey::keep(int64_t size, int64_t stride) {
    view.sizes[view.ndim] = size;
    view.steps[view.ndim++] = stride;
}

bool IndexKey::add_index(PyObject* array, const ArrayView& source, int& axis) {
    if (count == kMostIndices) {
        Py_DECREF(array);
        return false;
    }
    axes[count] = view.ndim;
    arrays[count] = array;
    indices[count++] = view_of(as_array(array));
    keep(source.shape[axis], source.strides[axis]);
    ++axis;
    return true;
}

bool IndexKey::read_tensor(PyObject* part, const ArrayView& source, int& axis) {
    PyArrayObject* array = index_array(part);
    if (dtype_of_array(array) == DType::boolean) {
        if (tensor_count == kMostIndices) return false;
        tensors[tensor_count++] = part;
        return read_mask(array, source, axis);
    }
    if (PyArray_NDIM(array) == 0) {
        raw = false;
        return select(*static_cast<int64_t*>(PyArray_DATA(array)), source, axis);
    }
    if (tensor_count == kMostIndices) return false;
    tensors[tensor_count++] = part;
    return add_index(Py_NewRef(as_object(array)), source, axis);
}

// A list of ints.
bool IndexKey::read_list(PyObject* list, const ArrayView& source, int& axis) {
    const int64_t n = PyList_GET_SIZE(list);
    for (int64_t i = 0; i < n; ++i)
        if (!PyLong_CheckExact(PyList_GET_ITEM(list, i))) return false;
    PyObject* array = new_array(1, &n, DType::int64);
    if (array == nullptr) return false;
    int64_t* values = static_cast<int64_t*>(PyArray_DATA(as_array(array)));
    for (int64_t i = 0; i < n; ++i) {
        int overflow = 0;
        values[i] = PyLong_AsLongLongAndOverflow(PyList_GET_ITEM(list, i), &overflow);
        if (overflow != 0) {
            Py_DECREF(array);
            return false;
        }
    }
    return add_index(array, source, axis);
}

// A mask is the index arrays of the places where it is set; alone and of the view's shape it stays a mask.
bool IndexKey::read_mask(PyArrayObject* mask, const ArrayView& source, int& axis) {
    const ArrayView where = view_of(mask);
    for (int i = 0; i < where.ndim; ++i)
        if (where.shape[i] != source.shape[axis + i]) return false;
    if (!where.is_contiguous()) return false;
    if (where.ndim == source.ndim) {
        masked = true;
        add_index(Py_NewRef(as_object(mask)), source, axis);
        for (; axis < source.ndim; ++axis) keep(source.shape[axis], source.strides[axis]);
        return true;
    }
    const int64_t shape[2] = {where.ndim, index::count_set(where.as<uint8_t>(), where.numel())};
    PyObject* places = new_array(2, shape, DType::int64);
    if (places == nullptr) return false;
    const ArrayView all = view_of(as_array(places));
    index::places(where, all);
    bool done = true;
    for (int i = 0; done && i < where.ndim; ++i) {
        ArrayView line = {all.data + i * all.strides[0], DType::int64, 1, shape + 1, all.strides + 1};
        PyObject* row = geometry_view(as_array(places), line);
        done = row != nullptr && add_index(row, source, axis);
    }
    Py_DECREF(places);
    return done;
}

// What the indices broadcast to, and where their axes stand: together where they stand next to each other,
// else in front.
bool IndexKey::finish() {
    if (count == 0) return true;
    if (masked) return count == 1 && view.ndim == indices[0].ndim;
    if (!broadcast_shape(indices, count, index_shape, &index_ndim)) return false;
    index_axis = axes[count - 1] - axes[0] + 1 == count ? axes[0] : 0;
    return view.ndim - count + index_ndim <= kMaxDims;
}

int IndexKey::result_shape(int64_t* shape) const {
    int ndim = 0, k = 0;
    for (int i = 0; i < view.ndim; ++i) {
        const bool indexed = k < count && axes[k] == i;
        if (indexed)
            ++k;
        else
            shape[ndim++] = view.sizes[i];
    }
    std::copy_backward(shape + index_axis, shape + ndim, shape + ndim + index_ndim);
    std::copy(index_shape, index_shape + index_ndim, shape + index_axis);
    return ndim + index_ndim;
}

int64_t IndexKey::index_numel() const {
    int64_t n = 1;
    for (int i = 0; i < index_ndim; ++i) n *= index_shape[i];
    return n;
}

PyObject* IndexKey::basic_key(PyObject* key) const {
    if (raw && count == 0) return Py_NewRef(key);
    PyObject* const parts = PyTuple_CheckExact(key) ? Py_NewRef(key) : PyTuple_Pack(1, key);
    PyObject* const list = parts != nullptr ? PyList_New(0) : nullptr;
    PyObject* const full = list != nullptr ? PySlice_New(nullptr, nullptr, nullptr) : nullptr;
    bool done = full != nullptr;
    for (Py_ssize_t i = 0; done && i < PyTuple_GET_SIZE(parts); ++i) {
        PyObject* const part = PyTuple_GET_ITEM(parts, i);
        PyArrayObject* const array = index_array(part);
        if (array != nullptr && PyArray_NDIM(array) == 0) {
            PyObject* number = PyLong_FromLongLong(*static_cast<int64_t*>(PyArray_DATA(array)));
            done = number != nullptr && PyList_Append(list, number) == 0;
            Py_XDECREF(number);
        } else if (array != nullptr || PyList_CheckExact(part)) {
            for (int left = axes_of(part); done && left > 0; --left) done = PyList_Append(list, full) == 0;
        } else {
            done = PyList_Append(list, part) == 0;
        }
    }
    PyObject* const result = done ? PyList_AsTuple(list) : nullptr;
    Py_XDECREF(full);
    Py_XDECREF(list);
    Py_XDECREF(parts);
    return result;
}

}  // namespace pt::core
