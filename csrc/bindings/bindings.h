// One bind_<family>() per family: check, view, release the GIL, call. No shape rules and no documentation
// here; both live in Python (pytensor/ops).
#pragma once

#include "bindings/numpy.h"

namespace pt {

void bind_base(py::module_& m);
void bind_matmul(py::module_& m);
void bind_conv(py::module_& m);
void bind_pool(py::module_& m);
void bind_rnn(py::module_& m);
void bind_pointwise(py::module_& m);
void bind_reduce(py::module_& m);
void bind_norm(py::module_& m);
void bind_loss(py::module_& m);
void bind_optim(py::module_& m);
void bind_random(py::module_& m);
void bind_index(py::module_& m);
void bind_bags(py::module_& m);
void bind_index_count(py::module_& m);
void bind_index_pick(py::module_& m);
void bind_attention(py::module_& m);

}  // namespace pt
