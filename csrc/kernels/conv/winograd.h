// Winograd's convolution of 3x3 kernels with stride 1, F(M x M, 3 x 3) (Lavin and Gray 2015, "Fast Algorithms
// for Convolutional Neural Networks"): a tile of M x M outputs comes from (M + 2)^2 inputs by (M + 2)^2
// products where the definition takes 9 M^2: 2.25 times fewer for M = 2, 4 times for M = 4. For every element
// e of the transformed tiles the channels are summed by a matrix product,
//
//     result[e][row][tile] = sum over channels of weight[e][row][channel] * source[e][channel][tile]
//
// Tiles are cut into segments (neighbours in one row of tiles, a vector at most), and these into blocks whose
// transformed source stays in the cache. Nothing is as large as the whole transformed source or result.
//
// Both the forward pass and the input gradient (the same over grad_output, with the taps turned round) come
// here. The transforms add numbers that cancel later: an infinity, NaN or huge number would spread over its
// tile. convolve() therefore gives up (false) when it meets one, and the caller takes the direct road.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/conv/problem.h"
#include "kernels/conv/winograd_transform.h"
#include "kernels/matmul/gemm.h"
#include "simd/shuffle.h"

namespace pt::conv::PT_ISA::winograd {

constexpr int64_t kLanes = lanes<float>;
constexpr int64_t kMostTiles = 128;                                // of a block
constexpr int kVecs = 2, kRows = matmul::PT_ISA::max_rows(kVecs);  // of a tile of a product
constexpr int64_t kColumns = kVecs * kLanes;
constexpr int64_t kRowsTogether = 24;  // results whose products wait for their transform in the second cache
constexpr float kLargest = 7.9e28f;    // 2^96, of a square: see above

struct Problem {
    int64_t batch, channels, rows;     // channels of the source, of the result
    int64_t in[2], out[2], origin[2];  // sizes; the source's coordinate that result (0, 0) sees first
    const float* source;
    int64_t source_image, source_channel, source_row;
    const float* weight;
    int64_t weight_row, weight_channel;
    bool turned;  // the taps are read from the last to the first
    Operand bias;
    float* result;
};

struct Segment {
    int64_t image, row, column;  // of its first tile
    int count, at;               // tiles; its place in the block
};

struct Tiling {
    int64_t rows, columns, cuts;      // of an image; segments in a row
    int64_t segments, blocks, width;  // tiles of the widest block, in whole vectors

    Tiling(const Problem& p, int m, int64_t most) {
        rows = matmul::PT_ISA::ceil_div(p.out[0], m);
        columns = matmul::PT_ISA::ceil_div(p.out[1], m);
        cuts = matmul::PT_ISA::ceil_div(columns, kLanes);
        segments = p.batch * rows * cuts;
        const int64_t longest = matmul::PT_ISA::ceil_div(columns, cuts);
        int64_t best = 1;  // segments of a block: as many as fill their vectors best
        double best_share = 0;
        for (int64_t n = 1; n * longest <= most || n == 1; ++n) {
            const int64_t tiles = n * longest;
            const double share = static_cast<double>(tiles) / static_cast<double>(whole(tiles));
            if (share >= best_share) best = n, best_share = share;
        }
        blocks = matmul::PT_ISA::ceil_div(segments, best);
        width = whole(matmul::PT_ISA::ceil_div(segments, blocks) * longest);
    }
    static int64_t whole(int64_t tiles) { return matmul::PT_ISA::ceil_div(tiles, kLanes) * kLanes; }

    int lay_out(int64_t block, Segment* to) const {
        const int64_t begin = segments * block / blocks, end = segments * (block + 1) / blocks;
        int at = 0;
        for (int64_t s = begin; s < end; ++s) {
            const int64_t cut = s % cuts, first = columns * cut / cuts;
            const int count = static_cast<int>(columns * (cut + 1) / cuts - first);
            to[s - begin] = {s / (cuts * rows), s / cuts % rows, first, count, at};
            at += count;
        }
        return static_cast<int>(end - begin);
    }
};

// Lanes low <= i < high of p, zeros elsewhere: nothing else is read.
PT_INLINE Floats load_between(const float* p, int low, int high) {
#if defined(__AVX512F__)
    const unsigned mask = ((1u << high) - 1u) & ~((1u << low) - 1u);
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
#else
    if (low == 0 && high == kLanes) return load(p);
    float buffer[kLanes] = {};
    for (int i = low; i < high; ++i) buffer[i] = p[i];
    return load(buffer);
#endif
}

PT_INLINE int lane_of(int64_t at) { return static_cast<int>(at < 0 ? 0 : at > kLanes ? kLanes : at); }

// The columns of M + 2 neighbouring rows after the transform along the rows' axis. `squares` adds up what is
// read.
template <int M>
struct Band {
    static constexpr int A = M + 2;
    static constexpr int64_t width = (M + 1) * kLanes;
    float data[A][width];

