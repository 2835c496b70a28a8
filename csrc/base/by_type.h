// A family's kernels for both types of floating-point numbers: a struct with the members f32 and f64.
#pragma once

#include <type_traits>

namespace pt {

template <class T, class Pair>
constexpr const auto& by_type(const Pair& pair) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
    if constexpr (std::is_same_v<T, float>)
        return pair.f32;
    else
        return pair.f64;
}

}  // namespace pt
