// What Winograd's convolution works on: tiles in segments and blocks, and the transforms of a block's source
// and results, and of the weights. See winograd.h.
#pragma once

#include "base/pool.h"
#include "kernels/conv/problem.h"
#include "kernels/conv/winograd_transform.h"
#include "kernels/matmul/gemm.h"
#include "simd/shuffle.h"
#include "simd/transpose.h"

namespace pt::conv::PT_ISA::winograd {

using matmul::PT_ISA::ceil_div;
using matmul::PT_ISA::even_part;
using matmul::PT_ISA::Range;

constexpr int64_t kLanes = lanes<float>;
constexpr int64_t kUsualTiles = 128, kMostTiles = 256;  // of a block
constexpr int64_t kMostTaps = 64;                       // of a kernel
constexpr float kLargest = 7.9e28f;                     // 2^96, of a square that the transforms can take

// The source and the result are [batch][channels or rows][planes][rows][columns], taps lie together. A
// kernel that is larger than the R taps of a tile's axis is cut into chunks of R, which are summed as
// channels are.
struct Problem {
    int64_t batch, channels, rows;  // channels of the source, of the result
    int64_t in[3], out[3], kernel[3];
    int64_t origin[3];  // the source's coordinate that result (0, 0, 0) sees first
    const float* source;
    int64_t source_image, source_channel, source_plane, source_row;
    const float* weight;
    int64_t weight_row, weight_channel;
    bool turned;  // the taps are read from the last to the first
    Operand bias;
    float* result;

    int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

struct Segment {
    int64_t image, plane, row, column;  // of its first tile; the plane of the result
    int count, at;                      // tiles; its place in the block
};

// The part of the work whose transformed source is held at a time: tiles in segments, of `planes` planes of
// results one behind the other.
struct Block {
    Segment segments[kMostTiles];
    int count;
    int64_t planes;
};

// A tile is m0 x m1 outputs. Kernels that span one plane have blocks of one plane, and the planes are as good
// as images; otherwise a plane's transformed source serves several planes of results.
struct Tiling {
    int64_t chunks[2];                // of the kernel, along rows and columns
    int64_t rows, columns, cuts;      // of a plane; segments in a row
    int64_t segments, blocks, width;  // tiles of the widest block, in whole vectors
    int64_t stacks, planes;           // blocks along the planes; result planes of one at most
    int64_t depth, channels;          // source channels of a result, times planes and chunks; of a plane

    Tiling(const Problem& p, const int* m, const int* r, int64_t budget, int64_t least) {
        for (int a = 0; a < 2; ++a) chunks[a] = ceil_div(p.kernel[1 + a], r[a]);
        channels = chunks[0] * chunks[1] * p.channels;
        depth = p.kernel[0] * channels;
        rows = ceil_div(p.out[1], m[0]);
        columns = ceil_div(p.out[2], m[1]);
        const int64_t points = (m[0] + r[0] - 1) * (m[1] + r[1] - 1);
        const int64_t tile = points * channels * static_cast<int64_t>(sizeof(float));
        stacks = p.out[0];
        if (p.kernel[0] > 1) {
            int64_t most = budget / (2 * kLanes * tile) - p.kernel[0] + 1;
            most = most < 4 ? 4 : most > kMostPlanes ? kMostPlanes : most;
            stacks = ceil_div(p.out[0], most);
            least = 2 * kLanes;
        }
        planes = ceil_div(p.out[0], stacks);
        int64_t most = budget / (tile * (planes + p.kernel[0] - 1));
        most = most < least ? least : most > kUsualTiles && least < kUsualTiles ? kUsualTiles : most;
        if (most > kMostTiles) most = kMostTiles;
        cut(p.batch, most);
    }
    static constexpr int64_t kMostPlanes = 16;
    static int64_t whole(int64_t tiles) { return ceil_div(tiles, kLanes) * kLanes; }
    int64_t all_blocks() const { return blocks * stacks; }
    int64_t source_rows(const Problem& p) const { return (planes + p.kernel[0] - 1) * channels; }

