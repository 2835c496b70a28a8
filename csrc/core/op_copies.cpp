// The quick road of cat, stack, gather and index_select: plain arguments, one dtype, shapes that fit.
// Everything else, errors too, is in pytensor/ops/join.py, index.py and index_rows.py.
#include "core/op.h"

#include "kernels/index/index.h"
#include "kernels/index/join.h"

#include <algorithm>

namespace pt::core {

namespace {

constexpr Py_ssize_t kMostParts = 64;

// An exact int as an axis of an array of `ndim` axes; false for what is none.
bool read_axis(PyObject* object, int ndim, int* axis) {
    if (!PyLong_CheckExact(object)) return false;
    int overflow = 0;
    const long wanted = PyLong_AsLongAndOverflow(object, &overflow);
    if (overflow != 0 || wanted < -ndim || wanted >= ndim) return false;
    *axis = static_cast<int>(wanted < 0 ? wanted + ndim : wanted);
    return true;
}

bool is_array(PyObject* object, ArrayView* view) {
    if (!is_tensor(object) || !PyArray_CheckExact(as_tensor(object)->array)) return false;
    *view = view_of(array_of(as_tensor(object)));
    return view->dtype != DType::unsupported;
}

// The tensors of a call of cat or stack.
struct Parts {
    Py_ssize_t count = 0;
    ArrayView views[kMostParts];
    Operand operands[kMostParts];

