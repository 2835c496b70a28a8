#include "kernels/conv/generic.h"

namespace pt::conv::PT_ISA {

const Kernels kernels = {
#define PT_CONV_KERNEL(name, arguments) &name<float>, &name<double>,
#include "kernels/conv/kernels.inc"
#undef PT_CONV_KERNEL
};

}  // namespace pt::conv::PT_ISA
