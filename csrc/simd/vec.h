// One vector type over the compiler's vector extensions. Included only by isa_*.cpp files (through the
// families' generic.h), which define PT_ISA, the namespace of everything here, and PT_VEC_BYTES, the register
// width. Nothing here may be shared between levels: the linker would keep one copy, perhaps the widest.
//
// Vec<float> is 4, 8 or 16 lanes. + - * / and comparisons are the language's own; a comparison gives a mask
// (an integer vector of 0 and -1) for select(). a * b + c becomes one FMA where the level has it.
#pragma once

#if !defined(PT_ISA) || !defined(PT_VEC_BYTES)
#error "simd/vec.h belongs in isa_<level>.cpp files: CMake defines PT_ISA and PT_VEC_BYTES for those only"
#endif

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace pt::PT_ISA {

template <int Bytes>
struct int_of;
template <>
struct int_of<1> {
    using type = int8_t;
};
template <>
struct int_of<2> {
    using type = int16_t;
};
template <>
struct int_of<4> {
    using type = int32_t;
};
template <>
struct int_of<8> {
    using type = int64_t;
};

template <class T>
struct VecTraits {
    typedef T type __attribute__((vector_size(PT_VEC_BYTES)));
    typedef T unaligned __attribute__((vector_size(PT_VEC_BYTES), aligned(alignof(T)), may_alias));
};
template <class T>
using Vec = typename VecTraits<T>::type;
template <class T>
using Mask = Vec<typename int_of<sizeof(T)>::type>;

template <class T>
constexpr int lanes = PT_VEC_BYTES / sizeof(T);

#define PT_INLINE static inline __attribute__((always_inline))
#define PT_INLINE_MEMBER inline __attribute__((always_inline))

template <class T>
PT_INLINE Vec<T> load(const T* p) {
    return *reinterpret_cast<const typename VecTraits<T>::unaligned*>(p);
}

template <class T>
PT_INLINE void store(T* p, Vec<T> v) {
    *reinterpret_cast<typename VecTraits<T>::unaligned*>(p) = v;
}

template <class T>
PT_INLINE Vec<T> broadcast(T x) {
    return x - Vec<T>{};  // the compiler makes this one broadcast; x - 0 keeps the sign of zero and NaN
}

template <class T>
PT_INLINE Vec<T> iota() {
    Vec<T> v{};
    for (int i = 0; i < lanes<T>; ++i) v[i] = static_cast<T>(i);
    return v;
}

// The first n lanes of p (0 <= n <= lanes), the others `fill`. Reads nothing beyond p[n-1].
template <class T>
PT_INLINE Vec<T> load_n(const T* p, int n, T fill = T(0)) {
#if defined(__AVX512VL__)
    if constexpr (sizeof(T) == 4) {
        const __m512i v =
            _mm512_mask_loadu_epi32((__m512i)broadcast<T>(fill), (__mmask16)((1u << n) - 1u), p);
        return (Vec<T>)v;
    } else if constexpr (sizeof(T) == 8) {
        const __m512i v = _mm512_mask_loadu_epi64((__m512i)broadcast<T>(fill), (__mmask8)((1u << n) - 1u), p);
        return (Vec<T>)v;
    }
#endif
    T buffer[lanes<T>];
    for (int i = 0; i < lanes<T>; ++i) buffer[i] = fill;
    for (int i = 0; i < n; ++i) buffer[i] = p[i];
    return load(buffer);
}

// Stores the first n lanes (0 <= n <= lanes), nothing beyond p[n-1].
template <class T>
PT_INLINE void store_n(T* p, Vec<T> v, int n) {
#if defined(__AVX512VL__)
    if constexpr (sizeof(T) == 4) {
        _mm512_mask_storeu_epi32(p, (__mmask16)((1u << n) - 1u), (__m512i)v);
        return;
    } else if constexpr (sizeof(T) == 8) {
        _mm512_mask_storeu_epi64(p, (__mmask8)((1u << n) - 1u), (__m512i)v);
        return;
    }
#endif
    T buffer[lanes<T>];
    store(buffer, v);
    for (int i = 0; i < n; ++i) p[i] = buffer[i];
}

// mask ? a : b, lane by lane.
template <class T>
PT_INLINE Vec<T> select(Mask<T> mask, Vec<T> a, Vec<T> b) {
    return mask ? a : b;
}

// The first lane whose mask is set, lanes<T> when there is none.
template <class T>
PT_INLINE int first_lane(Mask<T> mask) {
    unsigned set = 0;
#if defined(__AVX512DQ__)
    if constexpr (sizeof(T) == 4)
        set = _mm512_movepi32_mask((__m512i)mask);
    else
        set = _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        set = static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
    else
        set = static_cast<unsigned>(_mm256_movemask_pd((__m256d)mask));
#else
    for (int i = 0; i < lanes<T>; ++i) set |= static_cast<unsigned>(mask[i] != 0) << i;
#endif
    return set == 0 ? lanes<T> : __builtin_ctz(set);
}

// a < b ? a : b, as the hardware has it: with a NaN on either side the result is b.
template <class T>
PT_INLINE Vec<T> min_hw(Vec<T> a, Vec<T> b) {
    if constexpr (T(0.5) == T(0)) return a < b ? a : b;  // integers
#if defined(__AVX512F__)  // maskz: GCC 12 warns about the unmasked intrinsics' own undefined operand
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
    else
        return (Vec<T>)_mm512_maskz_min_pd(0xff, (__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm256_min_ps((__m256)a, (__m256)b);
    else
        return (Vec<T>)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm_min_ps((__m128)a, (__m128)b);
    else
        return (Vec<T>)_mm_min_pd((__m128d)a, (__m128d)b);
#else
    return a < b ? a : b;
#endif
}
template <class T>
PT_INLINE Vec<T> max_hw(Vec<T> a, Vec<T> b) {
    if constexpr (T(0.5) == T(0)) return a > b ? a : b;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
    else
        return (Vec<T>)_mm512_maskz_max_pd(0xff, (__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm256_max_ps((__m256)a, (__m256)b);
    else
        return (Vec<T>)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    if constexpr (sizeof(T) == 4)
        return (Vec<T>)_mm_max_ps((__m128)a, (__m128)b);
    else
        return (Vec<T>)_mm_max_pd((__m128d)a, (__m128d)b);
#else
    return a > b ? a : b;
#endif
}

template <class To, class From>
PT_INLINE To bits(From v) {
    static_assert(sizeof(To) == sizeof(From));
    return (To)v;
}

PT_INLINE Vec<float> abs(Vec<float> x) {
    return bits<Vec<float>>(bits<Vec<int32_t>>(x) & broadcast<int32_t>(0x7fffffff));
}
PT_INLINE Vec<double> abs(Vec<double> x) {
    return bits<Vec<double>>(bits<Vec<int64_t>>(x) & broadcast<int64_t>(0x7fffffffffffffffLL));
}

PT_INLINE Vec<float> sqrt(Vec<float> x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_ps(0xffff, x);  // unmasked, GCC 12 warns about its own header
#elif defined(__AVX2__)
    return _mm256_sqrt_ps(x);
#elif defined(__SSE2__)
    return _mm_sqrt_ps(x);
#else
    for (int i = 0; i < lanes<float>; ++i) x[i] = __builtin_sqrtf(x[i]);
    return x;
#endif
}
PT_INLINE Vec<double> sqrt(Vec<double> x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_pd(0xff, x);
#elif defined(__AVX2__)
    return _mm256_sqrt_pd(x);
#elif defined(__SSE2__)
    return _mm_sqrt_pd(x);
#else
    for (int i = 0; i < lanes<double>; ++i) x[i] = __builtin_sqrt(x[i]);
    return x;
#endif
}

// Sum of the lanes, by halves: each step adds the lane half as far again.
template <class T>
PT_INLINE T sum_lanes(Vec<T> v) {
    if constexpr (lanes<T> == 16) {
        v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
        v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
        v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
        v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    } else if constexpr (lanes<T> == 8) {
        v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
        v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
        v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
    } else if constexpr (lanes<T> == 4) {
        v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
        v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
    } else if constexpr (lanes<T> == 2) {
        v += __builtin_shufflevector(v, v, 1, 0);
    } else {
        T buffer[lanes<T>];
        store(buffer, v);
        for (int width = lanes<T> / 2; width > 0; width /= 2)
            for (int i = 0; i < width; ++i) buffer[i] += buffer[i + width];
        return buffer[0];
    }
    return v[0];
}
template <class T>
PT_INLINE T max_lanes(Vec<T> v) {
    typedef typename int_of<sizeof(T)>::type Int;
    Vec<Int> lane;
    for (int i = 0; i < lanes<T>; ++i) lane[i] = static_cast<Int>(i);
#pragma GCC unroll 4
    for (Int width = lanes<T> / 2; width > 0; width /= 2)
        v = max_hw<T>(v, __builtin_shuffle(v, lane ^ width));
    return v[0];
}

}  // namespace pt::PT_ISA