    // Segments into blocks.
    void cut(int64_t batch, int64_t most) {
        cuts = ceil_div(columns, kLanes);
        segments = batch * rows * cuts;
        if (planes == 1) segments *= stacks, stacks = 1;
        const int64_t longest = ceil_div(columns, cuts);
        int64_t best = 1;  // segments of a block: as many as fill their vectors best
        double best_share = 0;
        for (int64_t n = 1; n * longest <= most || n == 1; ++n) {
            const int64_t tiles = n * longest;
            const double share = static_cast<double>(tiles) / static_cast<double>(whole(tiles));
            if (share >= best_share) best = n, best_share = share;
        }
        blocks = ceil_div(segments, best);
        width = whole(ceil_div(segments, blocks) * longest);
    }

    void lay_out(const Problem& p, int64_t number, Block& block) const {
        const int64_t stack = number % stacks, place = number / stacks;
        const Range range = even_part(segments, place, blocks), deep = even_part(p.out[0], stack, stacks);
        const int64_t single = planes == 1 ? p.out[0] : 1;  // planes that are as good as images
        int at = 0;
        for (int64_t s = range.begin; s < range.end; ++s) {
            const int64_t cut = s % cuts, first = columns * cut / cuts, image = s / (cuts * rows);
            const int count = static_cast<int>(columns * (cut + 1) / cuts - first);
            block.segments[s - range.begin] = {
                image / single, single > 1 ? image % single : deep.begin, s / cuts % rows, first, count, at};
            at += count;
        }
        block.count = static_cast<int>(range.size());
        block.planes = single > 1 ? 1 : deep.size();
    }
};

PT_INLINE int64_t tiles_of(const Block& block) {
    const Segment& last = block.segments[block.count - 1];
    return last.at + last.count;
}

#if !defined(__AVX512VL__)
// Out of line: the borders' loads and stores are many, and rare.
[[gnu::noinline]] static Floats load_some_lanes(const float* p, int low, int high) {
    float buffer[kLanes] = {};
    for (int i = low; i < high; ++i) buffer[i] = p[i];
    return load(buffer);
}
[[gnu::noinline]] static void store_some_lanes(float* p, Floats v, int n) { store_n(p, v, n); }
#endif

// Lanes low <= i < high of p, zeros elsewhere: nothing else is read.
PT_INLINE Floats load_between(const float* p, int low, int high) {
#if defined(__AVX512VL__)
    const unsigned mask = ((1u << high) - 1u) & ~((1u << low) - 1u);
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
#else
    return low == 0 && high == kLanes ? load(p) : load_some_lanes(p, low, high);
#endif
}

PT_INLINE int lane_of(int64_t at) { return static_cast<int>(at < 0 ? 0 : at > kLanes ? kLanes : at); }

// The first n of the lanes, of which most stores have all.
PT_INLINE void store_some(float* p, Floats v, int n) {
#if defined(__AVX512VL__)
    store_n(p, v, n);
#else
    n == kLanes ? store(p, v) : store_some_lanes(p, v, n);
#endif
}

constexpr auto kAllLanes = std::make_integer_sequence<int, lanes<float>>();

// a[1], a[2] ... and at last b[0].
template <int... I>
PT_INLINE Floats next_lanes(Floats a, Floats b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I + 1)...);
}
// Every third element of three vectors, from the J-th.
template <int J, int... I>
PT_INLINE Floats third_lanes(Floats a, Floats b, Floats c, std::integer_sequence<int, I...>) {
    constexpr int L = lanes<float>;
    const Floats ab = __builtin_shufflevector(a, b, (3 * I + J < 2 * L ? 3 * I + J : 0)...);
    return __builtin_shufflevector(ab, c, (3 * I + J < 2 * L ? I : 3 * I + J - L)...);
}
// The V-th vector of a[0], b[0], c[0], a[1] ...
template <int V, int... I>
PT_INLINE Floats zip_thirds(Floats a, Floats b, Floats c, std::integer_sequence<int, I...>) {
    constexpr int L = lanes<float>, at = V * L;
    const Floats ab =
        __builtin_shufflevector(a, b, ((at + I) % 3 == 2 ? 0 : (at + I) % 3 * L + (at + I) / 3)...);
    return __builtin_shufflevector(ab, c, ((at + I) % 3 == 2 ? L + (at + I) / 3 : I)...);
}

