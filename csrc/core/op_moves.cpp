// Casts, flips, padding, sorting, filling by masks and one-hot rows on the quick road: plain calls of
// contiguous or strided CPU tensors. Everything else, errors too, is in the Python functions.
#include "core/index_key.h"
#include "core/write.h"
#include "kernels/index/copy.h"
#include "kernels/index/mask.h"
#include "kernels/index/pad.h"
#include "kernels/index/sort.h"
#include "kernels/pointwise/pointwise.h"

#include <algorithm>
#include <cstring>

namespace pt::core {

namespace {

PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

bool is_plain(PyObject* object, ArrayView* view) {
    if (!is_tensor(object) || !PyArray_CheckExact(as_tensor(object)->array)) return false;
    *view = view_of(array_of(as_tensor(object)));
    return view->dtype != DType::unsupported;
}

// `value`, an axis that may be left out (then the last), in [0, ndim).
bool read_dim(PyObject* value, int ndim, int* axis) {
    int64_t wanted = -1;
    if (value != nullptr && !read_int(value, &wanted)) return false;
    if (wanted < -ndim || wanted >= ndim) return false;
    *axis = static_cast<int>(wanted < 0 ? wanted + ndim : wanted);
    return true;
}

bool read_flag(PyObject* value, bool* flag) {
    if (value == nullptr) return true;
    *flag = value == Py_True;
    return value == Py_True || value == Py_False;
}

// (a, b), both stolen; null when one is.
PyObject* pair_of(PyObject* a, PyObject* b) {
    PyObject* const pair = a != nullptr && b != nullptr ? PyTuple_Pack(2, a, b) : nullptr;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return pair;
}

PyObject* ints(const int64_t* values, int count) {
    PyObject* const tuple = PyTuple_New(count);
    for (int i = 0; tuple != nullptr && i < count; ++i) {
        PyObject* const number = PyLong_FromLongLong(values[i]);
        if (number == nullptr) {
            Py_DECREF(tuple);
            return nullptr;
        }
        PyTuple_SET_ITEM(tuple, i, number);
    }
    return tuple;
}

// Wraps `out` (stolen) and records it with `ctx` (stolen, may be null when nothing is recorded).
PyObject* finish_with(const OpObject* op, PyObject* out, const Operand& input, PyObject* ctx) {
    if (input.needs && ctx == nullptr) {
        Py_DECREF(out);
        return nullptr;
    }
    PyObject* const result = finish(op, out, &input, 1, ctx);
    Py_XDECREF(ctx);
    return result;
}

// What to() is asked for: a dtype or the CPU. False for Python.
bool read_target(PyObject* value, DType* dtype) {
    for (int d = 0; d < static_cast<int>(DType::complex64); ++d)
        if (registry.dtypes[d] == value) {
            *dtype = static_cast<DType>(d);
            return true;
        }
    return is_cpu(value);
}

}  // namespace

// to(x, dtype or device) and the casts by name, whose dtype is params[0]; cpu().
PyObject* call_cast(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf) + (names != nullptr ? PyTuple_GET_SIZE(names) : 0);
    const bool named = op->param_count > 0;
    ArrayView in;
    bool plain = PyVectorcall_NARGS(nargsf) >= 1 && count == (named ? 1 : 2) && is_plain(args[0], &in);
    DType dtype = in.dtype;
    if (plain && named && op->params[0] >= 0) dtype = static_cast<DType>(op->params[0]);
    if (plain && !named) {
        if (names != nullptr) {
            PyObject* const name = PyTuple_GET_ITEM(names, 0);
            plain = PyUnicode_CompareWithASCIIString(name, "dtype") == 0 ||
                    PyUnicode_CompareWithASCIIString(name, "device") == 0;
        }
        plain = plain && read_target(args[1], &dtype);
    }
    if (plain && dtype == in.dtype) return Py_NewRef(args[0]);
    if (!plain || dtype == DType::bfloat16 || !pointwise::castable(in.dtype) || !pointwise::castable(dtype)) {
        PyErr_Clear();
        return call_slow(op, args, nargsf, names);
    }
    Operand input = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &input, 1)) return nullptr;
    input.needs = input.needs && dtype >= DType::float16;
    PyObject* const out = new_result(&in, 1, in.ndim, in.shape, dtype);
    if (out == nullptr) return nullptr;
    {
        const ArrayView result = view_of(as_array(out));
        ReleaseGil release(result.numel());
        pointwise::cast(in, result);
    }
    PyObject* const ctx =
        input.needs ? pair_of(Py_NewRef(registry.cpu), Py_NewRef(registry.dtypes[static_cast<int>(in.dtype)]))
                    : nullptr;
    return finish_with(op, out, input, ctx);
}

