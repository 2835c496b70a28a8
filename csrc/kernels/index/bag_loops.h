// Sums and maxima of bags of rows. A block of columns stays in registers while the rows of the bag go by.
#pragma once

#include "kernels/index/kernels.h"
#include "simd/vec.h"

namespace pt::index::PT_ISA {

using namespace ::pt::PT_ISA;

constexpr int64_t kRowsAhead = 12;  // fetched before they are needed, from the next bags too

template <class T>
PT_INLINE void fetch_row(const T* from, int64_t columns) {
    const char* row = reinterpret_cast<const char*>(from);
    const int64_t bytes = columns * static_cast<int64_t>(sizeof(T));
    for (int64_t b = 0; b < bytes && b < 512; b += 64) __builtin_prefetch(row + b);
}

template <class T>
PT_INLINE void fetch_bag_row(const Bags& bags, const T* table, int64_t k, int64_t end) {
    if (k < end) fetch_row(table + bags.numbers[k] * bags.columns, bags.columns);
}

// How many numbers of a bag count.
PT_INLINE int64_t counted(const Bags& bags, int64_t bag) {
    const int64_t begin = bags.begin(bag);
    const int64_t end = bags.end(bag);
    if (bags.padding < 0) return end - begin;
    int64_t n = 0;
    for (int64_t k = begin; k < end; ++k) n += bags.numbers[k] != bags.padding;
    return n;
}

template <class T>
PT_INLINE T bag_factor(const Bags& bags, int64_t bag, bool mean) {
    const int64_t n = mean ? counted(bags, bag) : 1;
    return T(1) / static_cast<T>(n > 0 ? n : 1);
}

// N vectors of columns from `column` on; the last vector has `tail` lanes.
template <class T, int N>
PT_INLINE void sum_block(const Bags& bags, const T* table, const T* weights, T factor, int64_t bag,
                         int64_t fetched, int64_t column, int tail, T* out) {
    constexpr int L = lanes<T>;
    const int64_t begin = bags.begin(bag);
    const int64_t end = bags.end(bag);
    Vec<T> sum[N] = {};
    for (int64_t k = begin; k < end; ++k) {
        if (column == 0) fetch_bag_row(bags, table, k + kRowsAhead, fetched);
        const int64_t number = bags.numbers[k];
        if (number == bags.padding) continue;
        const T* row = table + number * bags.columns + column;
        const Vec<T> weight = broadcast<T>(weights != nullptr ? weights[k] : T(1));
        for (int v = 0; v < N; ++v)
            sum[v] += weight * (v + 1 < N || tail == L ? load(row + v * L) : load_n(row + v * L, tail));
    }
    const Vec<T> scale = broadcast<T>(factor);
    T* to = out + bag * bags.columns + column;
    for (int v = 0; v < N; ++v) {
        if (v + 1 < N || tail == L)
            store(to + v * L, sum[v] * scale);
        else
            store_n(to + v * L, sum[v] * scale, tail);
    }
}

template <class T, int N>
PT_INLINE void max_block(const Bags& bags, const T* table, int64_t bag, int64_t fetched, int64_t column,
                         int tail, T* out, int64_t* places) {
    constexpr int L = lanes<T>;
    using Place = typename int_of<sizeof(T)>::type;
    const int64_t begin = bags.begin(bag);
    const int64_t end = bags.end(bag);
    Vec<T> best[N] = {};
    Vec<Place> from[N] = {};
    bool empty = true;
    for (int64_t k = begin; k < end; ++k) {
        if (column == 0) fetch_bag_row(bags, table, k + kRowsAhead, fetched);
        const int64_t number = bags.numbers[k];
        if (number == bags.padding) continue;
        const T* row = table + number * bags.columns + column;
        const Vec<Place> here = broadcast<Place>(static_cast<Place>(k - begin));
        for (int v = 0; v < N; ++v) {
            const Vec<T> x = v + 1 < N || tail == L ? load(row + v * L) : load_n(row + v * L, tail);
            const Mask<T> better = empty ? Mask<T>{} == Mask<T>{} : x > best[v];
            best[v] = better ? x : best[v];
            from[v] = better ? here : from[v];
        }
        empty = false;
    }
    const int64_t at = bag * bags.columns + column;
    for (int v = 0; v < N; ++v) {
        const int width = v + 1 < N ? L : tail;
        store_n(out + at + v * L, best[v], width);
        if (places == nullptr) continue;
        for (int i = 0; i < width; ++i) places[at + v * L + i] = empty ? 0 : bags.numbers[begin + from[v][i]];
    }
}

// body.template block<N>(column, tail) over all columns.
template <class T, class Body>
PT_INLINE void over_columns(int64_t columns, const Body& body) {
    constexpr int L = lanes<T>;
    int64_t c = 0;
    for (; c + 8 * L <= columns; c += 8 * L) body.template block<8>(c, L);
    if (c + 4 * L <= columns) {
        body.template block<4>(c, L);
        c += 4 * L;
    }
    if (c + 2 * L <= columns) {
        body.template block<2>(c, L);
        c += 2 * L;
    }
    for (; c < columns; c += L)
        body.template block<1>(c, static_cast<int>(columns - c < L ? columns - c : L));
}

template <class T>
struct RowBody {
    const RowSums& sums;
    int64_t row;
    int64_t fetched;
    T* out;
    template <int N>
    PT_INLINE_MEMBER void block(int64_t column, int tail) const {
        constexpr int L = lanes<T>;
        const auto get = [&](const T* from, int v) {
            return v + 1 < N || tail == L ? load(from + v * L) : load_n(from + v * L, tail);
        };
        const T* source = reinterpret_cast<const T*>(sums.source) + column;
        const T* start = reinterpret_cast<const T*>(sums.start) + row * sums.columns + column;
        T* to = out + row * sums.columns + column;
        Vec<T> sum[N] = {};
        if (sums.start != nullptr)
            for (int v = 0; v < N; ++v) sum[v] = get(start, v);
        for (int64_t k = sums.bounds[row]; k < sums.bounds[row + 1]; ++k) {
            if (column == 0 && k + kRowsAhead < fetched)
                fetch_row(source + sums.order[k + kRowsAhead] * sums.columns, sums.columns);
            const T* from = source + sums.order[k] * sums.columns;
            for (int v = 0; v < N; ++v) sum[v] += get(from, v);
        }
        for (int v = 0; v + 1 < N; ++v) store(to + v * L, sum[v]);
        tail == L ? store(to + (N - 1) * L, sum[N - 1]) : store_n(to + (N - 1) * L, sum[N - 1], tail);
    }
};

template <class T>
static void add_rows(const RowSums& sums, int64_t first, int64_t last, char* out) {
    const int64_t fetched = sums.bounds[last];
    for (int64_t i = first; i < last; ++i)
        over_columns<T>(sums.columns, RowBody<T>{sums, i, fetched, reinterpret_cast<T*>(out)});
}

template <class T>
struct SumBody {
    const Bags& bags;
    const T* table;
    const T* weights;
    T factor;
    int64_t bag;
    int64_t fetched;  // rows may be fetched ahead up to here
    T* out;
    template <int N>
    PT_INLINE_MEMBER void block(int64_t column, int tail) const {
        sum_block<T, N>(bags, table, weights, factor, bag, fetched, column, tail, out);
    }
};

template <class T>
struct MaxBody {
    const Bags& bags;
    const T* table;
    int64_t bag;
    int64_t fetched;  // rows may be fetched ahead up to here
    T* out;
    int64_t* places;
    template <int N>
    PT_INLINE_MEMBER void block(int64_t column, int tail) const {
        max_block<T, N>(bags, table, bag, fetched, column, tail, out, places);
    }
};

template <class T>
static void bag_sum(const Bags& bags, const T* table, const T* weights, bool mean, int64_t first,
                    int64_t last, T* out) {
    const int64_t fetched = bags.end(last - 1);
    for (int64_t b = first; b < last; ++b)
        over_columns<T>(bags.columns,
                        SumBody<T>{bags, table, weights, bag_factor<T>(bags, b, mean), b, fetched, out});
}

template <class T>
static void bag_max(const Bags& bags, const T* table, int64_t first, int64_t last, T* out, int64_t* places) {
    const int64_t fetched = bags.end(last - 1);
    for (int64_t b = first; b < last; ++b)
        over_columns<T>(bags.columns, MaxBody<T>{bags, table, b, fetched, out, places});
}

template <class T>
static void bag_spread(const Bags& bags, const T* grad, const T* weights, bool mean, int64_t first,
                       int64_t last, T* out) {
    constexpr int L = lanes<T>;
    const int64_t columns = bags.columns;
    __builtin_memset(out + first * columns, 0, static_cast<uint64_t>((last - first) * columns) * sizeof(T));
    for (int64_t b = 0; b < bags.count; ++b) {
        const T factor = bag_factor<T>(bags, b, mean);
        const T* from = grad + b * columns;
        for (int64_t k = bags.begin(b); k < bags.end(b); ++k) {
            const int64_t number = bags.numbers[k];
            if (number < first || number >= last || number == bags.padding) continue;
            const Vec<T> weight = broadcast<T>(weights != nullptr ? weights[k] * factor : factor);
            T* to = out + number * columns;
            int64_t c = 0;
            for (; c + L <= columns; c += L) store(to + c, load(to + c) + weight * load(from + c));
            if (c < columns) {
                const int n = static_cast<int>(columns - c);
                store_n(to + c, load_n(to + c, n) + weight * load_n(from + c, n), n);
            }
        }
    }
}

template <class T>
static void bag_dot(const Bags& bags, const T* grad, const T* table, int64_t first, int64_t last, T* out) {
    constexpr int L = lanes<T>;
    const int64_t columns = bags.columns;
    const int64_t fetched = bags.end(last - 1);
    for (int64_t b = first; b < last; ++b) {
        const T* g = grad + b * columns;
        const int64_t end = bags.end(b);
        for (int64_t k = bags.begin(b); k < end; ++k) {
            fetch_bag_row(bags, table, k + kRowsAhead, fetched);
            const int64_t number = bags.numbers[k];
            if (number == bags.padding) continue;
            const T* row = table + number * columns;
            Vec<T> sums[2] = {};
            int64_t c = 0;
            for (; c + 2 * L <= columns; c += 2 * L)
                for (int v = 0; v < 2; ++v) sums[v] += load(g + c + v * L) * load(row + c + v * L);
            for (; c < columns; c += L) {
                const int n = static_cast<int>(columns - c < L ? columns - c : L);
                sums[0] += load_n(g + c, n) * load_n(row + c, n);
            }
            const Vec<T> all = sums[0] + sums[1];
            T sum = 0;
            for (int i = 0; i < L; ++i) sum += all[i];
            out[k] = sum;
        }
    }
}

template <class T>
constexpr BagKernels<T> kBagKernels = {bag_sum<T>, bag_max<T>, bag_spread<T>, bag_dot<T>};

}  // namespace pt::index::PT_ISA
