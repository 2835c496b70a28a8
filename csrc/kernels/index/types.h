// From dtypes to the types of kernels that move or add elements.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/check.h"
#include "base/dtype.h"
#include "kernels/index/complex.h"

namespace pt::index {

struct Bytes16 {
    int64_t a, b;
};

// fn(T{}) with a type of the given size, for what is only moved.
template <class Fn>
void with_size(int64_t bytes, const Fn& fn) {
    switch (bytes) {
        case 1:
            return fn(uint8_t{});
        case 2:
            return fn(uint16_t{});
        case 4:
            return fn(uint32_t{});
        case 8:
            return fn(uint64_t{});
        default:
            return fn(Bytes16{});
    }
}

// fn(T{}) with the type of float32, float64, int32 or int64.
template <class Fn>
void with_wide(DType dtype, const Fn& fn) {
    switch (dtype) {
        case DType::float32:
            return fn(float{});
        case DType::float64:
            return fn(double{});
        case DType::int32:
            return fn(int32_t{});
        default:
            PT_ASSERT(dtype == DType::int64);
            return fn(int64_t{});
    }
}

// The same with a type that adds like it: unsigned for integers, whose sums wrap.
template <class Fn>
void with_number(DType dtype, const Fn& fn) {
    with_wide(dtype, [&](auto t) {
        if constexpr (std::is_integral_v<decltype(t)>)
            fn(std::make_unsigned_t<decltype(t)>{});
        else
            fn(t);
    });
}

// Further types for what is scattered: small integers, and complex numbers, which have no order.
template <class Fn>
void with_ordered(DType dtype, const Fn& fn) {
    switch (dtype) {
        case DType::boolean:
        case DType::uint8:
            return fn(uint8_t{});
        case DType::int8:
            return fn(int8_t{});
        case DType::int16:
            return fn(int16_t{});
        default:
            return with_wide(dtype, fn);
    }
}

template <class Fn>
void with_summed(DType dtype, const Fn& fn) {
    switch (dtype) {
        case DType::uint8:
        case DType::int8:
            return fn(uint8_t{});
        case DType::int16:
            return fn(uint16_t{});
        case DType::complex64:
            return fn(Complex<float>{});
        case DType::complex128:
            return fn(Complex<double>{});
        default:
            return with_number(dtype, fn);
    }
}

}  // namespace pt::index
