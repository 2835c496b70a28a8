// Winograd's convolution with a stride of 2 (winograd.h has that with 1), for kernels of 3 or 4 taps along
// each axis. Every second row and column of the input is a phase, and so is every second tap: a convolution
// with stride 2 is a sum of four with stride 1, of each phase of the input with one of the taps. In the other
// direction, the input gradient, each phase of the result is such a convolution over grad_output. All have at
// most 2 x 2 taps: F(4x4, 2x2), of 25 products for 16 results where the definition takes 64. A phase of one
// tap along an axis does without the point at infinity, where the transform of that tap is zero: 81 products
// for all four phases of 3x3, where the definition takes 144.
#pragma once

#include "kernels/conv/winograd_tiles.h"

namespace pt::conv::PT_ISA::winograd {

using PhaseTile = Tile2d<4, 2, 4, 2>;
constexpr int kPhases = 4, kPhaseLast = PhaseTile::A0 - 1;  // the point at infinity of an axis

// Phases 0 and 1 of an axis: how many taps, which, and where the first result of a phase sees the first.
struct AxisPhases {
    int taps[2], tap[2][2];
    int64_t first[2];
    bool gradient;

    AxisPhases(int64_t kernel, int64_t padding, bool gradient) : taps{}, tap{}, first{}, gradient(gradient) {
        for (int64_t i = 0; i < kernel; ++i) {
            const int64_t j = gradient ? kernel - 1 - i : i;  // from the first that is seen
            const int phase = static_cast<int>((j + padding) % 2);
            const int64_t at = gradient ? (phase + padding - j) / 2 : j - padding;
            if (taps[phase] == 0) first[phase] = at;
            tap[phase][taps[phase]++] = static_cast<int>(j);
        }
    }
    // Source windows that are transformed: phases of a result may share one.
    int windows() const { return gradient && first[0] == first[1] ? 1 : 2; }
    int longer() const { return taps[1] > taps[0] ? 1 : 0; }
    int used(int phase) const { return taps[phase] == 2 ? PhaseTile::A0 : kPhaseLast; }
};

struct Phases {
    AxisPhases rows, columns;
    int64_t result[2];  // rows and columns of a plane of the result

    // A phase along both axes, in an order that lets those that use a point be neighbours.
    struct Pair {
        int row, column;
    };
    Pair pair(int i) const {
        const int row = rows.longer(), column = columns.longer();
        return {i < 2 ? row : 1 - row, i == 1 || i == 2 ? column : 1 - column};
    }
    bool uses(int i, int e) const {
        const Pair at = pair(i);
        return e / PhaseTile::A1 < rows.used(at.row) && e % PhaseTile::A1 < columns.used(at.column);
    }
    bool gradient() const { return rows.gradient; }
    int windows() const { return rows.windows() * columns.windows(); }
    int window(Pair at) const {
        return at.row % rows.windows() * columns.windows() + at.column % columns.windows();
    }
    // Source channels of a product, and rows of products for each row of the result.
    int64_t depth(int64_t channels) const { return gradient() ? channels : kPhases * channels; }
    int64_t units() const { return gradient() ? kPhases : 1; }
    // Products of all points and phases that are made.
    int points() const {
        int total = 0;
        for (int e = 0; e < PhaseTile::E; ++e)
            for (int i = 0; i < kPhases; ++i) total += uses(i, e);
        return total;
    }
};

// Channels [begin, end) of every window: [e][window][channel][tile]. `p` is as for transform_sources().
static void transform_phase_sources(const Problem& p, const Phases& phases, const Tiling& tiling,
                                    const Block& block, int64_t begin, int64_t end, float* to,
                                    Floats& squares) {
    const int64_t width = tiling.width, slice = slice_of(tiling.channels, width);
    Band<PhaseTile, 1> near = {};
    Band<PhaseTile, 2> stepped = {};
    for (int64_t c = begin; c < end; ++c)
        for (int i = 0; i < (phases.gradient() ? phases.windows() : kPhases); ++i) {
            float* row = to + (i * p.channels + c) * width;
            if (phases.gradient()) {
                transform_channel<PhaseTile, 1>(p, block, c, 0,
                                                phases.rows.first[i / phases.columns.windows()],
                                                phases.columns.first[i % phases.columns.windows()], nullptr,
                                                width, slice, near, row, squares);
            } else {
                const Phases::Pair at = phases.pair(i);
                const int used[2] = {phases.rows.used(at.row), phases.columns.used(at.column)};
                transform_channel<PhaseTile, 2>(p, block, c, 0, phases.rows.first[at.row],
                                                phases.columns.first[at.column], used, width, slice, stepped,
                                                row, squares);
            }
        }
}

// Weights of result rows [begin, end): [e][row][phase][channel], for gradients [e][phase][row][channel].
static void transform_phase_weights(const Problem& p, const Phases& phases, int64_t begin, int64_t end,
                                    float* to, Floats& squares) {
    const int64_t rows = end - begin, row_size = weight_row_of(phases.depth(p.channels));
    const int64_t slice = slice_of(phases.units() * rows, row_size);
    const int64_t distance = phases.gradient() ? rows * row_size : p.channels;  // of phases
    float taps[kMostTaps * kLanes];
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < p.channels; c += kLanes) {
            const int count = lane_of(p.channels - c);
            read_taps(p, begin + r, c, count, taps, squares);
            for (int i = 0; i < kPhases; ++i) {
                const Phases::Pair at = phases.pair(i);
                const int *row = phases.rows.tap[at.row], *column = phases.columns.tap[at.column];
                const auto tap = [&](int y, int x) __attribute__((always_inline)) {
                    if (y >= phases.rows.taps[at.row] || x >= phases.columns.taps[at.column]) return Floats{};
                    return load(taps + (row[y] * p.kernel[2] + column[x]) * kLanes);
                };
                Floats t[PhaseTile::E];
                transform_weight_2d<PhaseTile>(tap, t);
                float* from = to + r * row_size + i * distance + c;
#pragma GCC unroll 25
                for (int e = 0; e < PhaseTile::E; ++e) store_some(from + e * slice, t[e], count);
            }
        }
}

