// Op: the quick road of common operations. An Op is a callable made by the decorators of
// pytensor/ops/pointwise_core.py from a Python function, a kernel and a gradient node. A call with plain
// arguments (tensors of one dtype that the kernel has, Python scalars) is answered here: broadcast, allocate,
// run, record. Every other call (keywords, mixed dtypes, other devices, errors) goes to the Python function,
// which alone defines the op; this file may only be faster, never different.
#include "core/op.h"

#include "base/check.h"
#include "kernels/matmul/matmul.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/reduce/reduce.h"

#include <structmember.h>

#include <algorithm>
#include <cstddef>
#include <new>

namespace pt::core {

PyObject* finish(const OpObject* op, PyObject* array, const Operand* operands, int count, PyObject* ctx) {
    PyObject* result = wrap(array);
    bool needs = false;
    for (int i = 0; i < count; ++i) needs |= operands[i].needs;
    if (result == nullptr || !needs) return result;
    NodeObject* node = new_node(op->node, count, op->save_count, 1);
    if (node == nullptr) {
        Py_DECREF(result);
        return nullptr;
    }
    for (int i = 0; i < count; ++i)
        if (operands[i].needs) set_edge(node, i, operands[i].tensor);
    node->ctx = Py_XNewRef(ctx);
    int status = attach_output(node, 0, as_tensor(result));
    for (int i = 0; i < op->save_count && status == 0; ++i) {
        const SaveRule& rule = op->saves[i];
        if (rule.needed_by >= 0 && (rule.needed_by >= count || !operands[rule.needed_by].needs)) {
            save_object(node, i, Py_None);
        } else if (rule.what == Saves::result) {
            status = save_output(node, i, as_tensor(result), 0);
        } else {
            const Operand& operand = operands[static_cast<int>(rule.what)];
            if (operand.tensor != nullptr) {
                save_tensor(node, i, operand.tensor);
            } else {
                save_object(node, i, operand.object);
            }
        }
    }
    if (status == 0) status = finish_node(node);
    Py_DECREF(as_object(node));
    if (status < 0) Py_CLEAR(result);
    return result;
}

bool ask_needs(const OpObject* op, Operand* operands, int count) {
    for (int i = 0; i < count; ++i) {
        operands[i].needs = false;
        if (!modes.grad || op->node == nullptr || operands[i].tensor == nullptr) continue;
        const int needs = needs_grad(operands[i].tensor);
        if (needs < 0) return false;
        operands[i].needs = needs != 0;
    }
    return true;
}

namespace {

// matmul(a, b) of two matrices
PyObject* call_matmul(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    DType dtype, other;
    PyArrayObject *a = nullptr, *b = nullptr;
    if (PyVectorcall_NARGS(nargsf) == 2 && names == nullptr) {
        a = quick_array(op, args[0], &dtype);
        b = quick_array(op, args[1], &other);
    }
    if (a == nullptr || b == nullptr || dtype != other || PyArray_NDIM(a) != 2 || PyArray_NDIM(b) != 2 ||
        PyArray_DIM(a, 1) != PyArray_DIM(b, 0))
        return call_slow(op, args, nargsf, names);
    Operand operands[2] = {{args[0], as_tensor(args[0]), false}, {args[1], as_tensor(args[1]), false}};
    if (!ask_needs(op, operands, 2)) return nullptr;
    const int64_t shape[2] = {PyArray_DIM(a, 0), PyArray_DIM(b, 1)};
    PyObject* out = new_array(2, shape, dtype);
    if (out == nullptr) return nullptr;
    {
        ReleaseGil release(shape[0] * shape[1] * PyArray_DIM(a, 1));
        matmul::matmul(view_of(a), view_of(b), view_of(reinterpret_cast<PyArrayObject*>(out)));
    }
    return finish(op, out, operands, 2);
}

// linear(input, weight, bias=None): input @ weight.T + bias, input with any number of axes
PyObject* call_linear(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names != nullptr || count < 2 || count > 3) return call_slow(op, args, nargsf, names);
    PyObject* const bias_object = count == 3 ? args[2] : Py_None;
    const bool has_bias = bias_object != Py_None;
    DType dtype, weight_dtype, bias_dtype = DType::unsupported;
    PyArrayObject* x = quick_array(op, args[0], &dtype);
    PyArrayObject* w = quick_array(op, args[1], &weight_dtype);
    PyArrayObject* b = has_bias ? quick_array(op, bias_object, &bias_dtype) : nullptr;
    if (x == nullptr || w == nullptr || dtype != weight_dtype || PyArray_NDIM(x) != 2 ||
        PyArray_NDIM(w) != 2 || PyArray_DIM(x, 1) != PyArray_DIM(w, 1) ||
        (has_bias && (b == nullptr || bias_dtype != dtype || PyArray_NDIM(b) != 1 ||
                      PyArray_DIM(b, 0) != PyArray_DIM(w, 0))))
        return call_slow(op, args, nargsf, names);
    Operand operands[3] = {{args[0], as_tensor(args[0]), false},
                           {args[1], as_tensor(args[1]), false},
                           {bias_object, has_bias ? as_tensor(bias_object) : nullptr, false}};
    if (!ask_needs(op, operands, 3)) return nullptr;
    ArrayView weight = view_of(w);
    const int64_t weight_shape[2] = {weight.shape[1], weight.shape[0]};
    const int64_t weight_strides[2] = {weight.strides[1], weight.strides[0]};
    weight.shape = weight_shape;
    weight.strides = weight_strides;
    const int64_t shape[2] = {PyArray_DIM(x, 0), weight_shape[1]};
    PyObject* out = new_array(2, shape, dtype);
    if (out == nullptr) return nullptr;
    {
        ReleaseGil release(shape[0] * shape[1] * weight_shape[0]);
        const ArrayView bias = has_bias ? view_of(b) : ArrayView{};
        matmul::matmul(view_of(x), weight, view_of(reinterpret_cast<PyArrayObject*>(out)),
                       has_bias ? &bias : nullptr);
    }
    return finish(op, out, operands, 3);
}

// ---- the type ---------------------------------------------------------------------------------------------

int op_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(as_op(self)->slow);
    Py_VISIT(as_op(self)->dict);
    Py_VISIT(as_op(self)->node);
    Py_VISIT(as_op(self)->arguments);
    Py_VISIT(as_op(self)->alternate);
    Py_VISIT(as_op(self)->choices);
    return 0;
}

