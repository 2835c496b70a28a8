#include "kernels/index/bag_loops.h"
#include "kernels/index/generic.h"

namespace pt::index::avx2 {

const Kernels kernels = {transpose<int32_t>, transpose<int64_t>, reverse<int32_t>,   reverse<int64_t>,
                         copy_lines,         join_pieces,        take_rows,          in_bounds,
                         compress<int32_t>,  compress<int64_t>,  kBagKernels<float>, kBagKernels<double>};

}  // namespace pt::index::avx2
