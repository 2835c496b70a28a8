// Pointwise ops: out[i] = op(in0[i], in1[i], ...) with 1 to 3 inputs.
//
// Contract of run(): every input has the same dtype, one that supports() accepts; out has result_dtype();
// each input's shape broadcasts to out's (missing and size-1 axes count as stride 0); any strides; out is
// either disjoint from an input or the very same memory with the same strides. `params` holds the op's
// scalars (leaky_relu's slope, clamp's bounds ...), null for ops that have none.
// `where` alone takes a boolean first input; its dtype is that of the other two.
#pragma once

#include "base/array_view.h"

namespace pt::pointwise {

int find(const char* name);  // index of an op in kernels.inc, -1 when there is none
const char* name(int op);
int arity(int op);       // number of array inputs
int num_params(int op);  // scalars that `params` must hold
int num_ops();
bool supports(int op, DType input);       // is there a kernel for inputs of this dtype?
DType result_dtype(int op, DType input);  // boolean for comparisons and predicates, else `input`
void run(int op, const ArrayView* inputs, const ArrayView& out, const double* params);

}  // namespace pt::pointwise
