// The quick road of the backward pass: the rules of the most common nodes as kernels on arrays.
//
// A node class says in `quick` which kernel gives the gradient of each input (pytensor/autograd/node.py has
// the words); the rule itself, written with public ops, stands beside it and alone defines the gradient. It
// is what runs for every other case: dtypes without kernels, other devices, create_graph, hooks, saved values
// that were overwritten or freed.
#include "core/rules.h"

#include "base/check.h"
#include "core/op.h"
#include "kernels/matmul/matmul.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/reduce/reduce.h"

#include <memory>
#include <unordered_map>
#include <utility>

namespace pt::core {

namespace {

constexpr int kGradient = -1;

// The gradient that came, or a saved value; for products perhaps transposed.
struct Source {
    int saved = kGradient;
    bool transposed = false;
};

struct Step {
    enum Kind { none, pass, pointwise, product, spread, spread_mean, reshape, transpose } kind = none;
    int kernel = 0, operands = 0;
    Source from[2];
};

}  // namespace

struct QuickRule {
    int inputs = 0;
    Step steps[kMostInputs];
};

namespace {

// Its types are kept alive: an address stands for one type for ever.
std::unordered_map<PyTypeObject*, QuickRule>& rules() {
    static auto* instance = std::make_unique<std::unordered_map<PyTypeObject*, QuickRule>>().release();
    return *instance;
}

// An operand of a kernel: an array, or a Python number as one of the gradient's dtype.
struct Value {
    ArrayView view;
    alignas(8) char number[8];
};

bool plain_array(PyObject* object, DType dtype, Value* value) {
    if (!PyArray_CheckExact(object)) return false;
    PyArrayObject* array = reinterpret_cast<PyArrayObject*>(object);
    if (dtype_of_array(array) != dtype) return false;
    value->view = view_of(array);
    return true;
}

// What a source stands for; false when it is not there, was overwritten, or is of another dtype.
bool fetch(const NodeObject* node, const Source& from, const TensorObject* gradient, DType dtype,
           Value* value) {
    if (from.saved == kGradient) return plain_array(gradient->array, dtype, value);
    const SavedValue& item = node->saved[from.saved];
    if (item.value == nullptr) return false;
    if (item.output >= 0)
        return item.version->version == item.expected && plain_array(item.value, dtype, value);
    if (is_tensor(item.value)) {
        const TensorObject* tensor = as_tensor(item.value);
        return version_of(tensor) == item.expected && plain_array(tensor->array, dtype, value);
    }
    if (!scalar_as(item.value, dtype, value->number)) return false;
    value->view = {value->number, dtype, 0, nullptr, nullptr};
    return true;
}

PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

Quick wrapped(PyObject* array, PyObject** result) {
    *result = array != nullptr ? wrap(array) : nullptr;
    return *result != nullptr ? Quick::done : Quick::error;
}

Quick run_pointwise(const Step& step, const Value* values, DType dtype, PyObject** result) {
    if (!pointwise::supports(step.kernel, dtype)) return Quick::not_plain;
    ArrayView in[2] = {values[0].view, step.operands == 2 ? values[1].view : ArrayView{}};
    int64_t shape[kMaxDims];
    int ndim;
    if (!broadcast_shape(in, step.operands, shape, &ndim)) return Quick::not_plain;
    PyObject* out = new_result(in, step.operands, ndim, shape, dtype);
    if (out == nullptr) return Quick::error;
    const ArrayView view = view_of(as_array(out));
    {
        constexpr double params[4] = {};
        ReleaseGil release(view.numel());
        pointwise::run(step.kernel, in, view, params, dtype);
    }
    return wrapped(out, result);
}

Quick run_product(const Step& step, const Value* values, DType dtype, PyObject** result) {
    int64_t shape[2][2], strides[2][2];
    ArrayView in[2];
    for (int i = 0; i < 2; ++i) {
        in[i] = values[i].view;
        if (in[i].ndim != 2) return Quick::not_plain;
        const int first = step.from[i].transposed ? 1 : 0;
        for (int axis = 0; axis < 2; ++axis) {
            shape[i][axis] = in[i].shape[first ^ axis];
            strides[i][axis] = in[i].strides[first ^ axis];
        }
        in[i].shape = shape[i];
        in[i].strides = strides[i];
    }
    if (!matmul::supports(dtype) || shape[0][1] != shape[1][0]) return Quick::not_plain;
    const int64_t sizes[2] = {shape[0][0], shape[1][1]};
    PyObject* out = new_array(2, sizes, dtype);
    if (out == nullptr) return Quick::error;
    {
        ReleaseGil release(sizes[0] * sizes[1] * shape[0][1]);
        matmul::matmul(in[0], in[1], view_of(as_array(out)));
    }
    return wrapped(out, result);
}

// The gradient's array seen with other sizes and strides.
Quick other_view(const TensorObject* gradient, int ndim, const int64_t* shape, const int64_t* strides,
                 PyObject** result) {
    PyArrayObject* array = array_of(gradient);
    PyArray_Descr* descr = PyArray_DESCR(array);
    Py_INCREF(as_object(descr));
    npy_intp sizes[kMaxDims], steps[kMaxDims];
    for (int i = 0; i < ndim; ++i) {
        sizes[i] = shape[i];
        if (strides != nullptr) steps[i] = strides[i];
    }
    PyObject* view =
        PyArray_NewFromDescr(&PyArray_Type, descr, ndim, sizes, strides != nullptr ? steps : nullptr,
                             PyArray_DATA(array), PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, nullptr);
    if (view == nullptr) return Quick::error;
    if (PyArray_SetBaseObject(as_array(view), Py_NewRef(as_object(array))) < 0) {
        Py_DECREF(view);
        return Quick::error;
    }
    return wrapped(view, result);
}

// The shape of what edge `index` of a node leads to; false for what is not a plain array.
bool target_shape(const NodeObject* node, int index, int* ndim, const int64_t** shape) {
    const Edge& edge = node->edges[index];
    if (PyObject_TypeCheck(edge.target, &NodeType)) {
        const OutputMeta& meta = as_node(edge.target)->outputs[edge.output_nr];
        *ndim = meta.ndim;
        *shape = meta.shape();
        return meta.ndim >= 0;
    }
    PyObject* array = as_tensor(edge.target)->array;
    if (!PyArray_CheckExact(array)) return false;
    *ndim = PyArray_NDIM(as_array(array));
    *shape = reinterpret_cast<const int64_t*>(PyArray_DIMS(as_array(array)));
    return true;
}

// gradient / count
Quick divided(const TensorObject* gradient, int64_t count, PyObject** result) {
    static const int kernel = pointwise::find("div");
    Value values[2];
    const DType dtype = dtype_of_array(array_of(gradient));
    PyObject* number = PyLong_FromLongLong(count);
    const bool fits = number != nullptr && scalar_as(number, dtype, values[1].number);
    Py_XDECREF(number);
    if (!fits || !plain_array(gradient->array, dtype, &values[0])) return Quick::not_plain;
    values[1].view = {values[1].number, dtype, 0, nullptr, nullptr};
    return run_pointwise(Step{Step::pointwise, kernel, 2, {}}, values, dtype, result);
}

// The gradient of a sum or mean over all axes or one: ctx = (shape, axis or None, keepdim).
Quick run_spread(const NodeObject* node, const TensorObject* gradient, bool mean, PyObject** result) {
    int ndim;
    const int64_t* shape;
    if (!target_shape(node, 0, &ndim, &shape) || node->ctx == nullptr || !PyTuple_CheckExact(node->ctx) ||
        PyTuple_GET_SIZE(node->ctx) != 3)
        return Quick::not_plain;
    PyObject* const axis = PyTuple_GET_ITEM(node->ctx, 1);
    PyArrayObject* array = array_of(gradient);
    const bool kept = PyArray_NDIM(array) == ndim, all = axis == Py_None;
    if (!all && !PyLong_CheckExact(axis)) return Quick::not_plain;
    int dim = all ? -1 : static_cast<int>(PyLong_AsLong(axis));
    if (!all && dim < 0) dim += ndim;
    if (!all && (dim < 0 || dim >= ndim)) return Quick::not_plain;  // an axis of a 0-d tensor
    if (!kept && PyArray_NDIM(array) != (all ? 0 : ndim - 1)) return Quick::not_plain;
    int64_t strides[kMaxDims] = {};
    for (int i = 0, from = 0; i < ndim && !all; ++i) {
        if (i != dim) strides[i] = PyArray_STRIDE(array, from);
        if (kept || i != dim) ++from;
    }
    if (!mean) return other_view(gradient, ndim, shape, strides, result);
    int64_t count = all ? 1 : shape[dim];
    for (int i = 0; i < ndim && all; ++i) count *= shape[i];
    PyObject* share = nullptr;
    Quick status = divided(gradient, count, &share);
    if (status == Quick::done && !all) {  // of its own layout
        for (int i = 0, from = 0; i < ndim; ++i) {
            if (i != dim) strides[i] = PyArray_STRIDE(array_of(as_tensor(share)), from);
            if (kept || i != dim) ++from;
        }
    }
    if (status == Quick::done) status = other_view(as_tensor(share), ndim, shape, strides, result);
    Py_XDECREF(share);
    return status;
}

Quick run_step(const Step& step, int index, NodeObject* node, TensorObject* gradient, PyObject** result) {
    const DType dtype = dtype_of_array(array_of(gradient));
    switch (step.kind) {
        case Step::none:
            return Quick::not_plain;
        case Step::pass:
            *result = Py_NewRef(as_object(gradient));
            return Quick::done;
        case Step::spread:
        case Step::spread_mean:
            return run_spread(node, gradient, step.kind == Step::spread_mean, result);
        case Step::transpose: {
            PyArrayObject* array = array_of(gradient);
            if (PyArray_NDIM(array) != 2) return Quick::not_plain;
            const int64_t shape[2] = {PyArray_DIM(array, 1), PyArray_DIM(array, 0)};
            const int64_t strides[2] = {PyArray_STRIDE(array, 1), PyArray_STRIDE(array, 0)};
            return other_view(gradient, 2, shape, strides, result);
        }
        case Step::reshape: {
            int ndim;
            const int64_t* shape;
            if (!target_shape(node, index, &ndim, &shape) || !PyArray_IS_C_CONTIGUOUS(array_of(gradient)))
                return Quick::not_plain;
            int64_t count = 1;
            for (int i = 0; i < ndim; ++i) count *= shape[i];
            if (count != PyArray_SIZE(array_of(gradient))) return Quick::not_plain;
            return other_view(gradient, ndim, shape, nullptr, result);
        }
        default:
            break;
    }
    Value values[2];
    for (int i = 0; i < step.operands; ++i)
        if (!fetch(node, step.from[i], gradient, dtype, &values[i])) return Quick::not_plain;
    return step.kind == Step::product ? run_product(step, values, dtype, result)
                                      : run_pointwise(step, values, dtype, result);
}

// ("mul", "grad", 0): a kernel and its operands. See Node.quick.
Step parse_step(const py::handle& words) {
    Step step;
    if (words.is_none()) return step;
    const py::tuple parts = py::cast<py::tuple>(words);
    const std::string what = py::cast<std::string>(parts[0]);
    for (size_t i = 1; i < parts.size(); ++i) {
        PT_CHECK(i <= 2, "quick: at most two operands");
        const std::string operand = py::cast<std::string>(py::str(parts[i]));
        Source& from = step.from[step.operands++];
        if (operand.rfind("grad", 0) != 0) from.saved = operand[0] - '0';
        from.transposed = operand.size() > 2 && operand.substr(operand.size() - 2) == ".T";
    }
    const std::pair<const char*, Step::Kind> kinds[] = {
        {"grad", Step::pass},       {"@", Step::product},
        {"spread", Step::spread},   {"spread mean", Step::spread_mean},
        {"reshape", Step::reshape}, {"t", Step::transpose}};
    for (const auto& [name, kind] : kinds)
        if (what == name) step.kind = kind;
    if (step.kind != Step::none) return step;
    step.kind = Step::pointwise;
    step.kernel = pointwise::find(what.c_str());
    PT_CHECK(step.kernel >= 0 && pointwise::arity(step.kernel) == step.operands,
             "quick: unknown kernel " + what);
    return step;
}

void register_rule(const py::object& type, const py::tuple& words) {
    PT_CHECK(words.size() <= kMostInputs, "quick: too many inputs");
    QuickRule rule;
    for (const py::handle& step : words) rule.steps[rule.inputs++] = parse_step(step);
    rules()[reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr())] = rule;
}

}  // namespace

