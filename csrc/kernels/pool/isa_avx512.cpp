#include "kernels/pool/generic.h"

namespace pt::pooling::PT_ISA {

extern const Kernels kernels;
const Kernels kernels = {table<float>(), table<double>()};

}  // namespace pt::pooling::PT_ISA
