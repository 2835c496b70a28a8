// GradientQueue: the gradients on their way back through the graph. The engine (pytensor/autograd/engine.py)
// says what happens to them; this holds them, adds them up, and hands out the youngest node that waits: a
// node's inputs are older than itself, so by then all its gradients have come. Nodes whose rule is known in C
// (rules.h) and that nobody watches do not get as far as Python.
#include "core/op.h"
#include "core/rules.h"
#include "kernels/pointwise/pointwise.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

namespace pt::core {

namespace {

struct Waiting {
    NodeObject* node;  // owned
    PyObject* grads;   // owned: a tensor, or a list (None where nothing came) for nodes with several outputs
};

struct Queues {
    std::map<uint64_t, Waiting, std::greater<>> nodes;    // by sequence, youngest first
    std::vector<std::pair<PyObject*, PyObject*>> leaves;  // owned (leaf, gradient), in order of arrival
    std::unordered_map<PyObject*, size_t> leaf_index;
    bool quick = false;           // may nodes run here?
    bool retain_graph = false;    // else they free what they saved
    PyObject* watched = nullptr;  // owned set of nodes whose gradients the engine wants to see, or null
    PyObject* leading = nullptr;  // owned set of the nodes that are to run, or null: all
};

struct QueueObject {
    PyObject_HEAD Queues* queues;
};

Queues& queues_of(PyObject* self) { return *reinterpret_cast<QueueObject*>(self)->queues; }

// Does nobody but the holder of one reference know this gradient and its memory?
bool is_held_alone(PyObject* grad) {
    const TensorObject* tensor = as_tensor(grad);
    if (!is_tensor(grad) || Py_REFCNT(grad) != 1 || tensor->requires_grad || tensor->base != nullptr ||
        tensor->weakrefs != nullptr || !PyArray_CheckExact(tensor->array) || Py_REFCNT(tensor->array) != 1)
        return false;
    constexpr int own = NPY_ARRAY_OWNDATA | NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_WRITEABLE;
    return (PyArray_FLAGS(array_of(tensor)) & own) == own;
}

// sum += grad where the queue alone holds the sum and nothing is to be recorded. False: not the case.
bool add_in_place(PyObject* sum, PyObject* grad) {
    static const int kernel = pointwise::find("add");
    if (!is_held_alone(sum) || !is_tensor(grad) || as_tensor(grad)->requires_grad ||
        !PyArray_CheckExact(as_tensor(grad)->array))
        return false;
    const ArrayView out = view_of(array_of(as_tensor(sum)));
    const ArrayView inputs[2] = {out, view_of(array_of(as_tensor(grad)))};
    if ((out.dtype != DType::float32 && out.dtype != DType::float64) || inputs[1].dtype != out.dtype ||
        inputs[1].ndim != out.ndim || !std::equal(out.shape, out.shape + out.ndim, inputs[1].shape))
        return false;
    ReleaseGil release(out.numel());
    pointwise::run(kernel, inputs, out, nullptr, out.dtype);
    return true;
}

// Adds `grad` (borrowed) to the gradient in `slot` (owned, may be null).
int add_to(PyObject*& slot, PyObject* grad) {
    if (slot == nullptr || slot == Py_None) {
        Py_XSETREF(slot, Py_NewRef(grad));
        return 0;
    }
    if (add_in_place(slot, grad)) return 0;
    PyObject* sum = PyNumber_Add(slot, grad);
    if (sum == nullptr) return -1;
    Py_SETREF(slot, sum);
    return 0;
}

int add_to_list(PyObject* list, Py_ssize_t index, PyObject* grad) {
    if (index < 0 || index >= PyList_GET_SIZE(list)) {
        PyErr_SetString(PyExc_IndexError, "gradient for an output that the node does not have");
        return -1;
    }
    PyObject* held = PyList_GET_ITEM(list, index);
    PyList_SET_ITEM(list, index, Py_NewRef(Py_None));  // the reference moves: add_to() looks at their number
    const int status = add_to(held, grad);
    PyList_SetItem(list, index, held);
    return status;
}

int add_for_node(Queues& queues, NodeObject* node, int output_nr, PyObject* grad) {
    auto [place, fresh] = queues.nodes.try_emplace(node->sequence, Waiting{node, nullptr});
    Waiting& waiting = place->second;
    if (fresh) {
        Py_INCREF(as_object(node));
        if (node->output_count > 1) {
            waiting.grads = PyList_New(node->output_count);
            if (waiting.grads == nullptr) return -1;
            for (int i = 0; i < node->output_count; ++i)
                PyList_SET_ITEM(waiting.grads, i, Py_NewRef(Py_None));
        }
    }
    return node->output_count > 1 ? add_to_list(waiting.grads, output_nr, grad) : add_to(waiting.grads, grad);
}

int add_for_leaf(Queues& queues, PyObject* leaf, PyObject* grad) {
    auto [place, fresh] = queues.leaf_index.try_emplace(leaf, queues.leaves.size());
    if (fresh) {
        queues.leaves.emplace_back(Py_NewRef(leaf), Py_NewRef(grad));
        return 0;
    }
    return add_to(queues.leaves[place->second].second, grad);
}

int add(Queues& queues, PyObject* target, int output_nr, PyObject* grad) {
    return PyObject_TypeCheck(target, &NodeType) ? add_for_node(queues, as_node(target), output_nr, grad)
                                                 : add_for_leaf(queues, target, grad);
}

// add(target, output_nr, gradient)
PyObject* method_add(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || !PyLong_Check(args[1]) || !is_tensor(args[2]))
        return PyErr_Format(PyExc_TypeError, "add(target: Node or Tensor, output_nr: int, gradient: Tensor)");
    if (add(queues_of(self), args[0], static_cast<int>(PyLong_AsLong(args[1])), args[2]) < 0) return nullptr;
    Py_RETURN_NONE;
}

bool fits(PyObject* target, int output_nr, PyObject* grad) {
    if (!is_tensor(grad)) return false;
    return PyObject_TypeCheck(target, &NodeType) ? fits_output(as_node(target), output_nr, as_tensor(grad))
                                                 : same_meta(as_tensor(target), as_tensor(grad));
}

// `grad` (stolen) as the gradient of what an edge leads to: summed over the axes that were broadcast. Null,
// with the error set or none, when it is not that.
PyObject* fitted(const Edge& edge, PyObject* grad) {
    if (fits(edge.target, edge.output_nr, grad)) return grad;
    PyObject* sum = nullptr;
    if (PyObject_TypeCheck(edge.target, &NodeType)) {
        const OutputMeta& meta = as_node(edge.target)->outputs[edge.output_nr];
        if (meta.ndim >= 0) sum = summed_to(as_tensor(grad), meta.ndim, meta.shape());
    } else if (PyArray_CheckExact(as_tensor(edge.target)->array)) {
        PyArrayObject* array = array_of(as_tensor(edge.target));
        sum =
            summed_to(as_tensor(grad), PyArray_NDIM(array), reinterpret_cast<int64_t*>(PyArray_DIMS(array)));
    }
    Py_DECREF(grad);
    if (sum != nullptr && !fits(edge.target, edge.output_nr, sum)) Py_CLEAR(sum);
    return sum;
}

// Runs the node's rule and passes its gradients on.
Quick run_here(Queues& queues, NodeObject* node, PyObject* grad) {
    const QuickRule* rule = quick_rule_of(Py_TYPE(as_object(node)));
    if (rule == nullptr || node->output_count != 1 || !is_tensor(grad)) return Quick::not_plain;
    PyObject* results[kMostInputs];
    Quick status = apply_rule(*rule, node, as_tensor(grad), results);
    if (status != Quick::done) return status;
    for (int i = 0; i < node->edge_count; ++i) {
        if (results[i] == nullptr) continue;
        results[i] = fitted(node->edges[i], results[i]);
        if (results[i] == nullptr) status = PyErr_Occurred() ? Quick::error : Quick::not_plain;
    }
    for (int i = 0; i < node->edge_count && status == Quick::done; ++i)
        if (results[i] != nullptr &&
            add(queues, node->edges[i].target, node->edges[i].output_nr, results[i]) < 0)
            status = Quick::error;
    for (int i = 0; i < node->edge_count; ++i) Py_XDECREF(results[i]);
    if (status == Quick::done && !queues.retain_graph) release_saved(node);
    return status;
}

// Does the engine want to see this node, because of hooks or captured gradients?
bool is_watched(const Queues& queues, NodeObject* node) {
    return node->dict != nullptr ||
           (queues.watched != nullptr && PySet_Contains(queues.watched, as_object(node)) != 0);
}

// pop() -> (node, gradient or list of gradients), None when no node waits
PyObject* method_pop(PyObject* self, PyObject*) {
    Queues& queues = queues_of(self);
    Waiting waiting{};
    for (;;) {
        if (queues.nodes.empty()) Py_RETURN_NONE;
        waiting = queues.nodes.begin()->second;
        queues.nodes.erase(queues.nodes.begin());
        if (!queues.quick || is_watched(queues, waiting.node)) break;
        const bool leads =
            queues.leading == nullptr || PySet_Contains(queues.leading, as_object(waiting.node)) != 0;
        const Quick status = leads ? run_here(queues, waiting.node, waiting.grads) : Quick::done;
        if (status == Quick::not_plain) break;
        Py_DECREF(as_object(waiting.node));
        Py_XDECREF(waiting.grads);
        if (status == Quick::error) return nullptr;
    }
    PyObject* pair = PyTuple_New(2);
    if (pair == nullptr) {
        Py_DECREF(as_object(waiting.node));
        Py_XDECREF(waiting.grads);
        return nullptr;
    }
    PyTuple_SET_ITEM(pair, 0, as_object(waiting.node));
    PyTuple_SET_ITEM(pair, 1, waiting.grads);
    return pair;
}

// send(node, gradients, mend): passes on what the rule of `node` gave, one gradient (or None) for each edge.
// One that has not the shape and dtype of what it belongs to is replaced by mend(node, index, gradient,
// target, output_nr).
PyObject* method_send(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || !PyObject_TypeCheck(args[0], &NodeType) || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "send(node: Node, gradients: tuple, mend)");
    NodeObject* node = as_node(args[0]);
    if (PyTuple_GET_SIZE(args[1]) != node->edge_count)
        return PyErr_Format(PyExc_RuntimeError, "send: %d edges, %zd gradients",
                            static_cast<int>(node->edge_count), PyTuple_GET_SIZE(args[1]));
    Queues& queues = queues_of(self);
    for (int i = 0; i < node->edge_count; ++i) {
        const Edge& edge = node->edges[i];
        PyObject* grad = PyTuple_GET_ITEM(args[1], i);
        if (edge.target == nullptr || grad == Py_None) continue;
        PyObject* fitting = fits(edge.target, edge.output_nr, grad)
                                ? Py_NewRef(grad)
                                : PyObject_CallFunction(args[2], "OiOOi", args[0], i, grad, edge.target,
                                                        static_cast<int>(edge.output_nr));
        if (fitting == nullptr) return nullptr;
        const int status = add(queues, edge.target, edge.output_nr, fitting);
        Py_DECREF(fitting);
        if (status < 0) return nullptr;
    }
    Py_RETURN_NONE;
}