// flip(x, axes...); ctx: the axes
PyObject* call_flip(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    ArrayView in;
    int64_t axes[kMaxDims];
    int n = 0;
    bool plain = count >= 1 && names == nullptr && is_plain(args[0], &in) && in.numel() > 0 &&
                 read_ints(args + 1, count - 1, axes, &n);
    OwnedView turned;
    if (plain) turned = OwnedView(in);
    uint64_t seen = 0;
    for (int i = 0; plain && i < n; ++i) {
        plain = axes[i] >= -in.ndim && axes[i] < in.ndim;
        if (!plain) break;
        if (axes[i] < 0) axes[i] += in.ndim;
        plain = (seen >> axes[i] & 1) == 0;
        seen |= uint64_t{1} << axes[i];
        turned.data += (in.shape[axes[i]] - 1) * in.strides[axes[i]];
        turned.steps[axes[i]] = -in.strides[axes[i]];
    }
    if (!plain) return call_slow(op, args, nargsf, names);
    Operand input = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &input, 1)) return nullptr;
    PyObject* const out = new_array(in.ndim, in.shape, in.dtype);
    if (out == nullptr) return nullptr;
    {
        ReleaseGil release(in.numel());
        index::copy(turned, view_of(as_array(out)));
    }
    return finish_with(op, out, input, input.needs ? ints(axes, n) : nullptr);
}

// pad(x, widths, mode="constant", value=None), constant_pad_nd(x, widths, value=0); ctx: the widths
PyObject* call_pad(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    PyObject* given[kMaxOpParams];
    ArrayView in;
    int64_t widths[kMaxDims], before[kMaxDims] = {}, shape[kMaxDims];
    int n = 0;
    bool plain = sort_arguments(op->arguments, 1, args, PyVectorcall_NARGS(nargsf), names, given) &&
                 given[0] != nullptr && !PyLong_CheckExact(given[0]) && is_plain(args[0], &in) &&
                 read_ints(given, 1, widths, &n) && n % 2 == 0 && n <= 2 * in.ndim && n > 0;
    const bool moded = PyTuple_GET_SIZE(op->arguments) == 3;
    if (plain && moded && given[1] != nullptr)
        plain = PyUnicode_CheckExact(given[1]) && PyUnicode_CompareWithASCIIString(given[1], "constant") == 0;
    Written value;
    std::memset(value.number, 0, sizeof(value.number));
    alignas(8) char element[16] = {};
    PyObject* const number = plain ? given[moded ? 2 : 1] : nullptr;
    if (number != nullptr && number != Py_None) {
        plain = !is_tensor(number) && value.read(number, in.dtype) && value.view.dtype == in.dtype;
        if (plain) std::memcpy(element, value.number, sizeof(value.number));
    }
    if (plain) {
        std::copy(in.shape, in.shape + in.ndim, shape);
        plain = in.shape[in.ndim - 1] <= 1 || in.strides[in.ndim - 1] == item_size(in.dtype);
    }
    for (int i = 0; plain && i < n / 2; ++i) {
        const int axis = in.ndim - 1 - i;
        const int64_t cut = std::min<int64_t>(widths[2 * i], 0) + std::min<int64_t>(widths[2 * i + 1], 0);
        before[axis] = widths[2 * i];
        shape[axis] += widths[2 * i] + widths[2 * i + 1];
        plain = in.shape[axis] + cut >= 0;
    }
    if (!plain) {
        PyErr_Clear();
        return call_slow(op, args, nargsf, names);
    }
    Operand input = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &input, 1)) return nullptr;
    PyObject* const out = new_array(in.ndim, shape, in.dtype);
    if (out == nullptr) return nullptr;
    {
        const ArrayView result = view_of(as_array(out));
        ReleaseGil release(result.numel());
        index::pad(in, before, index::Border::constant, element, result);
    }
    return finish_with(op, out, input, input.needs ? ints(widths, n) : nullptr);
}

