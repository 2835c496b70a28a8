// C = A @ B in five loops, for any operands that can give strips:
//
//     gemm<T>(m, n, k, a, b, out, threads)
//
//     a.strip(i, rows, k0, depth, scratch)     Strip of rows [i, i + rows) over [k0, k0 + depth)
//     b.strip(j, columns, k0, depth, scratch)  Strip of columns [j, j + columns) over [k0, k0 + depth)
//
// A strip is packed into the scratch space (pack_rows and pack_columns do that for matrices; a convolution
// reads its patches there) or points into the operand when that lies well already. Rows of a strip of B are
// padded to whole vectors.
//
// A strip of B (kDepth x kColumns) is to stay in the level 1 cache, a block of A (kBlockTiles tiles x kDepth)
// in level 2, a block of B (kDepth x kBlockStrips strips), which all threads pack and share, in level 3.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/matmul/output.h"

namespace pt::matmul::PT_ISA {

constexpr int kVecs = 2;  // across a tile of a large product
constexpr int kRows = max_rows(kVecs);
template <class T>
constexpr int kColumns = kVecs * lanes<T>;
constexpr int64_t kDepth = 256;
constexpr int64_t kBlockTiles = 16;
constexpr int64_t kBlockStrips = 64;
constexpr int64_t kSmallB = int64_t{1} << 19;    // bytes
constexpr int64_t kParallel = int64_t{1} << 22;  // multiplications that are worth a second thread

// [begin, end) of the part `index` of `count` even parts of n.
struct Range {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
};
PT_INLINE Range even_part(int64_t n, int64_t index, int64_t count) {
    return {n * index / count, n * (index + 1) / count};
}
PT_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Strips of a matrix.
template <class T>
struct Rows {
    const T* data;
    int64_t row, step;
    bool in_place;

    Strip<T> strip(int64_t i, int rows, int64_t k, int64_t depth, T* scratch) const {
        if (in_place) return {data + i * row + k * step, row, step};
        return pack_rows(data + i * row + k * step, row, step, rows, depth, scratch);
    }
};
template <class T>
struct Columns {
    const T* data;
    int64_t step, column;

    Strip<T> strip(int64_t j, int columns, int64_t k, int64_t depth, T* scratch) const {
        return pack_columns(data + k * step + j * column, step, column, columns, depth, scratch);
    }
};

// Threads form a grid over C: rows are shared out first, in parts of some tiles at least, then strips of
// columns.
struct Grid {
    int rows, columns;
};
PT_INLINE Grid grid_of(int threads, int64_t m) {
    int rows = threads;
    while (rows > 1 && (threads % rows != 0 || m / rows < 4 * kRows)) --rows;
    return {rows, threads / rows};
}

// Packed strips of B that lie `step` elements apart and begin `above` rows before the depth at hand.
template <class T>
struct PackedStrips {
    const T* data;
    int64_t step, above;

