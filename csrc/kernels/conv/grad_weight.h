// The weight gradient,
//
//     grad_weight[m][k] = sum over columns of grad_output[m][column] * source[offsets[k] + positions[column]]
//
// from the same stage and tables as forward. grad_output is transposed in the cache, into panels [column][m];
// a tile of kMr rows k by kNv vectors of m stays in registers while the columns go by, and the patch elements
// are broadcast right from the source. One output in a group: vectors run along the columns instead. A few:
// narrow_weight.h.
#pragma once

#include "kernels/conv/depthwise_weight.h"
#include "kernels/conv/forward.h"
#include "kernels/conv/narrow_weight.h"
#include "kernels/conv/winograd_weight.h"
#include "simd/transpose.h"

namespace pt::conv::PT_ISA {

template <class T>
struct WeightGradient {
    int64_t groups, images, rows, depth;  // rows: output channels of a group
    int64_t grid[3];
    const int64_t* offsets;  // [depth]
    const T* source;
    int64_t source_group, source_image, source_step[2];
    const T* grad;  // C-contiguous: [images][groups * rows][positions]

    int64_t positions() const { return grid[0] * grid[1] * grid[2]; }
    int64_t columns() const { return images * positions(); }
    int64_t panels() const { return (rows + kNr<T> - 1) / kNr<T>; }
    int64_t k_tiles() const { return (depth + kMr - 1) / kMr; }
    int64_t padded_rows() const { return (rows + lanes<T> - 1) / lanes<T> * lanes<T>; }
    int width(int64_t panel) const {  // in elements
        const int64_t left = padded_rows() - panel * kNr<T>;
        return left < kNr<T> ? static_cast<int>(left) : kNr<T>;
    }
};

// Positions [begin, end) of image n of grad_output as [position][width], one panel.
template <class T>
static void transpose_part(const WeightGradient<T>& p, int64_t group, int64_t panel, int64_t n, int64_t begin,
                           int64_t end, T* to) {
    constexpr int L = lanes<T>;
    const int64_t first = panel * kNr<T>, width = p.width(panel), positions = p.positions();
    const T* from = p.grad + ((n * p.groups + group) * p.rows + first) * positions;
    for (int64_t j = begin; j < end; j += L)
        for (int64_t m = 0; m < width; m += L) {
            const int64_t left = p.rows - first - m;
            transpose_block(from + m * positions + j, positions, left < L ? static_cast<int>(left) : L,
                            end - j < L ? static_cast<int>(end - j) : L, to + (j - begin) * width + m, width,
                            true);
        }
}

// Columns [begin, end) of a panel as [column][width].
template <class T>
static void transpose_columns(const WeightGradient<T>& p, int64_t group, int64_t panel, int64_t begin,
                              int64_t end, T* to) {
    const int64_t positions = p.positions();
    while (begin < end) {
        const int64_t n = begin / positions, last = (n + 1) * positions < end ? (n + 1) * positions : end;
        transpose_part(p, group, panel, n, begin - n * positions, last - n * positions, to);
        to += (last - begin) * p.width(panel);
        begin = last;
    }
}

template <class T, int Vectors>
static void outer_tile(int64_t count, const T* const* rows, const int64_t* positions, const T* b, bool first,
                       T* c) {
    constexpr int L = lanes<T>;
    Vec<T> sums[kMr][Vectors] = {};
    const T *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3], *r4 = rows[4], *r5 = rows[5];
    for (int64_t i = 0; i < count; ++i, b += Vectors * L) {
        const int64_t at = positions[i];
        const T x[kMr] = {r0[at], r1[at], r2[at], r3[at], r4[at], r5[at]};
        Vec<T> bv[Vectors];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) bv[v] = load(b + v * L);
#pragma GCC unroll 6
        for (int r = 0; r < kMr; ++r) {
            const Vec<T> xv = broadcast(x[r]);
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) sums[r][v] += xv * bv[v];
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kMr; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
            T* at = c + (r * Vectors + v) * L;
            store(at, first ? sums[r][v] : sums[r][v] + load(at));
        }
    }
}

