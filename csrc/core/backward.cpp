// The plain backward pass from a single number, and what other passes begin with: the gradient of such a
// number, and for autograd.grad the nodes between the outputs and the inputs.
#include "core/queue.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pt::core {

namespace {

// What gradients are asked for: leaves, and outputs of nodes.
struct Wanted {
    std::unordered_set<PyObject*> leaves;
    std::set<std::pair<PyObject*, int>> outputs;

    bool holds(const Edge& edge) const {
        return PyObject_TypeCheck(edge.target, &NodeType) ? outputs.count({edge.target, edge.output_nr}) > 0
                                                          : leaves.count(edge.target) > 0;
    }
};

bool is_node(PyObject* object) { return object != nullptr && PyObject_TypeCheck(object, &NodeType); }

std::vector<NodeObject*> nodes_below(const py::sequence& roots) {
    std::vector<NodeObject*> found, stack;
    std::unordered_set<NodeObject*> seen;
    const auto visit = [&](PyObject* target) {
        if (is_node(target) && seen.insert(as_node(target)).second) stack.push_back(as_node(target));
    };
    for (const py::handle& root : roots) visit(root.ptr());
    while (!stack.empty()) {
        NodeObject* node = stack.back();
        stack.pop_back();
        found.push_back(node);
        for (int i = 0; i < node->edge_count; ++i) visit(node->edges[i].target);
    }
    return found;
}

// leading_nodes(roots, inputs) -> the set of nodes from which `inputs` are reached; roots and inputs as the
// engine has them: nodes or leaves, tensors.
py::set leading_nodes(const py::sequence& roots, const py::sequence& inputs) {
    Wanted wanted;
    for (const py::handle& input : inputs) {
        TensorObject* tensor = as_tensor(input.ptr());
        if (tensor->grad_fn == nullptr)
            wanted.leaves.insert(input.ptr());
        else
            wanted.outputs.insert({tensor->grad_fn, tensor->output_nr});
    }
    std::vector<NodeObject*> nodes = nodes_below(roots);
    // A node's inputs are older than itself: in this order they are known when it comes.
    std::sort(nodes.begin(), nodes.end(),
              [](const NodeObject* a, const NodeObject* b) { return a->sequence < b->sequence; });
    std::unordered_set<PyObject*> leading;
    py::set result;
    for (NodeObject* node : nodes)
        for (int i = 0; i < node->edge_count; ++i) {
            const Edge& edge = node->edges[i];
            if (edge.target == nullptr || (leading.count(edge.target) == 0 && !wanted.holds(edge))) continue;
            leading.insert(as_object(node));
            if (PySet_Add(result.ptr(), as_object(node)) < 0) throw py::error_already_set();
            break;
        }
    return result;
}

// A tensor of one in the root's shape and dtype. Null without an error when the root is not a single float
// that requires grad.
PyObject* one_for(PyObject* root) {
    if (!is_tensor(root) || !as_tensor(root)->requires_grad || !PyArray_CheckExact(as_tensor(root)->array))
        return nullptr;
    const ArrayView view = view_of(array_of(as_tensor(root)));
    if ((view.dtype != DType::float32 && view.dtype != DType::float64) || view.numel() != 1) return nullptr;
    PyObject* array = new_array(view.ndim, view.shape, view.dtype);
    if (array == nullptr) return nullptr;
    void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(array));
    if (view.dtype == DType::float32)
        *static_cast<float*>(data) = 1;
    else
        *static_cast<double*>(data) = 1;
    return wrap(array);
}

// ones_for(root) -> that tensor; None when the root is another one, which the engine explains.
PyObject* ones_for(PyObject*, PyObject* root) {
    PyObject* one = one_for(root);
    return one != nullptr || PyErr_Occurred() != nullptr ? one : Py_NewRef(Py_None);
}

// ---- the plain pass ---------------------------------------------------------------------------------------

// The parts of pytensor/autograd/engine.py for what is not plain.
PyObject* run_node = nullptr;     // (node, gradients) -> gradients of its inputs; frees what it saved
PyObject* mend = nullptr;         // see send_gradients
PyObject* finish_leaf = nullptr;  // ([leaf, gradient])

// One node whose rule is Python's. Both fields of `waiting` are taken over.
int run_in_python(Queues& queues, Waiting waiting) {
    PyObject* args[] = {as_object(waiting.node), waiting.grads};
    PyObject* result = PyObject_Vectorcall(run_node, args, 2, nullptr);
    Py_DECREF(waiting.grads);  // what the queue alone holds it adds to in place
    const int status = result != nullptr ? send_gradients(queues, waiting.node, result, mend) : -1;
    Py_XDECREF(result);
    Py_DECREF(as_object(waiting.node));
    return status;
}

int finish_leaves(Queues& queues) {
    if (keep_plain(queues) < 0) return -1;
    if (queues.leaves.empty()) return 0;
    PyObject* entries = take_leaves(queues);
    if (entries == nullptr) return -1;
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(entries); ++i) {
        PyObject* done = PyObject_CallOneArg(finish_leaf, PyList_GET_ITEM(entries, i));
        status = done != nullptr ? 0 : -1;
        Py_XDECREF(done);
    }
    Py_DECREF(entries);
    return status;
}

int run_pass(PyObject* end, int output_nr, PyObject* grad) {
    Queues queues;
    queues.quick = true;
    int status = add_gradient(queues, end, output_nr, grad);
    Py_DECREF(grad);  // before the pass: what the queue alone holds it adds to in place
    while (status == 0) {
        Waiting waiting;
        status = next_node(queues, &waiting);
        if (status < 0 || waiting.node == nullptr) break;
        status = run_in_python(queues, waiting);
    }
    return status == 0 ? finish_leaves(queues) : status;
}

// backward(root) -> True when done; False, and nothing was done, when this is not a plain pass: the root is
// no single float in a graph, or anomaly mode is on.
PyObject* backward(PyObject*, PyObject* root) {
    if (registry.on_node != nullptr || !is_tensor(root)) Py_RETURN_FALSE;
    TensorObject* tensor = as_tensor(root);
    if (needs_grad(tensor) < 0) return nullptr;
    PyObject* grad = one_for(root);
    if (grad == nullptr) return PyErr_Occurred() != nullptr ? nullptr : Py_NewRef(Py_False);
    PyObject* end = Py_NewRef(tensor->grad_fn != nullptr ? tensor->grad_fn : root);
    const bool before = modes.grad;
    modes.grad = false;
    const int status = run_pass(end, tensor->output_nr, grad);
    modes.grad = before;
    Py_DECREF(end);
    return status < 0 ? nullptr : Py_NewRef(Py_True);
}

PyMethodDef functions[] = {
    {"ones_for", ones_for, METH_O, "ones_for(root) -> Tensor or None"},
    {"backward", backward, METH_O, "backward(root) -> bool: the plain pass, True when it was one"},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_backward(py::module_& m) {
    m.def("leading_nodes", &leading_nodes);
    m.def("register_engine", [](py::object node, py::object mend_gradient, py::object leaf) {
        run_node = node.inc_ref().ptr();
        mend = mend_gradient.inc_ref().ptr();
        finish_leaf = leaf.inc_ref().ptr();
    });
    if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace pt::core
