// Reductions on the quick road: f(x), f(x, dim, keepdim) by position or by name, dim one axis or several; max
// and min along an axis, and of two tensors; softmax. Everything else, errors too, is in
// pytensor/ops/reduce.py, extremes.py, statistics.py and softmax.py.
#include "core/op.h"

#include "kernels/norm/norm.h"
#include "kernels/reduce/reduce.h"

#include <algorithm>
#include <iterator>

namespace pt::core {

namespace {

// What a call asks for.
struct Reduction {
    uint64_t axes = 0;
    PyObject* dim = Py_None;  // borrowed: as it was given
    int axis = -1;            // when dim is one axis
    bool keepdim = false;
    double correction = 1;
    bool corrected = false;  // is the correction part of the node's ctx?
};

bool read_flag(PyObject* object, bool* flag) {
    if (object == nullptr) return true;
    *flag = object == Py_True;
    return object == Py_True || object == Py_False;
}

// Ops that take no more than one axis.
bool takes_one_axis(int kernel) {
    static const int kernels[] = {reduce::find("prod"), reduce::find("argmax"), reduce::find("argmin")};
    return std::find(std::begin(kernels), std::end(kernels), kernel) != std::end(kernels);
}

// One axis, or a tuple or list of different ones; false for Python.
bool read_axes(PyObject* dim, int ndim, Reduction* r) {
    int64_t axes[kMaxDims];
    int count;
    if (dim == nullptr || dim == Py_None) {
        r->axes = ndim == 64 ? ~uint64_t{0} : (uint64_t{1} << ndim) - 1;
        return true;
    }
    if (!read_ints(&dim, 1, axes, &count) || count == 0) return false;
    for (int i = 0; i < count; ++i) {
        if (axes[i] < -ndim || axes[i] >= ndim) return false;
        const uint64_t bit = uint64_t{1} << (axes[i] < 0 ? axes[i] + ndim : axes[i]);
        if ((r->axes & bit) != 0) return false;
        r->axes |= bit;
    }
    r->dim = dim;
    if (PyLong_CheckExact(dim)) r->axis = static_cast<int>(axes[0] < 0 ? axes[0] + ndim : axes[0]);
    return true;
}

// The arguments of var and std: dim, unbiased, keepdim, correction. The last is by name only.
bool read_dispersion(PyObject* const* given, Py_ssize_t positions, const ArrayView& in, Reduction* r) {
    bool unbiased = true;
    r->corrected = true;
    if (positions > 3 || !read_axes(given[0], in.ndim, r) || !read_flag(given[2], &r->keepdim)) return false;
    if (given[1] != nullptr && given[1] != Py_None) {
        if (!read_flag(given[1], &unbiased)) return false;
        r->correction = unbiased ? 1 : 0;
    } else if (given[3] != nullptr && given[3] != Py_None) {
        int64_t whole;
        if (!read_int(given[3], &whole)) return false;
        r->correction = static_cast<double>(whole);
    }
    int64_t count = 1;
    for (int i = 0; i < in.ndim; ++i)
        if ((r->axes >> i & 1) != 0) count *= in.shape[i];
    return static_cast<double>(count) > r->correction;  // else there is a warning
}

// (input shape, dim, keepdim), and the correction where there is one: the ctx of every reduction
PyObject* context_of(const ArrayView& in, const Reduction& r) {
    PyObject* const shape = size_from(in.ndim, in.shape);
    PyObject* const dim = r.axis >= 0 ? PyLong_FromLong(r.axis) : Py_NewRef(r.dim);
    PyObject* const keepdim = r.keepdim ? Py_True : Py_False;
    PyObject* const correction = PyFloat_FromDouble(r.correction);
    PyObject* ctx = nullptr;
    if (shape != nullptr && dim != nullptr && correction != nullptr)
        ctx = r.corrected ? PyTuple_Pack(4, shape, dim, keepdim, correction)
                          : PyTuple_Pack(3, shape, dim, keepdim);
    Py_XDECREF(shape);
    Py_XDECREF(dim);
    Py_XDECREF(correction);
    return ctx;
}

// A new array for the result, and a view of it with all axes of the input.
struct Reduced {
    PyObject* array;
    OwnedView view;

    Reduced(const ArrayView& in, const Reduction& r, DType dtype) {
        int64_t shape[kMaxDims];
        int ndim = 0;
        for (int i = 0; i < in.ndim; ++i) {
            const bool reduced = (r.axes >> i & 1) != 0;
            view.sizes[i] = reduced ? 1 : in.shape[i];
            if (!reduced || r.keepdim) shape[ndim++] = view.sizes[i];
        }
        array = new_array(ndim, shape, dtype);
        if (array == nullptr) return;
        view.data = static_cast<char*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)));
        view.dtype = dtype;
        view.ndim = in.ndim;
        view.shape = view.sizes;
        view.strides = view.steps;
        int64_t step = item_size(dtype);
        for (int i = in.ndim - 1; i >= 0; --i) {
            view.steps[i] = step;
            step *= view.sizes[i];
        }
    }
};

// max or min along an axis; the op's `alternate` is (op of two tensors, node, type of the result).
PyObject* extreme_along(const OpObject* op, const Operand& input, const ArrayView& in, const Reduction& r) {
    Reduced values(in, r, in.dtype);
    if (values.array == nullptr) return nullptr;
    Reduced places(in, r, DType::int64);
    if (places.array == nullptr) {
        Py_DECREF(values.array);
        return nullptr;
    }
    {
        ReleaseGil release(in.numel());
        reduce::run(op->kernel, in, r.axes, values.view, &places.view, 0.0);
    }
    PyObject* const ctx = input.needs ? context_of(in, r) : nullptr;
    return finish_selected(input, wrap(values.array), wrap(places.array),
                           reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(op->alternate, 1)), ctx,
                           reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(op->alternate, 2)));
}

}  // namespace

