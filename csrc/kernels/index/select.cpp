// Elements by rank without sorting the line: the k first by a sorted list of the best so far, or, for larger
// k and for single ranks, by counting digits from the most significant one (radix selection).
#include <algorithm>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/keys.h"
#include "kernels/index/sort.h"

namespace pt::index {
namespace {

constexpr double kSelectNs = 1.5;  // of an element
constexpr int64_t kListed = 64;    // k up to which the best so far are kept in a list

// The key at `rank` in the order of n keys. `other` has room for n; `below` is how many keys are less.
template <class K>
K key_at_rank(const K* keys, K* other, int64_t n, int64_t rank, int64_t& below) {
    below = 0;
    for (int shift = static_cast<int>(sizeof(K)) * 8 - 8; shift >= 0; shift -= 8) {
        uint32_t counts[256] = {};
        for (int64_t i = 0; i < n; ++i) ++counts[(keys[i] >> shift) & 255];
        uint32_t digit = 0;
        while (rank >= counts[digit]) {
            rank -= counts[digit];
            below += counts[digit];
            ++digit;
        }
        if (counts[digit] == n) continue;
        int64_t kept = 0;
        for (int64_t i = 0; i < n; ++i) {
            const K key = keys[i];
            other[kept] = key;  // `other` may be `keys`: what is kept never overtakes what is read
            kept += ((key >> shift) & 255) == digit;
        }
        keys = other;
        n = kept;
    }
    return keys[0];
}

// A signed number in the order of the keys, which every instruction set can compare.
template <class K>
std::make_signed_t<K> as_signed(K key) {
    return static_cast<std::make_signed_t<K>>(key ^ (K{1} << (sizeof(K) * 8 - 1)));
}

// The first k entries of n keys in order. Most blocks of keys hold none that is better than the worst so far.
template <class K>
void list_best(const K* keys, int64_t n, int64_t k, Entry<K>* best) {
    constexpr int64_t kBlock = 32;
    int64_t held = 0;
    const auto insert = [&](K key, int64_t place) {
        if (held == k && key >= best[k - 1].key) return;
        int64_t j = held < k ? held++ : k - 1;
        for (; j > 0 && best[j - 1].key > key; --j) best[j] = best[j - 1];
        best[j] = {key, static_cast<uint32_t>(place)};
    };
    int64_t i = 0;
    for (; i < k; ++i) insert(keys[i], i);
    for (; i + kBlock <= n; i += kBlock) {
        const auto worst = as_signed(best[k - 1].key);
        int better = 0;
        for (int64_t u = 0; u < kBlock; ++u) better |= as_signed(keys[i + u]) < worst;
        if (better == 0) continue;
        for (int64_t u = 0; u < kBlock; ++u) insert(keys[i + u], i + u);
    }
    for (; i < n; ++i) insert(keys[i], i);
}

// The same by selection: all keys below the one at rank k - 1, and as many equal to it as are wanted.
template <class K>
Entry<K>* select_best(const K* keys, K* other, int64_t n, int64_t k, Entry<K>* entries) {
    int64_t below;
    const K limit = key_at_rank(keys, other, n, k - 1, below);
    int64_t equal = k - below;
    int64_t held = 0;
    for (int64_t i = 0; i < n && held < k; ++i) {
        if (keys[i] > limit || (keys[i] == limit && equal-- <= 0)) continue;
        entries[held++] = {keys[i], static_cast<uint32_t>(i)};
    }
    return sort_entries(entries, entries + k, k);
}

template <class T>
void top_k_lines(const SortLines& lines, int64_t k, bool largest) {
    using K = KeyOf<T>;
    const int64_t n = lines.length;
    const K turn = largest ? ~K{0} : K{0};
    parallel_for(0, lines.count, Work{kSelectNs * static_cast<double>(n)}, [&](int64_t begin, int64_t end) {
        pool::Scratch key_room(static_cast<size_t>(2 * n) * sizeof(K));
        pool::Scratch entry_room(static_cast<size_t>(2 * k) * sizeof(Entry<K>));
        K* const keys = key_room.as<K>();
        for (int64_t l = begin; l < end; ++l) {
            const auto line = lines.line(l);
            if (line.step == static_cast<int64_t>(sizeof(T)))
                for (int64_t i = 0; i < n; ++i)
                    keys[i] = key_of(reinterpret_cast<const T*>(line.x)[i]) ^ turn;
            else
                for (int64_t i = 0; i < n; ++i) keys[i] = key_of(line.template at<T>(i)) ^ turn;
            Entry<K>* best = entry_room.as<Entry<K>>();
            if (k <= kListed)
                list_best(keys, n, k, best);
            else
                best = select_best(keys, keys + n, n, k, best);
            for (int64_t i = 0; i < k; ++i) line.template put<T>(i, best[i].place);
        }
    });
}

template <class T>
void select_lines(const SortLines& lines, int64_t rank, const int64_t* ranks) {
    using K = KeyOf<T>;
    const int64_t n = lines.length;
    parallel_for(0, lines.count, Work{kSelectNs * static_cast<double>(n)}, [&](int64_t begin, int64_t end) {
        pool::Scratch room(static_cast<size_t>(2 * n) * sizeof(K));
        K* const keys = room.as<K>();
        for (int64_t l = begin; l < end; ++l) {
            const auto line = lines.line(l);
            for (int64_t i = 0; i < n; ++i) keys[i] = key_of(line.template at<T>(i));
            const int64_t wanted = ranks != nullptr ? ranks[l] : rank;
            int64_t below;
            const K key = key_at_rank(keys, keys + n, n, wanted, below);
            int64_t place = 0;
            for (int64_t equal = wanted - below; keys[place] != key || equal-- > 0; ++place) {
            }
            line.template put<T>(0, place);
        }
    });
}

}  // namespace

void top_k(const ArrayView& in, int axis, bool largest, const ArrayView& values, const ArrayView& indices) {
    if (values.numel() == 0) return;
    const SortLines lines(in, axis, values, indices);
    with_sortable(in.dtype, [&](auto t) { top_k_lines<decltype(t)>(lines, values.shape[axis], largest); });
}

void select_rank(const ArrayView& in, int axis, int64_t rank, const int64_t* ranks, const ArrayView& values,
                 const ArrayView& indices) {
    if (values.numel() == 0) return;
    const SortLines lines(in, axis, values, indices);
    with_sortable(in.dtype, [&](auto t) { select_lines<decltype(t)>(lines, rank, ranks); });
}

}  // namespace pt::index
