// GradientQueue: the gradients on their way back through the graph. The engine (pytensor/autograd/engine.py)
// says what happens to them; this holds them, adds them up, and hands out the youngest node that waits: a
// node's inputs are older than itself, so by then all its gradients have come.
#include "core/tensor.h"

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
};

struct QueueObject {
    PyObject_HEAD Queues* queues;
};

Queues& queues_of(PyObject* self) { return *reinterpret_cast<QueueObject*>(self)->queues; }

// Adds `grad` (borrowed) to the gradient in `slot` (owned, may be null).
int add_to(PyObject*& slot, PyObject* grad) {
    if (slot == nullptr || slot == Py_None) {
        Py_XSETREF(slot, Py_NewRef(grad));
        return 0;
    }
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
    PyObject* held = Py_NewRef(PyList_GET_ITEM(list, index));
    if (add_to(held, grad) < 0) {
        Py_DECREF(held);
        return -1;
    }
    return PyList_SetItem(list, index, held);
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

// pop() -> (node, gradient or list of gradients), None when no node waits
PyObject* method_pop(PyObject* self, PyObject*) {
    Queues& queues = queues_of(self);
    if (queues.nodes.empty()) Py_RETURN_NONE;
    const Waiting waiting = queues.nodes.begin()->second;
    queues.nodes.erase(queues.nodes.begin());
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

bool fits(PyObject* target, int output_nr, PyObject* grad) {
    if (!is_tensor(grad)) return false;
    return PyObject_TypeCheck(target, &NodeType) ? fits_output(as_node(target), output_nr, as_tensor(grad))
                                                 : same_meta(as_tensor(target), as_tensor(grad));
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

PyObject* queue_new(PyTypeObject* type, PyObject*, PyObject*) {
    PyObject* self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    try {
        reinterpret_cast<QueueObject*>(self)->queues = std::make_unique<Queues>().release();
    } catch (const std::bad_alloc&) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
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