template <class T>
using OuterTile = void (*)(int64_t, const T* const*, const int64_t*, const T*, bool, T*);
template <class T>
static constexpr OuterTile<T> outer_tile_of_vectors[5] = {
    nullptr,         &outer_tile<T, 1>, &outer_tile<T, 2>, &outer_tile < T, kNv == 4 ? 3 : 2 >,
    &outer_tile < T, kNv == 4 ? 4 : 2 > };

// to[m] (+)= sums of a panel's rows.
template <class T>
static void sum_panel(int64_t count, const T* b, int width, bool first, T* to) {
    constexpr int L = lanes<T>;
    for (int m = 0; m < width; m += L) {
        Vec<T> even{}, odd{};
        int64_t i = 0;
        for (; i + 2 <= count; i += 2) even += load(b + i * width + m), odd += load(b + (i + 1) * width + m);
        if (i < count) even += load(b + i * width + m);
        const Vec<T> sum = even + odd;
        store(to + m, first ? sum : sum + load(to + m));
    }
}

// How the work is cut, whatever the threads, so that the result does not depend on them: into parts of the
// columns, each with sums of its own, where the sums are few; into the tiles of each panel where they are
// not. A unit of work transposes its blocks of grad_output in the second cache.
struct Cut {
    int64_t parts, splits;
};
constexpr int64_t kParts = 8, kLeastPart = 128, kMostSums = 1 << 19;  // units; columns; bytes

template <class T>
static Cut cut_of(const WeightGradient<T>& p) {
    const int64_t panels = p.groups * p.panels(), k_tiles = p.k_tiles();
    const int64_t bytes = p.groups * p.padded_rows() * k_tiles * kMr * static_cast<int64_t>(sizeof(T));
    if (bytes <= kMostSums && p.columns() >= kParts * kLeastPart) return {kParts, 1};
    const int64_t splits = (kParts + panels - 1) / panels;
    return {1, splits < k_tiles ? splits : k_tiles};
}

// Columns [begin, end) and tiles [first_tile, last_tile) of a panel.
template <class T>
static void outer_product_of_unit(const WeightGradient<T>& p, int64_t group, int64_t panel, int64_t begin,
                                  int64_t end, int64_t first_tile, int64_t last_tile,
                                  const int64_t* positions, bool first, T* b, T* sums, T* bias_sums) {
    const int64_t blocks = (end - begin + kDepth - 1) / kDepth, width = p.width(panel);
    const T* source = p.source + group * p.source_group;
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t from = begin + (end - begin) * block / blocks;
        const int64_t to = begin + (end - begin) * (block + 1) / blocks;
        const bool store_first = first && block == 0;
        transpose_columns(p, group, panel, from, to, b);
        for (int64_t tile = first_tile; tile < last_tile; ++tile) {
            const T* rows[kMr];
            for (int r = 0; r < kMr; ++r) {
                const int64_t k = tile * kMr + r < p.depth ? tile * kMr + r : p.depth - 1;
                rows[r] = source + p.offsets[k];
            }
            outer_tile_of_vectors<T>[width / lanes<T>](to - from, rows, positions + from, b, store_first,
                                                       sums + tile* kMr* width);
        }
        if (bias_sums != nullptr && first_tile == 0)
            sum_panel(to - from, b, static_cast<int>(width), store_first, bias_sums);
    }
}

