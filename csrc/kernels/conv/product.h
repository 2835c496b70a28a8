// The product behind forward and grad_input:
//
//     out[n][m][t] = bias[m] + sum_k weight[m][k] * source[offsets[k] + column(n, t)]
//
// with t over a grid of positions. Columns are packed in panels of kNr (the patches are read here, the matrix
// of patches never exists as a whole); weights are packed once in tiles of kMr rows; a tile of kMr x kNr sums
// stays in registers. Few rows (depthwise, three input channels) go without packing.
#pragma once

#include "base/pool.h"
#include "kernels/conv/stage.h"
#include "simd/transpose.h"

namespace pt::conv::PT_ISA {

constexpr int kMr = 6;
#if defined(__AVX512F__)
constexpr int kNv = 4;  // vectors across a tile: 6 x 4 sums, 4 operands and a broadcast in 32 registers
#else
constexpr int kNv = 2;
#endif
template <class T>
constexpr int kNr = kNv * lanes<T>;
constexpr int64_t kDepth = 512;  // rows of a packed panel at a time: half of a small L2

template <class T>
struct Product {
    int64_t groups, images, rows, depth;  // rows and depth of each group
    int64_t grid[3];
    // [group][pass over the depth][tile][k][kMr]; with a row_stride [group][row][k], in the weights
    // themselves.
    const T* weights;
    int64_t row_stride;
    const int64_t* offsets;  // [depth]
    const T* source;
    int64_t source_group, source_image, source_step[2];  // the last axis has step 1
    T* out;
    int64_t out_group, out_image, out_channel, out_step[3];
    const T* bias;                             // [groups][tiles * kMr], zeros when there is none
    int64_t weight_group = 0, bias_group = 0;  // distances in them, for direct_product()
    bool near = false;                         // the source is in the first or second cache

