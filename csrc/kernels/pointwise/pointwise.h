// Pointwise ops: out[i] = op(in0[i], in1[i], ...) with 1 to 3 inputs.
//
// Contract of run(): each input's shape broadcasts to out's (missing and size-1 axes count as stride 0); any
// strides; out is either disjoint from an input or the very same memory with the same strides and dtype.
// Inputs are cast to `dtype`, one that supports() accepts, as they are read; out has result_dtype(op, dtype).
// `params` holds the op's scalars (leaky_relu's slope, clamp's bounds ...), null for ops that have none.
// `where` alone takes a boolean first input, whatever `dtype` is.
// float16 and bfloat16 are computed in float32 and rounded once, int8 and int16 in int32. Beside them, inputs
// of other types are rounded to theirs first, save a number that `mul` or `div` has as its second input: that
// counts as a float32. The scalars of add_scaled, clamp and hardshrink are rounded too.
#pragma once

#include "base/array_view.h"

namespace pt::pointwise {

int find(const char* name);  // index of an op in kernels.inc, -1 when there is none
const char* name(int op);
int arity(int op);       // number of array inputs
int num_params(int op);  // scalars that `params` must hold
int num_ops();
bool supports(int op, DType dtype);       // is there a kernel for inputs of this dtype?
DType result_dtype(int op, DType dtype);  // boolean for comparisons and predicates, else `dtype`
void run(int op, const ArrayView* inputs, const ArrayView& out, const double* params, DType dtype);

// out = in as out's dtype, broadcast: between all real types, and copies of equal types.
inline bool castable(DType dtype) { return dtype < DType::complex64; }
void cast(const ArrayView& in, const ArrayView& out);

}  // namespace pt::pointwise