// A new tensor with the values of a gradient that lies in memory of others. Null: not plain, or an error.
PyObject* plain_copy(const TensorObject* grad) {
    if (grad->requires_grad || !PyArray_CheckExact(grad->array)) return nullptr;
    PyArrayObject* array = array_of(grad);
    bool repeated = true;  // one value, as sum() gives it
    for (int i = 0; i < PyArray_NDIM(array); ++i) repeated = repeated && PyArray_STRIDE(array, i) == 0;
    const DType dtype = dtype_of_array(array);
    if ((!repeated && !PyArray_IS_C_CONTIGUOUS(array)) ||
        (dtype != DType::float32 && dtype != DType::float64))
        return nullptr;
    const ArrayView in = view_of(array);
    PyObject* copy = new_array(in.ndim, in.shape, dtype);
    if (copy == nullptr) return nullptr;
    const ArrayView out = view_of(reinterpret_cast<PyArrayObject*>(copy));
    {
        ReleaseGil release(out.numel());
        pointwise::cast(in, out);
    }
    return wrap(copy);
}

// Gives the leaf its gradient: as it is when nobody else holds it, else a copy. False when there is more to
// it: a gradient before this one, hooks, other layouts.
bool keep(PyObject* leaf, PyObject* grad) {
    static PyObject* const names[] = {PyUnicode_InternFromString("_backward_hooks"),
                                      PyUnicode_InternFromString("_post_accumulate_grad_hooks")};
    TensorObject* to = as_tensor(leaf);
    for (PyObject* name : names)
        if (to->dict != nullptr && PyDict_GetItem(to->dict, name) != nullptr) return false;
    if (to->grad != nullptr) return false;
    to->grad = is_held_alone(grad) ? Py_NewRef(grad) : plain_copy(as_tensor(grad));
    if (to->grad == nullptr) PyErr_Clear();  // the Python half says what is wrong
    return to->grad != nullptr;
}