    int64_t tiles() const { return (rows + kMr - 1) / kMr; }
    int64_t columns() const { return images * grid[0] * grid[1] * grid[2]; }
};

// Rows of positions that follow each other in the source and in the result become one long row: those of
// kernels with one tap along the rows, 1x1 and 7x1.
template <class T>
static Product<T> merge_axes(Product<T> p) {
    for (int i = 0; i < 2; ++i) {
        if (p.source_step[1] != p.grid[2] || p.out_step[1] != p.grid[2] * p.out_step[2]) return p;
        p.grid[2] *= p.grid[1];
        p.grid[1] = p.grid[0];
        p.grid[0] = 1;
        p.source_step[1] = p.source_step[0];
        p.out_step[1] = p.out_step[0];
    }
    return p;
}

// Neighbouring columns that are neighbours in the source too.
struct Run {
    int64_t source, out;
    int first, count;
};

// The runs of columns [begin, begin + count).
template <class T>
static int make_runs(const Product<T>& p, int64_t begin, int count, Run* runs) {
    int64_t rest = begin;
    int64_t t2 = rest % p.grid[2];
    rest /= p.grid[2];
    int64_t t1 = rest % p.grid[1];
    rest /= p.grid[1];
    int64_t t0 = rest % p.grid[0], n = rest / p.grid[0];
    int total = 0;
    for (int at = 0; at < count;) {
        const int64_t left = p.grid[2] - t2;
        Run& run = runs[total++];
        run.first = at;
        run.count = left < count - at ? static_cast<int>(left) : count - at;
        run.source = n * p.source_image + t0 * p.source_step[0] + t1 * p.source_step[1] + t2;
        run.out = n * p.out_image + t0 * p.out_step[0] + t1 * p.out_step[1] + t2 * p.out_step[2];
        at += run.count;
        t2 = 0;
        if (++t1 == p.grid[1]) {
            t1 = 0;
            if (++t0 == p.grid[0]) t0 = 0, ++n;
        }
    }
    return total;
}

// Merges runs whose outputs follow each other.
static int merge_outputs(const Run* runs, int total, int64_t step, Run* merged) {
    int count = 0;
    for (int i = 0; i < total; ++i) {
        Run* last = count > 0 ? &merged[count - 1] : nullptr;
        if (last != nullptr && last->out + last->count * step == runs[i].out)
            last->count += runs[i].count;
        else
            merged[count++] = runs[i];
    }
    return count;
}

// How many k the packer looks ahead; tables of offsets have room for that behind their end.
constexpr int64_t kAhead = 32;

template <class T, int Full>
static void pack_run(const T* from, const int64_t* offsets, int64_t depth, int rest, T* to) {
    constexpr int L = lanes<T>;
    for (int64_t k = 0; k < depth; ++k, to += kNr<T>) {
        const T* p = from + offsets[k];
        __builtin_prefetch(from + offsets[k + kAhead]);
#pragma GCC unroll 4
        for (int v = 0; v < Full; ++v) store(to + v * L, load(p + v * L));
        if (rest != 0) store_n(to + Full * L, load_n(p + Full * L, rest), rest);
    }
}

// depth rows of kNr columns; columns beyond the runs become zeros.
template <class T>
static void pack_rows(const T* source, const int64_t* offsets, int64_t depth, const Run* runs, int total,
                      T* to) {
    constexpr int L = lanes<T>;
    const int used = runs[total - 1].first + runs[total - 1].count;
    if (used < kNr<T>)
        for (int64_t i = 0; i < depth; ++i)
            for (int j = used; j < kNr<T>; ++j) to[i * kNr<T> + j] = T(0);
    for (int i = 0; i < total; ++i) {
        const T* from = source + runs[i].source;
        T* at = to + runs[i].first;
        const int rest = runs[i].count % L;
        switch (runs[i].count / L) {
            case 0:
                pack_run<T, 0>(from, offsets, depth, rest, at);
                break;
            case 1:
                pack_run<T, 1>(from, offsets, depth, rest, at);
                break;
            case 2:
                pack_run<T, 2>(from, offsets, depth, rest, at);
                break;
            case 3:
                pack_run<T, 3>(from, offsets, depth, rest, at);
                break;
            default:
                pack_run<T, 4>(from, offsets, depth, rest, at);
                break;
        }
    }
}

// c[r][j] (+)= sum_k a[k][r] * b[k][j] for Rows rows and the first Vectors vectors of a panel; the first pass
// starts from the bias.
template <class T, int Rows, int Vectors>
static void tile(int64_t depth, const T* a, int64_t a_row, int64_t a_k, const T* b, const T* bias, bool first,
                 T* c, int64_t ldc) {
    constexpr int L = lanes<T>;
    Vec<T> sums[Rows][Vectors] = {};
    const T *low = a,
            *high = a + (Rows > 3 ? 3 * a_row : 0);  // so that few registers hold all rows' addresses
    for (int64_t k = 0; k < depth; ++k, low += a_k, high += a_k, b += kNr<T>) {
        __builtin_prefetch(low + 64 * a_k);  // weights come from the third cache
        Vec<T> bv[Vectors];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) bv[v] = load(b + v * L);
#pragma GCC unroll 6
        for (int r = 0; r < Rows; ++r) {
            const Vec<T> x = broadcast(r < 3 ? low[r * a_row] : high[(r - 3) * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) sums[r][v] += x * bv[v];
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
            T* at = c + r * ldc + v * L;
            store(at, sums[r][v] + (first ? broadcast(bias[r]) : load(at)));
        }
    }
}

template <class T>
using Tile = void (*)(int64_t, const T*, int64_t, int64_t, const T*, const T*, bool, T*, int64_t);
template <class T>
struct Tiles {
    Tile<T> of[kNv + 1][kMr + 1];  // [vectors][rows]
};
template <class T, int Vectors = 1>
static constexpr void fill_tiles(Tiles<T>& tiles) {
    tiles.of[Vectors][1] = &tile<T, 1, Vectors>;
    tiles.of[Vectors][2] = &tile<T, 2, Vectors>;
    tiles.of[Vectors][3] = &tile<T, 3, Vectors>;
    tiles.of[Vectors][4] = &tile<T, 4, Vectors>;
    tiles.of[Vectors][5] = &tile<T, 5, Vectors>;
    tiles.of[Vectors][6] = &tile<T, 6, Vectors>;
    if constexpr (Vectors < kNv) fill_tiles<T, Vectors + 1>(tiles);
}
template <class T>
static constexpr Tiles<T> make_tiles() {
    Tiles<T> tiles{};
    fill_tiles(tiles);
    return tiles;
}
template <class T>
static constexpr Tiles<T> all_tiles = make_tiles<T>();

// to[j * step] = from[j]: every second element with masked stores where the level has them.
template <class T>
PT_INLINE void copy_stepped(const T* from, int count, int64_t step, T* to) {
    int j = 0;
#if defined(__AVX512F__)
    if (step == 2) {
        constexpr int L = lanes<T>;
        for (; j + L <= count; j += L) {
            const Vec<T> x = load(from + j), low = interleave<0>(x, x), high = interleave<1>(x, x);
            if constexpr (sizeof(T) == 4) {
                _mm512_mask_storeu_ps(to + 2 * j, 0x5555, low);
                _mm512_mask_storeu_ps(to + 2 * j + L, 0x5555, high);
            } else {
                _mm512_mask_storeu_pd(to + 2 * j, 0x55, low);
                _mm512_mask_storeu_pd(to + 2 * j + L, 0x55, high);
            }
        }
    }
#endif
    for (; j < count; ++j) to[j * step] = from[j];
}

template <class T>
PT_INLINE void copy_run(const T* from, int count, int64_t step, T* to) {
    constexpr int L = lanes<T>;
    if (step != 1) {
        copy_stepped(from, count, step, to);
        return;
    }
    int j = 0;
    for (; j + L <= count; j += L) store(to + j, load(from + j));
    if (j < count) store_n(to + j, load_n(from + j, count - j), count - j);
}

// Where the columns of one panel come from and go to.
template <class T>
struct Panel {
    Run runs[kNr<T>], outs[kNr<T>];
    int total, out_total;
    int vectors;  // that hold columns
    bool direct;  // a tile can be written straight to the output
};

template <class T>
static void lay_out_panel(const Product<T>& p, int64_t column, Panel<T>& panel) {
    const int64_t left = p.columns() - column;
    const int used = left < kNr<T> ? static_cast<int>(left) : kNr<T>;
    panel.vectors = (used + lanes<T> - 1) / lanes<T>;
    panel.total = make_runs(p, column, used, panel.runs);
    panel.out_total = merge_outputs(panel.runs, panel.total, p.out_step[2], panel.outs);
    panel.direct = used == kNr<T> && panel.out_total == 1 && p.out_step[2] == 1;
}

// Panels that share a pass over the weights, which come from the second cache or beyond; one more rather than
// a pass for the last panel alone.
constexpr int kPanels = 4, kMostPanels = kPanels + 1;

// Row tiles [begin, end) of `count` (at most kMostPanels) neighbouring panels of columns. `packed` holds
// kMostPanels x kDepth x kNr elements, `sums` kMostPanels x tiles.
template <class T>
static void product_panels(const Product<T>& p, int64_t group, int64_t first, int count, int64_t begin,
                           int64_t end, T* packed, T* sums) {
    Panel<T> panels[kMostPanels];
    for (int j = 0; j < count; ++j) lay_out_panel(p, (first + j) * kNr<T>, panels[j]);
    const int64_t all = p.tiles();
    T* out = p.out + group * p.out_group;
    const T* source = p.source + group * p.source_group;
    const bool packed_weights = p.row_stride == 0;
    const T* weights = p.weights + group * p.weight_group;
    const int64_t a_row = packed_weights ? 1 : p.row_stride, a_k = packed_weights ? kMr : 1;
    const T* bias = p.bias + group * all * kMr;
    const int64_t sums_size = all * kMr * kNr<T>, packed_size = kDepth * kNr<T>;
    const int64_t passes = p.depth > 0 ? (p.depth + kDepth - 1) / kDepth : 1;
    for (int64_t pass = 0; pass < passes; ++pass) {
        const int64_t k0 = p.depth * pass / passes, k1 = p.depth * (pass + 1) / passes;
        // Some rows of all panels at a time: neighbouring panels read neighbouring parts of the same
        // channels.
        for (int64_t k = k0; k < k1; k += kAhead)
            for (int j = 0; j < count; ++j)
                pack_rows(source, p.offsets + k, k1 - k < kAhead ? k1 - k : kAhead, panels[j].runs,
                          panels[j].total, packed + j * packed_size + (k - k0) * kNr<T>);
        for (int64_t i = begin; i < end; ++i) {
            const int64_t m = i * kMr;
            const int rows = p.rows - m < kMr ? static_cast<int>(p.rows - m) : kMr;
            const T* a =
                weights + (packed_weights ? (k0 * all + i * (k1 - k0)) * kMr : m * p.row_stride + k0);
            for (int j = 0; j < count; ++j) {
                const T* b = packed + j * packed_size;
                const Tile<T> compute = all_tiles<T>.of[panels[j].vectors][rows];
                if (panels[j].direct)
                    compute(k1 - k0, a, a_row, a_k, b, bias + m, pass == 0,
                            out + panels[j].outs[0].out + m * p.out_channel, p.out_channel);
                else
                    compute(k1 - k0, a, a_row, a_k, b, bias + m, pass == 0, sums + j * sums_size + m * kNr<T>,
                            kNr<T>);
            }
        }
    }
    const int64_t last = end * kMr < p.rows ? end * kMr : p.rows;
    for (int j = 0; j < count; ++j)
        for (int64_t m = begin * kMr; m < last && !panels[j].direct; ++m)
            for (int i = 0; i < panels[j].out_total; ++i) {
                const Run& run = panels[j].outs[i];
                copy_run(sums + j * sums_size + m * kNr<T> + run.first, run.count, p.out_step[2],
                         out + run.out + m * p.out_channel);
            }
}

// The unit of work is a tile, numbered panel by panel: the threads' shares differ by one tile at most, and
// only a panel that lies across a cut is packed twice.
template <class T>
static void packed_product(const Product<T>& p) {
    const int64_t panels = (p.columns() + kNr<T> - 1) / kNr<T>, tiles = p.tiles();
    const int64_t units = p.groups * panels * tiles, threads = num_threads();
    // A part has the panels that share a pass over the weights; where there are few, each thread has one
    // part.
    const int64_t together = kPanels * tiles, each = units / threads;
    const Work work{flops_ns(2 * kMr * p.depth * kNr<T>), each >= 8 * together ? together : each};
    parallel_for(0, units, work, [&](int64_t begin, int64_t end) {
        pool::Scratch packed(sizeof(T) * kMostPanels * kDepth * kNr<T>);
        pool::Scratch sums(sizeof(T) * kMostPanels * static_cast<size_t>(tiles) * kMr * kNr<T>);
        while (begin < end) {
            const int64_t panel = begin / tiles % panels, group = begin / (tiles * panels),
                          tile = begin % tiles;
            int count = 1;
            if (tile == 0) {
                const int64_t here = (end - begin) / tiles, rest = panels - panel;
                const int64_t whole = here < rest ? here : rest;
                count = static_cast<int>(whole < 1 ? 1 : whole <= kMostPanels ? whole : kPanels);
            }
            const int64_t last = tile + (end - begin) < tiles ? tile + (end - begin) : tiles;
            product_panels(p, group, panel, count, tile, last, packed.as<T>(), sums.as<T>());
            begin += count > 1 ? count * tiles : last - tile;
        }
    });
}

// All rows (at most kMr) of up to kNv vectors of columns, each vector within one run, straight from the
// source, which has slack behind it.
template <class T, int Rows>
static void direct_tile(const Product<T>& p, const T* const* from, const T* a, const T* bias,
                        const int* counts, T* const* to) {
    Vec<T> sums[Rows][kNv];
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kNv; ++v) sums[r][v] = broadcast(bias[r]);
    }
    const bool deep = p.depth > 2 * kAhead && !p.near;  // else the source is in the first cache
    const T *from0 = from[0], *from1 = from[1], *from2 = from[kNv - 2], *from3 = from[kNv - 1];
    for (int64_t k = 0; k < p.depth; ++k, a += kMr) {
        const int64_t offset = p.offsets[k];
        if (deep) {
            const int64_t ahead = p.offsets[k + kAhead];
            __builtin_prefetch(from0 + ahead);
            __builtin_prefetch(from1 + ahead);
            if constexpr (kNv == 4) __builtin_prefetch(from2 + ahead), __builtin_prefetch(from3 + ahead);
        }
        Vec<T> x[4] = {load(from0 + offset), load(from1 + offset)};
        if constexpr (kNv == 4) x[2] = load(from2 + offset), x[3] = load(from3 + offset);
#pragma GCC unroll 6
        for (int r = 0; r < Rows; ++r) {
            const Vec<T> w = broadcast(a[r]);
#pragma GCC unroll 4
            for (int v = 0; v < kNv; ++v) sums[r][v] += w * x[v];
        }
    }
    for (int r = 0; r < Rows; ++r)
        for (int v = 0; v < kNv; ++v) {
            T* at = to[v] + r * p.out_channel;
            if (p.out_step[2] == 1) {
                store_n(at, sums[r][v], counts[v]);
            } else {
                T lane[lanes<T>];
                store(lane, sums[r][v]);
                for (int j = 0; j < counts[v]; ++j) at[j * p.out_step[2]] = lane[j];
            }
        }
}

