// Weak stand-ins for kernel families that have not landed yet; a family's own definitions win. Goes away with
// the last of them.
#include "kernels/matmul/matmul.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/reduce/reduce.h"

#define PT_WEAK __attribute__((weak))

namespace pt::pointwise {
PT_WEAK int find(const char*) { return -1; }
PT_WEAK int arity(int) { return 0; }
PT_WEAK bool supports(int, DType) { return false; }
PT_WEAK DType result_dtype(int, DType input) { return input; }
PT_WEAK void run(int, const ArrayView*, const ArrayView&, const double*) {}
}  // namespace pt::pointwise

namespace pt::reduce {
PT_WEAK int find(const char*) { return -1; }
PT_WEAK bool supports(int, DType) { return false; }
PT_WEAK bool has_indices(int) { return false; }
PT_WEAK bool needs_elements(int) { return false; }
PT_WEAK DType result_dtype(int, DType input) { return input; }
PT_WEAK void run(int, const ArrayView&, uint64_t, const ArrayView&, const ArrayView*, double) {}
}  // namespace pt::reduce

namespace pt::matmul {
PT_WEAK bool supports(DType) { return false; }
PT_WEAK void matmul(const ArrayView&, const ArrayView&, const ArrayView&, const ArrayView*, Activation) {}
}  // namespace pt::matmul
