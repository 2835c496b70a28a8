#include "kernels/loss/generic.h"

namespace pt::loss::PT_ISA {

extern const Kernels kernels;
const Kernels kernels = {table<float>(), table<double>()};

}  // namespace pt::loss::PT_ISA