const QuickRule* quick_rule_of(PyTypeObject* node_type) {
    const auto found = rules().find(node_type);
    return found != rules().end() ? &found->second : nullptr;
}

Quick apply_rule(const QuickRule& rule, NodeObject* node, TensorObject* gradient, PyObject** result) {
    if (node->edge_count > rule.inputs || node->freed || !PyArray_CheckExact(gradient->array) ||
        gradient->requires_grad)
        return Quick::not_plain;
    const DType dtype = dtype_of_array(array_of(gradient));
    if (dtype != DType::float32 && dtype != DType::float64) return Quick::not_plain;
    const bool has_ctx = node->ctx != nullptr && node->ctx != Py_None &&
                         !(PyTuple_CheckExact(node->ctx) && PyTuple_GET_SIZE(node->ctx) == 0);
    Quick status = Quick::done;
    for (int i = 0; i < node->edge_count; ++i) {
        result[i] = nullptr;
        if (status != Quick::done || node->edges[i].target == nullptr) continue;
        const Step& step = rule.steps[i];
        const bool uses_ctx = step.kind >= Step::spread;
        status = has_ctx && !uses_ctx ? Quick::not_plain : run_step(step, i, node, gradient, &result[i]);
    }
    if (status != Quick::done)
        for (int i = 0; i < node->edge_count; ++i) Py_CLEAR(result[i]);
    return status;
}

