// Loads and stores of some lanes: what the borders of images need.
#pragma once

#include "simd/vec.h"

namespace pt::conv::PT_ISA {

using namespace ::pt::PT_ISA;

#if defined(__AVX512VL__)
template <class T>
using LaneMask = unsigned;
constexpr bool kMasksAreFree = true;
#else
template <class T>
using LaneMask = Mask<T>;
constexpr bool kMasksAreFree = false;
#endif

// Lanes low <= i < high, of which 0 <= i < lanes count.
template <class T>
PT_INLINE LaneMask<T> lanes_between(int64_t low, int64_t high) {
    constexpr int64_t L = lanes<T>;
    low = low < 0 ? 0 : low > L ? L : low;
    high = high < low ? low : high > L ? L : high;
#if defined(__AVX512VL__)
    return ((1u << high) - 1u) & ~((1u << low) - 1u);
#else
    using I = typename int_of<sizeof(T)>::type;
    const Vec<I> at = iota<I>();
    return (at >= broadcast(static_cast<I>(low))) & (at < broadcast(static_cast<I>(high)));
#endif
}

// Zeros in the other lanes, which are not read.
template <class T>
PT_INLINE Vec<T> load_where(const T* p, LaneMask<T> mask) {
#if defined(__AVX512VL__)
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
    else
        return _mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return _mm256_maskload_ps(p, (__m256i)mask);
    else
        return _mm256_maskload_pd(p, (__m256i)mask);
#else
    Vec<T> v{};
    for (int i = 0; i < lanes<T>; ++i)
        if (mask[i] != 0) v[i] = p[i];
    return v;
#endif
}

template <class T>
PT_INLINE void store_where(T* p, Vec<T> v, LaneMask<T> mask) {
#if defined(__AVX512VL__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), v);
    else
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), v);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        _mm256_maskstore_ps(p, (__m256i)mask, v);
    else
        _mm256_maskstore_pd(p, (__m256i)mask, v);
#else
    for (int i = 0; i < lanes<T>; ++i)
        if (mask[i] != 0) p[i] = v[i];
#endif
}

}  // namespace pt::conv::PT_ISA
