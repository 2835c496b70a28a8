// Module functions of the core: recording a node, making views, grad modes, registration by the Python half.
#include "core/tensor.h"

#include "base/check.h"

namespace pt::core {

namespace {

PyTypeObject* output_marker = nullptr;  // type of pytensor.autograd.node.OUTPUT

PyCFunction fastcall(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

bool is_differentiable(PyObject* array) {
    if (!PyArray_Check(array)) {
        PyObject* descr = PyObject_GetAttrString(array, "dtype");
        if (descr == nullptr || !PyArray_DescrCheck(descr)) {
            PyErr_Clear();  // not an array: record() reports it when it describes the output
            return true;
        }
        const DType dtype = dtype_of_type(reinterpret_cast<PyArray_Descr*>(descr)->type_num);
        Py_DECREF(descr);
        return dtype >= DType::float16;
    }
    return dtype_of_array(reinterpret_cast<PyArrayObject*>(array)) >= DType::float16;
}

// Wraps the arrays of `outputs`; as outputs of `node` when there is one.
PyObject* wrap_output(NodeObject* node, int index, PyObject* array) {
    if (array == Py_None) return Py_NewRef(Py_None);
    PyObject* tensor = wrap(Py_NewRef(array));
    if (tensor == nullptr || node == nullptr || !is_differentiable(array)) return tensor;
    if (attach_output(node, index, as_tensor(tensor)) < 0) Py_CLEAR(tensor);
    return tensor;
}

PyObject* wrap_outputs(NodeObject* node, PyObject* outputs) {
    if (!PyTuple_Check(outputs)) return wrap_output(node, 0, outputs);
    const Py_ssize_t count = PyTuple_GET_SIZE(outputs);
    PyObject* result = PyTuple_New(count);
    for (Py_ssize_t i = 0; result != nullptr && i < count; ++i) {
        PyObject* tensor = wrap_output(node, static_cast<int>(i), PyTuple_GET_ITEM(outputs, i));
        if (tensor == nullptr) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, tensor);
    }
    return result;
}

int save_marked_output(NodeObject* node, int slot, PyObject* marker, PyObject* result) {
    PyObject* number = PyObject_GetAttrString(marker, "index");
    if (number == nullptr) return -1;
    const long index = PyLong_AsLong(number);
    Py_DECREF(number);
    PyObject* output = result;
    if (PyTuple_Check(result)) {
        if (index < 0 || index >= PyTuple_GET_SIZE(result)) {
            PyErr_SetString(PyExc_IndexError, "record: OUTPUT[i] beyond the outputs");
            return -1;
        }
        output = PyTuple_GET_ITEM(result, index);
    }
    if (output == Py_None) {
        save_object(node, slot, Py_None);
        return 0;
    }
    return save_output(node, slot, as_tensor(output), static_cast<int>(index));
}

int save_all(NodeObject* node, PyObject* saved, PyObject* result) {
    for (int i = 0; i < node->saved_count; ++i) {
        PyObject* item = PyTuple_GET_ITEM(saved, i);
        if (Py_TYPE(item) == output_marker) {
            if (save_marked_output(node, i, item, result) < 0) return -1;
        } else if (is_tensor(item)) {
            save_tensor(node, i, as_tensor(item));
        } else {
            save_object(node, i, item);
        }
    }
    return 0;
}

// Fills slots that stay empty when save_all fails half-way, so that the node can be freed like any other.
PyObject* record_node(PyTypeObject* type, PyObject* inputs, PyObject* outputs, PyObject* saved,
                      PyObject* ctx) {
    const int edges = static_cast<int>(PyTuple_GET_SIZE(inputs));
    const int saved_count = saved != nullptr ? static_cast<int>(PyTuple_GET_SIZE(saved)) : 0;
    const int output_count = PyTuple_Check(outputs) ? static_cast<int>(PyTuple_GET_SIZE(outputs)) : 1;
    NodeObject* node = new_node(type, edges, saved_count, output_count);
    if (node == nullptr) return nullptr;
    for (int i = 0; i < edges; ++i) {
        PyObject* input = PyTuple_GET_ITEM(inputs, i);
        if (is_tensor(input) && as_tensor(input)->requires_grad) set_edge(node, i, as_tensor(input));
    }
    if (ctx != nullptr && ctx != Py_None) node->ctx = Py_NewRef(ctx);
    PyObject* result = wrap_outputs(node, outputs);
    if (result != nullptr && (save_all(node, saved, result) < 0 || finish_node(node) < 0)) Py_CLEAR(result);
    Py_DECREF(as_object(node));
    return result;
}

int any_needs_grad(PyObject* inputs) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); ++i) {
        PyObject* input = PyTuple_GET_ITEM(inputs, i);
        const int needs = is_tensor(input) ? needs_grad(as_tensor(input)) : 0;
        if (needs != 0) {
            // Later inputs' histories must be current too before their edges are taken.
            for (++i; i < PyTuple_GET_SIZE(inputs); ++i) {
                input = PyTuple_GET_ITEM(inputs, i);
                if (is_tensor(input) && needs_grad(as_tensor(input)) < 0) return -1;
            }
            return needs;
        }
    }
    return 0;
}

