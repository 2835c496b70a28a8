// Even and odd lanes: what a stride of 2 along the contiguous axis needs. Like vec.h, for isa_*.cpp only.
#pragma once

#include <utility>

#include "simd/vec.h"

namespace pt::PT_ISA {

template <class T>
struct VecPair {
    Vec<T> first, second;
};

template <class T, int... I>
PT_INLINE Vec<T> even_lanes_of(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...);
}
template <class T, int... I>
PT_INLINE Vec<T> odd_lanes_of(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (2 * I + 1)...);
}
template <class T, int Start, int... I>
PT_INLINE Vec<T> zip_lanes_of(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (Start + I / 2 + (I % 2) * lanes<T>)...);
}

// p[0], p[2], p[4] ... and p[1], p[3], p[5] ...: reads 2 * lanes elements.
template <class T>
PT_INLINE VecPair<T> load_deinterleaved(const T* p) {
    constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
    const Vec<T> a = load(p), b = load(p + lanes<T>);
    return {even_lanes_of<T>(a, b, all), odd_lanes_of<T>(a, b, all)};
}

// even[0], odd[0], even[1], odd[1] ...: the first and the second half.
template <class T>
PT_INLINE VecPair<T> interleave(Vec<T> even, Vec<T> odd) {
    constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
    return {zip_lanes_of<T, 0>(even, odd, all), zip_lanes_of<T, lanes<T> / 2>(even, odd, all)};
}

}  // namespace pt::PT_ISA
