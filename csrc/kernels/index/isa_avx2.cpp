#include "kernels/index/bag_loops.h"
#include "kernels/index/generic.h"
#include "kernels/index/pad_loops.h"

namespace pt::index::avx2 {

#include "kernels/index/table.inc"

}  // namespace pt::index::avx2
