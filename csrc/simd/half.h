// float16 and bfloat16, 16 bits in memory, as vectors of floats. For isa_*.cpp only, like vec.h.
#pragma once

#include <cstring>

#include "simd/vec.h"

namespace pt::PT_ISA {

struct Float16 {};
struct Bfloat16 {};

// ---- one element ------------------------------------------------------------------------------------------

PT_INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
PT_INLINE float float_of(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

template <class Half>
PT_INLINE float widen(uint16_t x) {
    if constexpr (__is_same(Half, Bfloat16)) return float_of(static_cast<uint32_t>(x) << 16);
#if defined(__F16C__)
    return _cvtsh_ss(x);
#else
    const uint32_t sign = (x & 0x8000u) << 16, rest = x & 0x7fffu;
    if (rest >= 0x7c00) return float_of(sign | 0x7f800000u | rest << 13);
    const float scaled = float_of(rest << 13) * 0x1p112f;  // denormal numbers become normal ones
    return float_of(sign | bits_of(scaled));
#endif
}

// To the nearest, ties to even; a NaN stays one.
template <class Half>
PT_INLINE uint16_t narrow(float x) {
    const uint32_t bits = bits_of(x);
    if constexpr (__is_same(Half, Bfloat16)) {
        if (x != x) return static_cast<uint16_t>(bits >> 16 | 0x40);
        return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
#if defined(__F16C__)
    return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
#else
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    uint32_t result;
    if (size > 0x7f800000)
        result = 0x7e00;
    else if (size >= 0x47800000)  // 2^16
        result = 0x7c00;
    else if (size < 0x38800000)  // denormal: adding 1/2 rounds to its last place
        result = bits_of(float_of(size) + 0.5f) - 0x3f000000;
    else
        result = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
    return static_cast<uint16_t>(sign | result);
#endif
}

// ---- vectors ----------------------------------------------------------------------------------------------

// The first n elements, zeros behind them.
template <class Half>
PT_INLINE Vec<float> widen_n(const uint16_t* p, int n) {
#if defined(__AVX512VL__)
    const __m256i bits = _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1u), p);
    if constexpr (__is_same(Half, Bfloat16))
        return (Vec<float>)_mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, bits), 16);
    else
        return (Vec<float>)_mm512_maskz_cvtph_ps(0xffff, bits);
#else
    float buffer[lanes<float>] = {};
    for (int i = 0; i < n; ++i) buffer[i] = widen<Half>(p[i]);
    return load(buffer);
#endif
}

// The first n lanes, rounded.
template <class Half>
PT_INLINE void narrow_n(uint16_t* p, Vec<float> x, int n) {
#if defined(__AVX512VL__)
    __m256i bits;
    if constexpr (__is_same(Half, Bfloat16)) {
        const Vec<uint32_t> wide = (Vec<uint32_t>)x;
        const Vec<uint32_t> rounded = (wide + 0x7fff + (wide >> 16 & 1)) >> 16, quiet = wide >> 16 | 0x40;
        const Vec<uint32_t> kept = x != x ? quiet : rounded;
        bits = _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)kept);
    } else {
        bits = _mm512_maskz_cvtps_ph(0xffff, (__m512)x, _MM_FROUND_TO_NEAREST_INT);
    }
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1u), bits);
#else
    for (int i = 0; i < n; ++i) p[i] = narrow<Half>(x[i]);
#endif
}

}  // namespace pt::PT_ISA