int op_clear(PyObject* self) {
    Py_CLEAR(as_op(self)->slow);
    Py_CLEAR(as_op(self)->dict);
    Py_CLEAR(as_op(self)->node);
    Py_CLEAR(as_op(self)->arguments);
    Py_CLEAR(as_op(self)->alternate);
    Py_CLEAR(as_op(self)->choices);
    return 0;
}

void op_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    op_clear(self);
    Py_TYPE(self)->tp_free(self);
}

// As a class attribute an Op is a method.
PyObject* op_get(PyObject* self, PyObject* instance, PyObject*) {
    return instance == nullptr || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* op_repr(PyObject* self) {
    PyObject* name = PyObject_GetAttrString(as_op(self)->slow, "__name__");
    if (name == nullptr) return nullptr;
    PyObject* text = PyUnicode_FromFormat("<function %U>", name);
    Py_DECREF(name);
    return text;
}

// Pickled by name, as functions are.
PyObject* op_reduce(PyObject* self, PyObject*) {
    return PyObject_GetAttrString(as_op(self)->slow, "__qualname__");
}

PyMemberDef op_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(OpObject, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(OpObject, dict), READONLY, nullptr},
    {"__wrapped__", T_OBJECT, offsetof(OpObject, slow), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef op_getset[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                           {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

PyTypeObject make_op_type() {
    PyTypeObject type = {PyVarObject_HEAD_INIT(nullptr, 0)};
    type.tp_name = "pytensor._C.Op";
    type.tp_basicsize = sizeof(OpObject);
    type.tp_flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
    type.tp_dealloc = op_dealloc;
    type.tp_traverse = op_traverse;
    type.tp_clear = op_clear;
    type.tp_repr = op_repr;
    type.tp_call = PyVectorcall_Call;
    type.tp_vectorcall_offset = offsetof(OpObject, vectorcall);
    type.tp_descr_get = op_get;
    type.tp_members = op_members;
    type.tp_getset = op_getset;
    type.tp_methods = op_methods;
    type.tp_dictoffset = offsetof(OpObject, dict);
    return type;
}
PyTypeObject OpType = make_op_type();

struct KindOf {
    const char* name;
    Kind kind;
    vectorcallfunc call;
};
constexpr KindOf kKinds[] = {{"unary", Kind::unary, call_unary},
                             {"binary", Kind::binary, call_operands},
                             {"ternary", Kind::ternary, call_operands},
                             {"where", Kind::where, call_operands},
                             {"clamp", Kind::clamp, call_clamp},
                             {"power", Kind::power, call_power},
                             {"reduction", Kind::reduction, call_reduction},
                             {"matmul", Kind::matmul, call_matmul},
                             {"linear", Kind::linear, call_linear},
                             {"layer_norm", Kind::fused, call_layer_norm},
                             {"nll_loss", Kind::fused, call_nll_loss},
                             {"softmax", Kind::fused, call_softmax},
                             {"cross_entropy", Kind::fused, call_cross_entropy},
                             {"cast", Kind::other, call_cast},
                             {"flip", Kind::other, call_flip},
                             {"pad", Kind::other, call_pad},
                             {"sort", Kind::other, call_sort},
                             {"masked_fill", Kind::other, call_masked_fill},
                             {"masked_fill_", Kind::write, call_masked_fill},
                             {"one_hot", Kind::other, call_one_hot},
                             {"nonzero", Kind::other, call_nonzero},
                             {"index", Kind::index, call_index},
                             {"set_index", Kind::write, call_set_index},
                             {"write", Kind::write, call_write},
                             {"view", Kind::view, call_view},
                             {"parts", Kind::parts, call_parts},
                             {"cat", Kind::cat, call_join},
                             {"stack", Kind::stack, call_join},
                             {"gather", Kind::gather, call_gather},
                             {"take", Kind::take, call_take},
                             {"sizes", Kind::factory, call_sizes},
                             {"full", Kind::factory, call_full},
                             {"arange", Kind::factory, call_arange},
                             {"randint", Kind::factory, call_randint},
                             {"like", Kind::factory, call_like},
                             {"tensor", Kind::factory, call_tensor}};

SaveRule save_rule(const std::string& what, int needed_by) {
    if (what == "input") return {Saves::input, static_cast<int8_t>(needed_by)};
    if (what == "other") return {Saves::other, static_cast<int8_t>(needed_by)};
    if (what == "third") return {Saves::third, static_cast<int8_t>(needed_by)};
    if (what == "result") return {Saves::result, static_cast<int8_t>(needed_by)};
    throw py::value_error("Op: a node saves 'input', 'other', 'third' or 'result', not '" + what + "'");
}

// The number of arrays that the kernel of a pointwise op takes, 0 for other ops.
int pointwise_arity(Kind kind) {
    switch (kind) {
        case Kind::unary:
        case Kind::clamp:
            return 1;
        case Kind::binary:
        case Kind::power:
            return 2;
        case Kind::ternary:
        case Kind::where:
            return 3;
        default:
            return 0;
    }
}

uint32_t kernel_dtypes(Kind kind, int kernel, bool floats_only) {
    uint32_t mask = 0;
    for (int i = 0; i < static_cast<int>(DType::unsupported); ++i) {
        const DType dtype = static_cast<DType>(i);
        if (floats_only && dtype < DType::float16) continue;
        bool has = false;
        if (pointwise_arity(kind) > 0) has = pointwise::supports(kernel, dtype);
        if (kind == Kind::reduction) has = reduce::supports(kernel, dtype);
        if (kind == Kind::matmul || kind == Kind::linear) has = matmul::supports(dtype);
        if (has) mask |= 1u << i;
    }
    return mask;
}

Check check_named(const std::string& name) {
    if (name.empty()) return Check::none;
    if (name == "ordered") return Check::ordered;
    if (name == "not negative") return Check::not_negative;
    if (name == "not zero") return Check::not_zero;
    throw py::value_error("Op: unknown check '" + name + "'");
}

PyObject* owned_or_null(const py::object& object) {
    return object.is_none() ? nullptr : object.inc_ref().ptr();
}

// make_op(kind, slow, kernel, node, saves, params, floats_only, swapped, ...): None when there is no such
// kernel. arguments: names of the scalars after the operands, the first of which are `required`.
py::object make_op(const std::string& kind_name, py::function slow, const std::string& kernel,
                   py::object node, const std::vector<std::pair<std::string, int>>& saves,
                   const std::vector<double>& params, bool floats_only, bool swapped, py::object arguments,
                   int required, bool mixed, py::object alternate, py::object choices,
                   const std::string& check, bool tensors_only) {
    const KindOf* kind = nullptr;
    for (const KindOf& k : kKinds)
        if (kind_name == k.name) kind = &k;
    if (kind == nullptr) throw py::value_error("Op: unknown kind '" + kind_name + "'");
    if (saves.size() > 3 || params.size() > kMaxOpParams ||
        (!arguments.is_none() && py::len(arguments) > kMaxOpParams))
        throw py::value_error("Op: at most 3 saved values, 6 parameters and 6 arguments");
    int index = 0;
    const int arity = pointwise_arity(kind->kind);
    if (arity > 0) {
        index = pointwise::find(kernel.c_str());
        if (index < 0 || pointwise::arity(index) != arity) return py::none();
    }
    if (kind->kind == Kind::reduction && (index = reduce::find(kernel.c_str())) < 0) return py::none();
    if (kind->kind == Kind::view && (index = find_view(kernel.c_str())) < 0)
        throw py::value_error("Op: unknown view '" + kernel + "'");
    if (kind->kind == Kind::parts) index = kernel == "split" ? kSplit : kernel == "chunk" ? kChunk : kUnbind;
    PyObject* self = OpType.tp_alloc(&OpType, 0);
    if (self == nullptr) throw py::error_already_set();
    OpObject* op = as_op(self);
    op->vectorcall = kind->call;
    op->kind = kind->kind;
    op->slow = slow.inc_ref().ptr();
    op->node = reinterpret_cast<PyTypeObject*>(owned_or_null(node));
    op->arguments = owned_or_null(arguments);
    op->alternate = owned_or_null(alternate);
    op->choices = owned_or_null(choices);
    op->scalar_count = 0;
    if (!arguments.is_none())
        for (const py::handle name : arguments) op->scalar_count += name.cast<std::string>() != "inplace";
    op->required = static_cast<int8_t>(required);
    op->check = check_named(check);
    op->floats_only = floats_only;
    op->swapped = swapped;
    op->mixed = mixed;
    op->tensors_only = tensors_only || kind->kind == Kind::ternary;
    op->kernel = index;
    op->dtypes = kernel_dtypes(kind->kind, index, floats_only);
    op->save_count = static_cast<int8_t>(saves.size());
    for (size_t i = 0; i < saves.size(); ++i) op->saves[i] = save_rule(saves[i].first, saves[i].second);
    op->param_count = static_cast<int>(params.size());
    for (size_t i = 0; i < params.size(); ++i) op->params[i] = params[i];
    return py::reinterpret_steal<py::object>(self);
}

// make_inplace_op(op, slow): the op with its result stored in the first operand, `slow` for all but plain
// calls. None for ops that have no such form.
py::object make_inplace_op(py::object original, py::object slow) {
    if (Py_TYPE(original.ptr()) != &OpType) return py::none();
    const OpObject* from = as_op(original.ptr());
    const int arity = pointwise_arity(from->kind);
    if (arity == 0 || from->kind == Kind::where || from->swapped) return py::none();
    PyObject* self = OpType.tp_alloc(&OpType, 0);
    if (self == nullptr) throw py::error_already_set();
    OpObject* op = as_op(self);
    op->vectorcall = from->vectorcall;
    op->slow = slow.inc_ref().ptr();
    op->arguments = Py_XNewRef(from->arguments);
    op->kind = from->kind;
    op->check = from->check;
    op->floats_only = from->floats_only;
    op->mixed = from->mixed;
    op->inplace = true;
    op->tensors_only = from->tensors_only;
    op->required = from->required;
    op->scalar_count = from->scalar_count;
    op->kernel = from->kernel;
    op->dtypes = from->dtypes;
    op->param_count = from->param_count;
    std::copy(from->params, from->params + kMaxOpParams, op->params);
    if ((from->kind == Kind::ternary || from->kind == Kind::binary) && from->alternate != nullptr) {
        const auto alternate = py::reinterpret_borrow<py::object>(from->alternate);
        op->alternate = make_inplace_op(alternate, slow).release().ptr();
    }
    return py::reinterpret_steal<py::object>(self);
}

}  // namespace

void add_ops(py::module_& m) {
    if (PyType_Ready(&OpType) < 0) throw py::error_already_set();
    m.def("make_inplace_op", &make_inplace_op);
    m.attr("Op") = py::handle(as_object(&OpType));
    m.def("make_op", &make_op, py::arg("kind"), py::arg("slow"), py::arg("kernel"), py::arg("node"),
          py::arg("saves"), py::arg("params"), py::arg("floats_only"), py::arg("swapped"),
          py::arg("arguments") = py::none(), py::arg("required") = 0, py::arg("mixed") = false,
          py::arg("alternate") = py::none(), py::arg("choices") = py::none(), py::arg("check") = "",
          py::arg("tensors_only") = false);
}

}  // namespace pt::core