// Elements j, M + j, 2 M + j ... of a line, for every j < M.
template <int M>
PT_INLINE void split_line(const float* from, Floats* d) {
    if constexpr (M == 1) {
        d[0] = load(from);
    } else if constexpr (M == 3) {
        const Floats a = load(from), b = load(from + kLanes), c = load(from + 2 * kLanes);
        d[0] = third_lanes<0>(a, b, c, kAllLanes);
        d[1] = third_lanes<1>(a, b, c, kAllLanes);
        d[2] = third_lanes<2>(a, b, c, kAllLanes);
    } else {
        const VecPair<float> low = load_deinterleaved(from);
        d[0] = low.first;
        d[1] = low.second;
        if constexpr (M == 4) {
            const VecPair<float> high = load_deinterleaved(from + 2 * kLanes);
            d[0] = even_lanes_of<float>(low.first, high.first, kAllLanes);
            d[1] = even_lanes_of<float>(low.second, high.second, kAllLanes);
            d[2] = odd_lanes_of<float>(low.first, high.first, kAllLanes);
            d[3] = odd_lanes_of<float>(low.second, high.second, kAllLanes);
        }
    }
}

// Its inverse, in registers.
template <int M>
PT_INLINE void join_line(const Floats* y, Floats* line) {
    if constexpr (M == 1) {
        line[0] = y[0];
    } else if constexpr (M == 3) {
        line[0] = zip_thirds<0>(y[0], y[1], y[2], kAllLanes);
        line[1] = zip_thirds<1>(y[0], y[1], y[2], kAllLanes);
        line[2] = zip_thirds<2>(y[0], y[1], y[2], kAllLanes);
    } else {
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
    }
}

// The columns of A0 neighbouring rows after the transform along the rows' axis. `squares` adds up what is
// read. With a step of 2 only every second row and column is: one phase of the source.
template <class Tile, int Step>
struct Band {
    static constexpr int A0 = Tile::A0, A1 = Tile::A1, M1 = Tile::M1;
    float data[A0][(M1 + 2) * kLanes];

    // Of the segment's tiles, `y` and `x` further down and right in a plane.
    PT_INLINE_MEMBER void read(const Problem& p, const float* plane, const Segment& s, int64_t y, int64_t x,
                               Floats& squares) {
        const int64_t y0 = Step * s.row * Tile::M0 + p.origin[1] + y;
        const int64_t x0 = Step * s.column * M1 + p.origin[2] + x;
        const int64_t ahead = 2 * p.source_channel;  // channels are too far apart for the hardware's guess
        const float* rows[A0];
        bool inside[A0];
        for (int i = 0; i < A0; ++i) {
            const int64_t at = y0 + Step * i;
            inside[i] = at >= 0 && at < p.in[1];
            rows[i] = plane + (inside[i] ? at * p.source_row : 0);
        }
        for (int64_t j = 0; j < M1 * s.count + A1 - M1; j += kLanes) {
            const int64_t at = x0 + Step * j;
            const int low = lane_of(-at), high = lane_of(p.in[2] - at);
            const int low2 = lane_of(-at - kLanes), high2 = lane_of(p.in[2] - at - kLanes);
            Floats d[A0], t[A0];
#pragma GCC unroll 6
            for (int i = 0; i < A0; ++i) {
                if (i < Tile::M0)
                    __builtin_prefetch(rows[i] + at + ahead);  // the next tiles' see to the rest
                d[i] = load_between(rows[i] + at, low, inside[i] ? high : low);
                if constexpr (Step == 2)
                    d[i] = even_lanes_of<float>(
                        d[i], load_between(rows[i] + at + kLanes, low2, inside[i] ? high2 : low2), kAllLanes);
                squares += d[i] * d[i];
            }
            transform_source<A0>(d, t);
#pragma GCC unroll 6
            for (int i = 0; i < A0; ++i) store(data[i] + j, t[i]);
        }
    }

