#include "kernels/matmul/generic.h"

namespace pt::matmul::PT_ISA {

const Kernels kernels = {
#define PT_MATMUL_KERNEL(dtype, T) &multiply<T>, &multiply_packed<T>, &pack<T>,
#include "kernels/matmul/kernels.inc"
#undef PT_MATMUL_KERNEL
    &multiply_float16,
    &multiply_bfloat16,
};

}  // namespace pt::matmul::PT_ISA
