// The two objects every eager operation makes: TensorObject, the C half of pytensor.Tensor, and NodeObject,
// the C half of an autograd node. They hold state and are made quickly; what they mean (gradient rules, the
// backward engine, views, printing) is Python, in pytensor/autograd and pytensor/tensor.py.
//
// Everything here runs under the GIL.
#pragma once

#include "bindings/numpy.h"

namespace pt::core {

// Shared by all tensors that view one storage; counts in-place writes.
struct VersionCounter {
    int64_t references = 1;
    int64_t version = 0;
};

enum class ViewKind : uint8_t {
    none,            // not a view, or one that has no part in autograd (detach)
    differentiable,  // an ordinary view: in-place writes rebase the history of its base
    no_grad,         // made while grad mode was off
    multi_output,    // one of several outputs of one op (unbind, split): may not be written in place
    inference,       // made in inference mode
};

struct TensorObject {
    PyObject_HEAD PyObject* array;  // numpy.ndarray or cupy.ndarray, never null
    PyObject* grad_fn;              // NodeObject that made it, or null
    PyObject* grad;                 // Tensor or null
    PyObject* base;                 // for views: the tensor whose history they share, or null
    PyObject* dict;                 // attributes, hooks
    PyObject* weakrefs;
    VersionCounter* version;  // null until shared or counted: version 0
    int64_t view_version;     // for views: the version at which grad_fn was made
    int32_t output_nr;        // which output of grad_fn
    bool requires_grad;       // a leaf that wants a gradient, or has a grad_fn
    bool retains_grad;
    bool inference;  // made in inference mode
    ViewKind view_kind;
};

struct Edge {
    PyObject* target;  // NodeObject, or the leaf TensorObject to accumulate into, or null
    int32_t output_nr;
};

struct SavedValue {
    PyObject* value;          // a tensor, the array of an output, or any other object; null when freed
    VersionCounter* version;  // for outputs; null for everything else
    int64_t expected;         // the version at the time of saving
    int32_t output;           // >= 0: `value` is the array of this output
};

// Shape and type of an output, to check gradients against.
constexpr int kInlineDims = 5;
struct OutputMeta {
    DType dtype;
    int32_t ndim;  // -1: the op gave no such output
    int64_t dims[kInlineDims];
    int64_t* more_dims;  // instead of dims when ndim > kInlineDims
    const int64_t* shape() const { return ndim > kInlineDims ? more_dims : dims; }
};

struct NodeObject {
    PyObject_HEAD PyObject* ctx;  // what the op wants to remember besides tensors, or null
    PyObject* dict;               // hooks, anomaly traceback
    PyObject* weakrefs;
    uint64_t sequence;  // creation order: a node's inputs always have smaller numbers
    int32_t edge_count;
    int32_t saved_count;
    int32_t output_count;
    bool freed;
    Edge* edges;  // these three point at the inline storage below, or to the heap when that is too small
    SavedValue* saved;
    OutputMeta* outputs;
    Edge inline_edges[3];
    SavedValue inline_saved[3];
    OutputMeta inline_output;
};

extern PyTypeObject TensorType;
extern PyTypeObject NodeType;

inline bool is_tensor(PyObject* object) { return PyObject_TypeCheck(object, &TensorType); }
inline TensorObject* as_tensor(PyObject* object) { return reinterpret_cast<TensorObject*>(object); }
inline NodeObject* as_node(PyObject* object) { return reinterpret_cast<NodeObject*>(object); }
template <class T>
inline PyObject* as_object(T* pointer) {
    return reinterpret_cast<PyObject*>(pointer);
}
inline PyArrayObject* array_of(const TensorObject* tensor) {
    return reinterpret_cast<PyArrayObject*>(tensor->array);
}

// What the Python half registers at import; see pytensor/autograd/node.py.
struct Registry {
    PyTypeObject* tensor_class = nullptr;  // pytensor.Tensor
    PyTypeObject* size_class = nullptr;    // pytensor.Size
    PyObject* dtypes[static_cast<int>(DType::unsupported)] = {};
    PyObject* refresh_view = nullptr;   // (view) -> None: make grad_fn anew after a write to its storage
    PyObject* version_error = nullptr;  // (value, node, expected, found): raises
    PyObject* freed_error = nullptr;    // (): raises
    PyObject* on_node = nullptr;        // (node): anomaly mode, else null
    DType default_dtype = DType::float32;
    bool default_cpu = true;            // new tensors are made on the CPU
    PyObject* cpu = nullptr;            // device("cpu")
    PyTypeObject* index_nodes[4] = {};  // select, slice, unsqueeze, alias
};
extern Registry registry;

struct Modes {
    bool grad = true;
    bool inference = false;
};
extern thread_local Modes modes;

// A new pytensor.Tensor around `array` (reference stolen). Null with a Python error on failure.
PyObject* wrap(PyObject* array);

int64_t version_of(const TensorObject* tensor);
VersionCounter* share_version(TensorObject* tensor);  // borrowed; makes the counter when there is none

// Does this tensor take part in a graph? Brings a view's history up to date first; -1 on error.
int refresh_needs_grad(TensorObject* tensor);
inline int needs_grad(TensorObject* tensor) {
    return tensor->base == nullptr ? tensor->requires_grad : refresh_needs_grad(tensor);
}

// A node with `edge_count` edges and `saved_count` values, all null. Null on error.
NodeObject* new_node(PyTypeObject* type, int edge_count, int saved_count, int output_count);
void set_edge(NodeObject* node, int index, TensorObject* input);  // input: one that needs_grad()
void save_object(NodeObject* node, int index, PyObject* object);
void save_tensor(NodeObject* node, int index, TensorObject* tensor);
int save_output(NodeObject* node, int index, TensorObject* tensor, int output);
int attach_output(NodeObject* node, int index,
                  TensorObject* tensor);  // makes `tensor` output `index` of `node`
int finish_node(NodeObject* node);        // tells anomaly mode
void release_saved(NodeObject* node);     // frees the saved values

// Has the gradient the shape and dtype of this output, of this tensor? (CUDA arrays: false, Python looks.)
bool fits_output(const NodeObject* node, int output_nr, const TensorObject* gradient);
bool same_meta(const TensorObject* tensor, const TensorObject* gradient);

bool is_cpu(PyObject* device);  // "cpu" or device("cpu")

PyObject* size_from(int ndim, const int64_t* shape);  // pytensor.Size

// `array` (stolen), a view of source's array, as a tensor that shares source's version counter and history.
PyObject* make_view(TensorObject* source, PyObject* array, PyTypeObject* node_type, PyObject* ctx,
                    ViewKind kind);
// Views of several parts, with one node whose outputs they are; in-place operations on them are refused.
PyObject* make_views(TensorObject* source, PyObject* arrays, PyTypeObject* node_type, PyObject* ctx);

void add_types(py::module_& m);      // TensorBase, NodeBase
void add_functions(py::module_& m);  // record, modes, registration
void add_queue(py::module_& m);      // GradientQueue
void add_backward(py::module_& m);   // what a pass begins with
void add_rules(py::module_& m);      // register_quick_rule
void add_ops(py::module_& m);        // Op, the quick road of common ops

}  // namespace pt::core
