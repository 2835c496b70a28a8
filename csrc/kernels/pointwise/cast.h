// Casts between all real types, over contiguous elements. Included by generic.h.
//
// The loops over single elements become vector loops in the compiler's hands, except those of float16, which
// have instructions of their own: other types get there through float32, as PyTorch has it.
#pragma once

#include "kernels/pointwise/table.h"
#include "simd/vec.h"

namespace pt::pointwise::PT_ISA {

using namespace pt::PT_ISA;

struct Bool {
    uint8_t value;
};
struct Float16 {
    uint16_t bits;
};
struct BFloat16 {
    uint16_t bits;
};

template <class A, class B>
constexpr bool same = false;
template <class A>
constexpr bool same<A, A> = true;

// bfloat16 is the upper half of a float32; rounding is to nearest, ties to even.
PT_INLINE uint16_t round_to_bfloat16(float x) {
    const uint32_t word = __builtin_bit_cast(uint32_t, x);
    const uint32_t rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
    return static_cast<uint16_t>(x != x ? (word >> 16) | 0x7fc0u : rounded);
}

template <class To, class From>
PT_INLINE To convert_one(From x) {
    if constexpr (same<From, Bool>)
        return convert_one<To>(x.value);
    else if constexpr (same<From, BFloat16>)
        return convert_one<To>(__builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16));
    else if constexpr (same<To, Bool>)
        return Bool{static_cast<uint8_t>(x != From(0))};
    else if constexpr (same<To, BFloat16>)
        return BFloat16{round_to_bfloat16(static_cast<float>(x))};
    else if constexpr (sizeof(To) < 4 &&
                       From(0.5) != From(0))  // floats to small integers: what C leaves open
        return static_cast<To>(static_cast<int32_t>(x));
    else
        return static_cast<To>(x);
}

// float16 -> float32 and back, one element, by integer arithmetic (F. Giesen's conversions).
PT_INLINE float half_to_float(uint16_t half) {
    const uint32_t shifted = (half & 0x7fffu) << 13, exponent = shifted & 0x0f800000u;
    uint32_t word = shifted + 0x38000000u;
    if (exponent == 0x0f800000u) {
        word += 0x38000000u;
    } else if (exponent == 0) {
        const float small = __builtin_bit_cast(float, word + 0x00800000u) - 6.103515625e-05f;
        word = __builtin_bit_cast(uint32_t, small);
    }
    return __builtin_bit_cast(float, word | ((half & 0x8000u) << 16));
}
PT_INLINE uint16_t float_to_half(float x) {
    uint32_t word = __builtin_bit_cast(uint32_t, x);
    const uint32_t sign = word & 0x80000000u;
    word ^= sign;
    uint32_t half;
    if (word >= 0x47800000u) {
        half = word > 0x7f800000u ? 0x7e00u : 0x7c00u;
    } else if (word < 0x38800000u) {
        half = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, word) + 0.5f) - 0x3f000000u;
    } else {
        half = (word + 0xc8000fffu + ((word >> 13) & 1u)) >> 13;
    }
    return static_cast<uint16_t>(half | (sign >> 16));
}

static void to_float(const Float16* x, float* y, int64_t n) {
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16) {
        const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
        _mm512_storeu_ps(y + i, _mm512_maskz_cvtph_ps(0xffff, bits));
    }
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8) {
        const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(bits));
    }
#endif
    for (; i < n; ++i) y[i] = half_to_float(x[i].bits);
}
static void to_half(const float* x, Float16* y, int64_t n) {
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16) {
        const __m256i bits = _mm512_maskz_cvtps_ph(0xffff, _mm512_loadu_ps(x + i), 0);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), bits);
    }
#elif defined(__F16C__)
    for (; i + 8 <= n; i += 8) {
        const __m128i bits = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), bits);
    }
#endif
    for (; i < n; ++i) y[i].bits = float_to_half(x[i]);
}

template <class From, class To>
static void cast_run(const From* __restrict x, To* __restrict y, int64_t n) {
    constexpr int64_t part = 256;
    if constexpr (same<From, To>) {
        __builtin_memcpy(y, x, n * sizeof(To));
    } else if constexpr (same<From, Float16> && same<To, float>) {
        to_float(x, y, n);
    } else if constexpr (same<From, float> && same<To, Float16>) {
        to_half(x, y, n);
    } else if constexpr (same<From, Float16> || same<To, Float16>) {
        float buffer[part];
        for (int64_t i = 0; i < n; i += part) {
            const int64_t count = n - i < part ? n - i : part;
            cast_run<From, float>(x + i, buffer, count);
            cast_run<float, To>(buffer, y + i, count);
        }
    } else {
        for (int64_t i = 0; i < n; ++i) y[i] = convert_one<To>(x[i]);
    }
}

template <class From, class To>
static void cast_loop(char* out, const char* const* in, const int64_t* steps, int64_t n, const double*) {
    const From* x = reinterpret_cast<const From*>(in[0]);
    To* y = reinterpret_cast<To*>(out);
    if (steps[0] != 0) return cast_run<From, To>(x, y, n);
    if (n > 0) cast_run<From, To>(x, y, 1);
    const To value = n > 0 ? y[0] : To{};
    for (int64_t i = 1; i < n; ++i) y[i] = value;
}

#define PT_CASTS(T)                                                                               \
    {cast_loop<T, Bool>,    cast_loop<T, uint8_t>, cast_loop<T, int8_t>,  cast_loop<T, int16_t>,  \
     cast_loop<T, int32_t>, cast_loop<T, int64_t>, cast_loop<T, Float16>, cast_loop<T, BFloat16>, \
     cast_loop<T, float>,   cast_loop<T, double>},
#define PT_ALL_CASTS                                                                                         \
    {PT_CASTS(Bool) PT_CASTS(uint8_t) PT_CASTS(int8_t) PT_CASTS(int16_t) PT_CASTS(int32_t) PT_CASTS(int64_t) \
         PT_CASTS(Float16) PT_CASTS(BFloat16) PT_CASTS(float) PT_CASTS(double)}

}  // namespace pt::pointwise::PT_ISA
