// The kernel table: one inner loop per op and dtype, and the loops' contract.
#pragma once

#include "base/cpu_level.h"
#include "base/dtype.h"

namespace pt::pointwise {

// out[i] = op(in0[i * step0], ...) for i < n: `out` is contiguous, and so is input k when steps[k] is 1. An
// input with step 0 is one value repeated over a block of kRepeatBytes, so that a vector can be loaded.
using Loop = void (*)(char* out, const char* const* in, const int64_t* steps, int64_t n,
                      const double* params);
constexpr int kRepeatBytes = 64;
constexpr int kMaxArity = 3;

enum Slot : int { kBool, kUint8, kInt32, kInt64, kFloat32, kFloat64, kSlots };

#define PT_OP(name, group, arity, params, cost) k_##name,
enum Op : int {
#include "kernels/pointwise/kernels.inc"
    kOps
};
#undef PT_OP

constexpr int kCastTypes = static_cast<int>(DType::complex64);  // the real types

// A null entry in a level's table means: use the plain one (null there: not supported).
struct Kernels {
    Loop loops[kOps][kSlots];
    Loop halves[kOps][2];  // float16, bfloat16: one rounded pass; null: cast around float32's loop
    Loop casts[kCastTypes][kCastTypes];  // [from][to]: steps[0] may be 0
};
PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::pointwise
