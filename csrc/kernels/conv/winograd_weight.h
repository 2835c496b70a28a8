// The weight gradient by the adjoint of Winograd's convolution: with the tiles of the input transformed as in
// the forward pass, source[e][channel][tile], and those of grad_output by the adjoint of the result's
// transform, grads[e][row][tile], the transformed weight's gradient is a matrix product for every element e,
//
//     weight[e][row][channel] = sum over tiles of grads[e][row][tile] * source[e][channel][tile]
//
// and the transform's adjoint brings it to 3 x 3 taps. Blocks of tiles are added up one after the other;
// threads take parts of the rows, so that results do not depend on their number.
#pragma once

#include "kernels/conv/winograd_choice.h"

namespace pt::conv::PT_ISA::winograd {

// Result rows [begin, end) of grad_output (p.result's sizes; `grad` is dense) as [e][row][tile].
template <int M>
static void transform_grads(const Problem& p, const float* grad, const Segment* segments, int count,
                            int64_t width, int64_t begin, int64_t end, float* to, Floats& squares) {
    constexpr int A = M + 2;
    const int64_t slice = slice_of(p.rows, width);
    float band[A][M * kLanes] = {};
    for (int64_t r = begin; r < end; ++r)
        for (int s = 0; s < count; ++s) {
            const Segment& segment = segments[s];
            const int64_t y0 = segment.row * M, x0 = segment.column * M;
            const float* from = grad + ((segment.image * p.rows + r) * p.out[0] + y0) * p.out[1] + x0;
            for (int64_t j = 0; j < M * segment.count; j += kLanes) {
                const int high = lane_of(p.out[1] - x0 - j);
                Floats y[M], t[A];
#pragma GCC unroll 4
                for (int i = 0; i < M; ++i) {
                    const bool inside = y0 + i < p.out[0] && high > 0;
                    y[i] = inside ? load_between(from + i * p.out[1] + j, 0, high) : Floats{};
                    squares += y[i] * y[i];
                }
                transform_gradient<M>(y, t);
#pragma GCC unroll 6
                for (int i = 0; i < A; ++i) store(band[i] + j, t[i]);
            }
            const int lanes_left = lane_of(width - segment.at);
#pragma GCC unroll 1
            for (int i = 0; i < A; ++i) {
                constexpr auto all = std::make_integer_sequence<int, lanes<float>>();
                Floats y[M], t[A];
                const VecPair<float> low = load_deinterleaved(static_cast<const float*>(band[i]));
                y[0] = low.first;
                y[1] = low.second;
                if constexpr (M == 4) {
                    const VecPair<float> high = load_deinterleaved(band[i] + 2 * kLanes);
                    y[0] = even_lanes_of<float>(low.first, high.first, all);
                    y[1] = even_lanes_of<float>(low.second, high.second, all);
                    y[2] = odd_lanes_of<float>(low.first, high.first, all);
                    y[3] = odd_lanes_of<float>(low.second, high.second, all);
                }
                transform_gradient<M>(y, t);
                float* at = to + r * width + segment.at;
#pragma GCC unroll 6
                for (int j = 0; j < A; ++j) store_n(at + (i * A + j) * slice, t[j], lanes_left);
            }
        }
}

// The taps' gradients of rows [begin, end) from weight[e][row][channel]; `to` is the dense weight gradient.
template <int M>
static void gather_weights(const Problem& p, const float* weights, int64_t begin, int64_t end, float* to) {
    const int64_t row_size = weight_row_of(p.channels), slice = slice_of(end - begin, row_size);
    for (int64_t r = begin; r < end; ++r)
        for (int64_t c = 0; c < p.channels; c += kLanes) {
            Floats g[9];
            gather_weight_2d<M>(weights + (r - begin) * row_size + c, slice, g);
            float taps[9 * kLanes];
            for (int i = 0; i < 9; ++i) store(taps + i * kLanes, g[i]);
            const int count = lane_of(p.channels - c);
            for (int part = 0; part < 9; part += kLanes)
                transpose_block(static_cast<const float*>(taps) + part * kLanes, kLanes,
                                9 - part < kLanes ? 9 - part : static_cast<int>(kLanes), count,
                                to + (r * p.channels + c) * 9 + part, 9, false);
        }
}

template <int M>
struct WeightGradient {
    static constexpr int A = M + 2, E = A * A;
    static constexpr int64_t kPartRows = 36;
    const Problem& p;  // of the forward pass; without weight and result
    const float* grad;
    float* result;
    Tiling tiling;
    int64_t parts, strips;
    int gave_up = 0;

    WeightGradient(const Problem& p, const float* grad, float* result)
        : p(p), grad(grad), result(result), tiling(p, M, kMostTiles) {
        parts = matmul::PT_ISA::ceil_div(p.rows, kPartRows);
        if (parts > 1) parts += parts % 2;  // for the most frequent numbers of threads
        strips = matmul::PT_ISA::ceil_div(p.channels, kColumns);
    }
    matmul::PT_ISA::Range part(int64_t i) const { return matmul::PT_ISA::even_part(p.rows, i, parts); }
    int64_t part_size() const {
        return E * slice_of(matmul::PT_ISA::ceil_div(p.rows, parts), weight_row_of(p.channels));
    }
    void give_up_unless(bool good) {
        if (!good) __atomic_store_n(&gave_up, 1, __ATOMIC_RELAXED);
    }

