// Recurrent weights, packed once for all steps of a sequence, and their product with the few rows of a step.
//
// A strip covers `units` neighbouring columns. Of a matrix with gates it holds those columns of every gate,
// a vector for each gate: one tile of sums then has all that a unit's cell needs, and the gates are applied
// while it is in the level 1 cache. A strip consists of parts, which are read by one tile at a time:
// depth x (`part` vectors).
#pragma once

#include "kernels/matmul/tile.h"
#include "kernels/rnn/problem.h"
#include "simd/transpose.h"

namespace pt::rnn::PT_ISA {

using namespace ::pt::PT_ISA;
namespace products = ::pt::matmul::PT_ISA;

constexpr int kMaxVecs = 4;  // of a strip
constexpr int kMaxPart = products::kMaxVecs;
constexpr int kMaxRows = products::max_rows(1);
template <class T>
constexpr int kMaxSums = kMaxRows * kMaxVecs * lanes<T>;

struct Range {
    int64_t begin, end;
};
PT_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
PT_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
PT_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
PT_INLINE Range even_part(Range whole, int64_t index, int64_t count) {
    const int64_t n = whole.end - whole.begin;
    return {whole.begin + n * index / count, whole.begin + n * (index + 1) / count};
}
PT_INLINE Range intersection(Range a, Range b) { return {most(a.begin, b.begin), least(a.end, b.end)}; }

// An operand [depth, gates * columns]: element (k, gate, column) is data[k * step + gate * gate_step +
// column * column_step], with step or column_step 1.
template <class T>
struct Operand {
    const T* data;
    int64_t depth, gates, columns;
    int64_t step, gate_step, column_step;
};

template <class T>
struct Packed {
    const T* data;
    int64_t depth, columns;
    int vecs, part, units;