PyObject* function_record(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    static const char* const known[] = {"node_class", "inputs", "outputs", "saved", "ctx"};
    PyObject* values[5] = {};
    if (count > 5) return PyErr_Format(PyExc_TypeError, "record() takes at most 5 arguments");
    for (Py_ssize_t i = 0; i < count; ++i) values[i] = args[i];
    for (Py_ssize_t k = 0; names != nullptr && k < PyTuple_GET_SIZE(names); ++k) {
        int slot = -1;
        for (int i = 0; i < 5; ++i)
            if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, k), known[i]) == 0) slot = i;
        if (slot < 0 || values[slot] != nullptr)
            return PyErr_Format(PyExc_TypeError, "record(): bad argument %R", PyTuple_GET_ITEM(names, k));
        values[slot] = args[count + k];
    }
    if (values[0] == nullptr || !PyType_Check(values[0]) ||
        !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(values[0]), &NodeType))
        return PyErr_Format(PyExc_TypeError, "record(): node_class must be a subclass of Node");
    if (values[1] == nullptr || !PyTuple_Check(values[1]) || values[2] == nullptr ||
        (values[3] != nullptr && !PyTuple_Check(values[3])))
        return PyErr_Format(PyExc_TypeError,
                            "record(node_class, inputs: tuple, outputs, saved: tuple = (), ctx=None)");
    const int needs = modes.grad ? any_needs_grad(values[1]) : 0;
    if (needs < 0) return nullptr;
    if (needs == 0) return wrap_outputs(nullptr, values[2]);
    return record_node(reinterpret_cast<PyTypeObject*>(values[0]), values[1], values[2], values[3],
                       values[4]);
}

PyObject* function_wrap(PyObject*, PyObject* array) { return wrap(Py_NewRef(array)); }

// view(source, array, node_class, ctx=None, multi_output=False)
PyObject* function_view(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count < 3 || count > 5 || !is_tensor(args[0]) || !PyType_Check(args[2]))
        return PyErr_Format(PyExc_TypeError,
                            "view(source: Tensor, array, node_class, ctx=None, multi_output=False)");
    const ViewKind kind =
        count == 5 && args[4] == Py_True ? ViewKind::multi_output : ViewKind::differentiable;
    return make_view(as_tensor(args[0]), Py_NewRef(args[1]), reinterpret_cast<PyTypeObject*>(args[2]),
                     count > 3 ? args[3] : nullptr, kind);
}

// views(source, arrays, node_class, ctx=None)
PyObject* function_views(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count < 3 || count > 4 || !is_tensor(args[0]) || !PyTuple_Check(args[1]) || !PyType_Check(args[2]))
        return PyErr_Format(PyExc_TypeError, "views(source: Tensor, arrays: tuple, node_class, ctx=None)");
    return make_views(as_tensor(args[0]), args[1], reinterpret_cast<PyTypeObject*>(args[2]),
                      count > 3 ? args[3] : nullptr);
}

PyObject* function_is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(modes.grad); }
PyObject* function_set_grad_enabled(PyObject*, PyObject* value) {
    const int truth = PyObject_IsTrue(value);
    if (truth < 0) return nullptr;
    const bool before = modes.grad;
    modes.grad = truth != 0;
    return PyBool_FromLong(before);
}
PyObject* function_is_inference(PyObject*, PyObject*) { return PyBool_FromLong(modes.inference); }
PyObject* function_set_inference(PyObject*, PyObject* value) {
    const int truth = PyObject_IsTrue(value);
    if (truth < 0) return nullptr;
    const bool before = modes.inference;
    modes.inference = truth != 0;
    return PyBool_FromLong(before);
}

