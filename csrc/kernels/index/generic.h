// The vector loops of the index family, over elements of 4 and 8 bytes of whatever kind.
#pragma once

#include "kernels/index/kernels.h"
#include "simd/transpose.h"

namespace pt::index::PT_ISA {

using namespace ::pt::PT_ISA;

// Blocks of lanes x lanes: each line of the cache that a block reads or writes is used as a whole.
template <class T>
static void transpose(const char* from, int64_t from_row, int64_t rows, int64_t columns, char* to,
                      int64_t to_row) {
    constexpr int L = lanes<T>;
    const T* x = reinterpret_cast<const T*>(from);
    T* y = reinterpret_cast<T*>(to);
    for (int64_t j = 0; j < columns; j += L)
        for (int64_t i = 0; i < rows; i += L)
            transpose_block<T>(x + i * from_row + j, from_row, static_cast<int>(rows - i < L ? rows - i : L),
                               static_cast<int>(columns - j < L ? columns - j : L), y + j * to_row + i,
                               to_row, false);
}

// Lines shorter than a vector: two parts of the greatest size that fits, which may overlap.
template <int Size>
PT_INLINE void copy_two(const char* from, char* to, int64_t bytes) {
    char first[Size], last[Size];
    __builtin_memcpy(first, from, Size);
    __builtin_memcpy(last, from + bytes - Size, Size);
    __builtin_memcpy(to, first, Size);
    __builtin_memcpy(to + bytes - Size, last, Size);
}

PT_INLINE void copy_short(const char* from, char* to, int64_t bytes) {
    if (bytes >= 32)
        copy_two<32>(from, to, bytes);
    else if (bytes >= 16)
        copy_two<16>(from, to, bytes);
    else if (bytes >= 8)
        copy_two<8>(from, to, bytes);
    else if (bytes >= 4)
        copy_two<4>(from, to, bytes);
    else
        for (int64_t b = 0; b < bytes; ++b) to[b] = from[b];
}

// One vector or more, four at a time; the last one may overlap the one before.
PT_INLINE void copy_vectors(const char* from, char* to, int64_t bytes) {
    constexpr int64_t kBytes = PT_VEC_BYTES;
    const auto get = [&](int64_t b) { return load(reinterpret_cast<const int32_t*>(from + b)); };
    const auto put = [&](int64_t b, Vec<int32_t> v) { store(reinterpret_cast<int32_t*>(to + b), v); };
    int64_t b = 0;
    for (; b + 4 * kBytes <= bytes; b += 4 * kBytes) {
        Vec<int32_t> v[4];
        for (int u = 0; u < 4; ++u) v[u] = get(b + u * kBytes);
        for (int u = 0; u < 4; ++u) put(b + u * kBytes, v[u]);
    }
    for (; b + kBytes <= bytes; b += kBytes) put(b, get(b));
    if (b < bytes) put(bytes - kBytes, get(bytes - kBytes));
}

// From some kilobytes on the processor's own copy instruction moves whole lines of the cache without reading
// first what it overwrites: a fifth faster than vectors. Every CPU with AVX-512 has it in its fast form.
PT_INLINE void copy_bytes(const char* from, char* to, int64_t bytes) {
    if (bytes < PT_VEC_BYTES) return copy_short(from, to, bytes);
#if defined(__AVX512F__)
    constexpr int64_t kLong = 8192;
    if (bytes >= kLong) {
        asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
        return;
    }
#endif
    copy_vectors(from, to, bytes);
}

// Short lines that do not follow each other are too far apart for the processor to fetch ahead by itself.
static void copy_lines(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t bytes,
                       int64_t count) {
    constexpr int64_t kAhead = 8;
    const bool fetched = from_step != bytes && bytes >= 64 && bytes <= 1024;
    for (int64_t k = 0; k < count; ++k, from += from_step, to += to_step) {
        if (fetched && k + kAhead < count)
            for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(from + kAhead * from_step + b);
        copy_bytes(from, to, bytes);
    }
}

static void join_pieces(const Piece* pieces, int64_t count, int64_t row, int64_t begin, int64_t end,
                        char* to) {
    int64_t r = begin / row;
    int64_t at = begin % row;
    int64_t i = 0;
    for (; at >= pieces[i].bytes; ++i) at -= pieces[i].bytes;
    while (begin < end) {
        const int64_t rest = pieces[i].bytes - at;
        const int64_t n = rest < end - begin ? rest : end - begin;
        copy_bytes(pieces[i].from + r * pieces[i].step + at, to + begin, n);
        begin += n;
        at = 0;
        if (++i == count) {
            i = 0;
            ++r;
        }
    }
}

template <class T>
static void reverse(const char* from, int64_t n, char* to) {
    constexpr int L = lanes<T>;
    const T* x = reinterpret_cast<const T*>(from) + n;
    T* y = reinterpret_cast<T*>(to);
    const Vec<T> order = L - 1 - iota<T>();
    int64_t i = 0;
    for (; i + L <= n; i += L) store(y + i, __builtin_shuffle(load(x - i - L), order));
    for (; i < n; ++i) y[i] = x[-1 - i];
}

static bool in_bounds(const int64_t* index, int64_t n, int64_t size) {
    constexpr int L = lanes<int64_t>;
    Vec<int64_t> signs[4] = {};  // negative once an index or its distance from the end is
    const Vec<int64_t> last = broadcast<int64_t>(size - 1);
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
        for (int u = 0; u < 4; ++u) {
            const Vec<int64_t> v = load(index + i + u * L);
            signs[u] |= v | (last - v);
        }
    const Vec<int64_t> all = (signs[0] | signs[1]) | (signs[2] | signs[3]);
    int64_t sign = 0;
    for (int k = 0; k < L; ++k) sign |= all[k];
    for (; i < n; ++i) sign |= index[i] | (size - 1 - index[i]);
    return sign >= 0;
}

// Rows come from anywhere: the beginning of one that is needed soon is fetched ahead.
static void take_rows(const char* from, int64_t bytes, const int64_t* index, int64_t n, char* to) {
    constexpr int64_t kAhead = 4;
    constexpr int64_t kFetched = 512;
    const int64_t fetched = bytes < kFetched ? bytes : kFetched;
    for (int64_t k = 0; k < n; ++k, to += bytes) {
        if (k + kAhead < n)
            for (int64_t b = 0; b < fetched; b += 64)
                __builtin_prefetch(from + index[k + kAhead] * bytes + b);
        const char* row = from + index[k] * bytes;
        if (bytes >= 2048) {
            __builtin_memcpy(to, row, static_cast<uint64_t>(bytes));
            continue;
        }
        int64_t b = 0;
        for (; b + PT_VEC_BYTES <= bytes; b += PT_VEC_BYTES)
            store(reinterpret_cast<int32_t*>(to + b), load(reinterpret_cast<const int32_t*>(row + b)));
        for (; b + 4 <= bytes; b += 4) __builtin_memcpy(to + b, row + b, 4);
        for (; b < bytes; ++b) to[b] = row[b];
    }
}

// The kept ones of up to kBlock elements go to a buffer first: no branch on the mask, and no write beyond
// what belongs to the caller.
constexpr int kBlock = 64;

template <class T>
PT_INLINE int compress_block(const uint8_t* mask, const T* x, T* buffer) {
    int kept = 0;
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const __m512i zero = _mm512_setzero_si512();
    const uint64_t bits = _mm512_cmpneq_epi8_mask(_mm512_loadu_si512(mask), zero);
    for (int i = 0; i < kBlock; i += lanes<T>) {
        if constexpr (sizeof(T) == 4) {
            const __mmask16 m = static_cast<__mmask16>(bits >> i);
            _mm512_storeu_si512(buffer + kept, _mm512_maskz_compress_epi32(m, _mm512_loadu_si512(x + i)));
            kept += __builtin_popcount(m);
        } else {
            const __mmask8 m = static_cast<__mmask8>(bits >> i);
            _mm512_storeu_si512(buffer + kept, _mm512_maskz_compress_epi64(m, _mm512_loadu_si512(x + i)));
            kept += __builtin_popcount(m);
        }
    }
#else
    for (int i = 0; i < kBlock; ++i) {
        buffer[kept] = x[i];
        kept += mask[i] != 0;
    }
#endif
    return kept;
}

template <class T>
static int64_t compress(const uint8_t* mask, const char* from, int64_t n, char* to) {
    const T* x = reinterpret_cast<const T*>(from);
    T* y = reinterpret_cast<T*>(to);
    T buffer[kBlock + lanes<T>];
    int64_t kept = 0;
    int64_t i = 0;
    for (; i + kBlock <= n; i += kBlock) {
        const int count = compress_block<T>(mask + i, x + i, buffer);
        __builtin_memcpy(y + kept, buffer, static_cast<uint64_t>(count) * sizeof(T));
        kept += count;
    }
    for (; i < n; ++i)
        if (mask[i] != 0) y[kept++] = x[i];
    return kept;
}

}  // namespace pt::index::PT_ISA