    int64_t strips() const { return ceil_div(columns, units); }
    int64_t strip_size() const { return depth * vecs * lanes<T>; }
    int tile_rows() const { return products::max_rows(part); }
};

// The form of the packed operand, for products with up to `rows` rows: few rows need wide tiles to hide the
// latency of the additions, many rows narrow ones, which read less.
template <class T>
static Packed<T> packed_form(const Operand<T>& from, int64_t rows) {
    constexpr int L = lanes<T>;
    const bool wide = kMaxPart == 4 && rows <= products::max_rows(4);
    const int vecs = from.gates > 1 ? static_cast<int>(from.gates)
                                    : static_cast<int>(least(ceil_div(from.columns, L), wide ? 4 : 2));
    const int part = vecs == 4 ? (wide ? 4 : 2) : vecs == 3 && kMaxPart < 3 ? 2 : vecs;
    return {nullptr, from.depth, from.columns, vecs, part, from.gates > 1 ? L : vecs * L};
}

// One vector of columns (`count` of them; the rest is filled with zeros) over the whole depth; rows of `to`
// are `width` apart.
template <class T>
static void pack_vector(const T* from, int64_t step, int64_t column_step, int count, int64_t depth, T* to,
                        int64_t width) {
    constexpr int L = lanes<T>;
    if (column_step == 1) {
        for (int64_t k = 0; k < depth; ++k)
            store(to + k * width, count == L ? load(from + k * step) : load_n(from + k * step, count));
    } else {
        for (int64_t k = 0; k < depth; k += L)
            transpose_block(from + k, column_step, count, static_cast<int>(least(depth - k, L)),
                            to + k * width, width, true);
    }
}

template <class T>
static Packed<T> pack(const Operand<T>& from, int64_t rows, T* to) {
    constexpr int L = lanes<T>;
    Packed<T> p = packed_form(from, rows);
    p.data = to;
    for (int64_t strip = 0; strip < p.strips(); ++strip) {
        for (int v = 0; v < p.vecs; ++v) {
            const int first = v / p.part * p.part;  // of the part
            const int64_t width = least(p.part, p.vecs - first) * L;
            const int64_t gate = from.gates > 1 ? v : 0;
            const int64_t column = strip * p.units + (from.gates > 1 ? 0 : v * L);
            const int count = static_cast<int>(most(0, least(from.columns - column, L)));
            T* at = to + strip * p.strip_size() + p.depth * first * L + (v - first) * L;
            pack_vector(from.data + gate * from.gate_step + column * from.column_step, from.step,
                        from.column_step, count, p.depth, at, width);
        }
    }
    return p;
}

// Rows of a matrix, a_row apart and contiguous, and the strip of a packed one that they are multiplied with.
template <class T>
struct Factors {
    const T* a;
    int64_t a_row;
    const Packed<T>& b;
    int64_t strip;
};

// One factor of a tile's product.
template <class T>
struct TileFactors {
    const T* a;
    int64_t a_row, depth;
    const T* b;
};

// The products of `count` pairs, added up: the sums stay in registers from one to the next, since storing and
// adding them takes as long as 4 or 5 steps of the depth.
template <class T, int Rows, int Vecs>
static void tile(const TileFactors<T>* from, int count, T* sums, int64_t sums_row) {
    constexpr int L = lanes<T>;
    Vec<T> total[Rows][Vecs] = {};
    for (const TileFactors<T>* end = from + count; from != end; ++from) {
        const int64_t a_row = from->a_row;
        const T* b = from->b;
        const T* rows[(Rows + 2) / 3];
#pragma GCC unroll 4
        for (int g = 0; g < (Rows + 2) / 3; ++g) rows[g] = from->a + 3 * g * a_row;
        for (int64_t k = 0; k < from->depth; ++k, b += Vecs * L) {
            Vec<T> row[Vecs];
#pragma GCC unroll 4
            for (int v = 0; v < Vecs; ++v) row[v] = load(b + v * L);
#pragma GCC unroll 12
            for (int r = 0; r < Rows; ++r) {
                const Vec<T> x = broadcast(rows[r / 3][r % 3 * a_row + k]);
#pragma GCC unroll 4
                for (int v = 0; v < Vecs; ++v) total[r][v] += x * row[v];
            }
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < Vecs; ++v) store(sums + r * sums_row + v * L, total[r][v]);
}

template <class T>
struct TileTable {
    void (*of[kMaxPart + 1][kMaxRows + 1])(const TileFactors<T>*, int, T*, int64_t);
};
template <class T, int Rows, int Vecs>
static constexpr void fill_tiles(TileTable<T>& table) {
    table.of[Vecs][Rows] = &tile<T, Rows, Vecs>;
    if constexpr (Rows < products::max_rows(Vecs))
        fill_tiles<T, Rows + 1, Vecs>(table);
    else if constexpr (Vecs < kMaxPart)
        fill_tiles<T, 1, Vecs + 1>(table);
}
template <class T>
static constexpr TileTable<T> make_tiles() {
    TileTable<T> table{};
    fill_tiles<T, 1, 1>(table);
    return table;
}
template <class T>
static constexpr TileTable<T> tiles = make_tiles<T>();

// sums[r][vector] = the sum of the products of `count` pairs, one or two; at most tile_rows() rows. Rows of
// sums are all the vectors of the strip; the strips are of one form.
template <class T>
PT_INLINE void multiply_strips(const Factors<T>* from, int count, int64_t rows, T* sums) {
    constexpr int L = lanes<T>;
    const Packed<T>& b = from[0].b;
    for (int v = 0; v < b.vecs; v += b.part) {
        const int vecs = static_cast<int>(least(b.part, b.vecs - v));
        TileFactors<T> factors[2];
        for (int i = 0; i < count; ++i) {
            const Packed<T>& w = from[i].b;
            factors[i] = {from[i].a, from[i].a_row, w.depth,
                          w.data + from[i].strip * w.strip_size() + w.depth * v * L};
        }
        tiles<T>.of[vecs][rows](factors, count, sums + v * L, b.vecs * L);
    }
}
template <class T>
PT_INLINE void multiply_strip(const Packed<T>& b, int64_t strip, const T* a, int64_t a_row, int64_t rows,
                              T* sums) {
    const Factors<T> factors{a, a_row, b, strip};
    multiply_strips(&factors, 1, rows, sums);
}

// body(part) for tiles of rows, as even as can be.
template <class Body>
PT_INLINE void each_tile(Range rows, int64_t tile_rows, const Body& body) {
    if (rows.end <= rows.begin) return;
    const int64_t tiles = ceil_div(rows.end - rows.begin, tile_rows);
    for (int64_t t = 0; t < tiles; ++t) body(even_part(rows, t, tiles));
}

// c [m, n] = a [m, k] @ b [k, n]; rows of c are contiguous.
template <class T>
static void product(const Products<T>& products, int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row,
                    int64_t a_k, const T* b, int64_t b_k, int64_t b_col, T* c, int64_t c_row,
                    const T* bias = nullptr) {
    if (m == 0 || n == 0) return;
    if (k == 1) a_k = b_k = 1;
    products.multiply({m, n, k, a, a_row, a_k, b, b_k, n == 1 ? 1 : b_col, c, c_row, 1, bias, 0,
                       bias == nullptr ? 0 : 1, matmul::Activation::none});
}

// How the threads share a walk. Sequences do not depend on each other: when each thread has enough of them
// for reading all weights at every step, from level 2 or (many) from level 3, it walks its own from end to
// end and waits for nobody. Else threads share the units, and so the weights, of every step and wait for each
// other after it. Neither changes a result.
struct Sharing {
    int threads;
    bool by_rows;
    int64_t expected_us;  // about what one thread takes for the walk

    PT_INLINE_MEMBER Work part() const { return {1000.0 * static_cast<double>(expected_us) / threads}; }
};
PT_INLINE Sharing share(const Walk& walk, int64_t weights, int64_t item) {
    constexpr int64_t kStepWork = int64_t{1} << 18;  // multiplications of a step that are worth its barrier
    constexpr int64_t kWalkWork = int64_t{1} << 20;  // and of a walk without barriers
    constexpr int64_t kCached = int64_t{1} << 20, kRowsEach = 6, kManyRowsEach = 12;
    constexpr int64_t kPerMicrosecond = 50000;  // multiplications
    const int threads = num_threads();
    const int64_t batch = walk.first[1], step_work = batch * weights;
    const int64_t expected_us = step_work * walk.steps / kPerMicrosecond;
    if (threads == 1 || step_work * walk.steps < kWalkWork) return {1, true, 0};
    if (batch >= threads * (weights * item <= kCached ? kRowsEach : kManyRowsEach))
        return {threads, true, expected_us};
    return {step_work < kStepWork ? 1 : threads, false, expected_us};
}

// A sequence's step: the activations of its gates.
PT_INLINE Work cell_work(int64_t columns) { return {0.3 * static_cast<double>(columns)}; }

// Where part `index` of `count` parts of the sequences begins: all have about as many rows.
PT_INLINE int64_t first_sequence(const Walk& walk, int64_t index, int64_t count) {
    const int64_t batch = walk.first[1], rows = walk.first[walk.steps];
    if (rows == batch * walk.steps || index == count) return batch * index / count;
    for (int64_t n = 0; n < batch; ++n) {
        int64_t before = 0;
        for (int64_t t = 0; t < walk.steps; ++t) before += least(walk.first[t + 1] - walk.first[t], n);
        if (before * count >= rows * index) return n;
    }
    return batch;
}

}  // namespace pt::rnn::PT_ISA
