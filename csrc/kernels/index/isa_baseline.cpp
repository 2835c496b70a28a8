#include "kernels/index/bag_loops.h"
#include "kernels/index/generic.h"
#include "kernels/index/pad_loops.h"

namespace pt::index::baseline {

const Kernels kernels = {
    transpose<int32_t>, transpose<int64_t>,
    reverse<int32_t>,   reverse<int64_t>,
    copy_lines,         join_pieces,
    pad_lines,          {add_line<float>, add_line<double>, add_line<uint32_t>, add_line<uint64_t>},
    take_rows,          in_bounds,
    compress<int32_t>,  compress<int64_t>,
    kBagKernels<float>, kBagKernels<double>};

}  // namespace pt::index::baseline
