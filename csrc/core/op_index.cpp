// x[key] and x[key] = value for the keys that IndexKey reads. Everything else, errors too, is in
// pytensor/ops/indexing.py.
#include "base/pool.h"
#include "core/index_key.h"
#include "core/write.h"
#include "kernels/index/index.h"
#include "kernels/index/mask.h"
#include "kernels/index/pick.h"
#include "kernels/pointwise/pointwise.h"

#include <utility>

namespace pt::core {

namespace {

PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

index::Picked picked(const IndexKey& key, const ArrayView& x, const ArrayView& y, const int64_t* places) {
    return {x, y, key.axes, places, key.count, key.index_axis, key.index_ndim};
}

// The view of `source` that the basic part of a key names, with its history.
PyObject* basic_view(TensorObject* source, const IndexKey& key, PyObject* object) {
    PyObject* ctx = nullptr;
    if (modes.grad && source->requires_grad) {  // (shape, key)
        PyObject* const shape = size_from(PyArray_NDIM(array_of(source)), PyArray_DIMS(array_of(source)));
        PyObject* const basic = shape != nullptr ? key.basic_key(object) : nullptr;
        ctx = basic != nullptr ? PyTuple_Pack(2, shape, basic) : nullptr;
        Py_XDECREF(shape);
        Py_XDECREF(basic);
        if (ctx == nullptr) return nullptr;
    }
    PyObject* const view = geometry_view(array_of(source), key.view);
    PyObject* const result = view != nullptr ? make_view(source, view, registry.index_nodes[key.node], ctx,
                                                         ViewKind::differentiable)
                                             : nullptr;
    Py_XDECREF(ctx);
    return result;
}

// The elements that the indices name. Null without an error for an index out of bounds.
PyObject* pick_array(const IndexKey& key) {
    const ArrayView& x = key.view;
    if (key.masked) {
        const ArrayView& mask = key.indices[0];
        const int64_t n = index::count_set(mask.as<uint8_t>(), mask.numel());
        PyObject* const out = new_array(1, &n, x.dtype);
        if (out == nullptr) return nullptr;
        const ArrayView y = view_of(as_array(out));
        ReleaseGil release(x.numel());
        index::compress(x, mask, y);
        return out;
    }
    int64_t shape[kMaxDims];
    PyObject* const out = new_array(key.result_shape(shape), shape, x.dtype);
    if (out == nullptr) return nullptr;
    const ArrayView y = view_of(as_array(out));
    const int64_t n = key.index_numel();
    const ArrayView& first = key.indices[0];
    const bool rows = key.count == 1 && x.is_contiguous() && first.is_contiguous();
    if (rows && index::in_bounds(first.as<int64_t>(), n, x.shape[key.axes[0]])) {
        ReleaseGil release(y.numel());
        index::take_rows(x, key.axes[0], first.as<int64_t>(), n, y);
        return out;
    }
    const pool::Scratch places(static_cast<size_t>(n) * sizeof(int64_t));
    if (!index::find_places(x, key.axes, key.indices, key.count, key.index_ndim, key.index_shape,
                            places.as<int64_t>())) {
        Py_DECREF(out);
        return nullptr;
    }
    ReleaseGil release(y.numel());
    index::pick(picked(key, x, y, places.as<int64_t>()));
    return out;
}

// Place(axes, arrays, tensors=()) of pytensor/ops/pick.py, which is the op's `alternate`.
PyObject* place_of(const OpObject* op, const IndexKey& key) {
    const int axes_count = key.masked ? 0 : key.count;
    PyObject* const axes = PyTuple_New(axes_count);
    PyObject* const arrays = axes != nullptr ? PyTuple_New(key.count) : nullptr;
    PyObject* const tensors = arrays != nullptr ? PyTuple_New(0) : nullptr;
    bool done = tensors != nullptr;
    for (int i = 0; done && i < key.count; ++i) {
        PyTuple_SET_ITEM(arrays, i, Py_NewRef(key.arrays[i]));
        PyObject* const axis = i < axes_count ? PyLong_FromLong(key.axes[i]) : nullptr;
        if (i < axes_count && axis != nullptr) PyTuple_SET_ITEM(axes, i, axis);
        done = i >= axes_count || axis != nullptr;
    }
    PyObject* const args[] = {axes, arrays, tensors};
    PyObject* const place = done ? PyObject_Vectorcall(op->alternate, args, 3, nullptr) : nullptr;
    Py_XDECREF(axes);
    Py_XDECREF(arrays);
    Py_XDECREF(tensors);
    return place;
}

// Makes `result`, picked from `target`, the output of a node: saved the index tensors, ctx (shape, place).
int record_pick(const OpObject* op, const IndexKey& key, TensorObject* target, TensorObject* result) {
    PyObject* const shape = size_from(key.view.ndim, key.view.shape);
    PyObject* const place = shape != nullptr ? place_of(op, key) : nullptr;
    PyObject* const ctx = place != nullptr ? PyTuple_Pack(2, shape, place) : nullptr;
    Py_XDECREF(shape);
    Py_XDECREF(place);
    NodeObject* const node = ctx != nullptr ? new_node(op->node, 1, key.tensor_count, 1) : nullptr;
    if (node == nullptr) {
        Py_XDECREF(ctx);
        return -1;
    }
    node->ctx = ctx;
    set_edge(node, 0, target);
    for (int i = 0; i < key.tensor_count; ++i) save_tensor(node, i, as_tensor(key.tensors[i]));
    int status = attach_output(node, 0, result);
    if (status == 0) status = finish_node(node);
    Py_DECREF(as_object(node));
    return status;
}

PyObject* pick_from(const OpObject* op, TensorObject* source, const IndexKey& key, PyObject* object,
                    bool recorded) {
    PyObject* const array = pick_array(key);
    PyObject* result = array != nullptr ? wrap(array) : nullptr;
    if (result == nullptr || !recorded) return result;
    PyObject* const target = key.whole ? Py_NewRef(as_object(source)) : basic_view(source, key, object);
    if (target == nullptr || record_pick(op, key, as_tensor(target), as_tensor(result)) < 0) Py_CLEAR(result);
    Py_XDECREF(target);
    return result;
}

// May the kernels work on what the key names?
bool is_plain(const IndexKey& key) {
    return key.count == 0 || (key.masked ? key.view.is_contiguous() : index::can_move(key.view.dtype));
}

// A value as an array of at most as many axes as what it is written to has: leading ones are dropped.
ArrayView without_leading_ones(ArrayView value, int ndim) {
    while (value.ndim > ndim && value.shape[0] == 1) {
        ++value.shape;
        ++value.strides;
        --value.ndim;
    }
    return value;
}

bool put_at_indices(const IndexKey& key, const Written& value) {
    const ArrayView& x = key.view;
    ArrayView source = value.view;
    alignas(8) char element[16];
    if (source.dtype != x.dtype) {  // a single number of another type is cast
        if (source.ndim != 0 || !pointwise::castable(source.dtype) || !pointwise::castable(x.dtype))
            return false;
        source = {element, x.dtype, 0, nullptr, nullptr};
        pointwise::cast(value.view, source);
    }
    if (key.masked) {
        const ArrayView& mask = key.indices[0];
        source = without_leading_ones(source, 1);
        const bool one = source.numel() == 1;
        if (source.ndim > 1 || !source.is_contiguous() ||
            (!one && source.numel() != index::count_set(mask.as<uint8_t>(), mask.numel())))
            return false;
        ReleaseGil release(x.numel());
        index::expand(x, mask, source);
        return true;
    }
    int64_t shape[kMaxDims];
    const int ndim = key.result_shape(shape);
    source = without_leading_ones(source, ndim);
    if (!broadcasts_to(source, ndim, shape)) return false;
    const OwnedView y = OwnedView::broadcast(source, ndim, shape);
    const pool::Scratch places(static_cast<size_t>(key.index_numel()) * sizeof(int64_t));
    if (!index::find_places(x, key.axes, key.indices, key.count, key.index_ndim, key.index_shape,
                            places.as<int64_t>()))
        return false;
    ReleaseGil release(y.numel());
    index::put(picked(key, x, y, places.as<int64_t>()));
    return true;
}

// x[key] = value without a graph; false, and nothing was written, for what Python has to look at.
bool set_plain(TensorObject* target, PyObject* object, PyObject* assigned) {
    IndexKey key;
    Written value;
    if (!key.read(array_of(target), object) || !is_plain(key) || !value.read(assigned, key.view.dtype) ||
        !is_writable(target, key.view))
        return false;
    for (int i = 0; i < key.count; ++i)
        if (!are_apart(key.indices[i], key.view)) return false;
    if (key.count > 0) return are_apart(value.view, key.view) && put_at_indices(key, value);
    value.view = without_leading_ones(value.view, key.view.ndim);
    return write_into(key.view, value.view);
}

}  // namespace

PyObject* call_index(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    if (PyVectorcall_NARGS(nargsf) != 2 || names != nullptr || !is_tensor(args[0]) ||
        !PyArray_CheckExact(as_tensor(args[0])->array))
        return call_slow(op, args, nargsf, names);
    TensorObject* const source = as_tensor(args[0]);
    IndexKey key;
    if (!key.read(array_of(source), args[1]) || !is_plain(key)) {
        PyErr_Clear();  // the Python function words the error
        return call_slow(op, args, nargsf, names);
    }
    const int needs = needs_grad(source);
    if (needs < 0) return nullptr;
    if (key.count == 0) return basic_view(source, key, args[1]);
    PyObject* const result = pick_from(op, source, key, args[1], needs != 0 && modes.grad);
    if (result != nullptr || PyErr_Occurred() != nullptr) return result;
    return call_slow(op, args, nargsf, names);
}

// x.__setitem__(key, value)
PyObject* call_set_index(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    if (PyVectorcall_NARGS(nargsf) != 3 || names != nullptr || !is_tensor(args[0]) ||
        !PyArray_CheckExact(as_tensor(args[0])->array) || !set_plain(as_tensor(args[0]), args[1], args[2])) {
        PyErr_Clear();  // the Python function words the error
        return call_slow(op, args, nargsf, names);
    }
    VersionCounter* const counter = share_version(as_tensor(args[0]));
    if (counter == nullptr) return nullptr;
    ++counter->version;
    Py_RETURN_NONE;
}

}  // namespace pt::core
