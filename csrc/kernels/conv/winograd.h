// Winograd's convolution, F(M x M, R x R) (Lavin and Gray 2015, "Fast Algorithms for
// Convolutional Neural Networks"): a tile of M x M outputs comes from (M + R - 1)^2 inputs by as many
// products where the definition takes R^2 M^2: for R = 3, 2.25 times fewer for M = 2, 4 times for M = 4.
// Along one axis only, for kernels of one row or column, it takes half the products. For every element e of
// the transformed tiles the channels are summed by a matrix product,
//
//     result[e][row][tile] = sum over channels of weight[e][row][channel] * source[e][channel][tile]
//
// Larger kernels are cut into chunks of R taps, and those of three axes into planes: their transforms are
// summed as the channels are, and transformed back once (winograd_tiles.h). A stride of 2: winograd_phases.h.
//
// Tiles are cut into segments (neighbours in one row of tiles, a vector at most), and these into blocks whose
// transformed source stays in the cache. Nothing is as large as the whole transformed source or result.
//
// Both the forward pass and the input gradient (the same over grad_output, with the taps turned round) come
// here. The transforms add numbers that cancel later: an infinity, NaN or huge number would spread over its
// tile. convolve() therefore gives up (false) when it meets one, and the caller takes the direct road.
#pragma once

#include "base/parallel.h"
#include "kernels/conv/stage.h"
#include "kernels/conv/winograd_phases.h"
#include "kernels/conv/winograd_weight_tiles.h"

namespace pt::conv::PT_ISA::winograd {

constexpr int kVecs = 2, kRows = matmul::PT_ISA::max_rows(kVecs);  // of a tile of a product
constexpr int64_t kColumns = kVecs * kLanes;
// Products that wait for their transform in the second cache: of 24 rows for the 36 elements of F(4x4, 3x3).
constexpr int64_t kPointsTogether = 24 * 36;

// The transforms of one kind of tile.
struct Method {
    int m[2], r[2], points;
    void (*sources)(const Problem&, const Tiling&, const Block&, int64_t, int64_t, float*, Floats&);
    void (*weights)(const Problem&, const Tiling&, int64_t, int64_t, float*, Floats&);
    void (*results)(const Problem&, const Tiling&, const Block&, int64_t, int64_t, int64_t, const float*);
    void (*grads)(const Problem&, const float*, const Block&, const Range&, int64_t, float*, Floats&);
    void (*gather)(const Problem&, const Tiling&, const float*, int64_t, int64_t, float*);
};
template <class Tile>
constexpr Method method_of() {
    return {{Tile::M0, Tile::M1},     {Tile::R0, Tile::R1},     Tile::E,
            &transform_sources<Tile>, &transform_weights<Tile>, &transform_results<Tile>,
            &transform_grads<Tile>,   &gather_weights<Tile>};
}
static constexpr Method kSquareOf2 = method_of<Tile2d<2, 3, 2, 3>>();
static constexpr Method kSquareOf4 = method_of<Tile2d<4, 3, 4, 3>>();
static constexpr Method kLineOf3 = method_of<Tile2d<1, 1, 3, 4>>();
static constexpr Method kLineOf4 = method_of<Tile2d<1, 1, 4, 3>>();
static constexpr Method kColumnOf3 = method_of<Tile2d<3, 4, 1, 1>>();
static constexpr Method kColumnOf4 = method_of<Tile2d<4, 3, 1, 1>>();
// Of phases; the other transforms are those of winograd_phases.h.
static constexpr Method kPhasesOf4 = {
    {4, 4}, {2, 2}, PhaseTile::E, nullptr, nullptr, &transform_results<PhaseTile>, nullptr, nullptr};

// The products of `rows` results of one point for all tiles of a plane of a block.
static void multiply_point(int64_t rows, int64_t channels, int64_t width, const float* weights,
                           int64_t row_size, const float* sources, float* products) {
    constexpr int64_t kDepth = 256;  // of a strip of the sources, which is to stay in level 1
    const int64_t tiles = ceil_div(rows, kRows), passes = ceil_div(channels, kDepth);
    for (int64_t pass = 0; pass < passes; ++pass) {
        const Range depth = even_part(channels, pass, passes);
        for (int64_t j = 0; j < width; j += kColumns) {
            const float* b = sources + depth.begin * width + j;
            const int vecs = width - j < kColumns ? 1 : kVecs;
            for (int64_t t = 0; t < tiles; ++t) {
                const Range part = even_part(rows, t, tiles);
                const float* a = weights + part.begin * row_size + depth.begin;
                matmul::PT_ISA::tiles<float>.of[0][vecs][part.size()](
                    depth.size(), a, row_size, 1, b, width, static_cast<int>(kLanes),
                    products + part.begin * width + j, width, pass > 0);
            }
        }
    }
}
// So that the source of a block stays in the second cache.
constexpr int64_t kSourceBytes = int64_t{5} << 17;

// The tiles of a problem; where there are phases (a stride of 2), their windows count as channels.
PT_INLINE Tiling tiling_of(Problem p, const Method& method, const Phases* phases) {
    if (phases != nullptr) {
        p.channels *= phases->gradient() ? phases->windows() : kPhases;
        p.kernel[1] = p.kernel[2] = 2;
    }
    return Tiling(p, method.m, method.r, kSourceBytes, 4 * kLanes);
}

// The work of one block for one part of the results.
struct Convolution {
    const Problem& p;
    const Method& method;
    const Phases* phases;  // null: a stride of 1
    Tiling tiling;
    int64_t depth, units;  // channels of a product, its rows for each row of the result
    int64_t parts;         // of the results
    int gave_up = 0;

