// Reductions over any set of axes, and scans along one.
//
// Contract of run(): `axes` has bit i set when axis i of `in` is reduced. `out` has in.ndim axes, the reduced
// ones of size 1 (the caller drops them afterwards), dtype result_dtype(), any strides, disjoint from `in`.
// `indices`, for ops with has_indices(), has out's shape and dtype int64, and exactly one axis is reduced
// then; it is null otherwise. `param` is the op's scalar (the correction of var), else 0. A reduction of no
// elements gives the identity (sum 0, prod 1, all true, any false, mean and var NaN); max, min, argmax,
// argmin refuse it before they get here. NaN: max, min, argmax, argmin propagate the first NaN, as PyTorch
// does. Sums are accurate to a few ulp: pairwise or in several accumulators, whatever the axis order, and do
// not depend on the number of threads.
#pragma once

#include <cstdint>

#include "base/array_view.h"

namespace pt::reduce {

// sum mean prod max min amax amin argmax argmin any all var std sum_squares norm2 nansum; -1 when unknown
int find(const char* name);
const char* name(int op);
int num_ops();
bool supports(int op, DType input);
DType result_dtype(int op, DType input);  // int64 for argmax/argmin and integer sum/prod, boolean for any/all
bool has_indices(int op);                 // max and min give values and indices when asked
bool needs_elements(int op);              // max, min, argmax, argmin: there is no identity
void run(int op, const ArrayView& in, uint64_t axes, const ArrayView& out, const ArrayView* indices,
         double param);

}  // namespace pt::reduce
