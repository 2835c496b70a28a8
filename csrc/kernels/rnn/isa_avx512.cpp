#include "kernels/rnn/backward.h"
#include "kernels/rnn/forward.h"

namespace pt::rnn::PT_ISA {

extern const Kernels kernels;
const Kernels kernels = {{&forward<float>, &backward<float>}, {&forward<double>, &backward<double>}};

}  // namespace pt::rnn::PT_ISA