    void read(const Problem& p, int64_t image, int64_t channel, const Segment& s, Floats& squares) {
        const int64_t y0 = s.row * M + p.origin[0], x0 = s.column * M + p.origin[1];
        const float* from = p.source + image * p.source_image + channel * p.source_channel;
        const float* rows[A];
        bool inside[A];
        for (int i = 0; i < A; ++i) {
            inside[i] = y0 + i >= 0 && y0 + i < p.in[0];
            rows[i] = from + (inside[i] ? (y0 + i) * p.source_row : 0);
        }
        for (int64_t j = 0; j < M * s.count + 2; j += kLanes) {
            const int64_t x = x0 + j;
            const int low = lane_of(-x), high = lane_of(p.in[1] - x);
            Floats d[A], t[A];
#pragma GCC unroll 6
            for (int i = 0; i < A; ++i) {
                d[i] = inside[i] && low < high ? load_between(rows[i] + x, low, high) : Floats{};
                squares += d[i] * d[i];
            }
            transform_source<M>(d, t);
#pragma GCC unroll 6
            for (int i = 0; i < A; ++i) store(data[i] + j, t[i]);
        }
    }

    // Column j of a vector of neighbouring tiles, for every j.
    inline __attribute__((always_inline)) void columns(int row, Floats* d) const {
        const float* from = data[row];
        constexpr auto all = std::make_integer_sequence<int, lanes<float>>();
        const VecPair<float> low = load_deinterleaved(from);
        if constexpr (M == 2) {
            d[0] = low.first;
            d[1] = low.second;
        } else {
            const VecPair<float> high = load_deinterleaved(from + 2 * kLanes);
            d[0] = even_lanes_of<float>(low.first, high.first, all);
            d[1] = even_lanes_of<float>(low.second, high.second, all);
            d[2] = odd_lanes_of<float>(low.first, high.first, all);
            d[3] = odd_lanes_of<float>(low.second, high.second, all);
        }
        d[M] = next_lanes(d[0], load(from + M * kLanes), all);
        d[M + 1] = next_lanes(d[1], load(from + M * kLanes + 1), all);
    }

