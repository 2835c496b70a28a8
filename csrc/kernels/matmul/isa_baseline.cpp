#include "kernels/matmul/generic.h"
#include "kernels/matmul/integers.h"
#include "kernels/matmul/small.h"

namespace pt::matmul::PT_ISA {

const Kernels kernels = {
#define PT_MATMUL_KERNEL(dtype, T) &multiply<T>, &multiply_small<T>, &multiply_packed<T>, &pack<T>,
#include "kernels/matmul/kernels.inc"
#undef PT_MATMUL_KERNEL
    &multiply_float16,
    &multiply_bfloat16,
    &multiply_integers<uint8_t, uint32_t>,
    &multiply_integers<uint16_t, uint32_t>,
    &multiply_integers<uint32_t, uint32_t>,
    &multiply_integers<uint64_t, uint64_t>,
};

}  // namespace pt::matmul::PT_ISA
