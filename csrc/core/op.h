// What the files of the quick road share. See op.cpp.
#pragma once

#include "core/tensor.h"

namespace pt::core {

enum class Kind : uint8_t {
    unary,
    binary,
    ternary,
    where,
    clamp,
    power,
    reduction,
    matmul,
    linear,
    fused,
    index,
    write,
    view,
    parts,
    other,
    cat,
    stack,
    gather,
    take,
    factory,
};

// What a node saves, and for the gradient of which input it is needed.
enum class Saves : uint8_t { input, other, third, result };
struct SaveRule {
    Saves what;
    int8_t needed_by;  // input whose gradient needs it; -1: always
};

constexpr int kMaxOpParams = 6;

// What the scalars of a call must be; others are errors, which Python words.
enum class Check : uint8_t { none, ordered, not_negative, not_zero };

struct OpObject {
    PyObject_HEAD vectorcallfunc vectorcall;
    PyObject* slow;       // the Python function
    PyObject* dict;       // __name__, __doc__, __wrapped__ ...
    PyTypeObject* node;   // gradient node, or null for ops without a gradient
    PyObject* arguments;  // tuple of the names of the scalars after the operands, or null
    PyObject* alternate;  // see make_op in pytensor/ops/pointwise_core.py, or null
    PyObject* choices;    // (name, {value: Op}) of an argument that chooses among ops, or null
    Kind kind;
    Check check;
    bool floats_only;   // integers are promoted by the Python function
    bool swapped;       // a reflected operator: (b, a)
    bool mixed;         // operands of several dtypes are promoted here
    bool inplace;       // the result is stored in the first operand
    bool tensors_only;  // no operand may be a number
    int8_t save_count;
    int8_t required;      // of the arguments
    int8_t scalar_count;  // of the arguments; one beyond must be False (inplace)
    int kernel;
    uint32_t dtypes;  // bit per DType that the kernel has
    SaveRule saves[3];
    int param_count;
    double params[kMaxOpParams];
};

inline OpObject* as_op(PyObject* object) { return reinterpret_cast<OpObject*>(object); }

inline PyObject* call_slow(OpObject* op, PyObject* const* args, size_t nargsf, PyObject* names) {
    return PyObject_Vectorcall(op->slow, args, nargsf, names);
}

inline bool has_kernel(const OpObject* op, DType dtype) {
    return dtype != DType::unsupported && (op->dtypes >> static_cast<int>(dtype) & 1u) != 0;
}

// The array of a CPU tensor whose dtype the kernel has, else null.
inline PyArrayObject* quick_array(const OpObject* op, PyObject* object, DType* dtype) {
    *dtype = DType::unsupported;
    if (!is_tensor(object) || !PyArray_CheckExact(as_tensor(object)->array)) return nullptr;
    PyArrayObject* array = array_of(as_tensor(object));
    *dtype = dtype_of_array(array);
    return has_kernel(op, *dtype) ? array : nullptr;
}

struct Operand {
    PyObject* object;      // tensor or Python number
    TensorObject* tensor;  // null for a number
    bool needs;            // takes part in the graph
};

// Fills `needs`; false on a Python error.
bool ask_needs(const OpObject* op, Operand* operands, int count);

// Wraps `array` (stolen) and records the node when one of `count` operands needs a gradient. `operands` may
// hold more that are saved only.
PyObject* finish(const OpObject* op, PyObject* array, const Operand* operands, int count,
                 PyObject* ctx = nullptr);

// (values, indices) as a tuple of `type`, whose items have names; records the values with the indices saved
// when the input needs it. Takes over all references; null when one of the tensors is.
PyObject* finish_selected(const Operand& input, PyObject* values, PyObject* indices, PyTypeObject* node_type,
                          PyObject* ctx, PyTypeObject* type);

// A Python number as an operand of tensors of `dtype`: stored as that dtype. False when PyTorch would
// promote the result instead, or the number does not fit.
bool scalar_as(PyObject* number, DType dtype, char* storage);

// The common shape; false when the shapes do not broadcast.
bool broadcast_shape(const ArrayView* views, int count, int64_t* shape, int* ndim);

// An exact int; false for anything else.
inline bool read_int(PyObject* object, int64_t* value) {
    if (!PyLong_CheckExact(object)) return false;
    int overflow = 0;
    *value = PyLong_AsLongLongAndOverflow(object, &overflow);
    return overflow == 0;
}

// Exact ints, given as f(2, 3) or f((2, 3)), at most kMaxDims.
bool read_ints(PyObject* const* args, Py_ssize_t count, int64_t* values, int* n);

// The arguments of a call after its `operands` tensors, by position or by name, null where not given. False
// for anything unexpected. `expected`: their names, at most kMaxOpParams.
bool sort_arguments(PyObject* expected, int operands, PyObject* const* args, Py_ssize_t count,
                    PyObject* names, PyObject** given);

int find_view(const char* name);  // what call_view() is to do, -1 when there is no such view
enum Parts { kSplit, kChunk, kUnbind };

PyObject* call_index(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_set_index(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_write(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_view(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_parts(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_join(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_gather(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_take(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_unary(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_operands(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_clamp(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_sizes(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_full(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_randint(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_arange(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_like(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_tensor(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_reduction(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_cast(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_flip(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_pad(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_sort(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_masked_fill(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_one_hot(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_nonzero(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_cross_entropy(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_softmax(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_layer_norm(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_nll_loss(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);
PyObject* call_power(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);

}  // namespace pt::core
