// copy_, fill_ and zero_ on the quick road, and what x[key] = value shares with them. Everything else, errors
// too, is in pytensor/ops/convert.py.
#include "core/write.h"
#include "kernels/pointwise/pointwise.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

namespace pt::core {

namespace {

// The first byte of a view and the one after its last.
std::pair<const char*, const char*> span_of(const ArrayView& view) {
    const char *low = view.data, *high = view.data + item_size(view.dtype);
    for (int i = 0; i < view.ndim; ++i) {
        if (view.shape[i] == 0) return {low, low};
        const int64_t reach = (view.shape[i] - 1) * view.strides[i];
        (reach < 0 ? low : high) += reach;
    }
    return {low, high};
}

}  // namespace

bool same_memory(const ArrayView& a, const ArrayView& b) {
    return a.data == b.data && a.dtype == b.dtype && a.ndim == b.ndim &&
           std::equal(a.shape, a.shape + a.ndim, b.shape) &&
           std::equal(a.strides, a.strides + a.ndim, b.strides);
}

bool are_apart(const ArrayView& a, const ArrayView& b) {
    const auto one = span_of(a), other = span_of(b);
    return other.second <= one.first || one.second <= other.first;
}

bool broadcasts_to(const ArrayView& view, int ndim, const int64_t* shape) {
    const int missing = ndim - view.ndim;
    bool fits = missing >= 0;
    for (int i = 0; fits && i < view.ndim; ++i)
        fits = view.shape[i] == 1 || view.shape[i] == shape[i + missing];
    return fits;
}

bool is_writable(TensorObject* tensor, const ArrayView& part) {
    if ((tensor->inference && !modes.inference) || !PyArray_ISWRITEABLE(array_of(tensor))) return false;
    for (int i = 0; i < part.ndim; ++i)
        if (part.strides[i] == 0 && part.shape[i] > 1) return false;
    return !modes.grad || needs_grad(tensor) == 0;
}

bool Written::read(PyObject* value, DType dtype) {
    if (is_tensor(value)) {
        TensorObject* const tensor = as_tensor(value);
        if (!PyArray_CheckExact(tensor->array) || (modes.grad && needs_grad(tensor) != 0)) return false;
        view = view_of(array_of(tensor));
        return view.dtype != DType::unsupported;
    }
    view = {number, dtype, 0, nullptr, nullptr};
    if (PyBool_Check(value)) {
        view.dtype = DType::boolean;
        ::new (number) bool(value == Py_True);
        return true;
    }
    if (!scalar_as(value, dtype, number)) return false;
    // A finite number that is infinite as a float32 is an error.
    const bool infinite = PyFloat_CheckExact(value) && std::isinf(PyFloat_AS_DOUBLE(value));
    return dtype != DType::float32 || infinite || !std::isinf(*view.as<float>());
}

bool write_into(const ArrayView& target, const ArrayView& value) {
    if (same_memory(target, value)) return true;
    const bool castable = pointwise::castable(target.dtype) && pointwise::castable(value.dtype);
    if (!castable || !broadcasts_to(value, target.ndim, target.shape) || !are_apart(target, value))
        return false;
    ReleaseGil release(target.numel());
    pointwise::cast(value, target);
    return true;
}

// copy_(x, source), fill_(x, value), zero_(x): params[0] is the value of one without argument
PyObject* call_write(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t operands = op->param_count > 0 ? 1 : 2;
    bool done = false;
    if (PyVectorcall_NARGS(nargsf) == operands && names == nullptr && is_tensor(args[0]) &&
        PyArray_CheckExact(as_tensor(args[0])->array)) {
        TensorObject* const target = as_tensor(args[0]);
        const ArrayView view = view_of(array_of(target));
        Written value;
        bool read;
        if (operands == 1) {
            value.view = {value.number, DType::float64, 0, nullptr, nullptr};
            ::new (value.number) double(op->params[0]);
            read = view.dtype < DType::complex64;
        } else {
            // copy_ takes tensors; fill_ numbers, and tensors without axes.
            read = is_tensor(args[1]) != op->tensors_only ? false : value.read(args[1], view.dtype);
        }
        done = read && is_writable(target, view) && write_into(view, value.view);
    }
    if (!done) {
        PyErr_Clear();  // the Python function words the error
        return call_slow(op, args, nargsf, names);
    }
    VersionCounter* const counter = share_version(as_tensor(args[0]));
    if (counter == nullptr) return nullptr;
    ++counter->version;
    return Py_NewRef(args[0]);
}

}  // namespace pt::core
