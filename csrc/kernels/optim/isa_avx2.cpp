#include "kernels/optim/generic.h"

namespace pt::optim::avx2 {

const Kernels kernels = {
#define PT_KERNEL(name, type, signature, body) body<type>,
#include "kernels/optim/kernels.inc"
#undef PT_KERNEL
};

}  // namespace pt::optim::avx2