    // A strip of channels, packed as [e][strip][tile][channel] while it is in the cache, and as large a share
    // of the rows of grad_output.
    void transform(const Segment* segments, int count, int64_t depth, float* sources, float* packed,
                   float* grads) {
        const int64_t slice = slice_of(p.channels, tiling.width), size = kColumns * tiling.width;
        parallel_for(0, strips, 1, [&](int64_t begin, int64_t end) {
            Floats squares{};
            for (int64_t s = begin; s < end; ++s) {
                const int64_t c = s * kColumns, last = c + kColumns < p.channels ? c + kColumns : p.channels;
                transform_sources<M>(p, segments, count, tiling.width, c, last, sources, squares);
                for (int e = 0; e < E; ++e)
                    matmul::PT_ISA::pack_columns(sources + e * slice + c * tiling.width, 1, tiling.width,
                                                 static_cast<int>(last - c), depth,
                                                 packed + (e * strips + s) * size);
                const auto rows = matmul::PT_ISA::even_part(p.rows, s, strips);
                transform_grads<M>(p, grad, segments, count, tiling.width, rows.begin, rows.end, grads,
                                   squares);
            }
            give_up_unless(ordinary(squares));
        });
    }

    void multiply(const matmul::PT_ISA::Range& rows, const float* packed, const float* grads, int64_t depth,
                  bool add, float* weights) const {
        using namespace matmul::PT_ISA;
        const int64_t row_size = weight_row_of(p.channels), slice = slice_of(rows.size(), row_size);
        const int64_t grad_slice = slice_of(p.rows, tiling.width), tiles = ceil_div(rows.size(), kRows);
        for (int e = 0; e < E; ++e)
            for (int64_t s = 0; s < strips; ++s) {
                const float* b = packed + (e * strips + s) * kColumns * tiling.width;
                const int vecs = p.channels - s * kColumns <= kLanes ? 1 : kVecs;
                for (int64_t t = 0; t < tiles; ++t) {
                    const Range part = even_part(rows.size(), t, tiles);
                    const float* a = grads + e * grad_slice + (rows.begin + part.begin) * tiling.width;
                    matmul::PT_ISA::tiles<float>.of[0][vecs][part.size()](
                        depth, a, tiling.width, 1, b, vecs * kLanes, static_cast<int>(kLanes),
                        weights + e * slice + part.begin * row_size + s * kColumns, row_size, add);
                }
            }
    }

    bool run() {
        const size_t item = sizeof(float);
        const bool single = tiling.blocks == 1;  // each part's sums are needed for a moment only
        pool::Scratch sources(item * static_cast<size_t>(E * slice_of(p.channels, tiling.width)));
        pool::Scratch grads(item * static_cast<size_t>(E * slice_of(p.rows, tiling.width)));
        pool::Scratch packed(item * static_cast<size_t>(E * strips * kColumns * tiling.width));
        pool::Scratch all(single ? 0 : item * static_cast<size_t>(parts * part_size()));
        Segment segments[kMostTiles];
        for (int64_t block = 0; block < tiling.blocks; ++block) {
            const int count = tiling.lay_out(block, segments);
            const int64_t depth = segments[count - 1].at + segments[count - 1].count;
            transform(segments, count, depth, sources.as<float>(), packed.as<float>(), grads.as<float>());
            if (__atomic_load_n(&gave_up, __ATOMIC_RELAXED) != 0) return false;
            parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
                pool::Scratch mine(single ? item * static_cast<size_t>(part_size()) : 0);
                for (int64_t i = begin; i < end; ++i) {
                    float* weights = single ? mine.as<float>() : all.as<float>() + i * part_size();
                    multiply(part(i), packed.as<float>(), grads.as<float>(), depth, block > 0, weights);
                    if (block == tiling.blocks - 1)
                        gather_weights<M>(p, weights, part(i).begin, part(i).end, result);
                }
            });
        }
        return true;
    }
};

// As for the forward pass, with grad_output transformed instead of the results, and the source packed once
// more.
PT_INLINE double weight_cost(const Problem& p, int m) {
    const Tiling tiling(p, m, kMostTiles);
    const double both = static_cast<double>(p.channels + p.rows), e = (m + 2) * (m + 2);
    const double weights = static_cast<double>(p.channels * p.rows) * e;
    const double tiles = static_cast<double>(p.batch * tiling.rows * tiling.columns);
    const double sums = static_cast<double>(tiling.blocks) / kLanes * 3;  // are read and written
    return weights * (tiles / (2 * kLanes) * 1.2 + sums + 5.0 / kLanes) +
           static_cast<double>(tiling.segments) * e * both * 6;
}

template <class T>
static bool grad_weight(const conv::Problem& p, const T* grad_output, const Operand& input, T* result) {
    if constexpr (sizeof(T) != sizeof(float)) {
        return false;
    } else {
        Operand weight;
        weight.strides[4] = 1;
        weight.strides[3] = 3;
        if (!fits(p, input, weight)) return false;
        const Problem q{p.batch,
                        p.in_channels,
                        p.out_channels,
                        {p.in[1], p.in[2]},
                        {p.out[1], p.out[2]},
                        {-p.padding[1], -p.padding[2]},
                        static_cast<const float*>(input.data),
                        input.strides[0],
                        input.strides[1],
                        input.strides[3],
                        nullptr,
                        0,
                        0,
                        false,
                        Operand{},
                        nullptr};
        if (p.winograd == Winograd::tiles_of_2) return WeightGradient<2>(q, grad_output, result).run();
        if (p.winograd == Winograd::automatic && direct_cost(q) <= weight_cost(q, 4)) return false;
        return WeightGradient<4>(q, grad_output, result).run();
    }
}

}  // namespace pt::conv::PT_ISA::winograd
