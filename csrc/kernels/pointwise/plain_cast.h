// The plain casts, element by element. Included by plain.cpp alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/float16.h"
#include "kernels/pointwise/table.h"

namespace pt::pointwise::plain {

namespace {

// The value of an element: half precision types widen to float.
struct BFloat16 {
    uint16_t bits;
    BFloat16() = default;
    explicit BFloat16(float x) {
        uint32_t word;
        std::memcpy(&word, &x, 4);
        const uint32_t remainder = word & 0xffffu, odd = (word >> 16) & 1u;
        const bool up = remainder > 0x8000u || (remainder == 0x8000u && odd != 0);
        bits = static_cast<uint16_t>((word >> 16) + (up ? 1u : 0u));
        if (x != x) bits = static_cast<uint16_t>((word >> 16) | 0x7fc0u);
    }
    operator float() const {
        const uint32_t word = static_cast<uint32_t>(bits) << 16;
        float x;
        std::memcpy(&x, &word, 4);
        return x;
    }
};

template <class To, class From>
To cast_value(From x) {
    if constexpr (std::is_same_v<From, Float16> || std::is_same_v<From, BFloat16>)
        return cast_value<To>(static_cast<float>(x));
    else if constexpr (std::is_same_v<To, bool>)
        return x != From(0);
    else if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>)
        return To(static_cast<float>(x));
    else if constexpr (std::is_integral_v<To> && sizeof(To) < 4 && std::is_floating_point_v<From>)
        return static_cast<To>(static_cast<int32_t>(x));  // what C leaves open
    else
        return static_cast<To>(x);
}

template <class From, class To>
void cast_loop(char* out, const char* const* in, const int64_t* steps, int64_t n, const double*) {
    const From* x = reinterpret_cast<const From*>(in[0]);
    To* y = reinterpret_cast<To*>(out);
    for (int64_t i = 0; i < n; ++i) {
        if constexpr (std::is_same_v<From, To>)
            std::memcpy(y + i, x + i * steps[0], sizeof(To));
        else
            y[i] = cast_value<To>(x[i * steps[0]]);
    }
}

}  // namespace

#define PT_CASTS(T)                                                                               \
    {cast_loop<T, bool>,    cast_loop<T, uint8_t>, cast_loop<T, int8_t>,  cast_loop<T, int16_t>,  \
     cast_loop<T, int32_t>, cast_loop<T, int64_t>, cast_loop<T, Float16>, cast_loop<T, BFloat16>, \
     cast_loop<T, float>,   cast_loop<T, double>},
#define PT_ALL_CASTS                                                                                         \
    {PT_CASTS(bool) PT_CASTS(uint8_t) PT_CASTS(int8_t) PT_CASTS(int16_t) PT_CASTS(int32_t) PT_CASTS(int64_t) \
         PT_CASTS(Float16) PT_CASTS(BFloat16) PT_CASTS(float) PT_CASTS(double)}

}  // namespace pt::pointwise::plain
