// The inner loops of one level: ops.h applied to contiguous vectors. See table.h for the loops' contract.
#pragma once

#include "kernels/pointwise/cast.h"
#include "kernels/pointwise/half.h"
#include "kernels/pointwise/ops.h"
#include "kernels/pointwise/table.h"

namespace pt::pointwise::PT_ISA {

using namespace pt::PT_ISA;

static_assert(kRepeatBytes >= PT_VEC_BYTES);

template <class T>
struct MaskBytes {
    typedef int8_t type __attribute__((vector_size(PT_VEC_BYTES / sizeof(T))));
};

// A comparison's mask as bytes 0 and 1.
template <class T>
PT_INLINE void store_mask(char* out, Mask<T> mask, int n) {
    using Bytes = typename MaskBytes<T>::type;
    const Bytes bytes = -__builtin_convertvector(mask, Bytes);
    if (n == lanes<T>) {
        __builtin_memcpy(out, &bytes, sizeof(bytes));
        return;
    }
    int8_t buffer[lanes<T>];
    __builtin_memcpy(buffer, &bytes, sizeof(bytes));
    for (int i = 0; i < n; ++i) out[i] = buffer[i];
}

// n < lanes<T> loads and stores the head of a vector; a repeated input is always loaded whole.
template <class T>
PT_INLINE Vec<T> load_part(const T* p, int64_t step, int n) {
    return step == 0 ? load(p) : load_n(p, n);
}

template <template <class> class Op, class T, int arity, bool to_bool, bool whole>
PT_INLINE void one_vector(char* out, const T* a, const T* b, const T* c, const int64_t* steps,
                          const Vec<T>* p, int n) {
    const Vec<T> x = whole ? load(a) : load_part(a, steps[0], n);
    const auto y = [&] {
        if constexpr (arity == 1) {
            return Op<T>::apply(p, x);
        } else {
            const Vec<T> u = whole ? load(b) : load_part(b, steps[1], n);
            if constexpr (arity == 2)
                return Op<T>::apply(p, x, u);
            else
                return Op<T>::apply(p, x, u, whole ? load(c) : load_part(c, steps[2], n));
        }
    }();
    if constexpr (to_bool)
        store_mask<T>(out, y, n);
    else if constexpr (whole)
        store(reinterpret_cast<T*>(out), y);
    else
        store_n(reinterpret_cast<T*>(out), y, n);
}

// Negative numbers wrap around in unsigned types instead of being undefined.
template <class T>
PT_INLINE T convert(double x) {
    if constexpr (T(0.5) == T(0)) return static_cast<T>(static_cast<int64_t>(x));
    return static_cast<T>(x);
}

// `unroll` vectors per turn: what costs next to nothing is then bound by memory alone.
template <template <class> class Op, class T, int arity, int params, bool to_bool, int unroll>
static void loop(char* out, const char* const* in, const int64_t* steps, int64_t n, const double* params_in) {
    Vec<T> p[params > 0 ? params : 1];
    for (int i = 0; i < params; ++i) p[i] = broadcast<T>(convert<T>(params_in[i]));
    const T* a = reinterpret_cast<const T*>(in[0]);
    const T* b = reinterpret_cast<const T*>(in[arity > 1 ? 1 : 0]);
    const T* c = reinterpret_cast<const T*>(in[arity > 2 ? 2 : 0]);
    constexpr int width = lanes<T>;
    constexpr int64_t out_bytes = to_bool ? width : PT_VEC_BYTES;
    const int64_t step_a = steps[0] * width;
    const int64_t step_b = arity > 1 ? steps[arity > 1 ? 1 : 0] * width : 0;
    const int64_t step_c = arity > 2 ? steps[arity > 2 ? 2 : 0] * width : 0;
    const auto advance = [&] {
        one_vector<Op, T, arity, to_bool, true>(out, a, b, c, steps, p, width);
        out += out_bytes;
        a += step_a;
        b += step_b;
        c += step_c;
    };
    if constexpr (unroll > 1)
        for (; n >= unroll * width; n -= unroll * width) {
#pragma GCC unroll 4
            for (int i = 0; i < unroll; ++i) advance();
        }
    for (; n >= width; n -= width) advance();
    if (n > 0) one_vector<Op, T, arity, to_bool, false>(out, a, b, c, steps, p, static_cast<int>(n));
}

// Bytes 0 and 1 as a mask.
template <class T>
PT_INLINE Mask<T> load_mask(const char* p) {
    typename MaskBytes<T>::type bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
#if defined(__AVX512F__)  // GCC 12 takes the conversion below apart into lanes
    if constexpr (sizeof(T) == 4)
        return (Mask<T>)_mm512_maskz_cvtepi8_epi32(0xffff, (__m128i)bytes) != 0;
    else if constexpr (sizeof(T) == 8)
        return (Mask<T>)_mm512_maskz_cvtepi8_epi64(0xff, _mm_cvtsi64_si128((int64_t)bytes)) != 0;
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return (Mask<T>)_mm256_cvtepi8_epi32(_mm_cvtsi64_si128((int64_t)bytes)) != 0;
    if constexpr (sizeof(T) == 8)
        return (Mask<T>)_mm256_cvtepi8_epi64(_mm_cvtsi32_si128((int32_t)bytes)) != 0;
#endif
    return __builtin_convertvector(bytes, Mask<T>) != 0;
}

// where: the condition is a byte per element whatever T is.
template <class T>
static void loop_where(char* out, const char* const* in, const int64_t* steps, int64_t n, const double*) {
    const char* condition = in[0];
    const T* a = reinterpret_cast<const T*>(in[1]);
    const T* b = reinterpret_cast<const T*>(in[2]);
    T* y = reinterpret_cast<T*>(out);
    constexpr int width = lanes<T>;
    for (; n >= width; n -= width) {
        store(y, select<T>(load_mask<T>(condition), load(a), load(b)));
        condition += steps[0] * width;
        a += steps[1] * width;
        b += steps[2] * width;
        y += width;
    }
    for (int64_t i = 0; i < n; ++i) y[i] = condition[steps[0] * i] ? a[steps[1] * i] : b[steps[2] * i];
}

#define PT_OP(name, group, arity, params, cost) cost,
constexpr int costs[] = {
#include "kernels/pointwise/kernels.inc"
};
#undef PT_OP
constexpr int unroll_of(int op) { return costs[op] <= 2 ? 4 : 1; }

#define PT_L(name, T, arity, params) loop<op::name, T, arity, params, false, unroll_of(k_##name)>
#define PT_B(name, T, arity, params) loop<op::name, T, arity, params, true, unroll_of(k_##name)>
#define PT_ROW_LIBM(name, n, k) {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr},
#define PT_ROW_POW(name, n, k) {nullptr, nullptr, nullptr, nullptr, PT_L(name, float, n, k), nullptr},
#define PT_ROW_FLOAT(name, n, k) \
    {nullptr, nullptr, nullptr, nullptr, PT_L(name, float, n, k), PT_L(name, double, n, k)},
#define PT_ROW_NUMBER(name, n, k) \
    {nullptr,                     \
     PT_L(name, uint8_t, n, k),   \
     PT_L(name, int32_t, n, k),   \
     PT_L(name, int64_t, n, k),   \
     PT_L(name, float, n, k),     \
     PT_L(name, double, n, k)},
#define PT_ROW_COMPARE(name, n, k)                                                    \
    {PT_B(name, uint8_t, n, k), PT_B(name, uint8_t, n, k), PT_B(name, int32_t, n, k), \
     PT_B(name, int64_t, n, k), PT_B(name, float, n, k),   PT_B(name, double, n, k)},
#define PT_ROW_PREDICATE(name, n, k) \
    {nullptr, nullptr, nullptr, nullptr, PT_B(name, float, n, k), PT_B(name, double, n, k)},
// Booleans are bytes 0 and 1: only `not` is not the bitwise op on them.
#define PT_ROW_BITS(name, n, k)                                             \
    {n == 1 ? PT_B(logical_not, uint8_t, 1, 0) : PT_L(name, uint8_t, n, k), \
     PT_L(name, uint8_t, n, k),                                             \
     PT_L(name, int32_t, n, k),                                             \
     PT_L(name, int64_t, n, k),                                             \
     nullptr,                                                               \
     nullptr},
#define PT_ROW_SELECT(name, n, k)                                   \
    {loop_where<uint8_t>, loop_where<uint8_t>, loop_where<int32_t>, \
     loop_where<int64_t>, loop_where<int32_t>, loop_where<int64_t>},

#define PT_OP(name, group, arity, params, cost) PT_ROW_##group(name, arity, params)
const Kernels kernels = {{
#include "kernels/pointwise/kernels.inc"
                         },
#undef PT_OP
#define PT_OP(name, group, arity, params, cost) PT_HALF_##group(name, arity, params)
                         {
#include "kernels/pointwise/kernels.inc"
                         },
                         PT_ALL_CASTS};
#undef PT_OP

}  // namespace pt::pointwise::PT_ISA