// requires_grad of any of the arguments, while grad mode is on: will this call be recorded?
PyObject* function_will_record(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (!modes.grad) Py_RETURN_FALSE;
    for (Py_ssize_t i = 0; i < count; ++i) {
        const int needs = is_tensor(args[i]) ? needs_grad(as_tensor(args[i])) : 0;
        if (needs != 0) return needs < 0 ? nullptr : Py_NewRef(Py_True);
    }
    Py_RETURN_FALSE;
}

// broadcast_view(array, shape): numpy.broadcast_to without its read-only flag (writes are refused by the
// check of in-place ops, which knows PyTorch's words) and at a fraction of its cost. The shape is known to
// fit.
PyObject* function_broadcast_view(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || !PyArray_Check(args[0]) || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "broadcast_view(array: numpy.ndarray, shape: tuple)");
    PyArrayObject* array = reinterpret_cast<PyArrayObject*>(args[0]);
    const int ndim = static_cast<int>(PyTuple_GET_SIZE(args[1]));
    const int missing = ndim - PyArray_NDIM(array);
    if (missing < 0 || ndim > kMaxDims)
        return PyErr_Format(PyExc_ValueError, "broadcast_view: too few or many axes");
    npy_intp shape[kMaxDims], strides[kMaxDims];
    for (int i = 0; i < ndim; ++i) {
        shape[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(args[1], i));
        if (shape[i] == -1 && PyErr_Occurred()) return nullptr;
        const npy_intp have = i < missing ? 1 : PyArray_DIM(array, i - missing);
        if (have != shape[i] && have != 1)
            return PyErr_Format(PyExc_ValueError, "broadcast_view: sizes do not match");
        strides[i] = i < missing || have != shape[i] ? 0 : PyArray_STRIDE(array, i - missing);
    }
    PyArray_Descr* descr = PyArray_DESCR(array);
    Py_INCREF(as_object(descr));
    PyObject* view = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, shape, strides, PyArray_DATA(array),
                                          PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, nullptr);
    if (view == nullptr) return nullptr;
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(view), Py_NewRef(args[0])) < 0) Py_CLEAR(view);
    return view;
}

// The sizes in `wanted` with a -1 filled in; false when they are not plain ints that fit `numel` (Python says
// why).
bool fitting_sizes(PyObject* wanted, npy_intp numel, npy_intp* sizes) {
    const Py_ssize_t ndim = PyTuple_GET_SIZE(wanted);
    if (ndim > kMaxDims) return false;
    Py_ssize_t unknown = -1;
    npy_intp known = 1;
    for (Py_ssize_t i = 0; i < ndim; ++i) {
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(wanted, i))) return false;
        int overflow = 0;
        sizes[i] = PyLong_AsLongAndOverflow(PyTuple_GET_ITEM(wanted, i), &overflow);
        if (overflow != 0 || sizes[i] < -1 || (sizes[i] == -1 && unknown >= 0)) return false;
        if (sizes[i] == -1) {
            unknown = i;
        } else if (__builtin_mul_overflow(known, sizes[i], &known)) {
            return false;
        }
    }
    if (unknown < 0) return known == numel;
    if (known == 0 || numel % known != 0) return false;
    sizes[unknown] = numel / known;
    return true;
}

// reshape_view(array, sizes): a contiguous array in another shape; None when it is not contiguous or the
// sizes need a closer look. `sizes` is what reshape(*sizes) was given: ints, or one tuple of them.
PyObject* function_reshape_view(PyObject*, PyObject* const* args, Py_ssize_t count) {
    if (count != 2 || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "reshape_view(array, sizes: tuple)");
    PyObject* wanted = args[1];
    if (PyTuple_GET_SIZE(wanted) == 1 && PyTuple_Check(PyTuple_GET_ITEM(wanted, 0)))
        wanted = PyTuple_GET_ITEM(wanted, 0);
    npy_intp sizes[kMaxDims];
    if (!PyArray_CheckExact(args[0])) Py_RETURN_NONE;
    PyArrayObject* array = reinterpret_cast<PyArrayObject*>(args[0]);
    if (!PyArray_IS_C_CONTIGUOUS(array) || !fitting_sizes(wanted, PyArray_SIZE(array), sizes)) Py_RETURN_NONE;
    PyArray_Descr* descr = PyArray_DESCR(array);
    Py_INCREF(as_object(descr));
    PyObject* view =
        PyArray_NewFromDescr(&PyArray_Type, descr, static_cast<int>(PyTuple_GET_SIZE(wanted)), sizes, nullptr,
                             PyArray_DATA(array), PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE, nullptr);
    if (view == nullptr) return nullptr;
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(view), Py_NewRef(args[0])) < 0) Py_CLEAR(view);
    return view;
}

}  // namespace

