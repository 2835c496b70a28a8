// TensorObject: life cycle, and the attributes that must be quick.
#include "core/tensor.h"

#include <structmember.h>

#include <cstddef>
#include <new>
#include <vector>

namespace pt::core {

Registry registry;
thread_local Modes modes;

namespace {

void drop(VersionCounter* counter) {
    if (counter != nullptr && --counter->references == 0) PyMem_Free(counter);
}

PyObject* tensor_new(PyTypeObject* type, PyObject*, PyObject*) {
    // Subclasses (Parameter) start from an empty array and set _array at once.
    PyObject* self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    const int64_t none = 0;
    as_tensor(self)->array = new_array(1, &none, DType::float32);
    if (as_tensor(self)->array == nullptr) {
        Py_DECREF(self);
        return nullptr;
    }
    as_tensor(self)->inference = modes.inference;
    return self;
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
    TensorObject* t = as_tensor(self);
    Py_VISIT(t->grad_fn);
    Py_VISIT(t->grad);
    Py_VISIT(t->base);
    Py_VISIT(t->dict);
    return 0;
}

int tensor_clear(PyObject* self) {
    TensorObject* t = as_tensor(self);
    Py_CLEAR(t->grad_fn);
    Py_CLEAR(t->grad);
    Py_CLEAR(t->base);
    Py_CLEAR(t->dict);
    return 0;
}

void tensor_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    TensorObject* t = as_tensor(self);
    if (t->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    tensor_clear(self);
    Py_CLEAR(t->array);
    drop(t->version);
    Py_TYPE(self)->tp_free(self);
}

// CUDA tensors hold CuPy arrays: their attributes are asked for by name.
bool holds_numpy(TensorObject* t) { return PyArray_Check(t->array); }

PyObject* get_array(PyObject* self, void*) { return Py_NewRef(as_tensor(self)->array); }
int set_array(PyObject* self, PyObject* value, void*) {
    if (value == nullptr) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete _array");
        return -1;
    }
    Py_XSETREF(as_tensor(self)->array, Py_NewRef(value));
    return 0;
}

PyObject* get_shape(PyObject* self, void*) {
    TensorObject* t = as_tensor(self);
    if (holds_numpy(t)) return size_from(PyArray_NDIM(array_of(t)), PyArray_DIMS(array_of(t)));
    PyObject* shape = PyObject_GetAttrString(t->array, "shape");
    if (shape == nullptr) return nullptr;
    PyObject* size = PyObject_CallOneArg(as_object(registry.size_class), shape);
    Py_DECREF(shape);
    return size;
}

PyObject* get_dtype(PyObject* self, void*) {
    TensorObject* t = as_tensor(self);
    DType dtype = DType::unsupported;
    if (holds_numpy(t)) {
        dtype = dtype_of_array(array_of(t));
    } else {
        PyObject* descr = PyObject_GetAttrString(t->array, "dtype");
        if (descr == nullptr) return nullptr;
        if (PyArray_DescrCheck(descr))
            dtype = dtype_of_type(reinterpret_cast<PyArray_Descr*>(descr)->type_num);
        Py_DECREF(descr);
    }
    if (dtype == DType::unsupported) {
        PyErr_SetString(PyExc_TypeError,
                        "the array behind this tensor has a dtype that pytensor does not know");
        return nullptr;
    }
    return Py_NewRef(registry.dtypes[static_cast<int>(dtype)]);
}

PyObject* get_ndim(PyObject* self, void*) {
    TensorObject* t = as_tensor(self);
    if (holds_numpy(t)) return PyLong_FromLong(PyArray_NDIM(array_of(t)));
    return PyObject_GetAttrString(t->array, "ndim");
}
PyObject* method_dim(PyObject* self, PyObject*) { return get_ndim(self, nullptr); }

PyObject* method_numel(PyObject* self, PyObject*) {
    TensorObject* t = as_tensor(self);
    if (holds_numpy(t)) return PyLong_FromSsize_t(PyArray_SIZE(array_of(t)));
    PyObject* size = PyObject_GetAttrString(t->array, "size");
    if (size == nullptr) return nullptr;
    PyObject* number = PyNumber_Long(size);
    Py_DECREF(size);
    return number;
}

PyObject* get_grad_fn(PyObject* self, void*) {
    TensorObject* t = as_tensor(self);
    if (needs_grad(t) < 0) return nullptr;
    return Py_NewRef(t->grad_fn != nullptr ? t->grad_fn : Py_None);
}

// (node, output_nr), or None to leave the graph. For the autograd layer: in-place ops rebase a tensor with
// it.
PyObject* method_set_history(PyObject* self, PyObject* args) {
    PyObject* node;
    int output_nr = 0;
    if (!PyArg_ParseTuple(args, "O|i", &node, &output_nr)) return nullptr;
    TensorObject* t = as_tensor(self);
    if (node == Py_None) {
        Py_CLEAR(t->grad_fn);
        t->requires_grad = false;
    } else if (PyObject_TypeCheck(node, &NodeType)) {
        Py_XSETREF(t->grad_fn, Py_NewRef(node));
        t->requires_grad = true;
    } else {
        PyErr_SetString(PyExc_TypeError, "_set_history expects a Node or None");
        return nullptr;
    }
    t->output_nr = output_nr;
    t->view_version = version_of(t);
    Py_RETURN_NONE;
}

PyObject* get_grad(PyObject* self, void*) {
    PyObject* grad = as_tensor(self)->grad;
    return Py_NewRef(grad != nullptr ? grad : Py_None);
}
int set_grad(PyObject* self, PyObject* value, void*) {
    TensorObject* t = as_tensor(self);
    if (value == nullptr || value == Py_None) {
        Py_CLEAR(t->grad);
    } else {
        Py_XSETREF(t->grad, Py_NewRef(value));
    }
    return 0;
}

PyObject* get_requires_grad(PyObject* self, void*) {
    const int needs = needs_grad(as_tensor(self));
    return needs < 0 ? nullptr : PyBool_FromLong(needs);
}
int set_requires_grad_raw(PyObject* self, PyObject* value, void*) {
    const int truth = value == nullptr ? -1 : PyObject_IsTrue(value);
    if (truth < 0) return -1;
    as_tensor(self)->requires_grad = truth != 0;
    return 0;
}

PyObject* get_is_leaf(PyObject* self, void*) {
    TensorObject* t = as_tensor(self);
    if (needs_grad(t) < 0) return nullptr;
    return PyBool_FromLong(t->grad_fn == nullptr);
}

PyObject* get_base(PyObject* self, void*) {
    PyObject* base = as_tensor(self)->base;
    return Py_NewRef(base != nullptr ? base : Py_None);
}

PyObject* get_view_kind(PyObject* self, void*) {
    static const char* const names[] = {"none", "differentiable", "no_grad", "multi_output", "inference"};
    return PyUnicode_FromString(names[static_cast<int>(as_tensor(self)->view_kind)]);
}

// Ends a view's part in its base's history (detach_, data swaps).
PyObject* method_forget_base(PyObject* self, PyObject*) {
    Py_CLEAR(as_tensor(self)->base);
    as_tensor(self)->view_kind = ViewKind::none;
    Py_RETURN_NONE;
}

PyObject* get_version(PyObject* self, void*) { return PyLong_FromLongLong(version_of(as_tensor(self))); }

PyObject* method_bump_version(PyObject* self, PyObject*) {
    VersionCounter* counter = share_version(as_tensor(self));
    if (counter == nullptr) return nullptr;
    ++counter->version;
    Py_RETURN_NONE;
}

// A new tensor on the same storage, outside the graph. With share_version, writes to either are seen by both
// (detach); without, they are not (.data).
PyObject* method_alias(PyObject* self, PyObject* share) {
    TensorObject* t = as_tensor(self);
    PyObject* result = wrap(Py_NewRef(t->array));
    if (result == nullptr || share == Py_False) return result;
    VersionCounter* counter = share_version(t);
    if (counter == nullptr) {
        Py_DECREF(result);
        return nullptr;
    }
    ++counter->references;
    as_tensor(result)->version = counter;
    return result;
}

PyObject* get_output_nr(PyObject* self, void*) { return PyLong_FromLong(as_tensor(self)->output_nr); }

PyMemberDef tensor_members[] = {
    {"retains_grad", T_BOOL, offsetof(TensorObject, retains_grad), 0, nullptr},
    {"_inference", T_BOOL, offsetof(TensorObject, inference), 0, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef tensor_getset[] = {
    {"_array", get_array, set_array, nullptr, nullptr},
    {"shape", get_shape, nullptr, nullptr, nullptr},
    {"dtype", get_dtype, nullptr, nullptr, nullptr},
    {"ndim", get_ndim, nullptr, nullptr, nullptr},
    {"grad_fn", get_grad_fn, nullptr, nullptr, nullptr},
    {"_grad", get_grad, set_grad, nullptr, nullptr},
    {"_requires_grad", get_requires_grad, set_requires_grad_raw, nullptr, nullptr},
    {"is_leaf", get_is_leaf, nullptr, nullptr, nullptr},
    {"_base", get_base, nullptr, nullptr, nullptr},
    {"_view_kind", get_view_kind, nullptr, nullptr, nullptr},
    {"_version", get_version, nullptr, nullptr, nullptr},
    {"output_nr", get_output_nr, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef tensor_methods[] = {
    {"dim", method_dim, METH_NOARGS, "The number of axes."},
    {"ndimension", method_dim, METH_NOARGS, "The number of axes."},
    {"numel", method_numel, METH_NOARGS, "The number of elements."},
    {"nelement", method_numel, METH_NOARGS, "The number of elements."},
    {"_bump_version", method_bump_version, METH_NOARGS, "Counts an in-place write."},
    {"_alias", method_alias, METH_O,
     "_alias(share_version): a new tensor on the same storage, outside the graph."},
    {"_set_history", method_set_history, METH_VARARGS, "_set_history(node or None, output_nr=0)."},
    {"_forget_base", method_forget_base, METH_NOARGS, "Ends a view's part in its base's history."},
    {nullptr, nullptr, 0, nullptr}};

// ---- SizeBase: a tuple whose slices are sizes again (in Python that test would slow every shape[i] down)
// ----

PyObject* size_subscript(PyObject* self, PyObject* key) {
    PyObject* item = PyTuple_Type.tp_as_mapping->mp_subscript(self, key);
    if (item == nullptr || !PySlice_Check(key)) return item;
    PyObject* size = PyObject_CallOneArg(as_object(registry.size_class), item);
    Py_DECREF(item);
    return size;
}

PyMappingMethods size_mapping = {nullptr, size_subscript, nullptr};

PyTypeObject make_size_type() {
    PyTypeObject type = {PyVarObject_HEAD_INIT(nullptr, 0)};
    type.tp_name = "pytensor._C.SizeBase";
    type.tp_base = &PyTuple_Type;
    type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
    type.tp_as_mapping = &size_mapping;
    return type;
}
PyTypeObject SizeType = make_size_type();

PyTypeObject make_tensor_type() {
    PyTypeObject type = {PyVarObject_HEAD_INIT(nullptr, 0)};
    type.tp_name = "pytensor._C.TensorBase";
    type.tp_basicsize = sizeof(TensorObject);
    type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
    type.tp_new = tensor_new;
    type.tp_dealloc = tensor_dealloc;
    type.tp_traverse = tensor_traverse;
    type.tp_clear = tensor_clear;
    type.tp_members = tensor_members;
    type.tp_getset = tensor_getset;
    type.tp_methods = tensor_methods;
    type.tp_dictoffset = offsetof(TensorObject, dict);
    type.tp_weaklistoffset = offsetof(TensorObject, weakrefs);
    return type;
}

}  // namespace

PyTypeObject TensorType = make_tensor_type();

namespace {

// NumPy's functions make scalars of results without axes: an array again (takes the reference).
PyObject* scalar_to_array(PyObject* scalar) {
    PyObject* array = PyArray_FromScalar(scalar, nullptr);
    Py_DECREF(scalar);
    return array;
}

}  // namespace

PyObject* wrap(PyObject* array) {
    if (array != nullptr && !PyArray_CheckExact(array) && PyArray_IsScalar(array, Generic))
        array = scalar_to_array(array);
    if (array == nullptr) return nullptr;
    PyTypeObject* type = registry.tensor_class;
    PyObject* self = type->tp_alloc(type, 0);  // zeroed
    if (self == nullptr) {
        Py_DECREF(array);
        return nullptr;
    }
    as_tensor(self)->array = array;
    as_tensor(self)->inference = modes.inference;
    return self;
}

int64_t version_of(const TensorObject* tensor) {
    return tensor->version != nullptr ? tensor->version->version : 0;
}

VersionCounter* share_version(TensorObject* tensor) {
    if (tensor->version == nullptr) {
        void* memory = PyMem_Malloc(sizeof(VersionCounter));
        if (memory == nullptr) {
            PyErr_NoMemory();
            return nullptr;
        }
        tensor->version = ::new (memory) VersionCounter();
    }
    return tensor->version;
}

int refresh_needs_grad(TensorObject* tensor) {
    if (tensor->view_kind == ViewKind::differentiable && version_of(tensor) != tensor->view_version) {
        tensor->view_version =
            version_of(tensor);  // first: refresh_view itself asks for this tensor's history
        PyObject* done = PyObject_CallOneArg(registry.refresh_view, as_object(tensor));
        if (done == nullptr) return -1;
        Py_DECREF(done);
    }
    return tensor->requires_grad;
}

bool same_meta(const TensorObject* tensor, const TensorObject* gradient) {
    if (!PyArray_Check(tensor->array) || !PyArray_Check(gradient->array)) return false;
    const ArrayView a = view_of(array_of(tensor));
    const ArrayView b = view_of(array_of(gradient));
    bool same = a.dtype == b.dtype && a.ndim == b.ndim;
    for (int i = 0; same && i < a.ndim; ++i) same = a.shape[i] == b.shape[i];
    return same;
}

PyObject* size_from(int ndim, const int64_t* shape) {
    PyTypeObject* type = registry.size_class;
    PyObject* size = type->tp_alloc(type, ndim);
    if (size == nullptr) return nullptr;
    for (int i = 0; i < ndim; ++i) {
        PyObject* n = PyLong_FromLongLong(shape[i]);
        if (n == nullptr) {
            Py_DECREF(size);
            return nullptr;
        }
        PyTuple_SET_ITEM(size, i, n);
    }
    return size;
}

namespace {

// The kind of a view of `source`: what forbids writes to the source forbids them here too.
ViewKind kind_of_view(const TensorObject* source, ViewKind kind) {
    if (kind != ViewKind::differentiable) return kind;
    if (source->view_kind != ViewKind::none) return source->view_kind;
    if (modes.inference) return ViewKind::inference;
    return modes.grad ? kind : ViewKind::no_grad;
}

// One node for all the views.
int record_views(TensorObject* const* views, int count, TensorObject* source, PyTypeObject* node_type,
                 PyObject* ctx) {
    NodeObject* node = new_node(node_type, 1, 0, count);
    if (node == nullptr) return -1;
    set_edge(node, 0, source);
    node->ctx = Py_XNewRef(ctx);
    int status = 0;
    for (int i = 0; i < count && status == 0; ++i) status = attach_output(node, i, views[i]);
    if (status == 0) status = finish_node(node);
    Py_DECREF(as_object(node));
    return status;
}

// A view without history; `recorded`: whether it is to get one. Steals `array`.
PyObject* unrecorded_view(TensorObject* source, PyObject* array, ViewKind kind, bool* recorded) {
    PyObject* result = wrap(array);
    if (result == nullptr) return nullptr;
    TensorObject* view = as_tensor(result);
    VersionCounter* counter = share_version(source);
    const int needs = counter == nullptr ? -1 : needs_grad(source);
    if (needs < 0) {
        Py_DECREF(result);
        return nullptr;
    }
    ++counter->references;
    view->version = counter;
    view->view_version = counter->version;
    view->base = Py_NewRef(source->base != nullptr ? source->base : as_object(source));
    view->view_kind = kind_of_view(source, kind);
    view->inference = source->inference;
    *recorded = needs && modes.grad;
    return result;
}

}  // namespace

PyObject* make_view(TensorObject* source, PyObject* array, PyTypeObject* node_type, PyObject* ctx,
                    ViewKind kind) {
    bool recorded = false;
    PyObject* result = unrecorded_view(source, array, kind, &recorded);
    if (result == nullptr || !recorded) return result;
    TensorObject* view = as_tensor(result);
    if (record_views(&view, 1, source, node_type, ctx) < 0) Py_CLEAR(result);
    return result;
}

PyObject* make_views(TensorObject* source, PyObject* arrays, PyTypeObject* node_type, PyObject* ctx) {
    const Py_ssize_t count = PyTuple_GET_SIZE(arrays);
    PyObject* result = PyTuple_New(count);
    std::vector<TensorObject*> views(static_cast<size_t>(count));
    bool recorded = false;
    for (Py_ssize_t i = 0; result != nullptr && i < count; ++i) {
        PyObject* view = unrecorded_view(source, Py_NewRef(PyTuple_GET_ITEM(arrays, i)),
                                         ViewKind::multi_output, &recorded);
        if (view == nullptr) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, view);
        views[static_cast<size_t>(i)] = as_tensor(view);
    }
    if (result != nullptr && recorded &&
        record_views(views.data(), static_cast<int>(count), source, node_type, ctx) < 0)
        Py_CLEAR(result);
    return result;
}

void add_types(py::module_& m) {
    if (PyType_Ready(&SizeType) < 0 || PyType_Ready(&TensorType) < 0 || PyType_Ready(&NodeType) < 0)
        throw py::error_already_set();
    m.attr("SizeBase") = py::handle(as_object(&SizeType));
    m.attr("TensorBase") = py::handle(as_object(&TensorType));
    m.attr("NodeBase") = py::handle(as_object(&NodeType));
}

}  // namespace pt::core