    Strip<T> strip(int64_t s, int64_t columns) const {
        const int64_t width = ceil_div(columns, lanes<T>) * lanes<T>;
        return {data + s * step + above * width, 0, width};
    }
};

// Rows [begin, end) against the packed strips [strips.begin, strips.end) of a block of B, whose first column
// is j0.
template <class T, class A>
static void multiply_block(const A& a, const Output<T>& out, Range rows, int64_t j0, int64_t n, Range strips,
                           int64_t k0, int64_t depth, const PackedStrips<T>& packed_b, T* packed_a,
                           bool first, bool last) {
    const int64_t count = ceil_div(rows.size(), kRows);
    for (int64_t block = 0; block < count; block += kBlockTiles) {
        const int64_t end = block + kBlockTiles < count ? block + kBlockTiles : count;
        Strip<T> a_strips[kBlockTiles];
        Range parts[kBlockTiles];
        for (int64_t t = block; t < end; ++t) {
            const Range part = even_part(rows.size(), t, count);
            parts[t - block] = {rows.begin + part.begin, rows.begin + part.end};
            a_strips[t - block] = a.strip(rows.begin + part.begin, static_cast<int>(part.size()), k0, depth,
                                          packed_a + (t - block) * strip_a<T>(depth));
        }
        for (int64_t s = strips.begin; s < strips.end; ++s) {
            const int64_t j = j0 + s * kColumns<T>, left = n - j;
            const int columns = left < kColumns<T> ? static_cast<int>(left) : kColumns<T>;
            const Strip<T> b = packed_b.strip(s, columns);
            for (int64_t t = 0; t < end - block; ++t)
                multiply_tile(out, Part{parts[t].begin, parts[t].size(), j, columns}, depth, a_strips[t], b,
                              false, first, last);
        }
    }
}

// B is packed as a whole by the caller; then threads take rows and never wait for each other.
template <class T, class A, class B>
static void gemm_of_small_b(int64_t m, int64_t n, int64_t k, const A& a, const B& b, const Output<T>& out,
                            int threads) {
    const int64_t passes = k > 0 ? ceil_div(k, kDepth) : 1, strips = ceil_div(n, kColumns<T>);
    pool::Scratch packed_b(sizeof(T) * static_cast<size_t>(strips * kColumns<T> * k));
    const auto packed = [&](const Range& depth) {
        return packed_b.as<T>() + depth.begin * strips * kColumns<T>;
    };
    for (int64_t pass = 0; pass < passes; ++pass) {
        const Range depth = even_part(k, pass, passes);
        for (int64_t s = 0; s < strips; ++s) {
            const int64_t j = s * kColumns<T>, left = n - j;
            b.strip(j, left < kColumns<T> ? static_cast<int>(left) : kColumns<T>, depth.begin, depth.size(),
                    packed(depth) + j * depth.size());
        }
    }
    const int64_t tiles = ceil_div(m, kRows), grain = tiles <= threads ? 1 : tiles / threads;
    parallel_for(0, tiles, grain, [&](int64_t begin, int64_t end) {
        const Range rows{begin * kRows, end == tiles ? m : end * kRows};
        pool::Scratch packed_a(sizeof(T) * static_cast<size_t>(kBlockTiles * strip_a<T>(kDepth)));
        for (int64_t pass = 0; pass < passes; ++pass) {
            const Range depth = even_part(k, pass, passes);
            multiply_block(a, out, rows, 0, n, Range{0, strips}, depth.begin, depth.size(),
                           PackedStrips<T>{packed(depth), kColumns<T> * depth.size(), 0}, packed_a.as<T>(),
                           pass == 0, pass == passes - 1);
        }
    });
}

template <class T, class A, class B>
static void gemm(int64_t m, int64_t n, int64_t k, const A& a, const B& b, const Output<T>& out, int threads) {
    if (n * k * static_cast<int64_t>(sizeof(T)) <= kSmallB)
        return gemm_of_small_b(m, n, k, a, b, out, threads);
    const int64_t passes = k > 0 ? ceil_div(k, kDepth) : 1, most_depth = ceil_div(k, passes);
    const int64_t all_strips = ceil_div(n, kColumns<T>);
    const int64_t block_strips = all_strips < kBlockStrips ? all_strips : kBlockStrips;
    const int64_t bytes = static_cast<int64_t>(sizeof(T)) * kColumns<T>;
    pool::Scratch packed_b(static_cast<size_t>(block_strips * most_depth * bytes));
    run_team(threads, [&](int thread, int team) {
        const Grid grid = grid_of(team, m);
        const Range rows = even_part(m, thread / grid.columns, grid.rows);
        pool::Scratch packed_a(sizeof(T) * static_cast<size_t>(kBlockTiles * strip_a<T>(most_depth)));
        for (int64_t s0 = 0; s0 < all_strips; s0 += block_strips)
            for (int64_t pass = 0; pass < passes; ++pass) {
                const Range depth = even_part(k, pass, passes);
                const int64_t count = all_strips - s0 < block_strips ? all_strips - s0 : block_strips;
                const Range packs = even_part(count, thread, team);
                for (int64_t s = packs.begin; s < packs.end; ++s) {
                    const int64_t j = (s0 + s) * kColumns<T>, left = n - j;
                    b.strip(j, left < kColumns<T> ? static_cast<int>(left) : kColumns<T>, depth.begin,
                            depth.size(), packed_b.as<T>() + s * kColumns<T> * depth.size());
                }
                if (team > 1) team_barrier();
                multiply_block(a, out, rows, s0 * kColumns<T>, n,
                               even_part(count, thread % grid.columns, grid.columns), depth.begin,
                               depth.size(), PackedStrips<T>{packed_b.as<T>(), kColumns<T> * depth.size(), 0},
                               packed_a.as<T>(), pass == 0, pass == passes - 1);
                if (team > 1) team_barrier();  // before the block of B is overwritten
            }
    });
}

}  // namespace pt::matmul::PT_ISA