template <class T>
using DirectTile = void (*)(const Product<T>&, const T* const*, const T*, const T*, const int*, T* const*);
template <class T>
static constexpr DirectTile<T> direct_tile_of_rows[kMr + 1] = {nullptr,
                                                               &direct_tile<T, 1>,
                                                               &direct_tile<T, 2>,
                                                               &direct_tile<T, 3>,
                                                               &direct_tile<T, 4>,
                                                               &direct_tile<T, 5>,
                                                               &direct_tile<T, 6>};

// Grid rows [begin, end) of all groups and images: row = ((group * images + n) * grid[0] + t0) * grid[1] +
// t1.
template <class T>
static void direct_rows(const Product<T>& p, int64_t begin, int64_t end) {
    constexpr int L = lanes<T>;
    const T *from[kNv], *a = nullptr, *bias = nullptr;
    T* to[kNv];
    int counts[kNv], filled = 0;
    const auto flush = [&] {
        if (filled == 0) return;
        for (int v = filled; v < kNv; ++v) from[v] = from[0], to[v] = to[0], counts[v] = 0;
        for (int64_t m = 0; m < p.rows; m += kMr) {
            const int64_t rows = p.rows - m < kMr ? p.rows - m : kMr;
            direct_tile_of_rows<T>[rows](p, from, a + m* p.depth, bias + m, counts, to);
            for (int v = 0; v < kNv; ++v) to[v] += rows * p.out_channel;
        }
        filled = 0;
    };
    int64_t t1 = begin % p.grid[1], t0 = begin / p.grid[1] % p.grid[0];
    int64_t n = begin / (p.grid[1] * p.grid[0]) % p.images;
    int64_t group = begin / (p.grid[1] * p.grid[0] * p.images);
    for (int64_t row = begin; row < end; ++row) {
        a = p.weights + group * p.weight_group;
        bias = p.bias + group * p.bias_group;
        const T* source = p.source + group * p.source_group + n * p.source_image + t0 * p.source_step[0] +
                          t1 * p.source_step[1];
        T* out = p.out + group * p.out_group + n * p.out_image + t0 * p.out_step[0] + t1 * p.out_step[1];
        for (int64_t t2 = 0; t2 < p.grid[2]; t2 += L) {
            from[filled] = source + t2;
            to[filled] = out + t2 * p.out_step[2];
            counts[filled] = p.grid[2] - t2 < L ? static_cast<int>(p.grid[2] - t2) : L;
            if (++filled == kNv) flush();
        }
        if (++t1 < p.grid[1]) continue;
        t1 = 0;
        if (++t0 < p.grid[0]) continue;
        t0 = 0;
        if (++n < p.images) continue;
        n = 0;
        flush();  // a tile has one group's weights
        ++group;
    }
    flush();
}

template <class T>
static void direct_product(const Product<T>& p) {
    const Work work{flops_ns(2 * p.rows * p.depth * p.grid[2]), 16};  // parts end with vectors left over
    parallel_for(0, p.groups * p.images * p.grid[0] * p.grid[1], work,
                 [&](int64_t begin, int64_t end) { direct_rows(p, begin, end); });
}

}  // namespace pt::conv::PT_ISA