    Convolution(const Problem& p, const Method& method, const Phases* phases)
        : p(p),
          method(method),
          phases(phases),
          tiling(tiling_of(p, method, phases)),
          depth(phases != nullptr ? phases->depth(p.channels) : tiling.depth),
          units(phases != nullptr ? phases->units() : 1) {
        const int64_t together = kPointsTogether / method.points;
        parts = ceil_div(p.rows, together < 96 ? together : 96);
    }
    Range part(int64_t i) const { return even_part(p.rows, i, parts); }
    int64_t most_rows() const { return ceil_div(p.rows, parts) * units; }
    int64_t source_slice() const { return slice_of(tiling.source_rows(p), tiling.width); }
    // Loads of a vector may begin at any tile: hence kLanes more.
    size_t source_bytes() const {
        return sizeof(float) * static_cast<size_t>(method.points * source_slice() + kLanes);
    }
    size_t product_bytes() const {
        const int64_t slice = slice_of(most_rows(), tiling.width);
        return sizeof(float) * static_cast<size_t>(method.points * slice + kLanes);
    }
    int64_t weight_size() const { return method.points * slice_of(most_rows(), weight_row_of(depth)); }

    // What they take, for Work.
    double part_ns() const {
        return flops_ns(2 * method.points * most_rows() * depth * tiling.width * tiling.planes);
    }
    double weights_ns() const { return 0.6 * static_cast<double>(weight_size()); }  // read with strides
    double sources_ns() const { return bytes_ns(2 * static_cast<int64_t>(source_bytes()) / p.channels); }

    void give_up_unless(bool good) {
        if (!good) __atomic_store_n(&gave_up, 1, __ATOMIC_RELAXED);
    }
    bool has_given_up() const { return __atomic_load_n(&gave_up, __ATOMIC_RELAXED) != 0; }