// keep_plain(): gives leaves without gradient and hooks theirs, where no copy is needed; take_leaves() has
// the others.
PyObject* method_keep_plain(PyObject* self, PyObject*) {
    Queues& queues = queues_of(self);
    size_t left = 0;
    for (auto& pair : queues.leaves) {
        if (keep(pair.first, pair.second)) {
            Py_DECREF(pair.first);
            Py_DECREF(pair.second);
        } else {
            queues.leaves[left++] = pair;
        }
    }
    queues.leaves.resize(left);
    queues.leaf_index.clear();
    Py_RETURN_NONE;
}

// take_leaves() -> [[leaf, gradient], ...]; the queue forgets them
PyObject* method_take_leaves(PyObject* self, PyObject*) {
    Queues& queues = queues_of(self);
    PyObject* result = PyList_New(static_cast<Py_ssize_t>(queues.leaves.size()));
    for (size_t i = 0; result != nullptr && i < queues.leaves.size(); ++i) {
        PyObject* pair = PyList_New(2);
        if (pair == nullptr) {
            Py_CLEAR(result);
            break;
        }
        PyList_SET_ITEM(pair, 0, Py_NewRef(queues.leaves[i].first));
        PyList_SET_ITEM(pair, 1, Py_NewRef(queues.leaves[i].second));
        PyList_SET_ITEM(result, static_cast<Py_ssize_t>(i), pair);
    }
    if (result != nullptr) {
        for (auto& [leaf, grad] : queues.leaves) {
            Py_DECREF(leaf);
            Py_DECREF(grad);
        }
        queues.leaves.clear();
        queues.leaf_index.clear();
    }
    return result;
}