    // a[1], a[2] ... and at last b[0].
    template <int... I>
    PT_INLINE Floats next_lanes(Floats a, Floats b, std::integer_sequence<int, I...>) {
        return __builtin_shufflevector(a, b, (I + 1)...);
    }
};

// Where the transforms of a block lie: [e][channel][tile] and [e][row][tile]. Slices are shifted against each
// other by a cache line, lest the same place of all of them fall into one set of the cache.
PT_INLINE int64_t slice_of(int64_t rows, int64_t width) { return rows * width + 16; }
PT_INLINE int64_t weight_row_of(int64_t channels) { return Tiling::whole(channels) + 16; }

template <int M>
static void transform_sources(const Problem& p, const Segment* segments, int count, int64_t width,
                              int64_t begin, int64_t end, float* to, Floats& squares) {
    constexpr int A = M + 2;
    const int64_t slice = slice_of(p.channels, width);
    Band<M> band = {};
    for (int64_t c = begin; c < end; ++c)
        for (int s = 0; s < count; ++s) {
            const Segment& segment = segments[s];
            band.read(p, segment.image, c, segment, squares);
            float* at = to + c * width + segment.at;
            const int lanes_left = lane_of(width - segment.at);
#pragma GCC unroll 1
            for (int i = 0; i < A; ++i) {
                Floats d[A], t[A];
                band.columns(i, d);
                transform_source<M>(d, t);
#pragma GCC unroll 6
                for (int j = 0; j < A; ++j) store_n(at + (i * A + j) * slice, t[j], lanes_left);
            }
        }
}

// Weights of result rows [begin, end) as [e][row][channel].
template <int M>
static void transform_weights(const Problem& p, int64_t begin, int64_t end, float* to, Floats& squares) {
    constexpr int A = M + 2;
    const int64_t row_size = weight_row_of(p.channels), slice = slice_of(end - begin, row_size);
    for (int64_t r = begin; r < end; ++r)
        for (int64_t c = 0; c < p.channels; c += kLanes) {
            const float* from = p.weight + r * p.weight_row + c * p.weight_channel;
            const int count = lane_of(p.channels - c);
            float taps[9 * kLanes];
            for (int part = 0; part < 9; part += kLanes)
                transpose_block(from + part, p.weight_channel, count,
                                9 - part < kLanes ? 9 - part : static_cast<int>(kLanes), taps + part * kLanes,
                                kLanes, true);
            const auto tap = [&](int i, int j) __attribute__((always_inline)) {
                return load(taps + (p.turned ? 8 - (i * 3 + j) : i * 3 + j) * kLanes);
            };
            for (int i = 0; i < 9; ++i) squares += load(taps + i * kLanes) * load(taps + i * kLanes);
            Floats t[A * A];
            transform_weight_2d<M>(tap, t);
            float* at = to + (r - begin) * row_size + c;
#pragma GCC unroll 36
            for (int e = 0; e < A * A; ++e) store(at + e * slice, t[e]);
        }
}

// The products of `rows` results for all tiles of a block.
template <int M>
static void multiply(int64_t rows, int64_t channels, int64_t width, const float* weights,
                     const float* sources, float* products) {
    using namespace matmul::PT_ISA;
    constexpr int A = M + 2;
    constexpr int64_t kDepth = 256;  // of a strip of the sources, which is to stay in level 1
    const int64_t row_size = weight_row_of(channels), weight_slice = slice_of(rows, row_size);
    const int64_t source_slice = slice_of(channels, width), product_slice = slice_of(rows, width);
    const int64_t tiles = ceil_div(rows, kRows), passes = ceil_div(channels, kDepth);
    for (int e = 0; e < A * A; ++e)
        for (int64_t pass = 0; pass < passes; ++pass) {
            const Range depth = even_part(channels, pass, passes);
            for (int64_t j = 0; j < width; j += kColumns) {
                const float* b = sources + e * source_slice + depth.begin * width + j;
                const int vecs = width - j < kColumns ? 1 : kVecs;
                for (int64_t t = 0; t < tiles; ++t) {
                    const Range part = even_part(rows, t, tiles);
                    const float* a = weights + e * weight_slice + part.begin * row_size + depth.begin;
                    float* c = products + e * product_slice + part.begin * width + j;
                    matmul::PT_ISA::tiles<float>.of[0][vecs][part.size()](
                        depth.size(), a, row_size, 1, b, width, static_cast<int>(kLanes), c, width, pass > 0);
                }
            }
        }
}

// y[i][0], y[i][1] ... of a vector of tiles side by side.
template <int M>
PT_INLINE void store_row(const Floats* y, int64_t count, float* to) {
    Floats line[M];
    const VecPair<float> even = interleave<float>(y[0], y[M / 2]);
    line[0] = even.first;
    line[1] = even.second;
    if constexpr (M == 4) {
        const VecPair<float> odd = interleave<float>(y[1], y[3]);
        const VecPair<float> low = interleave<float>(even.first, odd.first);
        const VecPair<float> high = interleave<float>(even.second, odd.second);
        line[0] = low.first;
        line[1] = low.second;
        line[2] = high.first;
        line[3] = high.second;
    }
#pragma GCC unroll 4
    for (int v = 0; v < M; ++v) {
        const int64_t left = count - v * kLanes;
        if (left >= kLanes)
            store(to + v * kLanes, line[v]);
        else if (left > 0)
            store_n(to + v * kLanes, line[v], static_cast<int>(left));
    }
}

// Results [begin, end) of a block from their products.
template <int M>
static void transform_results(const Problem& p, const Segment* segments, int count, int64_t width,
                              int64_t begin, int64_t end, const float* products) {
    const int64_t slice = slice_of(end - begin, width);
    for (int64_t r = begin; r < end; ++r) {
        const float* bias = static_cast<const float*>(p.bias.data);
        const Floats start = broadcast(bias != nullptr ? bias[r * p.bias.strides[0]] : 0.0f);
        for (int s = 0; s < count; ++s) {
            const Segment& segment = segments[s];
            Floats y[M * M];
            transform_result_2d<M>(products + (r - begin) * width + segment.at, slice, y);
            const int64_t y0 = segment.row * M, x0 = segment.column * M, left = p.out[1] - x0;
            float* to = p.result + ((segment.image * p.rows + r) * p.out[0] + y0) * p.out[1] + x0;
#pragma GCC unroll 4
            for (int i = 0; i < M; ++i) {
                if (y0 + i >= p.out[0]) break;
#pragma GCC unroll 4
                for (int j = 0; j < M; ++j) y[i * M + j] += start;
                store_row<M>(y + i * M, left < M * segment.count ? left : M * segment.count,
                             to + i * p.out[1]);
            }
        }
    }
}

// Whether all squares that were added up are of numbers that the transforms can take.
PT_INLINE bool ordinary(Floats squares) {
    for (int i = 0; i < kLanes; ++i)
        if (!(squares[i] < kLargest)) return false;
    return true;
}

// The work of one block for one part of the results.
template <int M>
struct Convolution {
    static constexpr int A = M + 2, E = A * A;
    const Problem& p;
    Tiling tiling;
    int64_t parts;  // of the results
    int gave_up = 0;

