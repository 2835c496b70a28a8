#include "kernels/index/mask.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/kernels.h"
#include "kernels/index/types.h"

namespace pt::index {

constexpr int64_t kMaskChunk = 1 << 14;            // elements that are counted and moved together
constexpr Work kCountWork = {0.015 * kMaskChunk};  // of a chunk
constexpr Work kMoveWork = {0.25 * kMaskChunk};
constexpr Work kFillWork = {0.1};  // of an element

int64_t count_set(const uint8_t* mask, int64_t n) {
    int64_t total = 0;
    for (int64_t i = 0; i < n;) {
        const int64_t stop = n - i < 255 ? n : i + 255;
        uint8_t some = 0;  // at most 255: the sum stays in bytes, which vectorises
        for (; i < stop; ++i) some = static_cast<uint8_t>(some + (mask[i] != 0));
        total += some;
    }
    return total;
}

namespace {

// body(chunk's begin, its end, how many bytes are set before it), over chunks of a mask.
template <class Body>
void for_chunks(const uint8_t* mask, int64_t n, const Body& body) {
    const int64_t chunks = (n + kMaskChunk - 1) / kMaskChunk;
    if (chunks <= 1) return body(0, n, 0);
    pool::Scratch scratch(static_cast<size_t>(chunks) * sizeof(int64_t));
    int64_t* const before = scratch.as<int64_t>();
    const auto end_of = [&](int64_t c) { return (c + 1) * kMaskChunk < n ? (c + 1) * kMaskChunk : n; };
    parallel_for(0, chunks, kCountWork, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c)
            before[c] = count_set(mask + c * kMaskChunk, end_of(c) - c * kMaskChunk);
    });
    int64_t sum = 0;
    for (int64_t c = 0; c < chunks; ++c) sum += std::exchange(before[c], sum);
    parallel_for(0, chunks, kMoveWork, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) body(c * kMaskChunk, end_of(c), before[c]);
    });
}

}  // namespace

void compress(const ArrayView& x, const ArrayView& mask, const ArrayView& out) {
    const int64_t item = item_size(x.dtype);
    const uint8_t* const bits = mask.as<uint8_t>();
    const Kernels& kernels = PT_SELECT(Kernels);
    for_chunks(bits, mask.numel(), [&](int64_t begin, int64_t end, int64_t before) {
        const char* from = x.data + begin * item;
        char* to = out.data + before * item;
        if (item == 4 || item == 8) {
            (item == 4 ? kernels.compress4 : kernels.compress8)(bits + begin, from, end - begin, to);
            return;
        }
        for (int64_t i = begin; i < end; ++i, from += item) {
            if (bits[i] == 0) continue;
            std::memcpy(to, from, static_cast<size_t>(item));
            to += item;
        }
    });
}

void places(const ArrayView& mask, const ArrayView& out) {
    const int ndim = mask.ndim;
    if (ndim == 0 || mask.numel() == 0) return;
    const uint8_t* const bits = mask.as<uint8_t>();
    const int64_t row = mask.shape[ndim - 1];
    const int64_t total = out.shape[1];
    for_chunks(bits, mask.numel(), [&](int64_t begin, int64_t end, int64_t before) {
        constexpr int kBlock = 64;
        int64_t columns[kBlock + 1];
        int64_t* to = out.as<int64_t>() + before;
        int64_t at[kMaxDims];
        for (int64_t i = begin; i < end;) {
            int64_t line = i / row;
            const int64_t column = i % row;
            for (int d = ndim - 2; d >= 0; --d) {
                at[d] = line % mask.shape[d];
                line /= mask.shape[d];
            }
            const int64_t rest = row - column < end - i ? row - column : end - i;
            const int n = rest < kBlock ? static_cast<int>(rest) : kBlock;
            int kept = 0;
            for (int k = 0; k < n; ++k) {
                columns[kept] = column + k;
                kept += bits[i + k] != 0;
            }
            for (int d = 0; d < ndim; ++d)
                for (int k = 0; k < kept; ++k) to[d * total + k] = d < ndim - 1 ? at[d] : columns[k];
            to += kept;
            i += n;
        }
    });
}

namespace {

// No branch on the mask: where it is not set the element is written back. `source` has `count` elements.
template <class T>
void expand_chunk(char* data, const uint8_t* mask, int64_t n, const char* source, int64_t count) {
    T* const x = reinterpret_cast<T*>(data);
    const T* const next = reinterpret_cast<const T*>(source);
    int64_t k = 0;
    for (int64_t i = 0; i < n && k < count; ++i) {
        const bool set = mask[i] != 0;
        if constexpr (std::is_integral_v<T>)  // written as a choice, compilers make a branch of it
            x[i] ^= static_cast<T>((x[i] ^ next[k]) & -static_cast<T>(set));
        else if (set)
            x[i] = next[k];
        k += set;
    }
}

template <class T>
void fill_chunk(char* data, const uint8_t* mask, int64_t n, const char* source, int64_t) {
    T* const x = reinterpret_cast<T*>(data);
    const T value = *reinterpret_cast<const T*>(source);
    for (int64_t i = 0; i < n; ++i) x[i] = mask[i] != 0 ? value : x[i];
}

}  // namespace

void expand(const ArrayView& x, const ArrayView& mask, const ArrayView& source) {
    const uint8_t* const bits = mask.as<uint8_t>();
    const int64_t item = item_size(x.dtype);
    const int64_t count = source.numel();
    void (*run)(char*, const uint8_t*, int64_t, const char*, int64_t) = nullptr;
    with_size(item, [&](auto t) { run = count == 1 ? fill_chunk<decltype(t)> : expand_chunk<decltype(t)>; });
    if (count == 1)
        parallel_for(0, x.numel(), kFillWork, [&](int64_t begin, int64_t end) {
            run(x.data + begin * item, bits + begin, end - begin, source.data, 1);
        });
    else
        for_chunks(bits, mask.numel(), [&](int64_t begin, int64_t end, int64_t before) {
            run(x.data + begin * item, bits + begin, end - begin, source.data + before * item,
                count - before);
        });
}

}  // namespace pt::index
