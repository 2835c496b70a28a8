// x[key] for plain basic keys: ints, slices, None and Ellipsis. Everything else, errors too, is in
// pytensor/ops/indexing.py.
#include "core/op.h"

namespace pt::core {

namespace {

enum IndexNode { kSelect, kSlice, kUnsqueeze, kAlias };

bool is_basic(PyObject* key, IndexNode* last) {
    if (PyLong_CheckExact(key)) {
        *last = kSelect;
    } else if (PySlice_Check(key)) {
        PySliceObject* slice = reinterpret_cast<PySliceObject*>(key);
        // Negative steps are an error in PyTorch, tensors as bounds are allowed: both in Python.
        auto plain = [](PyObject* bound) { return bound == Py_None || PyLong_CheckExact(bound); };
        if (!plain(slice->start) || !plain(slice->stop) || slice->step != Py_None) return false;
        if (slice->start != Py_None || slice->stop != Py_None) *last = kSlice;
    } else if (key == Py_None) {
        *last = kUnsqueeze;
    } else if (key != Py_Ellipsis) {
        return false;
    }
    return true;
}

PyObject* view_at(PyArrayObject* array, Py_ssize_t index) {
    const int ndim = PyArray_NDIM(array);
    PyArray_Descr* descr = PyArray_DESCR(array);
    Py_INCREF(as_object(descr));
    PyObject* view = PyArray_NewFromDescr(&PyArray_Type, descr, ndim - 1, PyArray_DIMS(array) + 1,
                                          PyArray_STRIDES(array) + 1,
                                          PyArray_BYTES(array) + index * PyArray_STRIDE(array, 0),
                                          PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, nullptr);
    if (view == nullptr) return nullptr;
    Py_INCREF(as_object(array));
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(view), as_object(array)) < 0) {
        Py_DECREF(view);
        return nullptr;
    }
    return view;
}

// NumPy's basic indexing, always as a view: an index that selects one element gives a 0-d array.
PyObject* basic_view(PyArrayObject* array, PyObject* key) {
    PyObject* view = PyObject_GetItem(as_object(array), key);
    if (view != nullptr && PyArray_CheckExact(view)) return view;
    if (view == nullptr) {
        PyErr_Clear();  // the Python function words the error
        return nullptr;
    }
    Py_DECREF(view);
    PyObject* whole = PyTuple_Check(key) ? nullptr : PyTuple_Pack(2, key, Py_Ellipsis);
    if (PyTuple_Check(key)) {
        PyObject* rest = PyTuple_Pack(1, Py_Ellipsis);
        whole = rest != nullptr ? PySequence_Concat(key, rest) : nullptr;
        Py_XDECREF(rest);
    }
    if (whole == nullptr) return nullptr;
    view = PyObject_GetItem(as_object(array), whole);
    Py_DECREF(whole);
    return view;
}

}  // namespace

PyObject* call_index(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    if (PyVectorcall_NARGS(nargsf) != 2 || names != nullptr || !is_tensor(args[0]) ||
        !PyArray_CheckExact(as_tensor(args[0])->array))
        return call_slow(op, args, nargsf, names);
    TensorObject* source = as_tensor(args[0]);
    PyArrayObject* array = array_of(source);
    PyObject* key = args[1];
    IndexNode node = kAlias;
    PyObject* view = nullptr;
    if (PyLong_CheckExact(key) && PyArray_NDIM(array) > 0) {
        int overflow = 0;
        long index = PyLong_AsLongAndOverflow(key, &overflow);
        if (index < 0) index += PyArray_DIM(array, 0);
        if (overflow != 0 || index < 0 || index >= PyArray_DIM(array, 0))
            return call_slow(op, args, nargsf, names);
        node = kSelect;
        view = view_at(array, index);
        if (view == nullptr) return nullptr;
    } else {
        bool basic = true;
        if (PyTuple_CheckExact(key)) {
            for (Py_ssize_t i = 0; basic && i < PyTuple_GET_SIZE(key); ++i)
                basic = is_basic(PyTuple_GET_ITEM(key, i), &node);
        } else {
            basic = is_basic(key, &node);
        }
        if (basic) view = basic_view(array, key);
        if (view == nullptr) return call_slow(op, args, nargsf, names);
    }
    PyObject* ctx = nullptr;
    if (modes.grad && source->requires_grad) {
        PyObject* shape = size_from(PyArray_NDIM(array), PyArray_DIMS(array));
        ctx = shape != nullptr ? PyTuple_Pack(2, shape, key) : nullptr;
        Py_XDECREF(shape);
        if (ctx == nullptr) {
            Py_DECREF(view);
            return nullptr;
        }
    } else if (source->base != nullptr) {
        const int needs = needs_grad(source);  // a view whose base has come into a graph since
        if (needs != 0) {
            Py_DECREF(view);
            return needs < 0 ? nullptr : call_slow(op, args, nargsf, names);
        }
    }
    PyObject* result = make_view(source, view, registry.index_nodes[node], ctx, ViewKind::differentiable);
    Py_XDECREF(ctx);
    return result;
}

}  // namespace pt::core