    // False unless all are CPU tensors with elements, of one dtype and number of axes.
    bool read(PyObject* tuple) {
        count = PyTuple_GET_SIZE(tuple);
        if (count < 1 || count > kMostParts) return false;
        for (Py_ssize_t i = 0; i < count; ++i) {
            PyObject* const object = PyTuple_GET_ITEM(tuple, i);
            if (!is_array(object, &views[i]) || views[i].numel() == 0 || views[i].dtype != views[0].dtype ||
                views[i].ndim != views[0].ndim)
                return false;
            operands[i] = {object, as_tensor(object), false};
        }
        return true;
    }
    // Have all the sizes of the first? `except` is an axis that does not count.
    bool same_sizes(int except) const {
        for (Py_ssize_t i = 1; i < count; ++i)
            for (int d = 0; d < views[0].ndim; ++d)
                if (d != except && views[i].shape[d] != views[0].shape[d]) return false;
        return true;
    }
};

PyObject* sizes_along(const Parts& parts, int axis) {
    PyObject* sizes = PyTuple_New(parts.count);
    for (Py_ssize_t i = 0; sizes != nullptr && i < parts.count; ++i) {
        PyObject* const size = PyLong_FromLongLong(parts.views[i].shape[axis]);
        if (size == nullptr) {
            Py_CLEAR(sizes);
        } else {
            PyTuple_SET_ITEM(sizes, i, size);
        }
    }
    return sizes;
}

// (axis, sizes) for cat, axis for stack: see their nodes.
PyObject* join_context(const Parts& parts, int axis, bool stacked) {
    PyObject* const number = PyLong_FromLong(axis);
    if (stacked || number == nullptr) return number;
    PyObject* const sizes = sizes_along(parts, axis);
    PyObject* const ctx = sizes != nullptr ? PyTuple_Pack(2, number, sizes) : nullptr;
    Py_DECREF(number);
    Py_XDECREF(sizes);
    return ctx;
}

// Null without a Python error: the call is for the slow road.
PyObject* join_parts(OpObject* op, PyObject* tuple, PyObject* dim) {
    const bool stacked = op->kind == Kind::stack;
    Parts parts;
    int axis = 0;
    if (!parts.read(tuple)) return nullptr;
    const ArrayView& first = parts.views[0];
    const int ndim = first.ndim + (stacked ? 1 : 0);
    if (ndim == 0 || ndim > kMaxDims || (dim != nullptr && !read_axis(dim, ndim, &axis)) ||
        !parts.same_sizes(stacked ? -1 : axis))
        return nullptr;
    int64_t shape[kMaxDims], sizes[kMaxDims], steps[kMaxDims];  // of the result; of each part of a stack
    if (stacked) {
        int64_t step = item_size(first.dtype);
        for (int i = ndim - 1; i >= 0; --i) {
            shape[i] = i < axis ? first.shape[i] : i > axis ? first.shape[i - 1] : parts.count;
            sizes[i] = i == axis ? 1 : shape[i];
            steps[i] = step;
            step *= sizes[i];
        }
        for (Py_ssize_t i = 0; i < parts.count; ++i) {
            ArrayView& part = parts.views[i];
            if (!part.is_contiguous()) return nullptr;
            part.ndim = ndim;
            part.shape = sizes;
            part.strides = steps;
        }
    } else {
        std::copy(first.shape, first.shape + ndim, shape);
        for (Py_ssize_t i = 1; i < parts.count; ++i) shape[axis] += parts.views[i].shape[axis];
    }
    const int count = static_cast<int>(parts.count);
    if (!ask_needs(op, parts.operands, count)) return nullptr;
    PyObject* const out = new_array(ndim, shape, first.dtype);
    if (out == nullptr) return nullptr;
    const ArrayView result = view_of(reinterpret_cast<PyArrayObject*>(out));
    {
        ReleaseGil release(result.numel());
        index::join(parts.views, count, axis, result);
    }
    bool needed = false;
    for (int i = 0; i < count; ++i) needed |= parts.operands[i].needs;
    if (!needed) return finish(op, out, parts.operands, count);
    PyObject* const ctx = join_context(parts, axis, stacked);
    if (ctx == nullptr) {
        Py_DECREF(out);
        return nullptr;
    }
    PyObject* const tensor = finish(op, out, parts.operands, count, ctx);
    Py_DECREF(ctx);
    return tensor;
}

// The result of gather or index_select around `out` (stolen); ctx: (shape of the input, axis).
PyObject* finish_selection(OpObject* op, PyObject* out, const ArrayView& in, int axis,
                           const Operand* operands) {
    if (!operands[0].needs) return finish(op, out, operands, 1);
    PyObject* const shape = size_from(in.ndim, in.shape);
    PyObject* const number = PyLong_FromLong(axis);
    PyObject* const ctx = shape != nullptr && number != nullptr ? PyTuple_Pack(2, shape, number) : nullptr;
    Py_XDECREF(shape);
    Py_XDECREF(number);
    if (ctx == nullptr) {
        Py_DECREF(out);
        return nullptr;
    }
    PyObject* const tensor = finish(op, out, operands, 1, ctx);
    Py_DECREF(ctx);
    return tensor;
}

// (input, axis, index) of a call of gather or index_select, the index int64; false for the slow road.
bool read_selection(PyObject* const* args, size_t nargsf, PyObject* names, ArrayView* in, int* axis,
                    ArrayView* places) {
    return PyVectorcall_NARGS(nargsf) == 3 && names == nullptr && is_array(args[0], in) && in->ndim > 0 &&
           read_axis(args[1], in->ndim, axis) && is_array(args[2], places) && places->dtype == DType::int64 &&
           places->numel() > 0;
}

}  // namespace

// cat(tensors), cat(tensors, dim) and cat(tensors, dim=dim); stack likewise.
PyObject* call_join(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    const Py_ssize_t keywords = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    static PyObject* const dim_name = PyUnicode_InternFromString("dim");
    const bool plain = count >= 1 && count + keywords <= 2 &&
                       (keywords == 0 || PyTuple_GET_ITEM(names, 0) == dim_name) &&
                       (PyTuple_CheckExact(args[0]) || PyList_CheckExact(args[0]));
    if (!plain) return call_slow(op, args, nargsf, names);
    PyObject* const tuple = PySequence_Tuple(args[0]);  // a list may change while the GIL is released
    if (tuple == nullptr) return nullptr;
    PyObject* result = join_parts(op, tuple, count + keywords == 2 ? args[1] : nullptr);
    Py_DECREF(tuple);
    if (result == nullptr && PyErr_Occurred() == nullptr) result = call_slow(op, args, nargsf, names);
    return result;
}

// gather(input, dim, index)
PyObject* call_gather(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    ArrayView in, places;
    int axis = 0;
    bool plain = read_selection(args, nargsf, names, &in, &axis, &places) && places.ndim == in.ndim;
    for (int i = 0; plain && i < in.ndim; ++i) plain = i == axis || places.shape[i] <= in.shape[i];
    if (!plain) return call_slow(op, args, nargsf, names);
    Operand operands[2] = {{args[0], as_tensor(args[0]), false}, {args[2], as_tensor(args[2]), false}};
    if (!ask_needs(op, operands, 1)) return nullptr;
    PyObject* const out = new_array(places.ndim, places.shape, in.dtype);
    if (out == nullptr) return nullptr;
    bool inside;
    {
        ReleaseGil release(places.numel());
        inside = index::gather(in, axis, places, view_of(reinterpret_cast<PyArrayObject*>(out)));
    }
    if (inside) return finish_selection(op, out, in, axis, operands);
    Py_DECREF(out);
    return call_slow(op, args, nargsf, names);
}

// index_select(input, dim, index)
PyObject* call_take(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    ArrayView in, places;
    int axis = 0;
    if (!read_selection(args, nargsf, names, &in, &axis, &places) || places.ndim != 1 ||
        !in.is_contiguous() || !places.is_contiguous() ||
        !index::in_bounds(places.as<int64_t>(), places.numel(), in.shape[axis]))
        return call_slow(op, args, nargsf, names);
    Operand operands[2] = {{args[0], as_tensor(args[0]), false}, {args[2], as_tensor(args[2]), false}};
    if (!ask_needs(op, operands, 1)) return nullptr;
    int64_t shape[kMaxDims];
    std::copy(in.shape, in.shape + in.ndim, shape);
    shape[axis] = places.numel();
    PyObject* const out = new_array(in.ndim, shape, in.dtype);
    if (out == nullptr) return nullptr;
    const ArrayView result = view_of(reinterpret_cast<PyArrayObject*>(out));
    {
        ReleaseGil release(result.numel());
        index::take_rows(in, axis, places.as<int64_t>(), places.numel(), result);
    }
    return finish_selection(op, out, in, axis, operands);
}

}  // namespace pt::core