PyObject* finish_selected(const Operand& input, PyObject* values, PyObject* indices, PyTypeObject* node_type,
                          PyObject* ctx, PyTypeObject* type) {
    PyObject* result = nullptr;
    bool done = values != nullptr && indices != nullptr && (!input.needs || ctx != nullptr);
    if (done && input.needs) {
        NodeObject* const node = new_node(node_type, 1, 1, 1);
        if (node != nullptr) {
            node->ctx = Py_NewRef(ctx);
            set_edge(node, 0, input.tensor);
            save_tensor(node, 0, as_tensor(indices));
        }
        done = node != nullptr && attach_output(node, 0, as_tensor(values)) == 0 && finish_node(node) == 0;
        Py_XDECREF(as_object(node));
    }
    if (done && (result = type->tp_alloc(type, 2)) != nullptr) {
        PyTuple_SET_ITEM(result, 0, Py_NewRef(values));
        PyTuple_SET_ITEM(result, 1, Py_NewRef(indices));
    }
    Py_XDECREF(values);
    Py_XDECREF(indices);
    Py_XDECREF(ctx);
    return result;
}

PyObject* call_reduction(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    const bool selects = op->alternate != nullptr;
    if (selects && count == 2 && names == nullptr && is_tensor(args[1]))
        return PyObject_Vectorcall(PyTuple_GET_ITEM(op->alternate, 0), args, nargsf, nullptr);
    DType dtype;
    PyArrayObject* array = nullptr;
    PyObject* given[kMaxOpParams] = {};
    if (count >= 1 && (names == nullptr || op->arguments != nullptr) &&
        (count == 1 && names == nullptr ? true : sort_arguments(op->arguments, 1, args, count, names, given)))
        array = quick_array(op, args[0], &dtype);
    if (array == nullptr) return call_slow(op, args, nargsf, names);
    const ArrayView in = view_of(array);
    Reduction r;
    const bool disperses = op->arguments != nullptr && PyTuple_GET_SIZE(op->arguments) == 4;
    const bool plain = disperses ? read_dispersion(given, count - 1, in, &r)
                                 : read_axes(given[0], in.ndim, &r) && read_flag(given[1], &r.keepdim);
    // The indices of all elements, and several axes of what has indices, are in Python.
    const bool indexed = selects && (given[0] != nullptr || r.keepdim);
    if (!plain || (reduce::needs_elements(op->kernel) && in.numel() == 0) || (indexed && r.axis < 0) ||
        (r.dim != Py_None && r.axis < 0 && takes_one_axis(op->kernel)))
        return call_slow(op, args, nargsf, names);
    Operand operand = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &operand, 1)) return nullptr;
    if (indexed) return extreme_along(op, operand, in, r);
    Reduced out(in, r, reduce::result_dtype(op->kernel, dtype));
    if (out.array == nullptr) return nullptr;
    {
        ReleaseGil release(in.numel());
        const double fixed = op->param_count > 0 ? op->params[0] : 0.0;
        reduce::run(op->kernel, in, r.axes, out.view, nullptr, disperses ? r.correction : fixed);
    }
    if (!operand.needs) return finish(op, out.array, &operand, 1);
    PyObject* const ctx = context_of(in, r);
    if (ctx == nullptr) {
        Py_DECREF(out.array);
        return nullptr;
    }
    PyObject* const tensor = finish(op, out.array, &operand, 1, ctx);
    Py_DECREF(ctx);
    return tensor;
}

// softmax(x, dim) and log_softmax(x, dim) of contiguous floats; the node's ctx is dim. params[0]: the
// logarithm?
PyObject* call_softmax(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject* given[kMaxOpParams];
    int64_t wanted;
    ArrayView in;
    bool plain = sort_arguments(op->arguments, 1, args, count, names, given) && given[0] != nullptr &&
                 read_int(given[0], &wanted) && is_tensor(args[0]) &&
                 PyArray_CheckExact(as_tensor(args[0])->array);
    if (plain) {
        in = view_of(array_of(as_tensor(args[0])));
        plain = (in.dtype == DType::float32 || in.dtype == DType::float64) && wanted >= -in.ndim &&
                wanted < in.ndim && in.is_contiguous() && in.numel() > 0;
    }
    if (!plain) return call_slow(op, args, nargsf, names);
    const int axis = static_cast<int>(wanted < 0 ? wanted + in.ndim : wanted);
    Operand operand = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &operand, 1)) return nullptr;
    PyObject* const array = new_array(in.ndim, in.shape, in.dtype);
    if (array == nullptr) return nullptr;
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < axis; ++i) outer *= in.shape[i];
    for (int i = axis + 1; i < in.ndim; ++i) inner *= in.shape[i];
    const ArrayView out = view_of(reinterpret_cast<PyArrayObject*>(array));
    {
        ReleaseGil release(in.numel());
        const bool log = op->params[0] != 0;
        if (in.dtype == DType::float32)
            norm::softmax_forward<float>(in.as<float>(), out.as<float>(), log, outer, in.shape[axis], inner);
        else
            norm::softmax_forward<double>(in.as<double>(), out.as<double>(), log, outer, in.shape[axis],
                                          inner);
    }
    PyObject* const ctx = operand.needs ? PyLong_FromLong(axis) : nullptr;
    if (operand.needs && ctx == nullptr) {
        Py_DECREF(array);
        return nullptr;
    }
    PyObject* const result = finish(op, array, &operand, 1, ctx);
    Py_XDECREF(ctx);
    return result;
}

}  // namespace pt::core
