// The table of vector kernels; random.h is what callers include.
#pragma once

#include <cstdint>

#include "base/cpu_level.h"

namespace pt::random {

constexpr int kStateWords = 624;
constexpr int kStateShift = 397;

struct Kernels {
#define PT_KERNEL(name, parameters) void(*name) parameters;
#include "kernels/random/kernels.inc"
#undef PT_KERNEL
};
PT_DECLARE_LEVELS(Kernels)
inline const Kernels& kernels() { return PT_SELECT(Kernels); }

}  // namespace pt::random
