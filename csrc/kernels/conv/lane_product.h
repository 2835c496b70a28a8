// The product of product.h where rows (outputs) are few or rows of positions short: outputs go along the
// lanes of a vector, and the patch elements are broadcast right from the source. Nothing is packed but the
// weights, and it does not matter how short the rows of positions are. The sums, [position][lane], are
// transposed in registers on their way out.
#pragma once

#include "kernels/conv/lane_copy.h"
#include "kernels/conv/product.h"

namespace pt::conv::PT_ISA {

// Pairs of neighbouring positions in a tile. Each has a pointer and two sums in registers.
#if defined(__AVX512F__)
constexpr int kPairs = 10;
#else
constexpr int kPairs = 6;
#endif
constexpr int64_t kChunkPairs = 16 * kPairs;  // whose sums are stored, in the first cache, before they go out

template <class T>
constexpr int64_t kLaneSums = (2 * kChunkPairs + 1) * lanes<T>;

// Weights are [tile][k][lane] here.
template <class T>
PT_INLINE int64_t lane_tiles(int64_t rows) {
    return (rows + lanes<T> - 1) / lanes<T>;
}

// sums[at[i]], sums[at[i] + 1] = the vectors of pair i.
template <class T>
static void lane_tile(int64_t depth, const int64_t* offsets, const T* const* pairs, const T* w, const T* bias,
                      const int64_t* at, T* sums) {
    constexpr int L = lanes<T>;
    const T* from[kPairs];
    Vec<T> acc[2 * kPairs];
#pragma GCC unroll 10
    for (int i = 0; i < kPairs; ++i) {
        from[i] = pairs[i];
        acc[2 * i] = acc[2 * i + 1] = load(bias);
    }
    for (int64_t k = 0; k < depth; ++k, w += L) {
        const int64_t offset = offsets[k];
        const Vec<T> weight = load(w);
#pragma GCC unroll 10
        for (int i = 0; i < kPairs; ++i) {
            acc[2 * i] += weight * broadcast(from[i][offset]);
            acc[2 * i + 1] += weight * broadcast(from[i][offset + 1]);
        }
    }
#pragma GCC unroll 10
    for (int i = 0; i < kPairs; ++i) {
        store(sums + at[i] * L, acc[2 * i]);
        store(sums + at[i] * L + L, acc[2 * i + 1]);
    }
}

// The pairs of positions of all images, row by row. The last pair of an odd row overlaps the one before.
template <class T>
struct LanePairs {
    int64_t width, per_row;

    explicit LanePairs(const Product<T>& p) : width(p.grid[2]), per_row((p.grid[2] + 1) / 2) {}
    int64_t total(const Product<T>& p) const { return p.images * p.grid[0] * p.grid[1] * per_row; }
    int64_t first_position(int64_t pair) const { return pair / per_row * width + pair % per_row * 2; }
};

// Where the pairs [begin, begin + count) read, and which of the positions from the one before the first on
// they are.
template <class T>
static void lay_out_pairs(const Product<T>& p, const LanePairs<T>& pairs, int64_t begin, int64_t count,
                          const T** from, int64_t* at) {
    int64_t row = begin / pairs.per_row, t2 = begin % pairs.per_row * 2;
    const int64_t first = pairs.first_position(begin) - 1;
    int64_t t1 = row % p.grid[1], t0 = row / p.grid[1] % p.grid[0], n = row / (p.grid[1] * p.grid[0]);
    const T* source = p.source + n * p.source_image + t0 * p.source_step[0] + t1 * p.source_step[1];
    for (int64_t i = 0; i < count; ++i, t2 += 2) {
        if (t2 >= pairs.width) {
            t2 = 0;
            ++row;
            if (++t1 == p.grid[1]) {
                t1 = 0;
                if (++t0 == p.grid[0]) t0 = 0, ++n;
            }
            source = p.source + n * p.source_image + t0 * p.source_step[0] + t1 * p.source_step[1];
        }
        const int64_t j = t2 + 2 <= pairs.width ? t2 : pairs.width - 2;
        from[i] = source + j;
        at[i] = row * pairs.width + j - first;
    }
}

// Outputs [m, m + lanes) of positions [begin, end), numbered through all images, from `sums`.
template <class T>
static void store_lanes(const Product<T>& p, const T* sums, int64_t m, int64_t begin, int64_t end) {
    constexpr int L = lanes<T>;
    const int64_t positions = p.grid[0] * p.grid[1] * p.grid[2];
    const int columns = p.rows - m < L ? static_cast<int>(p.rows - m) : L;
    for (int64_t at = begin; at < end;) {
        const int64_t n = at / positions, last = (n + 1) * positions < end ? (n + 1) * positions : end;
        T* out = p.out + n * p.out_image + m * p.out_channel - n * positions;
        lanes_to_rows(sums + (at - begin + 1) * L, last - at, columns, out + at, p.out_channel);
        at = last;
    }
}

// Pairs [begin, end) of one group; `sums` has room for kLaneSums.
template <class T>
static void lane_pairs(const Product<T>& p, int64_t begin, int64_t end, T* sums) {
    constexpr int L = lanes<T>;
    const LanePairs<T> pairs(p);
    const T* from[kChunkPairs];
    int64_t at[kChunkPairs];
    for (; begin < end; begin += kChunkPairs) {
        const int64_t count = end - begin < kChunkPairs ? end - begin : kChunkPairs;
        lay_out_pairs(p, pairs, begin, count, from, at);
        for (int64_t i = count; i % kPairs != 0; ++i) from[i] = from[0], at[i] = at[0];
        for (int64_t m = 0; m < p.rows; m += L) {
            for (int64_t i = 0; i < count; i += kPairs)
                lane_tile(p.depth, p.offsets, from + i, p.weights + m * p.depth, p.bias + m, at + i, sums);
            store_lanes(p, sums, m, pairs.first_position(begin), pairs.first_position(begin + count));
        }
    }
}

template <class T>
static void lane_product(const Product<T>& p) {
    const int64_t each = LanePairs<T>(p).total(p);
    const Work work{flops_ns(4 * lane_tiles<T>(p.rows) * lanes<T> * p.depth), kPairs};
    parallel_for(0, p.groups * each, work, [&](int64_t begin, int64_t end) {
        pool::Scratch sums(sizeof(T) * kLaneSums<T>);
        while (begin < end) {
            const int64_t group = begin / each, last = (group + 1) * each < end ? (group + 1) * each : end;
            Product<T> q = p;
            q.source += group * p.source_group;
            q.weights += group * p.weight_group;
            q.bias += group * p.bias_group;
            q.out += group * p.out_group;
            lane_pairs(q, begin - group * each, last - group * each, sums.as<T>());
            begin = last;
        }
    });
}

}  // namespace pt::conv::PT_ISA