    // Column j of a vector of neighbouring tiles, for every j.
    inline __attribute__((always_inline)) void columns(int row, Floats* d) const {
        const float* from = data[row];
        split_line<M1>(from, d);
#pragma GCC unroll 3
        for (int j = 0; j < A1 - M1; ++j)
            d[M1 + j] = next_lanes(d[j], load(from + M1 * kLanes + j), kAllLanes);
    }
};

// Where the transforms of a block lie: [e][plane][chunk][channel][tile] and [e][row][tile]. Slices are
// shifted against each other by a cache line, lest the same place of all of them fall into one set of the
// cache.
PT_INLINE int64_t slice_of(int64_t rows, int64_t width) { return rows * width + 16; }
PT_INLINE int64_t weight_row_of(int64_t depth) { return Tiling::whole(depth) + 16; }

// The transforms of one channel of all segments, `z` planes behind, `y` rows below and `x` columns to the
// right of the first that a tile sees. With a step only the first `used` points along each axis are written.
template <class Tile, int Step>
static void transform_channel(const Problem& p, const Block& block, int64_t c, int64_t z, int64_t y,
                              int64_t x, const int* used, int64_t width, int64_t slice,
                              Band<Tile, Step>& band, float* row, Floats& squares) {
    Floats sum{};  // in a register
    for (int s = 0; s < block.count; ++s) {
        const Segment& segment = block.segments[s];
        const int lanes_left = lane_of(width - segment.at);
        const int64_t plane = segment.plane + z + p.origin[0];
        float* at = row + segment.at;
        if (plane < 0 || plane >= p.in[0]) {
            for (int e = 0; e < Tile::E; ++e) store_some(at + e * slice, Floats{}, lanes_left);
            continue;
        }
        band.read(p,
                  p.source + segment.image * p.source_image + c * p.source_channel + plane * p.source_plane,
                  segment, y, x, sum);
#pragma GCC unroll 1
        for (int i = 0; i < (Step == 1 ? Tile::A0 : used[0]); ++i) {
            Floats d[Tile::A1], t[Tile::A1];
            band.columns(i, d);
            transform_source<Tile::A1>(d, t);
#pragma GCC unroll 6
            for (int j = 0; j < Tile::A1; ++j)
                if (Step == 1 || j < used[1]) store_some(at + (i * Tile::A1 + j) * slice, t[j], lanes_left);
        }
    }
    squares += sum;
}

// Channels [begin, end) of all planes.
template <class Tile>
static void transform_sources(const Problem& p, const Tiling& tiling, const Block& block, int64_t begin,
                              int64_t end, float* to, Floats& squares) {
    const int64_t width = tiling.width, slice = slice_of(tiling.source_rows(p), width);
    const int64_t planes = block.planes + p.kernel[0] - 1, chunks = tiling.chunks[0] * tiling.chunks[1];
    Band<Tile, 1> band = {};
    for (int64_t z = 0; z < planes; ++z)
        for (int64_t step = begin * chunks; step < end * chunks; ++step) {  // a channel's chunks in turn
            const int64_t c = step / chunks, chunk = step % chunks;
            const int64_t y = chunk / tiling.chunks[1] * Tile::R0, x = chunk % tiling.chunks[1] * Tile::R1;
            transform_channel<Tile, 1>(p, block, c, z, y, x, nullptr, width, slice, band,
                                       to + ((z * chunks + chunk) * p.channels + c) * width, squares);
        }
}

// transpose_block() once in the program rather than in every place.
[[gnu::noinline]] static void transpose_taps(const float* from, int64_t from_row, int rows, int columns,
                                             float* to, int64_t to_row, bool pad) {
    transpose_block(from, from_row, rows, columns, to, to_row, pad);
}

