// C = A @ B in five loops, for any operands that can give strips:
//
//     gemm<T>(m, n, k, a, b, out, threads)
//
//     multiply_tile(out, part, ...)            forms a tile from two strips (output.h, half.h)
//     a.strip(i, rows, k0, depth, scratch)     Strip of rows [i, i + rows) over [k0, k0 + depth)
//     b.strip(j, columns, k0, depth, scratch)  Strip of columns [j, j + columns) over [k0, k0 + depth)
//
// A strip is packed into the scratch space (pack_rows and pack_columns do that for matrices; a convolution
// reads its patches there) or points into the operand when that lies well already. Rows of a strip of B are
// padded to whole vectors.
//
// The tile is as wide as the registers allow: of the shapes with the same number of sums, the widest one
// reads the fewest elements of A. What bounds the blocks:
//
//     level 1   a strip of A (tile rows x kDepth) stays there while the tile's strip of B streams by
//     level 2   a block of A (kBlockRows x kDepth) and the strip of B at work
//     level 3   a block of B (kDepth x kBlockColumns)
//
// A deep block is worth its place: C is read and written once per kDepth, and that traffic, not the
// arithmetic, bounded products of 1024 and more with the textbook's 256.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/matmul/output.h"

namespace pt::matmul::PT_ISA {

// With AVX-512 comes a level 2 of 1 MB: 144 x 640 + 640 x 64 floats are half of it, as doubles nearly all.
constexpr int64_t kDepth = kRegisters == 32 ? 640 : 320;
constexpr int64_t kBlockRows = 144;
template <class T>
constexpr int64_t kBlockColumns = 8192 / sizeof(T);
constexpr int64_t kSmallB = int64_t{1} << 19;  // bytes of B; fewer are packed by one thread while others wait
constexpr int64_t kColumnsInPlace = 1024;      // of B, up to which packing A costs more than it brings
constexpr double kNsPerMultiplyAdd = 0.01;     // of floats
constexpr int64_t kParallel = int64_t{1} << 18;  // multiplications that are worth a second thread

// What m x n elements of C over a depth of k take.
template <class T>
PT_INLINE Work product_work(int64_t m, int64_t n, int64_t k, int64_t unit = 1) {
    return {static_cast<double>(m * n * k) * kNsPerMultiplyAdd * sizeof(T) / 4, unit};
}

// [begin, end) of the part `index` of `count` even parts of n.
struct Range {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
};
PT_INLINE Range even_part(int64_t n, int64_t index, int64_t count) {
    return {n * index / count, n * (index + 1) / count};
}
PT_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
PT_INLINE int64_t passes_over(int64_t k) { return k > kDepth ? ceil_div(k, kDepth) : 1; }

// The tile for a product with n columns, and the width of its strips of B.
struct TileShape {
    int64_t rows, columns;
};
template <class T>
PT_INLINE TileShape tile_shape(int64_t n) {
    const int64_t vecs = n <= lanes<T> ? 1 : ceil_div(n, lanes<T>);
    const int most = vecs < kMaxVecs ? static_cast<int>(vecs) : kMaxVecs;
    return {max_rows(most), most * lanes<T>};
}

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

// Distance of turned rows: an odd number of vectors, so that neighbours fall into different sets of the
// cache.
template <class T>
PT_INLINE int64_t turned_row(int64_t depth) {
    return (ceil_div(depth, lanes<T>) | 1) * lanes<T>;
}

// A as the strips of a block of rows are to be cut from it: a matrix with contiguous columns is turned first.
template <class T, class A>
PT_INLINE const A& block_of(const A& a, Range, Range, T*) {
    return a;
}
template <class T>
PT_INLINE Rows<T> block_of(const Rows<T>& a, Range rows, Range depth, T* scratch) {
    if (a.in_place || a.row != 1 || a.step == 1) return a;
    const int64_t apart = turned_row<T>(depth.size());
    turn_rows(a.data + rows.begin + depth.begin * a.step, a.step, rows.size(), depth.size(), scratch, apart);
    return {scratch - rows.begin * apart - depth.begin, apart, 1, true};
}
template <class T>
struct Columns {
    const T* data;
    int64_t step, column;

