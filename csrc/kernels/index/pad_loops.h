// The lines of a padded array. Borders are short: what counts is what a line costs besides its bytes.
#pragma once

#include "kernels/index/generic.h"

namespace pt::index::PT_ISA {

PT_INLINE void fill_bytes(const char* fill, char* to, int64_t bytes) {
    constexpr int64_t V = PT_VEC_BYTES;
    if (bytes < V) return copy_short(fill, to, bytes);
    const Vec<int32_t> value = load(reinterpret_cast<const int32_t*>(fill));
    for (int64_t b = 0; b + V <= bytes; b += V) store(reinterpret_cast<int32_t*>(to + b), value);
    store(reinterpret_cast<int32_t*>(to + bytes - V), value);
}

// The border behind a line and the one before the next are one stretch. Where that is short, a whole vector
// is stored, and the next line overwrites what is too much.
PT_INLINE void pad_constant(const PadLine& line, const char* from, int64_t count, char* to) {
    constexpr int64_t V = PT_VEC_BYTES;
    const PadLine now = line;  // what is written through `to` is not this
    const int64_t gap = now.after + now.before;
    fill_bytes(now.fill, to, now.before);
    to += now.before;
    int64_t k = 1;
    if (gap <= V && now.inside >= V && now.inside <= 64 * V) {
        const Vec<int32_t> value = load(reinterpret_cast<const int32_t*>(now.fill));
        for (; k < count; ++k, from += now.step, to += now.inside + gap) {
            copy_vectors(from, to, now.inside);
            store(reinterpret_cast<int32_t*>(to + now.inside), value);
        }
    }
    for (; k <= count; ++k, from += now.step, to += now.inside + gap) {
        copy_bytes(from, to, now.inside);
        fill_bytes(now.fill, to + now.inside, k < count ? gap : now.after);
    }
}

template <class T>
PT_INLINE void pad_elements(const PadLine& line, const char* from, int64_t count, char* to) {
    const PadLine now = line;
    const int64_t first = now.before / now.item;
    const int64_t last = now.after / now.item;
    for (int64_t k = 0; k < count; ++k, from += now.step) {
        const T* x = reinterpret_cast<const T*>(from);
        for (int64_t i = 0; i < first; ++i) reinterpret_cast<T*>(to)[i] = x[now.places[i]];
        to += now.before;
        copy_bytes(from, to, now.inside);
        to += now.inside;
        for (int64_t i = 0; i < last; ++i) reinterpret_cast<T*>(to)[i] = x[now.places[first + i]];
        to += now.after;
    }
}

struct Bytes16 {
    int64_t a, b;
};

static void pad_lines(const PadLine& line, const char* from, int64_t count, char* to) {
    if (line.fill != nullptr) return pad_constant(line, from, count, to);
    switch (line.item) {
        case 1:
            return pad_elements<uint8_t>(line, from, count, to);
        case 2:
            return pad_elements<uint16_t>(line, from, count, to);
        case 4:
            return pad_elements<uint32_t>(line, from, count, to);
        case 8:
            return pad_elements<uint64_t>(line, from, count, to);
        default:
            return pad_elements<Bytes16>(line, from, count, to);
    }
}

}  // namespace pt::index::PT_ISA
