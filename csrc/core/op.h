// What the files of the quick road share. See op.cpp.
#pragma once

#include "core/tensor.h"

namespace pt::core {

enum class Kind : uint8_t { unary, binary, reduction, matmul, linear, index };

// What a node saves, and for the gradient of which input it is needed.
enum class Saves : uint8_t { input, other, result };
struct SaveRule {
    Saves what;
    int8_t needed_by;  // input whose gradient needs it; -1: always
};

struct OpObject {
    PyObject_HEAD vectorcallfunc vectorcall;
    PyObject* slow;      // the Python function
    PyObject* dict;      // __name__, __doc__, __wrapped__ ...
    PyTypeObject* node;  // gradient node, or null for ops without a gradient
    Kind kind;
    bool floats_only;  // integers are promoted by the Python function
    bool swapped;      // a reflected operator: (b, a)
    int8_t save_count;
    int kernel;
    uint32_t dtypes;  // bit per DType that the kernel has
    SaveRule saves[3];
    int param_count;
    double params[4];
};

inline OpObject* as_op(PyObject* object) { return reinterpret_cast<OpObject*>(object); }

inline PyObject* call_slow(OpObject* op, PyObject* const* args, size_t nargsf, PyObject* names) {
    return PyObject_Vectorcall(op->slow, args, nargsf, names);
}

PyObject* call_index(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names);

}  // namespace pt::core
