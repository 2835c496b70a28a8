// NodeObject: one recorded operation. Gradient rules are Python subclasses that define backward().
#include "core/tensor.h"

#include <structmember.h>

#include <cstddef>

namespace pt::core {

namespace {

uint64_t next_sequence = 1;

void drop_saved(NodeObject* node) {
    for (int i = 0; i < node->saved_count; ++i) {
        SavedValue& item = node->saved[i];
        VersionCounter* counter = item.version;
        item.version = nullptr;
        if (counter != nullptr && --counter->references == 0) PyMem_Free(counter);
        Py_CLEAR(item.value);
    }
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
    NodeObject* node = as_node(self);
    Py_VISIT(node->ctx);
    Py_VISIT(node->dict);
    for (int i = 0; i < node->edge_count; ++i) Py_VISIT(node->edges[i].target);
    for (int i = 0; i < node->saved_count; ++i) Py_VISIT(node->saved[i].value);
    return 0;
}

int node_clear(PyObject* self) {
    NodeObject* node = as_node(self);
    Py_CLEAR(node->ctx);
    Py_CLEAR(node->dict);
    for (int i = 0; i < node->edge_count; ++i) Py_CLEAR(node->edges[i].target);
    drop_saved(node);
    return 0;
}

// A chain of 100,000 nodes is freed without deep recursion: subclasses are heap types, whose deallocator
// (CPython's subtype_dealloc) unwinds through the trashcan.
void node_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    NodeObject* node = as_node(self);
    if (node->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
    node_clear(self);
    if (node->edges != node->inline_edges) PyMem_Free(node->edges);
    if (node->saved != node->inline_saved) PyMem_Free(node->saved);
    for (int i = 0; i < node->output_count; ++i)
        if (node->outputs[i].ndim > kInlineDims) PyMem_Free(node->outputs[i].more_dims);
    if (node->outputs != &node->inline_output) PyMem_Free(node->outputs);
    Py_TYPE(self)->tp_free(self);
}

PyObject* node_new(PyTypeObject* type, PyObject*, PyObject*) { return as_object(new_node(type, 0, 0, 0)); }

// An output again, as a tensor of this graph.
PyObject* unpack_output(NodeObject* node, const SavedValue& item) {
    PyObject* output = wrap(Py_NewRef(item.value));
    if (output == nullptr) return nullptr;
    TensorObject* t = as_tensor(output);
    t->grad_fn = Py_NewRef(as_object(node));
    t->output_nr = item.output;
    t->requires_grad = true;
    ++item.version->references;
    t->version = item.version;
    return output;
}

PyObject* unpack(NodeObject* node, const SavedValue& item) {
    const bool output = item.output >= 0;
    if (output || is_tensor(item.value)) {
        const int64_t found = output ? item.version->version : version_of(as_tensor(item.value));
        if (found != item.expected) {
            PyObject* never =
                PyObject_CallFunction(registry.version_error, "OOLL", item.value, as_object(node),
                                      static_cast<long long>(item.expected), static_cast<long long>(found));
            Py_XDECREF(never);
            return nullptr;
        }
    }
    return output ? unpack_output(node, item) : Py_NewRef(item.value);
}

// The saved values, checked: RuntimeError when freed, or written in place since.
PyObject* get_saved(PyObject* self, void*) {
    NodeObject* node = as_node(self);
    if (node->freed && node->saved_count > 0) {
        Py_XDECREF(PyObject_CallNoArgs(registry.freed_error));
        return nullptr;
    }
    PyObject* result = PyTuple_New(node->saved_count);
    for (int i = 0; result != nullptr && i < node->saved_count; ++i) {
        PyObject* value = unpack(node, node->saved[i]);
        if (value == nullptr) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, value);
    }
    return result;
}

PyObject* get_ctx(PyObject* self, void*) {
    PyObject* ctx = as_node(self)->ctx;
    return Py_NewRef(ctx != nullptr ? ctx : Py_None);
}
int set_ctx(PyObject* self, PyObject* value, void*) {
    Py_XSETREF(as_node(self)->ctx, Py_XNewRef(value));
    return 0;
}

PyObject* get_needs_input_grad(PyObject* self, void*) {
    NodeObject* node = as_node(self);
    PyObject* result = PyTuple_New(node->edge_count);
    if (result == nullptr) return nullptr;
    for (int i = 0; i < node->edge_count; ++i)
        PyTuple_SET_ITEM(result, i, Py_NewRef(node->edges[i].target != nullptr ? Py_True : Py_False));
    return result;
}

// ((target, output_nr), ...): target is a Node, a leaf Tensor to accumulate into, or None.
PyObject* get_edges(PyObject* self, void*) {
    NodeObject* node = as_node(self);
    PyObject* result = PyTuple_New(node->edge_count);
    for (int i = 0; result != nullptr && i < node->edge_count; ++i) {
        const Edge& edge = node->edges[i];
        PyObject* pair = Py_BuildValue("(Oi)", edge.target != nullptr ? edge.target : Py_None,
                                       static_cast<int>(edge.output_nr));
        if (pair == nullptr) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, pair);
    }
    return result;
}