    Convolution(const Problem& p, int64_t most) : p(p), tiling(p, M, most) {
        parts = matmul::PT_ISA::ceil_div(p.rows, kRowsTogether);
    }
    matmul::PT_ISA::Range part(int64_t i) const { return matmul::PT_ISA::even_part(p.rows, i, parts); }
    int64_t most_rows() const { return matmul::PT_ISA::ceil_div(p.rows, parts); }
    // Loads of a vector may begin at any tile: hence kLanes more.
    size_t source_bytes() const {
        return sizeof(float) * static_cast<size_t>(E * slice_of(p.channels, tiling.width) + kLanes);
    }
    size_t product_bytes() const {
        return sizeof(float) * static_cast<size_t>(E * slice_of(most_rows(), tiling.width) + kLanes);
    }
    int64_t weight_size(int64_t rows) const { return E * slice_of(rows, weight_row_of(p.channels)); }

    void give_up_unless(bool good) {
        if (!good) __atomic_store_n(&gave_up, 1, __ATOMIC_RELAXED);
    }
    bool has_given_up() const { return __atomic_load_n(&gave_up, __ATOMIC_RELAXED) != 0; }

    void finish(const Segment* segments, int count, int64_t i, const float* weights, const float* sources,
                float* products) const {
        const auto rows = part(i);
        multiply<M>(rows.size(), p.channels, tiling.width, weights, sources, products);
        transform_results<M>(p, segments, count, tiling.width, rows.begin, rows.end, products);
    }

    // Many blocks: the weights are transformed once, and threads take blocks. The unit is a part of a block's
    // results, so that threads' shares differ by one at most.
    void by_blocks() {
        pool::Scratch all_weights(sizeof(float) * static_cast<size_t>(parts * weight_size(most_rows())));
        float* weights = all_weights.as<float>();
        parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
            Floats squares{};
            for (int64_t i = begin; i < end; ++i)
                transform_weights<M>(p, part(i).begin, part(i).end, weights + i * weight_size(most_rows()),
                                     squares);
            give_up_unless(ordinary(squares));
        });
        parallel_for(0, tiling.blocks * parts, 1, [&](int64_t begin, int64_t end) {
            pool::Scratch sources(source_bytes()), products(product_bytes());
            Segment segments[kMostTiles];
            int count = 0;
            for (int64_t unit = begin; unit < end && !has_given_up(); ++unit) {
                if (unit == begin || unit % parts == 0) {
                    count = tiling.lay_out(unit / parts, segments);
                    Floats squares{};
                    transform_sources<M>(p, segments, count, tiling.width, 0, p.channels, sources.as<float>(),
                                         squares);
                    give_up_unless(ordinary(squares));
                }
                finish(segments, count, unit % parts, weights + unit % parts * weight_size(most_rows()),
                       sources.as<float>(), products.as<float>());
            }
        });
    }

    // Few blocks or large weights: threads share a block, and weights are transformed when they are used.
    void by_results() {
        pool::Scratch sources(source_bytes());
        Segment segments[kMostTiles];
        for (int64_t block = 0; block < tiling.blocks && !has_given_up(); ++block) {
            const int count = tiling.lay_out(block, segments);
            parallel_for(0, p.channels, 1 + 64 / count, [&](int64_t begin, int64_t end) {
                Floats squares{};
                transform_sources<M>(p, segments, count, tiling.width, begin, end, sources.as<float>(),
                                     squares);
                give_up_unless(ordinary(squares));
            });
            parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
                pool::Scratch weights(sizeof(float) * static_cast<size_t>(weight_size(most_rows())));
                pool::Scratch products(product_bytes());
                Floats squares{};
                for (int64_t i = begin; i < end && !has_given_up(); ++i) {
                    transform_weights<M>(p, part(i).begin, part(i).end, weights.as<float>(), squares);
                    finish(segments, count, i, weights.as<float>(), sources.as<float>(),
                           products.as<float>());
                }
                give_up_unless(ordinary(squares));
            });
        }
    }

    bool run() {
        const bool many = tiling.blocks > 1 && parts * weight_size(most_rows()) < (int64_t{1} << 22);
        many ? by_blocks() : by_results();
        return !has_given_up();
    }
};

// false: not done, for there are numbers among the operands that the transforms cannot take.
template <int M>
static bool convolve(const Problem& p) {
    const int64_t tile_bytes = (M + 2) * (M + 2) * p.channels * static_cast<int64_t>(sizeof(float));
    int64_t most =
        (int64_t{5} << 17) / tile_bytes;  // so that the source of a block stays in the second cache
    most = most < 4 * kLanes ? 4 * kLanes : most > kMostTiles ? kMostTiles : most;
    Convolution<M> convolution(p, most);
    return convolution.run();
}

}  // namespace pt::conv::PT_ISA::winograd
