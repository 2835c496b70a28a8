#include "base/cpu_level.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace pt {

namespace {
constexpr const char* kNames[] = {"plain", "baseline", "avx2", "avx512"};
}

CpuLevel best_cpu_level() {
#ifdef PT_X86_64
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return avx512 ? CpuLevel::avx512 : avx2 ? CpuLevel::avx2 : CpuLevel::baseline;
#else
    return CpuLevel::baseline;
#endif
}

CpuLevel parse_cpu_level(const char* name) {
    for (int i = 0; i < 4; ++i)
        if (std::strcmp(name, kNames[i]) == 0) return static_cast<CpuLevel>(i);
    throw std::invalid_argument(
        std::string("PYTENSOR_ISA: expected one of plain, baseline, avx2, avx512, got '") + name + "'");
}

const char* cpu_level_name(CpuLevel level) { return kNames[static_cast<int>(level)]; }

namespace {
// A level above the machine's best is lowered to it: the variable is a cap.
int initial_level() {
    const int best = static_cast<int>(best_cpu_level());
    const char* wanted = std::getenv("PYTENSOR_ISA");
    if (wanted == nullptr || *wanted == '\0') return best;
    for (int i = 0; i < 4; ++i)
        if (std::strcmp(wanted, kNames[i]) == 0) return i < best ? i : best;
    return best;  // an unknown name is reported by check_environment(), where an exception can be raised
}
}  // namespace

namespace detail {
int current_level = initial_level();
}

CpuLevel cpu_level() { return static_cast<CpuLevel>(detail::current_level); }

void set_cpu_level(CpuLevel level) {
    if (level > best_cpu_level())
        throw std::invalid_argument(std::string("this CPU cannot run ") + cpu_level_name(level) +
                                    " kernels: its best level is " + cpu_level_name(best_cpu_level()));
    detail::current_level = static_cast<int>(level);
}

}  // namespace pt