// Adds a group of images to `sums` [part][group][panel][k][width] and `bias_sums` [part][group][padded_rows].
template <class T>
static void outer_product(const WeightGradient<T>& p, const Cut& cut, const int64_t* positions, bool first,
                          T* sums, T* bias_sums) {
    const int64_t k_tiles = p.k_tiles(), panels = p.panels(), columns = p.columns();
    const int64_t padded = p.padded_rows() * p.groups, each = p.groups * panels * cut.splits;
    const int64_t flops = 2 * columns * p.groups * p.rows * p.depth;
    parallel_for(
        0, cut.parts * each, Work{flops_ns(flops / (cut.parts * each))}, [&](int64_t begin, int64_t end) {
            pool::Scratch b(sizeof(T) * kDepth * kNr<T>);
            for (int64_t unit = begin; unit < end; ++unit) {
                const int64_t split = unit % cut.splits, part = unit / each;
                const int64_t panel = unit / cut.splits % panels, group = unit % each / (cut.splits * panels);
                const int64_t row = part * padded + group * p.padded_rows() + panel * kNr<T>;
                outer_product_of_unit(
                    p, group, panel, columns * part / cut.parts, columns * (part + 1) / cut.parts,
                    k_tiles * split / cut.splits, k_tiles * (split + 1) / cut.splits, positions, first,
                    b.as<T>(), sums + row * k_tiles * kMr, bias_sums != nullptr ? bias_sums + row : nullptr);
            }
        });
}

template <class T>
static void add_parts(int64_t parts, int64_t size, T* sums) {
    parallel_for(0, size, Work{bytes_ns(static_cast<int64_t>(sizeof(T)) * parts), 64},
                 [&](int64_t begin, int64_t end) {
                     for (int64_t part = 1; part < parts; ++part)
                         for (int64_t i = begin; i < end; ++i) sums[i] += sums[part * size + i];
                 });
}

// sums [group][panel][k][width] to grad_weight [group * rows + m][k].
template <class T>
static void store_weights(const WeightGradient<T>& p, const T* sums, T* to) {
    constexpr int L = lanes<T>;
    const int64_t panels = p.panels(), k_padded = p.k_tiles() * kMr;
    parallel_for(0, p.groups * panels, Work{bytes_ns(2 * sizeof(T) * p.depth * p.width(0))},
                 [&](int64_t begin, int64_t end) {
                     for (int64_t unit = begin; unit < end; ++unit) {
                         const int64_t panel = unit % panels, group = unit / panels, width = p.width(panel);
                         const int64_t first = panel * kNr<T>;
                         const T* from = sums + (group * p.padded_rows() + first) * k_padded;
                         T* at = to + (group * p.rows + first) * p.depth;
                         for (int64_t m = 0; m < width; m += L)
                             for (int64_t k = 0; k < p.depth; k += L) {
                                 const int64_t left = p.rows - first - m;
                                 transpose_block(from + k * width + m, width,
                                                 p.depth - k < L ? static_cast<int>(p.depth - k) : L,
                                                 left < L ? static_cast<int>(left) : L, at + m * p.depth + k,
                                                 p.depth, false);
                             }
                     }
                 });
}

constexpr int kDotK = 9;  // rows k of a tile of the dot product

// The first n elements, zeros behind them. One masked load where the level has that, so that a loop over
// whole and partial vectors needs one body and its sums stay in registers.
template <class T>
PT_INLINE Vec<T> load_part(const T* p, int n) {
#if defined(__AVX512VL__)
    return load_n(p, n);
#else
    return n == lanes<T> ? load(p) : load_n(p, n);
#endif
}

template <class T>
static void dot_tile(const WeightGradient<T>& p, const T* grad, const T* const* rows, T* sums) {
    constexpr int L = lanes<T>;
    Vec<T> acc[kDotK] = {};
    const int64_t image = p.groups * p.positions();
    for (int64_t n = 0; n < p.images; ++n)
        for (int64_t t0 = 0; t0 < p.grid[0]; ++t0) {
            const T* from = grad + n * image + t0 * p.grid[1] * p.grid[2];
            int64_t s_at = n * p.source_image + t0 * p.source_step[0];
            for (int64_t t1 = 0; t1 < p.grid[1]; ++t1, from += p.grid[2], s_at += p.source_step[1]) {
                for (int64_t j = 0; j < p.grid[2]; j += L) {
                    const int n = p.grid[2] - j < L ? static_cast<int>(p.grid[2] - j) : L;
                    const Vec<T> x = load_part(from + j, n);
#pragma GCC unroll 9
                    for (int k = 0; k < kDotK; ++k) acc[k] += x * load_part(rows[k] + s_at + j, n);
                }
            }
        }
    for (int k = 0; k < kDotK; ++k) sums[k] = sum_lanes<T>(acc[k]);
}

