// GradientQueue: the gradients on their way back through the graph. The engine (pytensor/autograd/engine.py)
// says what happens to them; this holds them, adds them up, and hands out the youngest node that waits: a
// node's inputs are older than itself, so by then all its gradients have come. Nodes whose rule is known in C
// (rules.h) and that nobody watches do not get as far as Python.
#include "core/queue.h"

#include "core/op.h"
#include "core/rules.h"
#include "kernels/pointwise/pointwise.h"

#include <algorithm>
#include <memory>
#include <new>

namespace pt::core {

namespace {

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

// Where a node's gradients wait: the place that it has, or a new and empty one.
Waiting& place_for(Queues& queues, NodeObject* node) {
    Waiting& first = queues.youngest;
    if (first.node == node) return first;
    const uint64_t newest = first.node != nullptr   ? first.node->sequence
                            : !queues.nodes.empty() ? queues.nodes.begin()->first
                                                    : 0;
    if (node->sequence > newest || (first.node == nullptr && queues.nodes.empty())) {
        if (first.node != nullptr) queues.nodes.emplace(first.node->sequence, first);
        first = {node, nullptr};
        return first;
    }
    return queues.nodes.try_emplace(node->sequence, Waiting{node, nullptr}).first->second;
}

int add_for_node(Queues& queues, NodeObject* node, int output_nr, PyObject* grad) {
    Waiting& waiting = place_for(queues, node);
    if (waiting.grads == nullptr) {
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

constexpr size_t kFewLeaves = 8;  // are found by looking at all

// The number of a leaf in the queue; that of the next one when it is new.
size_t index_of(Queues& queues, PyObject* leaf) {
    const size_t count = queues.leaves.size();
    if (count <= kFewLeaves) {
        size_t i = 0;
        while (i < count && queues.leaves[i].first != leaf) ++i;
        return i;
    }
    if (queues.leaf_index.empty())
        for (size_t i = 0; i < count; ++i) queues.leaf_index.emplace(queues.leaves[i].first, i);
    return queues.leaf_index.try_emplace(leaf, count).first->second;
}

int add_for_leaf(Queues& queues, PyObject* leaf, PyObject* grad) {
    const size_t index = index_of(queues, leaf);
    if (index < queues.leaves.size()) return add_to(queues.leaves[index].second, grad);
    queues.leaves.emplace_back(Py_NewRef(leaf), Py_NewRef(grad));
    return 0;
}

// add(target, output_nr, gradient)
PyObject* method_add(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || !PyLong_Check(args[1]) || !is_tensor(args[2]))
        return PyErr_Format(PyExc_TypeError, "add(target: Node or Tensor, output_nr: int, gradient: Tensor)");
    if (add_gradient(queues_of(self), args[0], static_cast<int>(PyLong_AsLong(args[1])), args[2]) < 0)
        return nullptr;
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
            add_gradient(queues, node->edges[i].target, node->edges[i].output_nr, results[i]) < 0)
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

void drop(Waiting& waiting) {
    Py_XDECREF(as_object(waiting.node));
    Py_XDECREF(waiting.grads);
    waiting = {nullptr, nullptr};
}

// pop() -> (node, gradient or list of gradients), None when no node waits
PyObject* method_pop(PyObject* self, PyObject*) {
    Waiting waiting;
    if (next_node(queues_of(self), &waiting) < 0) return nullptr;
    if (waiting.node == nullptr) Py_RETURN_NONE;
    PyObject* pair = PyTuple_New(2);
    if (pair == nullptr) {
        drop(waiting);
        return nullptr;
    }
    PyTuple_SET_ITEM(pair, 0, as_object(waiting.node));
    PyTuple_SET_ITEM(pair, 1, waiting.grads);
    return pair;
}

// send(node, gradients, mend)
PyObject* method_send(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count != 3 || !PyObject_TypeCheck(args[0], &NodeType))
        return PyErr_Format(PyExc_TypeError, "send(node: Node, gradients: tuple, mend)");
    if (send_gradients(queues_of(self), as_node(args[0]), args[1], args[2]) < 0) return nullptr;
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

// held += grad, as Python's accumulate() does it
bool add_to_held(PyObject* held, PyObject* grad) {
    static PyObject* const name = PyUnicode_InternFromString("add_");
    PyObject* done = PyObject_CallMethodOneArg(held, name, grad);
    Py_XDECREF(done);
    return done != nullptr;
}

enum class Kept { yes, no, error };

// Gives the leaf its gradient: added to the one before, as it is when nobody else holds it, else a copy. `no`
// when there is more to it: hooks, other layouts.
Kept keep(PyObject* leaf, PyObject* grad) {
    static PyObject* const names[] = {PyUnicode_InternFromString("_backward_hooks"),
                                      PyUnicode_InternFromString("_post_accumulate_grad_hooks")};
    TensorObject* to = as_tensor(leaf);
    for (PyObject* name : names)
        if (to->dict != nullptr && PyDict_GetItem(to->dict, name) != nullptr) return Kept::no;
    if (to->grad != nullptr) return add_to_held(to->grad, grad) ? Kept::yes : Kept::error;
    to->grad = is_held_alone(grad) ? Py_NewRef(grad) : plain_copy(as_tensor(grad));
    if (to->grad == nullptr) PyErr_Clear();  // the Python half says what is wrong
    return to->grad != nullptr ? Kept::yes : Kept::no;
}

// keep_plain(): gives leaves without hooks theirs; take_leaves() has the others.
PyObject* method_keep_plain(PyObject* self, PyObject*) {
    if (keep_plain(queues_of(self)) < 0) return nullptr;
    Py_RETURN_NONE;
}

// take_leaves() -> [[leaf, gradient], ...]; the queue forgets them
PyObject* method_take_leaves(PyObject* self, PyObject*) { return take_leaves(queues_of(self)); }

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

void queue_dealloc(PyObject* self) {
    std::unique_ptr<Queues>(reinterpret_cast<QueueObject*>(self)->queues).reset();
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

Queues::~Queues() {
    drop(youngest);
    for (auto& [sequence, waiting] : nodes) drop(waiting);
    for (auto& [leaf, grad] : leaves) {
        Py_DECREF(leaf);
        Py_DECREF(grad);
    }
    Py_XDECREF(watched);
    Py_XDECREF(leading);
}

int add_gradient(Queues& queues, PyObject* target, int output_nr, PyObject* grad) {
    return PyObject_TypeCheck(target, &NodeType) ? add_for_node(queues, as_node(target), output_nr, grad)
                                                 : add_for_leaf(queues, target, grad);
}

int next_node(Queues& queues, Waiting* waiting) {
    for (;;) {
        *waiting = {nullptr, nullptr};
        if (queues.youngest.node != nullptr) {
            std::swap(*waiting, queues.youngest);
        } else if (!queues.nodes.empty()) {
            *waiting = queues.nodes.begin()->second;
            queues.nodes.erase(queues.nodes.begin());
        } else {
            return 0;
        }
        if (!queues.quick || is_watched(queues, waiting->node)) return 0;
        const bool leads =
            queues.leading == nullptr || PySet_Contains(queues.leading, as_object(waiting->node)) != 0;
        const Quick status = leads ? run_here(queues, waiting->node, waiting->grads) : Quick::done;
        if (status == Quick::not_plain) return 0;
        drop(*waiting);
        if (status == Quick::error) return -1;
    }
}

int send_gradients(Queues& queues, NodeObject* node, PyObject* grads, PyObject* mend) {
    if (!PyTuple_Check(grads) || PyTuple_GET_SIZE(grads) != node->edge_count) {
        PyErr_Format(PyExc_RuntimeError, "send: expected a tuple of %d gradients",
                     static_cast<int>(node->edge_count));
        return -1;
    }
    for (int i = 0; i < node->edge_count; ++i) {
        const Edge& edge = node->edges[i];
        PyObject* grad = PyTuple_GET_ITEM(grads, i);
        if (edge.target == nullptr || grad == Py_None) continue;
        PyObject* fitting = fits(edge.target, edge.output_nr, grad)
                                ? Py_NewRef(grad)
                                : PyObject_CallFunction(mend, "OiOOi", as_object(node), i, grad, edge.target,
                                                        static_cast<int>(edge.output_nr));
        if (fitting == nullptr) return -1;
        const int status = add_gradient(queues, edge.target, edge.output_nr, fitting);
        Py_DECREF(fitting);
        if (status < 0) return -1;
    }
    return 0;
}

int keep_plain(Queues& queues) {
    size_t left = 0;
    bool failed = false;
    for (auto& pair : queues.leaves) {
        const Kept kept = failed ? Kept::no : keep(pair.first, pair.second);
        failed |= kept == Kept::error;
        if (kept == Kept::yes) {
            Py_DECREF(pair.first);
            Py_DECREF(pair.second);
        } else {
            queues.leaves[left++] = pair;
        }
    }
    queues.leaves.resize(left);
    queues.leaf_index.clear();
    return failed ? -1 : 0;
}

PyObject* take_leaves(Queues& queues) {
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

void add_queue(py::module_& m) {
    if (PyType_Ready(&QueueType) < 0) throw py::error_already_set();
    m.attr("GradientQueue") = py::handle(as_object(&QueueType));
}

}  // namespace pt::core
