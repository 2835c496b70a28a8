// The different elements: counted in a table where integers lie close together, sorted otherwise.
#include "kernels/index/count.h"
#include "kernels/index/keys.h"
#include "kernels/index/tally.h"
#include "kernels/index/types.h"

namespace pt::index {
namespace {

// A place in a table for each number from `low` on.
template <class T>
int64_t unique_close(const T* x, int64_t n, int64_t low, int64_t range, T* values, int64_t* counts,
                     int64_t* inverse) {
    pool::Scratch scratch(static_cast<size_t>(range) * sizeof(int64_t));
    int64_t* const of = scratch.as<int64_t>();
    std::memset(of, 0, static_cast<size_t>(range) * sizeof(int64_t));
    count_each(n, range, of, [&](int64_t i) { return static_cast<int64_t>(x[i]) - low; });
    int64_t found = 0;
    for (int64_t r = 0; r < range; ++r) {
        const int64_t count = of[r];
        of[r] = found;
        if (count == 0) continue;
        values[found] = static_cast<T>(low + r);
        counts[found++] = count;
    }
    if (inverse != nullptr)
        parallel_for(0, n, Work{kCountNs}, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) inverse[i] = of[static_cast<int64_t>(x[i]) - low];
        });
    return found;
}

template <class T>
bool is_nan_key(KeyOf<T> key) {
    return std::is_floating_point_v<T> && key == static_cast<KeyOf<T>>(~KeyOf<T>{0});
}

template <class T>
int64_t unique_sorted(const T* x, int64_t n, T* values, int64_t* counts, int64_t* inverse) {
    using K = KeyOf<T>;
    int64_t found = 0;
    K last = 0;
    const auto count = [&](K key) {
        if (found == 0 || key != last || is_nan_key<T>(key)) {
            values[found] = value_of<T>(key);
            counts[found++] = 0;
            last = key;
        }
        ++counts[found - 1];
    };
    if (inverse == nullptr) {
        pool::Scratch scratch(static_cast<size_t>(2 * n) * sizeof(K));
        K* const keys = scratch.as<K>();
        for (int64_t i = 0; i < n; ++i) keys[i] = key_of(x[i]);
        const K* sorted = sort_entries(keys, keys + n, n);
        for (int64_t i = 0; i < n; ++i) count(sorted[i]);
        return found;
    }
    pool::Scratch scratch(static_cast<size_t>(2 * n) * sizeof(Entry<K>));
    Entry<K>* const entries = scratch.as<Entry<K>>();
    for (int64_t i = 0; i < n; ++i) entries[i] = {key_of(x[i]), static_cast<uint32_t>(i)};
    const Entry<K>* sorted = sort_entries(entries, entries + n, n);
    for (int64_t i = 0; i < n; ++i) {
        count(sorted[i].key);
        inverse[sorted[i].place] = found - 1;
    }
    return found;
}

template <class T>
int64_t unique_of(const T* x, int64_t n, T* values, int64_t* counts, int64_t* inverse) {
    if constexpr (!std::is_floating_point_v<T>) {
        T low = x[0], high = x[0];
        for (int64_t i = 1; i < n; ++i) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
        if (span < static_cast<uint64_t>(2 * n))
            return unique_close(x, n, static_cast<int64_t>(low), static_cast<int64_t>(span) + 1, values,
                                counts, inverse);
    }
    return unique_sorted(x, n, values, counts, inverse);
}

// Blocks without a change, the most where runs are long, are passed over as a whole; elsewhere everything is
// written again until it is right, which spares a branch that nothing could predict.
template <class T>
int64_t runs_of(const T* x, int64_t n, T* values, int64_t* counts, int64_t* inverse) {
    constexpr int64_t kBlock = 16;
    int64_t run = 0;
    values[0] = x[0];
    int64_t* const ends = counts;
    if (inverse != nullptr) inverse[0] = 0;
    for (int64_t i = 1; i < n;) {
        const int64_t stop = std::min(n, i + kBlock);
        int changes = 0;
        for (int64_t k = i; k < stop; ++k) changes |= x[k] != x[k - 1];
        if (changes != 0)
            for (int64_t k = i; k < stop; ++k) {
                ends[run] = k;
                run += x[k] != x[k - 1];
                values[run] = x[k];
                if (inverse != nullptr) inverse[k] = run;
            }
        else if (inverse != nullptr)
            std::fill(inverse + i, inverse + stop, run);
        i = stop;
    }
    ends[run] = n;
    for (int64_t r = run; r > 0; --r) counts[r] = ends[r] - ends[r - 1];
    return run + 1;
}

// fn(x, n, values, counts, inverse) with the pointers of the arrays' type.
template <class Fn>
int64_t with_arrays(const ArrayView& in, const ArrayView& values, const ArrayView& counts,
                    const ArrayView* inverse, const Fn& fn) {
    int64_t found = 0;
    if (in.numel() == 0) return found;
    with_wide(in.dtype, [&](auto t) {
        using T = decltype(t);
        found = fn(static_cast<const T*>(in.as<T>()), in.numel(), values.as<T>(), counts.as<int64_t>(),
                   inverse != nullptr ? inverse->as<int64_t>() : nullptr);
    });
    return found;
}

}  // namespace

int64_t unique(const ArrayView& in, const ArrayView& values, const ArrayView& counts,
               const ArrayView* inverse) {
    return with_arrays(in, values, counts, inverse, [](auto... all) { return unique_of(all...); });
}

int64_t unique_runs(const ArrayView& in, const ArrayView& values, const ArrayView& counts,
                    const ArrayView* inverse) {
    return with_arrays(in, values, counts, inverse, [](auto... all) { return runs_of(all...); });
}

}  // namespace pt::index
