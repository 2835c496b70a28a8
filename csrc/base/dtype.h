// Element types. The order is PyTorch's promotion order within a category; DType is what crosses every
// layer, NumPy's type numbers stop at the bindings.
#pragma once

#include <cstdint>

namespace pt {

enum class DType : int8_t {
    boolean,
    uint8,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
    complex128,
    unsupported,
};

inline int64_t item_size(DType dtype) {
    constexpr int64_t sizes[] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16, 0};
    return sizes[static_cast<int>(dtype)];
}

template <class T>
struct dtype_of;
template <>
struct dtype_of<bool> {
    static constexpr DType value = DType::boolean;
};
template <>
struct dtype_of<uint8_t> {
    static constexpr DType value = DType::uint8;
};
template <>
struct dtype_of<int8_t> {
    static constexpr DType value = DType::int8;
};
template <>
struct dtype_of<int16_t> {
    static constexpr DType value = DType::int16;
};
template <>
struct dtype_of<int32_t> {
    static constexpr DType value = DType::int32;
};
template <>
struct dtype_of<int64_t> {
    static constexpr DType value = DType::int64;
};
template <>
struct dtype_of<float> {
    static constexpr DType value = DType::float32;
};
template <>
struct dtype_of<double> {
    static constexpr DType value = DType::float64;
};

}  // namespace pt