PyObject* summed_to(TensorObject* gradient, int ndim, const int64_t* shape) {
    static const int kernel = reduce::find("sum");
    if (!PyArray_CheckExact(gradient->array)) return nullptr;
    const ArrayView in = view_of(array_of(gradient));
    const int extra = in.ndim - ndim;
    if (extra < 0 || !reduce::supports(kernel, in.dtype)) return nullptr;
    uint64_t axes = 0;
    int64_t kept[kMaxDims], strides[kMaxDims];
    for (int i = 0; i < in.ndim; ++i) {
        kept[i] = i < extra ? 1 : shape[i - extra];
        if (kept[i] != 1 && kept[i] != in.shape[i]) return nullptr;
        if (i < extra || kept[i] != in.shape[i]) axes |= uint64_t{1} << i;
    }
    PyObject* out = new_array(ndim, shape, in.dtype);
    if (out == nullptr) return nullptr;
    ArrayView view = view_of(as_array(out));
    int64_t step = item_size(in.dtype);
    for (int i = in.ndim - 1; i >= 0; --i) {
        strides[i] = step;
        step *= kept[i];
    }
    view.ndim = in.ndim;
    view.shape = kept;
    view.strides = strides;
    {
        ReleaseGil release(in.numel());
        reduce::run(kernel, in, axes, view, nullptr, 0.0);
    }
    return wrap(out);
}

void add_rules(py::module_& m) { m.def("register_quick_rule", &register_rule); }

}  // namespace pt::core