// sort(x, dim=-1, descending=False), topk(x, k, dim=-1, largest=True, sorted=True); saved: the indices, ctx
// (shape, dim). `alternate`: the type of the result.
PyObject* call_sort(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    const bool some = PyTuple_GET_SIZE(op->arguments) == 4;
    PyObject* given[kMaxOpParams];
    ArrayView in;
    int axis = 0;
    int64_t k = 0;
    bool flag = some, in_order = true;
    bool plain = sort_arguments(op->arguments, 1, args, PyVectorcall_NARGS(nargsf), names, given) &&
                 is_plain(args[0], &in) && in.ndim > 0 && index::can_sort(in.dtype) && in.numel() > 0 &&
                 read_dim(given[some ? 1 : 0], in.ndim, &axis) && read_flag(given[some ? 2 : 1], &flag) &&
                 in.shape[axis] < (int64_t{1} << 32);
    if (plain && some)
        plain = in.dtype != DType::boolean && given[0] != nullptr && read_int(given[0], &k) && k > 0 &&
                k <= in.shape[axis] && read_flag(given[3], &in_order);
    if (!plain) return call_slow(op, args, nargsf, names);
    Operand input = {args[0], as_tensor(args[0]), false};
    if (!ask_needs(op, &input, 1)) return nullptr;
    int64_t shape[kMaxDims];
    std::copy(in.shape, in.shape + in.ndim, shape);
    if (some) shape[axis] = k;
    PyObject* const selected = new_array(in.ndim, shape, in.dtype);
    PyObject* const places = selected != nullptr ? new_array(in.ndim, shape, DType::int64) : nullptr;
    if (places == nullptr) {
        Py_XDECREF(selected);
        return nullptr;
    }
    {
        const ArrayView v = view_of(as_array(selected)), p = view_of(as_array(places));
        ReleaseGil release(in.numel() * 2);
        if (some)
            index::top_k(in, axis, flag, v, p);
        else
            index::sort(in, axis, flag, v, p);
    }
    PyObject* const ctx =
        input.needs ? pair_of(size_from(in.ndim, in.shape), PyLong_FromLong(axis)) : nullptr;
    return finish_selected(input, wrap(selected), wrap(places), op->node, ctx,
                           reinterpret_cast<PyTypeObject*>(op->alternate));
}

// masked_fill(x, mask, number): row-major; saved: the mask's array. Or in place.
PyObject* call_masked_fill(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    static const int kernel = pointwise::find("where");
    OpObject* const op = as_op(self);
    ArrayView in, mask;
    Written value;
    int64_t shape[kMaxDims];
    int ndim = 0;
    bool plain = PyVectorcall_NARGS(nargsf) == 3 && names == nullptr && is_plain(args[0], &in) &&
                 is_plain(args[1], &mask) && mask.dtype == DType::boolean && !is_tensor(args[2]) &&
                 pointwise::supports(kernel, in.dtype) && value.read(args[2], in.dtype) &&
                 value.view.dtype == in.dtype;
    const ArrayView views[3] = {mask, value.view, in};
    plain = plain && broadcast_shape(views, 3, shape, &ndim);
    PyErr_Clear();
    if (!plain) return call_slow(op, args, nargsf, names);
    TensorObject* const tensor = as_tensor(args[0]);
    if (op->kind == Kind::write) {
        if (ndim != in.ndim || !std::equal(shape, shape + ndim, in.shape) || !is_writable(tensor, in) ||
            !are_apart(mask, in))
            return call_slow(op, args, nargsf, names);
        VersionCounter* const counter = share_version(tensor);
        if (counter == nullptr) return nullptr;
        ReleaseGil release(in.numel());
        pointwise::run(kernel, views, in, nullptr, in.dtype);
        ++counter->version;
        return Py_NewRef(args[0]);
    }
    Operand operands[2] = {{args[0], tensor, false}, {args[2], nullptr, false}};
    if (!ask_needs(op, operands, 1)) return nullptr;
    const bool same = mask.ndim == ndim && std::equal(shape, shape + ndim, mask.shape);
    if (operands[0].needs && !same) return call_slow(op, args, nargsf, names);
    PyObject* const out = new_array(ndim, shape, in.dtype);
    if (out == nullptr) return nullptr;
    {
        const ArrayView result = view_of(as_array(out));
        ReleaseGil release(result.numel());
        pointwise::run(kernel, views, result, nullptr, in.dtype);
    }
    PyObject* const result = wrap(out);
    if (result == nullptr || !operands[0].needs) return result;
    NodeObject* const node = new_node(op->node, 2, 1, 1);
    if (node == nullptr) {
        Py_DECREF(result);
        return nullptr;
    }
    set_edge(node, 0, tensor);
    save_object(node, 0, as_tensor(args[1])->array);
    const bool done = attach_output(node, 0, as_tensor(result)) == 0 && finish_node(node) == 0;
    Py_DECREF(as_object(node));
    if (done) return result;
    Py_DECREF(result);
    return nullptr;
}

