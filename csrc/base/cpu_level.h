// Instruction set levels and the choice of kernels among them.
//
// A family declares its kernels as a struct of function pointers (`Kernels`, usually made from kernels.inc)
// and defines one constant of it per level, each in a file that alone is compiled for that level:
//
//     namespace pt::matmul {
//     PT_DECLARE_LEVELS(Kernels)              // in <family>.h: plain::kernels, baseline::kernels, ...
//     inline const Kernels& kernels() { return PT_SELECT(); }
//     }
//
// `plain` is the portable, obviously right version in <family>.cpp. The level is read on every call (a load
// and an indexed load), so a test can walk all levels in one process.
#pragma once

namespace pt {

enum class CpuLevel : int { plain, baseline, avx2, avx512 };

CpuLevel best_cpu_level();           // what this CPU can run
CpuLevel cpu_level();                // what is in use: the best, capped by PYTENSOR_ISA
void set_cpu_level(CpuLevel level);  // throws when the CPU cannot run it
CpuLevel parse_cpu_level(const char* name);
const char* cpu_level_name(CpuLevel level);

namespace detail {
extern int current_level;
}

}  // namespace pt

#ifdef PT_X86_64
#define PT_DECLARE_LEVELS(Table) \
    namespace plain {            \
    extern const Table kernels;  \
    }                            \
    namespace baseline {         \
    extern const Table kernels;  \
    }                            \
    namespace avx2 {             \
    extern const Table kernels;  \
    }                            \
    namespace avx512 {           \
    extern const Table kernels;  \
    }
#define PT_SELECT_AT(Table, level)                                                                     \
    ([](int index) -> const Table& {                                                                   \
        static constexpr const Table* tables[] = {&plain::kernels, &baseline::kernels, &avx2::kernels, \
                                                  &avx512::kernels};                                   \
        return *tables[index];                                                                         \
    }(static_cast<int>(level)))
#else
#define PT_DECLARE_LEVELS(Table) \
    namespace plain {            \
    extern const Table kernels;  \
    }                            \
    namespace baseline {         \
    extern const Table kernels;  \
    }
#define PT_SELECT_AT(Table, level)                                                      \
    ([](int index) -> const Table& {                                                    \
        static constexpr const Table* tables[] = {&plain::kernels, &baseline::kernels}; \
        return *tables[index];                                                          \
    }(static_cast<int>(level)))
#endif
#define PT_SELECT(Table) PT_SELECT_AT(Table, ::pt::detail::current_level)
