#include "kernels/attention/generic.h"

namespace pt::attention::PT_ISA {

extern const Kernels kernels;
const Kernels kernels = {{&forward<float>, &backward<float>}, {&forward<double>, &backward<double>}};

}  // namespace pt::attention::PT_ISA
