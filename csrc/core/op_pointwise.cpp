// Pointwise ops on the quick road: operands, their scalars, promotion, layout, kernel, node.
#include "core/write.h"

#include "kernels/pointwise/pointwise.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

namespace pt::core {

namespace {

// ---- the scalars after the operands -----------------------------------------------------------------------

bool number_of(PyObject* object, double* value) {
    if (PyFloat_CheckExact(object)) {
        *value = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (!PyLong_CheckExact(object)) return false;
    *value = PyLong_AsDouble(object);
    if (*value != -1.0 || !PyErr_Occurred()) return true;
    PyErr_Clear();
    return false;
}

// Some types cannot hold such a scalar, and PyTorch refuses it: for Python.
bool may_overflow(double value) { return std::abs(value) > 65504 && !std::isinf(value); }

}  // namespace

bool scalar_as(PyObject* number, DType dtype, char* storage) {
    if (dtype == DType::float32 || dtype == DType::float64) {
        double value;
        if (!number_of(number, &value)) return false;
        if (dtype == DType::float32) {
            ::new (storage) float(static_cast<float>(value));
        } else {
            ::new (storage) double(value);
        }
        return true;
    }
    if (dtype != DType::int64 || !PyLong_CheckExact(number)) return false;
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    ::new (storage) int64_t(value);
    return overflow == 0;
}

bool broadcast_shape(const ArrayView* views, int count, int64_t* shape, int* ndim) {
    *ndim = 0;
    for (int k = 0; k < count; ++k) *ndim = std::max(*ndim, views[k].ndim);
    for (int i = 0; i < *ndim; ++i) shape[i] = 1;
    for (int k = 0; k < count; ++k) {
        const int missing = *ndim - views[k].ndim;
        for (int i = 0; i < views[k].ndim; ++i) {
            const int64_t own = views[k].shape[i];
            int64_t& size = shape[i + missing];
            if (own == 1 || own == size) continue;
            if (size != 1) return false;
            size = own;
        }
    }
    return true;
}

namespace {

Py_ssize_t find_name(PyObject* tuple, PyObject* name) {
    const Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    for (Py_ssize_t i = 0; i < n; ++i)
        if (PyTuple_GET_ITEM(tuple, i) == name) return i;  // names are interned, nearly always
    for (Py_ssize_t i = 0; i < n; ++i)
        if (PyUnicode_Compare(PyTuple_GET_ITEM(tuple, i), name) == 0) return i;
    return -1;
}

}  // namespace

bool sort_arguments(PyObject* expected, int operands, PyObject* const* args, Py_ssize_t count,
                    PyObject* names, PyObject** given) {
    const Py_ssize_t most = expected != nullptr ? PyTuple_GET_SIZE(expected) : 0;
    if (count < operands || count - operands > most) return false;
    for (Py_ssize_t i = 0; i < most; ++i) given[i] = i < count - operands ? args[operands + i] : nullptr;
    const Py_ssize_t keywords = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < keywords; ++i) {
        const Py_ssize_t at = most > 0 ? find_name(expected, PyTuple_GET_ITEM(names, i)) : -1;
        if (at < 0 || given[at] != nullptr) return false;
        given[at] = args[count + i];
    }
    return true;
}

namespace {

// Argument i is parameter i; those beyond the scalars must be False.
bool read_params(const OpObject* op, int operands, PyObject* const* args, Py_ssize_t count, PyObject* names,
                 double* params) {
    PyObject* given[kMaxOpParams];
    if (!sort_arguments(op->arguments, operands, args, count, names, given)) return false;
    std::memcpy(params, op->params, sizeof(op->params));
    const Py_ssize_t most = op->arguments != nullptr ? PyTuple_GET_SIZE(op->arguments) : 0;
    for (Py_ssize_t i = 0; i < most; ++i) {
        if (given[i] == nullptr) {
            if (i < op->required) return false;
        } else if (i >= op->scalar_count) {
            if (given[i] != Py_False) return false;
        } else if (!number_of(given[i], &params[i]) || may_overflow(params[i])) {
            return false;
        }
    }
    switch (op->check) {
        case Check::ordered:
            return params[0] <= params[1];
        case Check::not_negative:
            return params[0] >= 0 && std::isfinite(params[0]);
        case Check::not_zero:
            return params[0] != 0;
        case Check::none:
            break;
    }
    return true;
}

PyObject* tuple_of(const double* params, int count) {
    PyObject* tuple = PyTuple_New(count);
    for (int i = 0; tuple != nullptr && i < count; ++i) {
        PyObject* number = PyFloat_FromDouble(params[i]);
        if (number == nullptr) Py_CLEAR(tuple);
        if (tuple != nullptr) PyTuple_SET_ITEM(tuple, i, number);
    }
    return tuple;
}

// ---- operands ---------------------------------------------------------------------------------------------

// 0 bool, 1 integers, 2 floats
int category(DType dtype) { return dtype == DType::boolean ? 0 : dtype < DType::float16 ? 1 : 2; }

// PyTorch's promotion of real types.
DType promote(DType a, DType b) {
    if (a == b) return a;
    if (category(a) != category(b)) return category(a) > category(b) ? a : b;
    const DType low = std::min(a, b), high = std::max(a, b);
    if (low == DType::uint8 && high == DType::int8) return DType::int16;
    if (low == DType::float16 && high == DType::bfloat16) return DType::float32;
    return high;
}

// Tensors with axes decide; one without only raises the category.
DType promote_operands(const ArrayView* views, int count) {
    DType with_axes = DType::unsupported, without = DType::unsupported;
    for (int k = 0; k < count; ++k) {
        if (views[k].dtype == DType::unsupported) continue;  // a number, which fits or is refused later
        DType& d = views[k].ndim > 0 ? with_axes : without;
        d = d == DType::unsupported ? views[k].dtype : promote(d, views[k].dtype);
    }
    if (with_axes == DType::unsupported) return without;
    if (without == DType::unsupported || category(without) <= category(with_axes)) return with_axes;
    return without;
}

struct Operands {
    ArrayView views[3];
    alignas(8) char scalars[3][8];
    Operand items[3];
    DType dtype;
};

// Tensors of the CPU and numbers, at least one a tensor, in a dtype that the kernel has. The operand at
// `condition`, if any, is a boolean tensor that has no part in the dtype.
bool read_operands(const OpObject* op, PyObject* const* objects, int count, int condition, Operands& out) {
    DType common = DType::unsupported;
    bool mixed = false;
    for (int k = 0; k < count; ++k) {
        out.items[k] = {objects[k], nullptr, false};
        if (!is_tensor(objects[k])) {
            if (op->tensors_only) return false;
            continue;
        }
        TensorObject* tensor = as_tensor(objects[k]);
        if (!PyArray_CheckExact(tensor->array)) return false;
        out.items[k].tensor = tensor;
        out.views[k] = view_of(array_of(tensor));
        const DType dtype = out.views[k].dtype;
        if (k == condition) {
            if (dtype != DType::boolean) return false;
        } else if (common == DType::unsupported) {
            common = dtype;
        } else if (dtype != common) {
            mixed = true;
        }
        if (!pointwise::castable(dtype)) return false;
    }
    if (mixed) {
        if (!op->mixed) return false;
        common = promote_operands(out.views + (condition == 0 ? 1 : 0), condition == 0 ? count - 1 : count);
    }
    if (!has_kernel(op, common) || (condition >= 0 && out.items[condition].tensor == nullptr)) return false;
    for (int k = 0; k < count; ++k) {
        if (out.items[k].tensor != nullptr) continue;
        // The kernel knows what is to be rounded to half precision.
        const DType dtype = common == DType::float16 || common == DType::bfloat16 ? DType::float32 : common;
        if (!scalar_as(objects[k], dtype, out.scalars[k])) return false;
        out.views[k].data = out.scalars[k];
        out.views[k].dtype = dtype;
    }
    out.dtype = common;
    return true;
}

// May an op write its result straight into its first operand? Not where a graph is recorded, where PyTorch
// has an error, or where an operand would be read after it was overwritten: those are left to Python.
bool can_write(const ArrayView* views, int count, const Operand* items, const int64_t* shape, int ndim,
               DType result) {
    TensorObject* self = items[0].tensor;
    if (self == nullptr || !is_writable(self, views[0]) || views[0].dtype != result) return false;
    if (views[0].ndim != ndim || !std::equal(shape, shape + ndim, views[0].shape)) return false;
    for (int k = 1; k < count; ++k) {
        if (modes.grad && items[k].tensor != nullptr && needs_grad(items[k].tensor) != 0) return false;
        if (!are_apart(views[0], views[k]) && !same_memory(views[0], views[k])) return false;
    }
    return true;
}

// The op's result stored in its first operand, which is returned; null without an error when that is left to
// Python.
PyObject* write_result(int kernel, const ArrayView* views, int count, const Operand* items,
                       const int64_t* shape, int ndim, const double* params, DType dtype) {
    if (!can_write(views, count, items, shape, ndim, pointwise::result_dtype(kernel, dtype))) return nullptr;
    VersionCounter* counter = share_version(items[0].tensor);
    if (counter == nullptr) return nullptr;
    {
        ReleaseGil release(views[0].numel());
        pointwise::run(kernel, views, views[0], params, dtype);
    }
    ++counter->version;
    return Py_NewRef(items[0].object);
}

PyObject* run_kernel(int kernel, const ArrayView* views, int count, const int64_t* shape, int ndim,
                     const double* params, DType dtype) {
    PyObject* out = new_result(views, count, ndim, shape, pointwise::result_dtype(kernel, dtype));
    if (out == nullptr) return nullptr;
    const ArrayView result = view_of(reinterpret_cast<PyArrayObject*>(out));
    ReleaseGil release(result.numel());
    pointwise::run(kernel, views, result, params, dtype);
    return out;
}

// Runs `kernel` on one tensor and records the node with `ctx` (stolen, may be null).
PyObject* run_unary(const OpObject* op, int kernel, PyArrayObject* array, Operand& operand,
                    const double* params, DType dtype, PyObject* ctx) {
    const ArrayView in = view_of(array);
    PyObject* out = run_kernel(kernel, &in, 1, in.shape, in.ndim, params, dtype);
    PyObject* result = out != nullptr ? finish(op, out, &operand, 1, ctx) : nullptr;
    Py_XDECREF(ctx);
    return result;
}

// The in-place form of run_unary; calls that are left to Python go there with their arguments.
PyObject* write_unary(OpObject* op, int kernel, PyArrayObject* array, const Operand& operand,
                      const double* params, DType dtype, PyObject* const* args, size_t nargsf,
                      PyObject* names) {
    const ArrayView in = view_of(array);
    PyObject* written = write_result(kernel, &in, 1, &operand, in.shape, in.ndim, params, dtype);
    return written != nullptr || PyErr_Occurred() ? written : call_slow(op, args, nargsf, names);
}

// f(x, choice): the op that the argument names, on x; null without an error for any other call.
PyObject* call_choice(const OpObject* op, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    PyObject* const name = PyTuple_GET_ITEM(op->choices, 0);
    const Py_ssize_t keywords = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    if (count + keywords != 2 || count < 1) return nullptr;
    if (keywords == 1 && PyUnicode_Compare(PyTuple_GET_ITEM(names, 0), name) != 0) return nullptr;
    if (!PyUnicode_CheckExact(args[1])) return nullptr;
    PyObject* chosen = PyDict_GetItemWithError(PyTuple_GET_ITEM(op->choices, 1), args[1]);
    return chosen != nullptr ? PyObject_Vectorcall(chosen, args, 1, nullptr) : nullptr;
}

}  // namespace

// f(x), f(x, scalars...) and f(x, choice)
PyObject* call_unary(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    const bool plain = count == 1 && names == nullptr && op->required == 0;
    if (!plain && op->choices != nullptr) {
        PyObject* result = call_choice(op, args, count, names);
        if (result != nullptr || PyErr_Occurred()) return result;
    }
    double given[kMaxOpParams];
    const double* params = plain ? op->params : given;
    DType dtype;
    PyArrayObject* array = nullptr;
    if (count > 0 && (plain || read_params(op, 1, args, count, names, given)))
        array = quick_array(op, args[0], &dtype);
    if (array == nullptr) return call_slow(op, args, nargsf, names);
    Operand operand = {args[0], as_tensor(args[0]), false};
    if (op->inplace) return write_unary(op, op->kernel, array, operand, params, dtype, args, nargsf, names);
    if (!ask_needs(op, &operand, 1)) return nullptr;
    PyObject* ctx = nullptr;
    if (operand.needs && op->param_count > 0 && op->arguments != nullptr) {
        ctx = tuple_of(params, op->param_count);
        if (ctx == nullptr) return nullptr;
    }
    return run_unary(op, op->kernel, array, operand, params, dtype, ctx);
}

// Two or three operands: f(a, b), f(a, b, c), and scalars after them. The first operand of `where` is its
// condition. The node of an op with one scalar has it as ctx.
PyObject* call_operands(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    const bool selects = op->kind == Kind::where;
    const int arity = op->kind == Kind::binary ? 2 : 3;
    // The alternate takes over with arguments that only it has, or a number as the last operand.
    const OpObject* other =
        op->alternate != nullptr && Py_TYPE(op->alternate) == Py_TYPE(self) ? as_op(op->alternate) : nullptr;
    const bool more_arguments = other != nullptr && other->arguments != nullptr && op->arguments == nullptr;
    if (op->alternate != nullptr &&
        (more_arguments ? names != nullptr : count == arity && !is_tensor(args[arity - 1])))
        return PyObject_Vectorcall(op->alternate, args, nargsf, names);
    double params[kMaxOpParams];
    if (!read_params(op, arity, args, count, names, params)) return call_slow(op, args, nargsf, names);
    PyObject* const objects[3] = {op->swapped ? args[1] : args[0], op->swapped ? args[0] : args[1],
                                  arity == 3 ? args[2] : nullptr};
    Operands operands;
    int64_t shape[kMaxDims];
    int ndim;
    if (!read_operands(op, objects, arity, selects ? 0 : -1, operands) ||
        !broadcast_shape(operands.views, arity, shape, &ndim))
        return call_slow(op, args, nargsf, names);
    if (op->inplace) {
        PyObject* self_written = write_result(op->kernel, operands.views, arity, operands.items, shape, ndim,
                                              params, operands.dtype);
        return self_written != nullptr || PyErr_Occurred() ? self_written
                                                           : call_slow(op, args, nargsf, names);
    }
    // The node's inputs are where's two values; the condition is saved only.
    if (selects) std::rotate(operands.items, operands.items + 1, operands.items + 3);
    const int inputs = selects ? 2 : arity;
    if (!ask_needs(op, operands.items, inputs)) return nullptr;
    PyObject* ctx = nullptr;
    if (op->arguments != nullptr && op->node != nullptr) {
        ctx = PyFloat_FromDouble(params[0]);
        if (ctx == nullptr) return nullptr;
    }
    PyObject* out = run_kernel(op->kernel, operands.views, arity, shape, ndim, params, operands.dtype);
    PyObject* result = out != nullptr ? finish(op, out, operands.items, inputs, ctx) : nullptr;
    Py_XDECREF(ctx);
    return result;
}

// clamp(x, min, max) with numbers, by position or by name, one of which may be None; clamp_min(x, min) and
// clamp_max(x, max). The node's ctx is (min, max).
PyObject* call_clamp(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    static const int both = pointwise::find("clamp"), below = pointwise::find("clamp_min"),
                     above = pointwise::find("clamp_max");
    OpObject* op = as_op(self);
    PyObject* bounds[2] = {nullptr, nullptr};
    DType dtype = DType::unsupported;
    PyArrayObject* array = nullptr;
    PyObject** const given = op->kernel == above ? bounds + 1 : bounds;
    if (sort_arguments(op->arguments, 1, args, PyVectorcall_NARGS(nargsf), names, given))
        array = quick_array(op, args[0], &dtype);
    // Integers and floats promote or must fit: in Python.
    if (array == nullptr || category(dtype) != 2) return call_slow(op, args, nargsf, names);
    double params[2];
    int count = 0;
    for (PyObject*& bound : bounds) {
        if (bound == nullptr) bound = Py_None;
        if (bound != Py_None && (!number_of(bound, &params[count]) || may_overflow(params[count++])))
            return call_slow(op, args, nargsf, names);
    }
    if (count == 0) return call_slow(op, args, nargsf, names);
    Operand operand = {args[0], as_tensor(args[0]), false};
    const int kernel = count == 2 ? both : bounds[0] != Py_None ? below : above;
    if (op->inplace) return write_unary(op, kernel, array, operand, params, dtype, args, nargsf, names);
    if (!ask_needs(op, &operand, 1)) return nullptr;
    PyObject* ctx = operand.needs ? PyTuple_Pack(2, bounds[0], bounds[1]) : nullptr;
    if (operand.needs && ctx == nullptr) return nullptr;
    return run_unary(op, kernel, array, operand, params, dtype, ctx);
}

// pow(x, number) of floats. The node's ctx is the exponent; squares are an op of their own.
PyObject* call_power(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    static const struct {
        double exponent;
        int kernel;
    } special[] = {{2, pointwise::find("square")},
                   {3, pointwise::find("cube")},
                   {0.5, pointwise::find("sqrt")},
                   {-0.5, pointwise::find("rsqrt")},
                   {-1, pointwise::find("reciprocal")}};
    OpObject* op = as_op(self);
    DType dtype;
    double exponent;
    PyArrayObject* array = nullptr;
    if (PyVectorcall_NARGS(nargsf) == 2 && names == nullptr && number_of(args[1], &exponent) &&
        !may_overflow(exponent))
        array = quick_array(op, args[0], &dtype);
    if (array == nullptr || category(dtype) != 2) return call_slow(op, args, nargsf, names);
    if (exponent == 2 && !op->inplace) return PyObject_Vectorcall(op->alternate, args, 1, nullptr);
    Operand operand = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &operand, 1)) return nullptr;
    if (op->inplace) {
        for (const auto& s : special)
            if (exponent == s.exponent)
                return write_unary(op, s.kernel, array, operand, nullptr, dtype, args, nargsf, names);
        return call_slow(op, args, nargsf, names);
    }
    for (const auto& s : special)
        if (exponent == s.exponent)
            return run_unary(op, s.kernel, array, operand, nullptr, dtype, Py_NewRef(args[1]));
    ArrayView in[2] = {view_of(array), {}};
    char scalar[8];
    if (!scalar_as(args[1], dtype, scalar)) return call_slow(op, args, nargsf, names);
    in[1].data = scalar;
    in[1].dtype = dtype;
    PyObject* out = run_kernel(op->kernel, in, 2, in[0].shape, in[0].ndim, nullptr, dtype);
    return out != nullptr ? finish(op, out, &operand, 1, args[1]) : nullptr;
}

}  // namespace pt::core
