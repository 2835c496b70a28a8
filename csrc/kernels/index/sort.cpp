// Radix sort, least significant digit first (Knuth, vol. 3, 5.2.5): stable, no comparisons, as many passes as
// the keys have digits that differ. Elements become unsigned keys with their places beside them.
#include "kernels/index/sort.h"

#include <algorithm>
#include <bit>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/keys.h"

namespace pt::index {
namespace {

constexpr int64_t kFew = 40;        // entries that insertion sorts faster
constexpr int64_t kMany = 1 << 15;  // entries from which wider digits pay
constexpr double kSortNs = 10;      // of an element

template <class K>
K key_in(const Entry<K>& entry) {
    return entry.key;
}
uint32_t key_in(uint32_t key) { return key; }
uint64_t key_in(uint64_t key) { return key; }

template <class E>
void insertion_sort(E* e, int64_t n) {
    for (int64_t i = 1; i < n; ++i) {
        const E x = e[i];
        int64_t j = i;
        for (; j > 0 && key_in(e[j - 1]) > key_in(x); --j) e[j] = e[j - 1];
        e[j] = x;
    }
}

template <int Bits, class E>
E* radix_sort(E* from, E* to, int64_t n) {
    using K = decltype(key_in(*from));
    constexpr int kDigits = (static_cast<int>(sizeof(K)) * 8 + Bits - 1) / Bits;
    constexpr int kSize = 1 << Bits;
    constexpr K kMask = kSize - 1;
    pool::Scratch scratch(sizeof(uint32_t) * kDigits * kSize);
    uint32_t* const counts = scratch.as<uint32_t>();
    std::memset(counts, 0, sizeof(uint32_t) * kDigits * kSize);
    for (int64_t i = 0; i < n; ++i)
        for (int d = 0; d < kDigits; ++d) ++counts[d * kSize + ((key_in(from[i]) >> (d * Bits)) & kMask)];
    for (int d = 0; d < kDigits; ++d) {
        uint32_t* const count = counts + d * kSize;
        const int shift = d * Bits;
        if (count[(key_in(from[0]) >> shift) & kMask] == n) continue;  // all the same
        uint32_t sum = 0;
        for (int b = 0; b < kSize; ++b) {
            const uint32_t here = count[b];
            count[b] = sum;
            sum += here;
        }
        for (int64_t i = 0; i < n; ++i) to[count[(key_in(from[i]) >> shift) & kMask]++] = from[i];
        std::swap(from, to);
    }
    return from;
}

template <class T>
void sort_lines(const SortLines& lines, bool descending) {
    using K = KeyOf<T>;
    const int64_t n = lines.length;
    const K turn = descending ? ~K{0} : K{0};
    parallel_for(0, lines.count, Work{kSortNs * static_cast<double>(n)}, [&](int64_t begin, int64_t end) {
        pool::Scratch scratch(static_cast<size_t>(2 * n) * sizeof(Entry<K>));
        Entry<K>* const entries = scratch.as<Entry<K>>();
        for (int64_t l = begin; l < end; ++l) {
            const auto line = lines.line(l);
            for (int64_t i = 0; i < n; ++i)
                entries[i] = {static_cast<K>(key_of(line.template at<T>(i)) ^ turn),
                              static_cast<uint32_t>(i)};
            const Entry<K>* sorted = sort_entries(entries, entries + n, n);
            for (int64_t i = 0; i < n; ++i) line.template put<T>(i, sorted[i].place);
        }
    });
}

// How many of the n sorted elements are less than x (right: not greater), for several x at once: the searches
// have no branches to be predicted and wait for memory together. NaN comes after all.
template <bool Right, int W, class T>
void search_some(const T* edges, int64_t n, const T* x, int64_t* out) {
    const auto before = [](T edge, T value) { return Right ? !(edge > value) : !(edge >= value); };
    const T* base[W];
    for (int w = 0; w < W; ++w) base[w] = edges;
    int64_t length = n;
    while (length > 1) {
        const int64_t half = length / 2;
        for (int w = 0; w < W; ++w) base[w] += half & -static_cast<int64_t>(before(base[w][half - 1], x[w]));
        length -= half;
    }
    for (int w = 0; w < W; ++w) out[w] = base[w] - edges + (n > 0 && before(*base[w], x[w]) ? 1 : 0);
}

template <bool Right, class T>
void search_row(const T* edges, int64_t n, const T* x, int64_t count, int64_t* out) {
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) search_some<Right, 8>(edges, n, x + i, out + i);
    for (; i < count; ++i) search_some<Right, 1>(edges, n, x + i, out + i);
}

}  // namespace

template <class E>
E* sort_entries(E* entries, E* other, int64_t n) {
    if (n <= kFew) {
        insertion_sort(entries, n);
        return entries;
    }
    return n < kMany ? radix_sort<8>(entries, other, n) : radix_sort<11>(entries, other, n);
}
template Entry<uint32_t>* sort_entries(Entry<uint32_t>*, Entry<uint32_t>*, int64_t);
template Entry<uint64_t>* sort_entries(Entry<uint64_t>*, Entry<uint64_t>*, int64_t);
template uint32_t* sort_entries(uint32_t*, uint32_t*, int64_t);
template uint64_t* sort_entries(uint64_t*, uint64_t*, int64_t);

bool can_sort(DType dtype) {
    return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::boolean ||
           dtype == DType::uint8 || dtype == DType::int8 || dtype == DType::int16 || dtype == DType::int32 ||
           dtype == DType::int64;
}

void sort(const ArrayView& in, int axis, bool descending, const ArrayView& values, const ArrayView& indices) {
    if (in.numel() == 0) return;
    const SortLines lines(in, axis, values, indices);
    with_sortable(in.dtype, [&](auto t) { sort_lines<decltype(t)>(lines, descending); });
}

void search_sorted(const ArrayView& edges, const ArrayView& values, bool right, const ArrayView& out) {
    const int64_t total = values.numel();
    if (total == 0) return;
    const int64_t n = edges.ndim > 0 ? edges.shape[edges.ndim - 1] : 1;
    const int64_t row = edges.ndim <= 1 || values.ndim == 0 ? total : values.shape[values.ndim - 1];
    with_sortable(values.dtype, [&](auto t) {
        using T = decltype(t);
        const Work work = {1 + 0.5 * static_cast<double>(std::bit_width(static_cast<uint64_t>(n))), 8};
        parallel_for(0, total, work, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end;) {
                const int64_t r = i / row;
                const int64_t stop = std::min(end, (r + 1) * row);
                const T* sorted = edges.as<T>() + (edges.ndim <= 1 ? 0 : r * n);
                (right ? search_row<true, T> : search_row<false, T>)(sorted, n, values.as<T>() + i, stop - i,
                                                                     out.as<int64_t>() + i);
                i = stop;
            }
        });
    });
}

}  // namespace pt::index
