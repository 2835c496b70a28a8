#include "kernels/index/bag_loops.h"
#include "kernels/index/generic.h"
#include "kernels/index/pad_loops.h"

namespace pt::index::baseline {

#include "kernels/index/table.inc"

}  // namespace pt::index::baseline
