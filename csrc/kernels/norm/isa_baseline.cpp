#include "kernels/norm/generic.h"

namespace pt::norm::PT_ISA {

extern const Kernels kernels;
const Kernels kernels = {table<float>(), table<double>()};

}  // namespace pt::norm::PT_ISA