// One output in each group.
template <class T>
static void dot_product(const WeightGradient<T>& p, bool first, T* to) {
    const int64_t tiles = (p.depth + kDotK - 1) / kDotK;
    const Work work{flops_ns(4 * kDotK * p.columns())};
    parallel_for(0, p.groups * tiles, work, [&](int64_t begin, int64_t end) {
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t k0 = unit % tiles * kDotK, group = unit / tiles;
            const T* rows[kDotK];
            for (int64_t k = 0; k < kDotK; ++k)  // beyond the last: the last again
                rows[k] =
                    p.source + group * p.source_group + p.offsets[k0 + k < p.depth ? k0 + k : p.depth - 1];
            T sums[kDotK];
            dot_tile(p, p.grad + group * p.positions(), rows, sums);
            for (int64_t k = 0; k < kDotK && k0 + k < p.depth; ++k) {
                T& w = to[group * p.depth + k0 + k];
                w = first ? sums[k] : w + sums[k];
            }
        }
    });
}

// grad_bias[m] for the dot path, which has no panels of grad_output.
template <class T>
static void sum_rows(const Problem& p, const T* grad, T* to) {
    constexpr int L = lanes<T>;
    const int64_t positions = p.out[0] * p.out[1] * p.out[2];
    parallel_for(0, p.out_channels, Work{bytes_ns(sizeof(T) * p.batch * positions)},
                 [&](int64_t begin, int64_t end) {
                     for (int64_t m = begin; m < end; ++m) {
                         Vec<T> total{};
                         for (int64_t n = 0; n < p.batch; ++n) {
                             const T* from = grad + (n * p.out_channels + m) * positions;
                             Vec<T> even{}, odd{};
                             int64_t j = 0;
                             for (; j + 2 * L <= positions; j += 2 * L)
                                 even += load(from + j), odd += load(from + j + L);
                             for (; j + L <= positions; j += L) even += load(from + j);
                             if (j < positions) odd += load_n(from + j, static_cast<int>(positions - j));
                             total += even + odd;
                         }
                         to[m] = sum_lanes<T>(total);
                     }
                 });
}

template <class T>
static void fill_positions(const WeightGradient<T>& p, int64_t* to) {
    for (int64_t n = 0; n < p.images; ++n)
        for (int64_t t0 = 0; t0 < p.grid[0]; ++t0)
            for (int64_t t1 = 0; t1 < p.grid[1]; ++t1)
                for (int64_t t2 = 0; t2 < p.grid[2]; ++t2)
                    *to++ = n * p.source_image + t0 * p.source_step[0] + t1 * p.source_step[1] + t2;
}