bool is_cpu(PyObject* device) {
    if (PyUnicode_CheckExact(device)) return PyUnicode_CompareWithASCIIString(device, "cpu") == 0;
    if (registry.cpu == nullptr || Py_TYPE(device) != Py_TYPE(registry.cpu)) return false;
    const int same = PyObject_RichCompareBool(device, registry.cpu, Py_EQ);
    if (same < 0) PyErr_Clear();
    return same == 1;
}

namespace {

// record() and view() run for every op: METH_FASTCALL costs a third of a pybind11 call.
PyMethodDef functions[] = {
    {"record", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function_record)),
     METH_FASTCALL | METH_KEYWORDS, "record(node_class, inputs, outputs, saved=(), ctx=None)"},
    {"wrap", function_wrap, METH_O, "wrap(array) -> Tensor outside any graph"},
    {"views", fastcall(function_views), METH_FASTCALL,
     "views(source, arrays, node_class, ctx=None) -> tensors that share the source's memory, with one node"},
    {"view", fastcall(function_view), METH_FASTCALL,
     "view(source, array, node_class, ctx=None, multi_output=False)"},
    {"broadcast_view", fastcall(function_broadcast_view), METH_FASTCALL,
     "broadcast_view(array, shape) -> array"},
    {"reshape_view", fastcall(function_reshape_view), METH_FASTCALL,
     "reshape_view(array, sizes) -> array or None"},
    {"will_record", fastcall(function_will_record), METH_FASTCALL, "will_record(*tensors) -> bool"},
    {"is_grad_enabled", function_is_grad_enabled, METH_NOARGS, nullptr},
    {"set_grad_enabled", function_set_grad_enabled, METH_O,
     "Sets grad mode of this thread, returns the old one."},
    {"is_inference_mode_enabled", function_is_inference, METH_NOARGS, nullptr},
    {"set_inference_mode", function_set_inference, METH_O,
     "Sets inference mode of this thread, returns the old one."},
    {nullptr, nullptr, 0, nullptr}};

PyTypeObject* type_argument(const py::object& object) {
    if (!PyType_Check(object.ptr())) throw py::type_error("expected a class");
    return reinterpret_cast<PyTypeObject*>(object.inc_ref().ptr());
}

}  // namespace

void add_functions(py::module_& m) {
    if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw py::error_already_set();
    m.def("register_tensor",
          [](py::object tensor_class, py::object size_class, std::vector<py::object> dtypes) {
              PT_ASSERT(dtypes.size() == static_cast<size_t>(DType::unsupported));
              registry.tensor_class = type_argument(tensor_class);
              registry.size_class = type_argument(size_class);
              for (size_t i = 0; i < dtypes.size(); ++i) registry.dtypes[i] = dtypes[i].inc_ref().ptr();
          });
    m.def("set_default_dtype", [](int type_number) { registry.default_dtype = dtype_of_type(type_number); });
    m.def("register_cpu", [](py::object device) { registry.cpu = device.inc_ref().ptr(); });
    m.def("set_default_cpu", [](bool cpu) { registry.default_cpu = cpu; });
    m.def("register_autograd", [](py::object marker, py::object refresh_view, py::object version_error,
                                  py::object freed_error, std::vector<py::object> index_nodes) {
        PT_ASSERT(index_nodes.size() == 4);
        output_marker = type_argument(marker);
        registry.refresh_view = refresh_view.inc_ref().ptr();
        registry.version_error = version_error.inc_ref().ptr();
        registry.freed_error = freed_error.inc_ref().ptr();
        for (int i = 0; i < 4; ++i) registry.index_nodes[i] = type_argument(index_nodes[i]);
    });
    m.def("set_on_node", [](py::object callback) {
        Py_XSETREF(registry.on_node, callback.is_none() ? nullptr : callback.inc_ref().ptr());
    });
}

}  // namespace pt::core