// one_hot(classes, num_classes=-1)
PyObject* call_one_hot(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    PyObject* given[kMaxOpParams];
    ArrayView in;
    int64_t classes = -1, greatest = -1, least = 0;
    bool plain = sort_arguments(op->arguments, 1, args, PyVectorcall_NARGS(nargsf), names, given) &&
                 is_plain(args[0], &in) && in.dtype == DType::int64 && in.is_contiguous() && in.numel() > 0 &&
                 in.ndim < kMaxDims && (given[0] == nullptr || read_int(given[0], &classes));
    const int64_t n = plain ? in.numel() : 0;
    for (int64_t i = 0; i < n; ++i) {
        greatest = std::max(greatest, in.as<int64_t>()[i]);
        least = std::min(least, in.as<int64_t>()[i]);
    }
    if (classes == -1) classes = greatest + 1;
    if (!plain || least < 0 || greatest >= classes) return call_slow(op, args, nargsf, names);
    int64_t shape[kMaxDims];
    std::copy(in.shape, in.shape + in.ndim, shape);
    shape[in.ndim] = classes;
    PyObject* const out = new_array(in.ndim + 1, shape, DType::int64);
    if (out == nullptr) return nullptr;
    const ArrayView rows = view_of(as_array(out));
    {
        ReleaseGil release(rows.numel());
        index::clear(rows);
        for (int64_t i = 0; i < n; ++i) rows.as<int64_t>()[i * classes + in.as<int64_t>()[i]] = 1;
    }
    return wrap(out);
}

// nonzero(x)
PyObject* call_nonzero(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    static const int kernel = pointwise::find("ne");
    OpObject* const op = as_op(self);
    ArrayView in;
    const bool plain = PyVectorcall_NARGS(nargsf) == 1 && names == nullptr && is_plain(args[0], &in) &&
                       in.ndim > 0 && (in.dtype == DType::boolean || pointwise::supports(kernel, in.dtype));
    if (!plain) return call_slow(op, args, nargsf, names);
    PyObject* mask = nullptr;
    if (in.dtype == DType::boolean && in.is_contiguous()) {
        mask = Py_NewRef(as_tensor(args[0])->array);
    } else {
        mask = new_array(in.ndim, in.shape, DType::boolean);
        if (mask == nullptr) return nullptr;
        constexpr char zero[16] = {};
        const ArrayView inputs[2] = {in, {const_cast<char*>(zero), in.dtype, 0, nullptr, nullptr}};
        ReleaseGil release(in.numel());
        if (in.dtype == DType::boolean)
            pointwise::cast(in, view_of(as_array(mask)));
        else
            pointwise::run(kernel, inputs, view_of(as_array(mask)), nullptr, in.dtype);
    }
    const ArrayView where = view_of(as_array(mask));
    const int64_t shape[2] = {in.ndim, index::count_set(where.as<uint8_t>(), where.numel())};
    PyObject* const places = new_array(2, shape, DType::int64);
    PyObject* result = nullptr;
    if (places != nullptr) {
        const ArrayView all = view_of(as_array(places));
        {
            ReleaseGil release(where.numel());
            index::places(where, all);
        }
        const int64_t turned[2] = {shape[1], shape[0]}, strides[2] = {all.strides[1], all.strides[0]};
        result = geometry_view(as_array(places), {all.data, all.dtype, 2, turned, strides});
        Py_DECREF(places);
    }
    Py_DECREF(mask);
    return result != nullptr ? wrap(result) : nullptr;
}

}  // namespace pt::core