    void transform_sources(const Block& block, int64_t begin, int64_t end, float* to) {
        Floats squares{};
        if (phases != nullptr)
            transform_phase_sources(p, *phases, tiling, block, begin, end, to, squares);
        else
            method.sources(p, tiling, block, begin, end, to, squares);
        give_up_unless(ordinary(squares));
    }
    void transform_weights(int64_t i, float* to) {
        Floats squares{};
        if (phases != nullptr)
            transform_phase_weights(p, *phases, part(i).begin, part(i).end, to, squares);
        else
            method.weights(p, tiling, part(i).begin, part(i).end, to, squares);
        give_up_unless(ordinary(squares));
    }
    // The products of `rows` results of a plane. With a stride each point has those of the phases that use
    // it.
    void multiply(int64_t rows, const float* weights, const float* sources, float* products) const {
        const int64_t row_size = weight_row_of(depth), width = tiling.width;
        for (int e = 0; e < method.points; ++e) {
            const float* a = weights + e * slice_of(units * rows, row_size);
            const float* b = sources + e * source_slice();
            float* c = products + e * slice_of(units * rows, width);
            if (phases == nullptr) {
                multiply_point(rows, depth, width, a, row_size, b, c);
            } else if (phases->gradient()) {
                for (int i = 0; i < kPhases; ++i)
                    if (phases->uses(i, e))
                        multiply_point(rows, depth, width, a + i * rows * row_size, row_size,
                                       b + phases->window(phases->pair(i)) * depth * width,
                                       c + i * rows * width);
            } else {
                int begin = 0, end = kPhases;
                while (!phases->uses(begin, e)) ++begin;
                while (!phases->uses(end - 1, e)) --end;
                multiply_point(rows, (end - begin) * p.channels, width, a + begin * p.channels, row_size,
                               b + begin * p.channels * width, c);
            }
        }
    }
    void finish(const Block& block, int64_t i, const float* weights, const float* sources,
                float* products) const {
        const Range rows = part(i);
        for (int64_t z = 0; z < block.planes; ++z) {
            multiply(rows.size(), weights, sources + z * tiling.channels * tiling.width, products);
            if (units > 1)
                transform_phase_results(p, *phases, tiling, block, rows.begin, rows.end, products);
            else
                method.results(p, tiling, block, z, rows.begin, rows.end, products);
        }
    }

    // Many blocks: the weights are transformed once, and threads take blocks; where there are not so many,
    // the unit is a part of a block's results, so that threads' shares differ by one at most.
    void by_blocks() {
        pool::Scratch all_weights(sizeof(float) * static_cast<size_t>(parts * weight_size()));
        float* weights = all_weights.as<float>();
        parallel_for(0, parts, Work{weights_ns()}, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) transform_weights(i, weights + i * weight_size());
        });
        const int64_t all = tiling.all_blocks() * parts, threads = num_threads();
        const Work work{part_ns(), tiling.all_blocks() >= 8 * threads ? parts : ceil_div(all, threads)};
        parallel_for(0, all, work, [&](int64_t begin, int64_t end) {
            pool::Scratch sources(source_bytes()), products(product_bytes());
            Block block;
            for (int64_t unit = begin; unit < end && !has_given_up(); ++unit) {
                if (unit == begin || unit % parts == 0) {
                    tiling.lay_out(p, unit / parts, block);
                    transform_sources(block, 0, p.channels, sources.as<float>());
                }
                finish(block, unit % parts, weights + unit % parts * weight_size(), sources.as<float>(),
                       products.as<float>());
            }
        });
    }

    // Few blocks or large weights: threads share a block, and weights are transformed when they are used.
    void by_results() {
        pool::Scratch sources(source_bytes());
        Block block;
        for (int64_t number = 0; number < tiling.all_blocks() && !has_given_up(); ++number) {
            tiling.lay_out(p, number, block);
            const Work work{sources_ns(), 1 + 64 / block.count};
            parallel_for(0, p.channels, work, [&](int64_t begin, int64_t end) {
                transform_sources(block, begin, end, sources.as<float>());
            });
            parallel_for(0, parts, Work{weights_ns() + part_ns()}, [&](int64_t begin, int64_t end) {
                pool::Scratch weights(sizeof(float) * static_cast<size_t>(weight_size()));
                pool::Scratch products(product_bytes());
                for (int64_t i = begin; i < end && !has_given_up(); ++i) {
                    transform_weights(i, weights.as<float>());
                    finish(block, i, weights.as<float>(), sources.as<float>(), products.as<float>());
                }
            });
        }
    }

    bool run() {
        const bool many = tiling.all_blocks() > 1 && parts * weight_size() < (int64_t{1} << 22);
        many ? by_blocks() : by_results();
        return !has_given_up();
    }
};

// false: not done, for there are numbers among the operands that the transforms cannot take.
static bool convolve(const Problem& p, const Method& method, const Phases* phases = nullptr) {
    return Convolution(p, method, phases).run();
}

}  // namespace pt::conv::PT_ISA::winograd