template <class T>
static void grad_weight(const Problem& p, const Operand& grad_output, const Operand& input, void* result,
                        void* grad_bias) {
    const int64_t channels = p.in_channels / p.groups, rows = p.out_channels / p.groups;
    const int64_t depth = channels * p.kernel[0] * p.kernel[1] * p.kernel[2];
    pool::Scratch axes(sizeof(int64_t) * 2 * (p.kernel[0] + p.kernel[1] + p.kernel[2]));
    int64_t* storage = axes.as<int64_t>();
    AxisTaps taps[3];
    Reach reach;
    start(reach);
    for (int a = 0; a < 3; ++a) {
        taps[a] = forward_taps(p, a, storage);
        storage += 2 * p.kernel[a];
        extend(reach, a, taps[a]);
    }
    finish(reach);
    const Stage<T> stage = make_stage<T>(input, p.in_channels, p.in, reach, false);
    pool::Scratch table(sizeof(int64_t) * 2 * depth);
    Tables<T> tables{depth, table.as<int64_t>(), table.as<int64_t>() + depth};
    fill_tables(stage, taps, channels, Operand{}, 1, tables);

    WeightGradient<T> q;
    q.groups = p.groups;
    q.rows = rows;
    q.depth = depth;
    q.offsets = tables.offsets;
    q.source_group = channels * stage.channel;
    q.source_image = stage.image;
    q.source_step[0] = taps[0].step * stage.plane;
    q.source_step[1] = taps[1].step * stage.row;
    for (int a = 0; a < 3; ++a) q.grid[a] = p.out[a];
    const int64_t positions = q.positions(), most = int64_t{1} << 18;  // entries of the table of positions
    T* to = static_cast<T*>(result);
    T* to_bias = static_cast<T*>(grad_bias);
    if (p.batch * positions == 0 || p.out_channels * depth == 0) {
        for (int64_t i = 0; i < p.out_channels * depth; ++i) to[i] = T(0);
        if (to_bias != nullptr) sum_rows(p, static_cast<const T*>(grad_output.data), to_bias);
        return;
    }
    if (depthwise::grad_weight<T>(p, static_cast<const T*>(grad_output.data), input, to) ||
        winograd::grad_weight<T>(p, static_cast<const T*>(grad_output.data), input, to)) {
        if (to_bias != nullptr) sum_rows(p, static_cast<const T*>(grad_output.data), to_bias);
        return;
    }
    if (rows > 1 && rows <= lanes<T>) {
        NarrowWeight<T> narrow{&stage,
                               false,
                               nullptr,
                               static_cast<const T*>(grad_output.data),
                               tables.offsets,
                               p.groups,
                               channels,
                               rows,
                               depth,
                               {q.grid[0], q.grid[1], q.grid[2]},
                               {q.source_step[0], q.source_step[1]}};
        narrow_weight(narrow, p.batch, to);
        if (to_bias != nullptr) sum_rows(p, static_cast<const T*>(grad_output.data), to_bias);
        return;
    }
    const bool dot = rows == 1;
    const int64_t image = p.out_channels * positions;
    int64_t together = images_per_group(stage, p.batch, rows * depth < 64);
    if (!dot && together * positions > most) together = most / positions > 1 ? most / positions : 1;
    q.images = together;
    const Cut cut = cut_of(q);
    pool::Scratch staged(sizeof(T) * stage.elements(together));
    const int64_t padded = q.padded_rows() * q.groups, sums_size = padded * q.k_tiles() * kMr;
    pool::Scratch sums(dot ? 0 : sizeof(T) * sums_size * cut.parts),
        bias_sums(sizeof(T) * padded * cut.parts);
    pool::Scratch position_table(dot ? 0 : sizeof(int64_t) * together * positions);
    T* to_bias_sums = to_bias != nullptr ? bias_sums.as<T>() : nullptr;
    for (int64_t n = 0; n < p.batch; n += together) {
        q.images = p.batch - n < together ? p.batch - n : together;
        q.source = stage_images(stage, n, q.images, p.in_channels, staged.as<T>());
        q.grad = static_cast<const T*>(grad_output.data) + n * image;
        if (dot) {
            dot_product(q, n == 0, to);
            continue;
        }
        if (n == 0) fill_positions(q, position_table.as<int64_t>());
        outer_product(q, cut, position_table.as<int64_t>(), n == 0, sums.as<T>(), to_bias_sums);
    }
    if (!dot) {
        add_parts(cut.parts, sums_size, sums.as<T>());
        if (to_bias != nullptr) add_parts(cut.parts, padded, bias_sums.as<T>());
        store_weights(q, sums.as<T>(), to);
        for (int64_t m = 0; to_bias != nullptr && m < p.out_channels; ++m)
            to_bias[m] = bias_sums.as<T>()[m / rows * q.padded_rows() + m % rows];
    } else if (to_bias != nullptr) {
        sum_rows(p, static_cast<const T*>(grad_output.data), to_bias);
    }
}

}  // namespace pt::conv::PT_ISA