    Strip<T> strip(int64_t j, int columns, int64_t k, int64_t depth, T* scratch) const {
        return pack_columns(data + k * step + j * column, step, column, columns, depth, scratch);
    }
};

// The parts of C that threads take form a grid. A part packs what it needs of both operands for itself: no
// thread ever waits for another, at the price of packing A once per column of the grid and B once per row.
struct Grid {
    int64_t rows, columns;
};
PT_INLINE Grid grid_of(int threads, int64_t m, int64_t n) {
    Grid best{1, threads};
    for (int rows = 2; rows <= threads; ++rows)
        if (threads % rows == 0 && rows * n + threads / rows * m < best.rows * n + best.columns * m)
            best = {rows, threads / rows};
    return best;
}

// Packed strips of B, `step` elements apart; the depth at hand begins `above` rows below their top.
template <class T>
struct PackedStrips {
    const T* data;
    int64_t step, above;

    Strip<T> strip(int64_t s, int64_t columns) const {
        const int64_t width = ceil_div(columns, lanes<T>) * lanes<T>;
        return {data + s * step + above * width, 0, width};
    }
};

// A part of the product: rows by strips of columns, the first of which begins at column j0.
struct Block {
    TileShape shape;
    Range rows, strips;
    int64_t j0, n;
    Range depth;
    bool first, last;  // of the passes over the depth
};

template <class T, class A, class Out>
static void multiply_block(const A& a, const Out& out, const Block& at, const PackedStrips<T>& packed_b,
                           T* packed_a) {
    const int64_t count = ceil_div(at.rows.size(), at.shape.rows), depth = at.depth.size();
    constexpr int64_t most = kBlockRows / max_rows(kMaxVecs);
    const int64_t together = kBlockRows / at.shape.rows;
    for (int64_t block = 0; block < count; block += together) {
        const int64_t end = block + together < count ? block + together : count;
        Strip<T> a_strips[most];
        Range parts[most];
        for (int64_t t = block; t < end; ++t) {
            const Range part = even_part(at.rows.size(), t, count);
            parts[t - block] = {at.rows.begin + part.begin, at.rows.begin + part.end};
        }
        const auto& rows = block_of(a, Range{parts[0].begin, parts[end - block - 1].end}, at.depth, packed_a);
        for (int64_t t = 0; t < end - block; ++t)
            a_strips[t] = rows.strip(parts[t].begin, static_cast<int>(parts[t].size()), at.depth.begin, depth,
                                     packed_a + t * strip_a<T>(at.shape.rows, depth));
        for (int64_t s = at.strips.begin; s < at.strips.end; ++s) {
            const int64_t j = at.j0 + s * at.shape.columns, left = at.n - j;
            const int64_t columns = left < at.shape.columns ? left : at.shape.columns;
            const Strip<T> b = packed_b.strip(s, columns);
            for (int64_t t = 0; t < end - block; ++t)
                multiply_tile(out, Part{parts[t].begin, parts[t].size(), j, columns}, depth, a_strips[t], b,
                              false, at.first, at.last);
        }
    }
}

// Packs strips [strips.begin, strips.end) of a block of B that begins at column j0.
template <class T, class B>
static void pack_block(const B& b, const TileShape& shape, Range strips, int64_t j0, int64_t n, Range depth,
                       T* to) {
    for (int64_t s = strips.begin; s < strips.end; ++s) {
        const int64_t j = j0 + s * shape.columns, left = n - j;
        b.strip(j, static_cast<int>(left < shape.columns ? left : shape.columns), depth.begin, depth.size(),
                to + s * shape.columns * depth.size());
    }
}

template <class T>
PT_INLINE size_t bytes_of_a(const TileShape& shape, int64_t depth) {
    const int64_t strips = kBlockRows / shape.rows * strip_a<T>(shape.rows, depth);
    const int64_t turned = kBlockRows * turned_row<T>(depth);
    return sizeof(T) * static_cast<size_t>(strips > turned ? strips : turned);
}

// B is packed as a whole by the caller; then threads take rows and never wait for each other.
template <class T, class A, class B, class Out>
static void gemm_of_small_b(int64_t m, int64_t n, int64_t k, const A& a, const B& b, const Out& out,
                            int threads) {
    const TileShape shape = tile_shape<T>(n);
    const int64_t passes = passes_over(k), strips = ceil_div(n, shape.columns);
    pool::Scratch packed_b(sizeof(T) * static_cast<size_t>(strips * shape.columns * k));
    const auto packed = [&](const Range& depth) {
        return packed_b.as<T>() + depth.begin * strips * shape.columns;
    };
    for (int64_t pass = 0; pass < passes; ++pass) {
        const Range depth = even_part(k, pass, passes);
        pack_block(b, shape, Range{0, strips}, 0, n, depth, packed(depth));
    }
    // Four parts per thread, so that one which comes late costs little; each reads all of B once more.
    const int64_t tiles = ceil_div(m, shape.rows), least = tiles / (threads == 1 ? 1 : 4 * threads);
    parallel_for(
        0, tiles, product_work<T>(shape.rows, n, k, least < 1 ? 1 : least), [&](int64_t begin, int64_t end) {
            const Range rows{begin * shape.rows, end == tiles ? m : end * shape.rows};
            pool::Scratch packed_a(bytes_of_a<T>(shape, ceil_div(k, passes)));
            for (int64_t pass = 0; pass < passes; ++pass) {
                const Range depth = even_part(k, pass, passes);
                multiply_block(
                    a, out, Block{shape, rows, Range{0, strips}, 0, n, depth, pass == 0, pass == passes - 1},
                    PackedStrips<T>{packed(depth), shape.columns * depth.size(), 0}, packed_a.as<T>());
            }
        });
}

// Some rows and strips of columns of a product.
template <class T, class A, class B, class Out>
static void gemm_part(const A& a, const B& b, const Out& out, const TileShape& shape, Range rows,
                      Range strips, int64_t n, int64_t k) {
    const int64_t passes = passes_over(k), most_depth = ceil_div(k, passes);
    const int64_t most = kBlockColumns<T> / shape.columns;
    const int64_t together = strips.size() < most ? strips.size() : most;
    pool::Scratch packed_b(sizeof(T) * static_cast<size_t>(together * shape.columns * most_depth));
    pool::Scratch packed_a(bytes_of_a<T>(shape, most_depth));
    for (int64_t s = strips.begin; s < strips.end; s += together) {
        const Range block{0, strips.end - s < together ? strips.end - s : together};
        const int64_t j = s * shape.columns;
        for (int64_t pass = 0; pass < passes; ++pass) {
            const Range depth = even_part(k, pass, passes);
            pack_block(b, shape, block, j, n, depth, packed_b.as<T>());
            multiply_block(a, out, Block{shape, rows, block, j, n, depth, pass == 0, pass == passes - 1},
                           PackedStrips<T>{packed_b.as<T>(), shape.columns * depth.size(), 0},
                           packed_a.as<T>());
        }
    }
}

template <class T, class A, class B, class Out>
static void gemm(int64_t m, int64_t n, int64_t k, const A& a, const B& b, const Out& out, int threads) {
    if (n * k * static_cast<int64_t>(sizeof(T)) < kSmallB)
        return gemm_of_small_b<T>(m, n, k, a, b, out, threads);
    const TileShape shape = tile_shape<T>(n);
    const int64_t strips = ceil_div(n, shape.columns);
    const Grid grid = grid_of(threads, m, n);
    const int64_t parts = grid.rows * grid.columns;
    parallel_for(0, parts, product_work<T>(ceil_div(m, parts), n, k), [&](int64_t begin, int64_t end) {
        for (int64_t part = begin; part < end; ++part)
            gemm_part<T>(a, b, out, shape, even_part(m, part / grid.columns, grid.rows),
                         even_part(strips, part % grid.columns, grid.columns), n, k);
    });
}

}  // namespace pt::matmul::PT_ISA
