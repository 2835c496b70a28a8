// From dtypes to the types of kernels that move or add elements.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/dtype.h"

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

// fn(T{}) with a type that adds like the given one: float32, float64, int32, int64.
template <class Fn>
void with_number(DType dtype, const Fn& fn) {
    switch (dtype) {
        case DType::float32:
            return fn(float{});
        case DType::float64:
            return fn(double{});
        case DType::int32:
            return fn(uint32_t{});  // sums wrap
        default:
            PT_ASSERT(dtype == DType::int64);
            return fn(uint64_t{});
    }
}

}  // namespace pt::index
