// Between rows of neighbouring positions, as images have them, and vectors whose lanes are channels.
#pragma once

#include "simd/transpose.h"

namespace pt::conv::PT_ISA {

using namespace ::pt::PT_ISA;

constexpr int kFewPositions = 3;  // a block of so few is quicker copied element by element

// to[i * lanes + c] = from[c * row + i] for i < count, c < channels; zeros in the other lanes.
template <class T>
static void rows_to_lanes(const T* from, int64_t row, int64_t count, int channels, T* to) {
    constexpr int L = lanes<T>;
    int64_t i = 0;
    for (; i + L <= count; i += L) transpose_block(from + i, row, channels, L, to + i * L, L, true);
    if (i == count) return;
    if (count - i > kFewPositions) {
        transpose_block(from + i, row, channels, static_cast<int>(count - i), to + i * L, L, true);
        return;
    }
    for (; i < count; ++i)
        for (int c = 0; c < L; ++c) to[i * L + c] = c < channels ? from[c * row + i] : T(0);
}

// to[c * row + i] = from[i * lanes + c] for i < count, c < channels.
template <class T>
static void lanes_to_rows(const T* from, int64_t count, int channels, T* to, int64_t row) {
    constexpr int L = lanes<T>;
    int64_t i = 0;
    for (; i + L <= count; i += L) transpose_block(from + i * L, L, L, channels, to + i, row, false);
    if (i == count) return;
    if (count - i > kFewPositions) {
        if (count >= L)  // overlaps the block before
            transpose_block(from + (count - L) * L, L, L, channels, to + count - L, row, false);
        else
            transpose_block(from, L, static_cast<int>(count), channels, to, row, false);
        return;
    }
    for (; i < count; ++i)
        for (int c = 0; c < channels; ++c) to[c * row + i] = from[i * L + c];
}

}  // namespace pt::conv::PT_ISA