// Rows [begin, end) of the result of a gradient from the products [e][phase][row][tile]: two phases are
// written as one line.
static void transform_phase_results(const Problem& p, const Phases& phases, const Tiling& tiling,
                                    const Block& block, int64_t begin, int64_t end, const float* products) {
    constexpr int M = PhaseTile::M0;
    const int64_t rows = end - begin, slice = slice_of(kPhases * rows, tiling.width);
    const int64_t height = phases.result[0], line_size = phases.result[1];
    for (int64_t r = begin; r < end; ++r) {
        const float* bias = static_cast<const float*>(p.bias.data);
        const Floats start = broadcast(bias != nullptr ? bias[r * p.bias.strides[0]] : 0.0f);
        for (int s = 0; s < block.count; ++s) {
            const Segment& segment = block.segments[s];
            const int64_t x0 = segment.column * 2 * M, left = line_size - x0;
            const int64_t count = left < 2 * M * segment.count ? left : 2 * M * segment.count;
            const int64_t plane = (segment.image * p.rows + r) * p.out[0] + segment.plane;
            float* to = p.result + plane * height * line_size + x0;
            Floats y[2][2][M * M];
            for (int i = 0; i < kPhases; ++i) {
                const Phases::Pair at = phases.pair(i);
                const int in_rows = phases.rows.used(at.row), in_columns = phases.columns.used(at.column);
                const float* from = products + (i * rows + r - begin) * tiling.width + segment.at;
                const auto product = [&](int u, int v) __attribute__((always_inline)) {
                    return u < in_rows && v < in_columns ? load(from + (u * PhaseTile::A1 + v) * slice)
                                                         : Floats{};
                };
                transform_result_2d<PhaseTile>(product, y[at.row][at.column]);
            }
            for (int i = 0; i < 2 * M; ++i) {
                const int64_t line = segment.row * 2 * M + i;
                if (line >= height) break;
                Floats even[M], odd[M];
                join_line<M>(y[i % 2][0] + i / 2 * M, even);
                join_line<M>(y[i % 2][1] + i / 2 * M, odd);
#pragma GCC unroll 4
                for (int v = 0; v < M; ++v) {
                    if (count <= 2 * v * kLanes) break;
                    const VecPair<float> both = interleave<float>(even[v] + start, odd[v] + start);
                    float* at = to + line * line_size + 2 * v * kLanes;
                    store_some(at, both.first, lane_of(count - 2 * v * kLanes));
                    store_some(at + kLanes, both.second, lane_of(count - (2 * v + 1) * kLanes));
                }
            }
        }
    }
}

}  // namespace pt::conv::PT_ISA::winograd
