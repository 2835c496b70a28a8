// Elements as unsigned integers in the same order, and lines of an array. Shared by sort.cpp and select.cpp.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/array_view.h"
#include "base/check.h"

namespace pt::index {

template <class K>
struct Entry {
    K key;
    uint32_t place;
};

// Smaller keys come first. Floats: the sign bit is turned, negative numbers entirely; NaN gets the greatest
// key and -0 that of 0.
template <class T>
auto key_of(T x) {
    if constexpr (std::is_floating_point_v<T>) {
        using K = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
        using S = std::make_signed_t<K>;
        constexpr int kTop = sizeof(T) * 8 - 1;
        const T positive = x + T(0);  // -0 + 0 is 0
        K bits;
        std::memcpy(&bits, &positive, sizeof bits);
        const K turned = bits ^ (static_cast<K>(static_cast<S>(bits) >> kTop) | (K{1} << kTop));
        return x != x ? static_cast<K>(~K{0}) : turned;
    } else if constexpr (sizeof(T) == 8) {
        return static_cast<uint64_t>(x) ^ (uint64_t{1} << 63);
    } else {
        return static_cast<uint32_t>(static_cast<int32_t>(x)) ^ (uint32_t{1} << 31);
    }
}
template <class T>
using KeyOf = decltype(key_of(T{}));

// An element that has this key: of equal ones any.
template <class T>
T value_of(KeyOf<T> key) {
    using K = KeyOf<T>;
    constexpr K kTop = K{1} << (sizeof(K) * 8 - 1);
    if constexpr (std::is_floating_point_v<T>) {
        const K bits = (key & kTop) != 0 ? key ^ kTop : ~key;
        T value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    } else {
        return static_cast<T>(key ^ kTop);
    }
}

template <class Fn>
void with_sortable(DType dtype, const Fn& fn) {
    switch (dtype) {
        case DType::float32:
            return fn(float{});
        case DType::float64:
            return fn(double{});
        case DType::boolean:
        case DType::uint8:
            return fn(uint8_t{});
        case DType::int8:
            return fn(int8_t{});
        case DType::int16:
            return fn(int16_t{});
        case DType::int32:
            return fn(int32_t{});
        default:
            PT_ASSERT(dtype == DType::int64);
            return fn(int64_t{});
    }
}

// Where the lines of `in` along `axis` begin, and those of two results beside it.
struct SortLines {
    const ArrayView& in;
    const ArrayView& values;
    const ArrayView& indices;
    int axis;
    int64_t length;
    int64_t count = 1;

    SortLines(const ArrayView& in, int axis, const ArrayView& values, const ArrayView& indices)
        : in(in), values(values), indices(indices), axis(axis), length(in.shape[axis]) {
        for (int i = 0; i < in.ndim; ++i)
            if (i != axis) count *= in.shape[i];
    }

    struct Line {
        const char* x;
        int64_t step;
        char* value;
        int64_t value_step;
        char* index;
        int64_t index_step;

        template <class T>
        T at(int64_t i) const {
            return *reinterpret_cast<const T*>(x + i * step);
        }
        // Result number i is the element at `place`.
        template <class T>
        void put(int64_t i, int64_t place) const {
            *reinterpret_cast<T*>(value + i * value_step) = at<T>(place);
            *reinterpret_cast<int64_t*>(index + i * index_step) = place;
        }
    };
    Line line(int64_t number) const {
        Line l{in.data,      in.strides[axis],     values.data, values.strides[axis],
               indices.data, indices.strides[axis]};
        for (int i = in.ndim - 1; i >= 0; --i) {
            if (i == axis) continue;
            const int64_t k = number % in.shape[i];
            number /= in.shape[i];
            l.x += k * in.strides[i];
            l.value += k * values.strides[i];
            l.index += k * indices.strides[i];
        }
        return l;
    }
};

// Sorts n entries by key, or keys alone; equal keys keep their order. Either of the two arrays of n is the
// result. E: a key or an Entry of one.
template <class E>
E* sort_entries(E* entries, E* other, int64_t n);

}  // namespace pt::index
