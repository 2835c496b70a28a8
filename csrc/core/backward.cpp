// What a backward pass begins with: the gradient of a single number, and for autograd.grad the nodes between
// the outputs and the inputs.
#include "core/tensor.h"

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

// ones_for(root) -> a tensor of one in the root's shape and dtype; None when the root is not a single float
// that requires grad, which the engine explains.
PyObject* ones_for(PyObject*, PyObject* root) {
    if (!is_tensor(root) || !as_tensor(root)->requires_grad || !PyArray_CheckExact(as_tensor(root)->array))
        Py_RETURN_NONE;
    const ArrayView view = view_of(array_of(as_tensor(root)));
    if ((view.dtype != DType::float32 && view.dtype != DType::float64) || view.numel() != 1) Py_RETURN_NONE;
    PyObject* array = new_array(view.ndim, view.shape, view.dtype);
    if (array == nullptr) return nullptr;
    void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(array));
    if (view.dtype == DType::float32)
        *static_cast<float*>(data) = 1;
    else
        *static_cast<double*>(data) = 1;
    return wrap(array);
}

PyMethodDef functions[] = {{"ones_for", ones_for, METH_O, "ones_for(root) -> Tensor or None"},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_backward(py::module_& m) {
    m.def("leading_nodes", &leading_nodes);
    if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace pt::core