// GradientQueue(quick=False, retain_graph=False, watched=None, leading=None)
PyObject* queue_new(PyTypeObject* type, PyObject* args, PyObject*) {
    int quick = 0, retain_graph = 0;
    PyObject *watched = Py_None, *leading = Py_None;
    if (!PyArg_ParseTuple(args, "|ppOO", &quick, &retain_graph, &watched, &leading)) return nullptr;
    if ((watched != Py_None && !PyAnySet_Check(watched)) || (leading != Py_None && !PyAnySet_Check(leading)))
        return PyErr_Format(PyExc_TypeError, "GradientQueue: expected sets of nodes or None");
    PyObject* self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    try {
        reinterpret_cast<QueueObject*>(self)->queues = std::make_unique<Queues>().release();
    } catch (const std::bad_alloc&) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    Queues& queues = queues_of(self);
    queues.quick = quick != 0;
    queues.retain_graph = retain_graph != 0;
    if (watched != Py_None) queues.watched = Py_NewRef(watched);
    if (leading != Py_None) queues.leading = Py_NewRef(leading);
    return self;
}

// Only left behind by a pass that an exception ended: nothing keeps a queue alive in a cycle.
void queue_dealloc(PyObject* self) {
    std::unique_ptr<Queues> queues(reinterpret_cast<QueueObject*>(self)->queues);
    if (queues != nullptr) {
        for (auto& [sequence, waiting] : queues->nodes) {
            Py_DECREF(as_object(waiting.node));
            Py_XDECREF(waiting.grads);
        }
        for (auto& [leaf, grad] : queues->leaves) {
            Py_DECREF(leaf);
            Py_DECREF(grad);
        }
        Py_XDECREF(queues->watched);
        Py_XDECREF(queues->leading);
    }
    Py_TYPE(self)->tp_free(self);
}

PyCFunction fastcall(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef queue_methods[] = {
    {"add", fastcall(method_add), METH_FASTCALL, "add(target, output_nr, gradient)"},
    {"pop", method_pop, METH_NOARGS, "pop() -> (node, gradients) or None"},
    {"send", fastcall(method_send), METH_FASTCALL, "send(node, gradients, mend)"},
    {"keep_plain", method_keep_plain, METH_NOARGS, "Gives plain leaves their gradients."},
    {"take_leaves", method_take_leaves, METH_NOARGS, "take_leaves() -> [[leaf, gradient], ...]"},
    {nullptr, nullptr, 0, nullptr}};

PyTypeObject make_queue_type() {
    PyTypeObject type = {PyVarObject_HEAD_INIT(nullptr, 0)};
    type.tp_name = "pytensor._C.GradientQueue";
    type.tp_basicsize = sizeof(QueueObject);
    type.tp_flags = Py_TPFLAGS_DEFAULT;
    type.tp_new = queue_new;
    type.tp_dealloc = queue_dealloc;
    type.tp_methods = queue_methods;
    return type;
}
PyTypeObject QueueType = make_queue_type();

}  // namespace

void add_queue(py::module_& m) {
    if (PyType_Ready(&QueueType) < 0) throw py::error_already_set();
    m.attr("GradientQueue") = py::handle(as_object(&QueueType));
}

}  // namespace pt::core
