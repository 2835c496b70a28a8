// float16 and bfloat16 in one pass: widened in registers, computed in float32, rounded once. With AVX-512
// only; elsewhere, and for ops that cost more than the passes, operands are cast a piece at a time.
#pragma once

#include "kernels/pointwise/table.h"
#include "simd/half.h"

namespace pt::pointwise::PT_ISA {

constexpr int kHalfCost = 2;  // ops of at most this cost (kernels.inc)

#if defined(__AVX512VL__)

template <template <class> class Op, class Half, int arity, int params>
static void half_loop(char* out, const char* const* in, const int64_t* steps, int64_t n,
                      const double* params_in) {
    constexpr int width = lanes<float>;
    Vec<float> p[params > 0 ? params : 1];
    for (int i = 0; i < params; ++i) p[i] = broadcast(static_cast<float>(params_in[i]));
    const uint16_t* from[arity];
    int64_t step[arity];
    for (int k = 0; k < arity; ++k) {
        from[k] = reinterpret_cast<const uint16_t*>(in[k]);
        step[k] = steps[k] * width;
    }
    uint16_t* to = reinterpret_cast<uint16_t*>(out);
    const auto one_vector = [&](int count) __attribute__((always_inline)) {
        const auto operand = [&](int k) __attribute__((always_inline)) {
            return pt::PT_ISA::widen_n<Half>(from[k], count);
        };
        Vec<float> y;
        if constexpr (arity == 1)
            y = Op<float>::apply(p, operand(0));
        else if constexpr (arity == 2)
            y = Op<float>::apply(p, operand(0), operand(1));
        else
            y = Op<float>::apply(p, operand(0), operand(1), operand(2));
        pt::PT_ISA::narrow_n<Half>(to, y, count);
        to += width;
        for (int k = 0; k < arity; ++k) from[k] += step[k];
    };
    for (; n >= 2 * width; n -= 2 * width) one_vector(width), one_vector(width);
    for (; n > 0; n -= width) one_vector(n < width ? static_cast<int>(n) : width);
}

#define PT_HALF(name, n, k)                                                                   \
    {costs[k_##name] <= kHalfCost ? half_loop<op::name, pt::PT_ISA::Float16, n, k> : nullptr, \
     costs[k_##name] <= kHalfCost ? half_loop<op::name, pt::PT_ISA::Bfloat16, n, k> : nullptr},
#else
#define PT_HALF(name, n, k) {nullptr, nullptr},
#endif

#define PT_HALF_LIBM(name, n, k) {nullptr, nullptr},
#define PT_HALF_POW(name, n, k) {nullptr, nullptr},
#define PT_HALF_BITS(name, n, k) {nullptr, nullptr},
#define PT_HALF_COMPARE(name, n, k) {nullptr, nullptr},
#define PT_HALF_PREDICATE(name, n, k) {nullptr, nullptr},
#define PT_HALF_SELECT(name, n, k) {nullptr, nullptr},
#define PT_HALF_NUMBER PT_HALF
#define PT_HALF_FLOAT PT_HALF

}  // namespace pt::pointwise::PT_ISA
