// Gradient rules that run without Python. See rules.cpp.
#pragma once

#include "core/tensor.h"

namespace pt::core {

constexpr int kMostInputs = 3;  // of a node with a quick rule

struct QuickRule;
const QuickRule* quick_rule_of(PyTypeObject* node_type);  // null when the rule is Python's alone

enum class Quick { done, not_plain, error };

// The gradients of the inputs of `node` that are wanted: new references, null for the others. `not_plain`:
// nothing was done, the Python rule has to be asked.
Quick apply_rule(const QuickRule& rule, NodeObject* node, TensorObject* gradient, PyObject** result);

// `gradient` summed over the axes that were broadcast, so that it has this shape: a new tensor, null with no
// error set when that is not what is missing.
PyObject* summed_to(TensorObject* gradient, int ndim, const int64_t* shape);

}  // namespace pt::core