// ((Size, dtype) or None, ...) of the outputs.
PyObject* get_outputs(PyObject* self, void*) {
    NodeObject* node = as_node(self);
    PyObject* result = PyTuple_New(node->output_count);
    for (int i = 0; result != nullptr && i < node->output_count; ++i) {
        const OutputMeta& meta = node->outputs[i];
        PyObject* item = meta.ndim < 0 ? Py_NewRef(Py_None)
                                       : Py_BuildValue("(NO)", size_from(meta.ndim, meta.shape()),
                                                       registry.dtypes[static_cast<int>(meta.dtype)]);
        if (item == nullptr) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, item);
    }
    return result;
}

PyObject* method_release(PyObject* self, PyObject*) {
    release_saved(as_node(self));
    Py_RETURN_NONE;
}

PyMemberDef node_members[] = {
    {"_sequence", T_ULONGLONG, offsetof(NodeObject, sequence), READONLY, nullptr},
    {"_freed", T_BOOL, offsetof(NodeObject, freed), READONLY, nullptr},
    {"_edge_count", T_INT, offsetof(NodeObject, edge_count), READONLY, nullptr},
    {"_output_count", T_INT, offsetof(NodeObject, output_count), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(NodeObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(NodeObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef node_getset[] = {
    {"saved", get_saved, nullptr, "The saved values, after a check of their versions.", nullptr},
    {"ctx", get_ctx, set_ctx, "What the op remembers besides tensors.", nullptr},
    {"needs_input_grad", get_needs_input_grad, nullptr, nullptr, nullptr},
    {"_edges", get_edges, nullptr, nullptr, nullptr},
    {"_outputs", get_outputs, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef node_methods[] = {{"_release", method_release, METH_NOARGS, "Frees the saved values."},
                              {nullptr, nullptr, 0, nullptr}};

template <class T, int N>
bool reserve(T*& items, T (&inline_items)[N], int count) {
    if (count > N) items = static_cast<T*>(PyMem_Calloc(static_cast<size_t>(count), sizeof(T)));
    if (items != nullptr) return true;
    items = inline_items;
    PyErr_NoMemory();
    return false;
}

// Room for the sizes of an output; null on error, with meta.ndim still -1.
int64_t* set_ndim(OutputMeta& meta, int ndim) {
    int64_t* dims = meta.dims;
    if (ndim > kInlineDims) {
        dims = meta.more_dims =
            static_cast<int64_t*>(PyMem_Malloc(sizeof(int64_t) * static_cast<size_t>(ndim)));
        if (dims == nullptr) {
            PyErr_NoMemory();
            return nullptr;
        }
    }
    meta.ndim = ndim;
    return dims;
}

// Another array library's array: shape and dtype by name.
int describe_foreign(OutputMeta& meta, PyObject* array) {
    PyObject* shape = PyObject_GetAttrString(array, "shape");
    PyObject* descr = shape != nullptr ? PyObject_GetAttrString(array, "dtype") : nullptr;
    int status = -1;
    if (descr != nullptr && PyTuple_Check(shape) && PyArray_DescrCheck(descr)) {
        meta.dtype = dtype_of_type(reinterpret_cast<PyArray_Descr*>(descr)->type_num);
        const int ndim = static_cast<int>(PyTuple_GET_SIZE(shape));
        int64_t* dims = set_ndim(meta, ndim);
        for (int i = 0; dims != nullptr && i < ndim; ++i)
            dims[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(shape, i));
        status = dims != nullptr && !PyErr_Occurred() ? 0 : -1;
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "record: outputs must be arrays");
    }
    Py_XDECREF(shape);
    Py_XDECREF(descr);
    return status;
}

int describe(OutputMeta& meta, PyObject* array) {
    if (!PyArray_Check(array)) return describe_foreign(meta, array);
    PyArrayObject* a = reinterpret_cast<PyArrayObject*>(array);
    meta.dtype = dtype_of_array(a);
    int64_t* dims = set_ndim(meta, PyArray_NDIM(a));
    if (dims == nullptr) return -1;
    for (int i = 0; i < meta.ndim; ++i) dims[i] = PyArray_DIM(a, i);
    return 0;
}

PyTypeObject make_node_type() {
    PyTypeObject type = {PyVarObject_HEAD_INIT(nullptr, 0)};
    type.tp_name = "pytensor._C.NodeBase";
    type.tp_basicsize = sizeof(NodeObject);
    type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
    type.tp_new = node_new;
    type.tp_dealloc = node_dealloc;
    type.tp_traverse = node_traverse;
    type.tp_clear = node_clear;
    type.tp_members = node_members;
    type.tp_getset = node_getset;
    type.tp_methods = node_methods;
    type.tp_dictoffset = offsetof(NodeObject, dict);
    type.tp_weaklistoffset = offsetof(NodeObject, weakrefs);
    return type;
}

}  // namespace

PyTypeObject NodeType = make_node_type();

NodeObject* new_node(PyTypeObject* type, int edge_count, int saved_count, int output_count) {
    PyObject* self = type->tp_alloc(type, 0);  // zeroed
    if (self == nullptr) return nullptr;
    NodeObject* node = as_node(self);
    node->sequence = next_sequence++;
    node->edges = edge_count <= 3 ? node->inline_edges : nullptr;
    node->saved = saved_count <= 3 ? node->inline_saved : nullptr;
    node->outputs = &node->inline_output;
    bool ok = reserve(node->edges, node->inline_edges, edge_count);
    ok = reserve(node->saved, node->inline_saved, saved_count) && ok;
    if (ok && output_count > 1) {
        void* memory = PyMem_Calloc(static_cast<size_t>(output_count), sizeof(OutputMeta));
        if (memory != nullptr) node->outputs = static_cast<OutputMeta*>(memory);
        ok = memory != nullptr;
        if (!ok) PyErr_NoMemory();
    }
    if (!ok) {
        Py_DECREF(self);
        return nullptr;
    }
    node->edge_count = edge_count;
    node->saved_count = saved_count;
    node->output_count = output_count;
    for (int i = 0; i < output_count; ++i) node->outputs[i].ndim = -1;
    return node;
}

void release_saved(NodeObject* node) {
    node->freed = true;
    drop_saved(node);
}

void set_edge(NodeObject* node, int index, TensorObject* input) {
    Edge& edge = node->edges[index];
    edge.target = Py_NewRef(input->grad_fn != nullptr ? input->grad_fn : as_object(input));
    edge.output_nr = input->grad_fn != nullptr ? input->output_nr : 0;
}

void save_object(NodeObject* node, int index, PyObject* object) {
    node->saved[index] = {Py_NewRef(object), nullptr, 0, -1};
}

void save_tensor(NodeObject* node, int index, TensorObject* tensor) {
    node->saved[index] = {Py_NewRef(as_object(tensor)), nullptr, version_of(tensor), -1};
}

int save_output(NodeObject* node, int index, TensorObject* tensor, int output) {
    VersionCounter* counter = share_version(tensor);
    if (counter == nullptr) return -1;
    ++counter->references;
    node->saved[index] = {Py_NewRef(tensor->array), counter, counter->version, output};
    return 0;
}

int attach_output(NodeObject* node, int index, TensorObject* tensor) {
    if (describe(node->outputs[index], tensor->array) < 0) return -1;
    Py_XSETREF(tensor->grad_fn, Py_NewRef(as_object(node)));
    tensor->output_nr = index;
    tensor->requires_grad = true;
    return 0;
}

bool fits_output(const NodeObject* node, int output_nr, const TensorObject* gradient) {
    if (output_nr < 0 || output_nr >= node->output_count || !PyArray_Check(gradient->array)) return false;
    const OutputMeta& meta = node->outputs[output_nr];
    PyArrayObject* array = array_of(gradient);
    bool same = dtype_of_array(array) == meta.dtype && PyArray_NDIM(array) == meta.ndim;
    for (int i = 0; same && i < meta.ndim; ++i) same = PyArray_DIM(array, i) == meta.shape()[i];
    return same;
}

int finish_node(NodeObject* node) {
    if (registry.on_node == nullptr) return 0;
    PyObject* done = PyObject_CallOneArg(registry.on_node, as_object(node));
    if (done == nullptr) return -1;
    Py_DECREF(done);
    return 0;
}

}  // namespace pt::core