// The taps of `count` channels as [tap][channel].
[[gnu::noinline]] static void read_taps(const Problem& p, int64_t row, int64_t channel, int count, float* to,
                                        Floats& squares) {
    const float* from = p.weight + row * p.weight_row + channel * p.weight_channel;
    const int64_t taps = p.taps();
    for (int64_t i = 0; i < taps; i += kLanes)
        transpose_taps(from + i, p.weight_channel, count, lane_of(taps - i), to + i * kLanes, kLanes, true);
    for (int64_t i = 0; i < taps; ++i) squares += load(to + i * kLanes) * load(to + i * kLanes);
}

// Weights of result rows [begin, end) as [e][row][plane][chunk][channel].
template <class Tile>
static void transform_weights(const Problem& p, const Tiling& tiling, int64_t begin, int64_t end, float* to,
                              Floats& squares) {
    const int64_t row_size = weight_row_of(tiling.depth), slice = slice_of(end - begin, row_size);
    const int64_t chunks = tiling.chunks[0] * tiling.chunks[1], plane = p.kernel[1] * p.kernel[2];
    float taps[kMostTaps * kLanes];
    for (int64_t r = begin; r < end; ++r)
        for (int64_t c = 0; c < p.channels; c += kLanes) {
            const int count = lane_of(p.channels - c);
            read_taps(p, r, c, count, taps, squares);
            for (int64_t unit = 0; unit < p.kernel[0] * chunks; ++unit) {
                const int64_t z = unit / chunks, chunk = unit % chunks;
                const int64_t y = chunk / tiling.chunks[1] * Tile::R0,
                              x = chunk % tiling.chunks[1] * Tile::R1;
                const auto tap = [&](int i, int j) __attribute__((always_inline)) {
                    if (y + i >= p.kernel[1] || x + j >= p.kernel[2]) return Floats{};
                    const int64_t at = z * plane + (y + i) * p.kernel[2] + x + j;
                    return load(taps + (p.turned ? p.taps() - 1 - at : at) * kLanes);
                };
                Floats t[Tile::E];
                transform_weight_2d<Tile>(tap, t);
                float* at = to + (r - begin) * row_size + unit * p.channels + c;
#pragma GCC unroll 36
                for (int e = 0; e < Tile::E; ++e) store_some(at + e * slice, t[e], count);
            }
        }
}

// Results [begin, end) of plane `z` of a block from their products.
template <class Tile>
static void transform_results(const Problem& p, const Tiling& tiling, const Block& block, int64_t z,
                              int64_t begin, int64_t end, const float* products) {
    constexpr int M0 = Tile::M0, M1 = Tile::M1;
    const int64_t slice = slice_of(end - begin, tiling.width), line_size = p.out[2];
    for (int64_t r = begin; r < end; ++r) {
        const float* bias = static_cast<const float*>(p.bias.data);
        const Floats start = broadcast(bias != nullptr ? bias[r * p.bias.strides[0]] : 0.0f);
        for (int s = 0; s < block.count; ++s) {
            const Segment& segment = block.segments[s];
            Floats y[M0 * M1];
            const float* from = products + (r - begin) * tiling.width + segment.at;
            const auto product = [&](int i, int j) __attribute__((always_inline)) {
                return load(from + (i * Tile::A1 + j) * slice);
            };
            transform_result_2d<Tile>(product, y);
            const int64_t y0 = segment.row * M0, x0 = segment.column * M1, left = line_size - x0;
            const int64_t count = left < M1 * segment.count ? left : M1 * segment.count;
            const int64_t plane = (segment.image * p.rows + r) * p.out[0] + segment.plane + z;
            float* to = p.result + (plane * p.out[1] + y0) * line_size + x0;
#pragma GCC unroll 4
            for (int i = 0; i < M0; ++i) {
                if (y0 + i >= p.out[1]) break;
                Floats line[M1];
                join_line<M1>(y + i * M1, line);
#pragma GCC unroll 4
                for (int v = 0; v < M1; ++v) {
                    const int lanes_left = lane_of(count - v * kLanes);
                    if (lanes_left > 0)
                        store_some(to + i * line_size + v * kLanes, line[v] + start, lanes_left);
                }
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

}  // namespace pt::conv::PT_ISA::winograd
