#include "kernels/random/generic.h"

namespace pt::random::baseline {

const Kernels kernels = {
#define PT_KERNEL(name, parameters) name,
#include "kernels/random/kernels.inc"
#undef PT_KERNEL
};

}  // namespace pt::random::baseline
