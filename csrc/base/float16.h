// IEEE half precision as the compiler has it.
#pragma once

namespace pt {

// C++ of GCC 12 knows _Float16 on x86-64 only; on aarch64 its older name for the same format is __fp16.
#if defined(__aarch64__) && !defined(__clang__) && __GNUC__ < 13
using Float16 = __fp16;
#else
using Float16 = _Float16;
#endif

}  // namespace pt
