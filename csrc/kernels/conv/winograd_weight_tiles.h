// The transforms of the weight gradient (winograd_weight.h): of grad_output, and back to the taps.
#pragma once

#include "kernels/conv/winograd_tiles.h"

namespace pt::conv::PT_ISA::winograd {

// Result rows of grad_output (p.result's sizes; `grad` is dense) as [e][row][plane][tile]; a row of all
// planes takes `row_size` elements.
template <class Tile>
static void transform_grads(const Problem& p, const float* grad, const Block& block, const Range& rows,
                            int64_t row_size, float* to, Floats& squares) {
    constexpr int M0 = Tile::M0, M1 = Tile::M1, A0 = Tile::A0, A1 = Tile::A1;
    const int64_t slice = slice_of(p.rows, row_size), tiles = tiles_of(block), line = p.out[2];
    float band[A0][M1 * kLanes] = {};
    for (int64_t r = rows.begin; r < rows.end; ++r)
        for (int64_t unit = 0; unit < block.planes * block.count; ++unit) {
            const Segment& segment = block.segments[unit % block.count];
            const int64_t z = unit / block.count, y0 = segment.row * M0, x0 = segment.column * M1;
            const int64_t plane = (segment.image * p.rows + r) * p.out[0] + segment.plane + z;
            const float* from = grad + (plane * p.out[1] + y0) * line + x0;
            for (int64_t j = 0; j < M1 * segment.count; j += kLanes) {
                const int high = lane_of(line - x0 - j);
                Floats y[M0], t[A0];
#pragma GCC unroll 4
                for (int i = 0; i < M0; ++i) {
                    const bool inside = y0 + i < p.out[1] && high > 0;
                    y[i] = inside ? load_between(from + i * line + j, 0, high) : Floats{};
                    squares += y[i] * y[i];
                }
                transform_gradient<M0>(y, t);
#pragma GCC unroll 6
                for (int i = 0; i < A0; ++i) store(band[i] + j, t[i]);
            }
            const int64_t at = z * tiles + segment.at;
            const int lanes_left = lane_of(row_size - at);
#pragma GCC unroll 1
            for (int i = 0; i < A0; ++i) {
                Floats y[M1], t[A1];
                split_line<M1>(band[i], y);
                transform_gradient<M1>(y, t);
                float* to_row = to + r * row_size + at;
#pragma GCC unroll 6
                for (int j = 0; j < A1; ++j) store_some(to_row + (i * A1 + j) * slice, t[j], lanes_left);
            }
        }
}

// Rows of the transformed weight's gradient: [e][row][plane][chunk][channel], with room for whole vectors of
// channels.
PT_INLINE int64_t gradient_row_of(const Problem& p, const Tiling& tiling) {
    return p.kernel[0] * tiling.chunks[0] * tiling.chunks[1] * Tiling::whole(p.channels) + 16;
}

// The taps' gradients of rows [begin, end) from these; `to` is the dense weight gradient.
template <class Tile>
static void gather_weights(const Problem& p, const Tiling& tiling, const float* weights, int64_t begin,
                           int64_t end, float* to) {
    const int64_t row_size = gradient_row_of(p, tiling), slice = slice_of(end - begin, row_size);
    const int64_t chunks = tiling.chunks[0] * tiling.chunks[1], plane = p.kernel[1] * p.kernel[2];
    const int64_t all = p.taps();
    float taps[kMostTaps * kLanes];
    for (int64_t r = begin; r < end; ++r)
        for (int64_t c = 0; c < p.channels; c += kLanes) {
            for (int64_t unit = 0; unit < p.kernel[0] * chunks; ++unit) {
                const int64_t z = unit / chunks, chunk = unit % chunks;
                const int64_t y = chunk / tiling.chunks[1] * Tile::R0,
                              x = chunk % tiling.chunks[1] * Tile::R1;
                Floats g[Tile::R0 * Tile::R1];
                gather_weight_2d<Tile>(
                    weights + (r - begin) * row_size + unit * Tiling::whole(p.channels) + c, slice, g);
                for (int i = 0; i < Tile::R0; ++i)
                    for (int j = 0; j < Tile::R1; ++j)
                        if (y + i < p.kernel[1] && x + j < p.kernel[2])
                            store(taps + (z * plane + (y + i) * p.kernel[2] + x + j) * kLanes,
                                  g[i * Tile::R1 + j]);
            }
            const int count = lane_of(p.channels - c);
            for (int64_t i = 0; i < all; i += kLanes)
                transpose_taps(taps + i * kLanes, kLanes, lane_of(all - i), count,
                               to + (r * p.channels + c) * all + i, all, false);
        }
}

}  // namespace pt::conv::PT_ISA::winograd
