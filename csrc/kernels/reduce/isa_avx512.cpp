#include "kernels/reduce/generic.h"
#include "kernels/reduce/scan_generic.h"

namespace pt::reduce::PT_ISA {

const Kernels kernels = {
    {
#define PT_KERNEL(kind, functor, family) PT_TABLE_ROW(functor, family)
#include "kernels/reduce/kernels.inc"
#undef PT_KERNEL
    },
    PT_SCANS,
    PT_EXTREMES,
};

}  // namespace pt::reduce::PT_ISA
