// out = a @ b, with an epilogue.
//
// Contract of matmul(): a is [..., m, k], b is [..., k, n], out is [..., m, n] with the same ndim >= 2; batch
// axes are equal or broadcast (size 1); one dtype that supports() accepts; any strides on all three
// (transposed, stepped, reversed, broadcast), out disjoint from a and b. k = 0 gives zeros (plus bias).
// `bias`, when given, has shape [n] with any stride and is added to every row; then `activation` is applied.
#pragma once

#include "base/array_view.h"

namespace pt::matmul {

enum class Activation { none, relu };

bool supports(DType dtype);
void matmul(const ArrayView& a, const ArrayView& b, const ArrayView& out, const ArrayView* bias = nullptr,
            Activation activation = Activation::none);

}  // namespace pt::matmul
