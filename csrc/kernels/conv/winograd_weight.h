// The weight gradient by the adjoint of Winograd's convolution: with the tiles of the input transformed as in
// the forward pass, source[e][channel][tile], and those of grad_output by the adjoint of the result's
// transform, grads[e][row][tile], the transformed weight's gradient is a matrix product for every element e,
//
//     weight[e][row][channel] = sum over tiles of grads[e][row][tile] * source[e][channel][tile]
//
// and the transform's adjoint brings it to the taps. Planes of a block are summed as its tiles are. Blocks of
// tiles are added up one after the other; threads take parts of the rows, so that results do not depend on
// their number.
#pragma once

#include "kernels/conv/winograd_choice.h"

namespace pt::conv::PT_ISA::winograd {

struct WeightGradient {
    static constexpr int64_t kPartRows = 36;
    const Problem& p;  // of the forward pass; without weight and result
    const Method& method;
    const float* grad;
    float* result;
    Tiling tiling;
    int64_t parts, strips, chunks;
    int gave_up = 0;

    WeightGradient(const Problem& p, const Method& method, const float* grad, float* result)
        : p(p), method(method), grad(grad), result(result), tiling(weight_tiling(p, method)) {
        parts = ceil_div(p.rows, kPartRows);
        if (parts > 1) parts += parts % 2;  // for the most frequent numbers of threads
        strips = ceil_div(p.channels, kColumns);
        chunks = tiling.chunks[0] * tiling.chunks[1];
    }
    Range part(int64_t i) const { return even_part(p.rows, i, parts); }
    int64_t row_size() const { return gradient_row_of(p, tiling); }
    int64_t part_size() const { return method.points * slice_of(ceil_div(p.rows, parts), row_size()); }
    int64_t grad_row() const { return tiling.planes * tiling.width; }
    int64_t strip_size() const { return (tiling.planes + p.kernel[0] - 1) * tiling.width * kColumns; }
    void give_up_unless(bool good) {
        if (!good) __atomic_store_n(&gave_up, 1, __ATOMIC_RELAXED);
    }
    bool has_given_up() const { return __atomic_load_n(&gave_up, __ATOMIC_RELAXED) != 0; }

    // A strip of channels, packed as [e][chunk][strip][plane][tile][channel] while it is in the cache.
    void pack(const Block& block, int64_t strip, const float* sources, float* packed) const {
        const int64_t slice = slice_of(tiling.source_rows(p), tiling.width), depth = tiles_of(block);
        const int64_t c = strip * kColumns, last = c + kColumns < p.channels ? c + kColumns : p.channels;
        const int64_t columns = Tiling::whole(last - c);
        for (int64_t e = 0; e < method.points; ++e)
            for (int64_t chunk = 0; chunk < chunks; ++chunk)
                for (int64_t z = 0; z < block.planes + p.kernel[0] - 1; ++z)
                    matmul::PT_ISA::pack_columns(
                        sources + e * slice + ((z * chunks + chunk) * p.channels + c) * tiling.width, 1,
                        tiling.width, static_cast<int>(last - c), depth,
                        packed + ((e * chunks + chunk) * strips + strip) * strip_size() +
                            z * depth * columns);
    }

    // All strips, and as many shares of the rows of grad_output in between.
    void transform(const Block& block, float* sources, float* packed, float* grads) {
        const Work work{bytes_ns(2 * sizeof(float) * method.points * chunks * strip_size())};
        parallel_for(0, 2 * strips, work, [&](int64_t begin, int64_t end) {
            Floats squares{};
            for (int64_t unit = begin; unit < end; ++unit) {
                const int64_t s = unit / 2, c = s * kColumns;
                if (unit % 2 == 0) {
                    const int64_t last = c + kColumns < p.channels ? c + kColumns : p.channels;
                    method.sources(p, tiling, block, c, last, sources, squares);
                    pack(block, s, sources, packed);
                } else {
                    method.grads(p, grad, block, even_part(p.rows, s, strips), grad_row(), grads, squares);
                }
            }
            give_up_unless(ordinary(squares));
        });
    }

    void multiply(const Block& block, const Range& points, const Range& rows, const float* packed,
                  const float* grads, bool add, float* weights) const {
        const int64_t slice = slice_of(rows.size(), row_size()), tiles = ceil_div(rows.size(), kRows);
        const int64_t grad_slice = slice_of(p.rows, grad_row()), depth = tiles_of(block);
        const int64_t all = chunks * strips * p.kernel[0], sheet = Tiling::whole(p.channels);
        for (int64_t e = points.begin; e < points.end; ++e)
            for (int64_t unit = 0; unit < all; ++unit) {
                const int64_t z = unit % p.kernel[0], s = unit / p.kernel[0] % strips;
                const int64_t chunk = unit / (p.kernel[0] * strips);
                const int vecs = p.channels - s * kColumns <= kLanes ? 1 : kVecs;
                const float* b =
                    packed + ((e * chunks + chunk) * strips + s) * strip_size() + z * depth * vecs * kLanes;
                float* to = weights + e * slice + (z * chunks + chunk) * sheet + s * kColumns;
                for (int64_t t = 0; t < tiles; ++t) {
                    const Range part = even_part(rows.size(), t, tiles);
                    const float* a = grads + e * grad_slice + (rows.begin + part.begin) * grad_row();
                    matmul::PT_ISA::tiles<float>.of[0][vecs][part.size()](
                        block.planes * depth, a, grad_row(), 1, b, vecs * kLanes, static_cast<int>(kLanes),
                        to + part.begin * row_size(), row_size(), add);
                }
            }
    }

    double product_ns(int64_t points, int64_t rows) const {
        return flops_ns(2 * points * rows * grad_row() * tiling.depth);
    }
    static size_t bytes(int64_t count) { return sizeof(float) * static_cast<size_t>(count); }
    // Of a single block each part's sums are needed for a moment only.
    bool keeps_sums() const { return parts == 1 || tiling.all_blocks() > 1; }
    bool is_last(int64_t block) const { return block == tiling.all_blocks() - 1; }

    // Threads take parts of the rows ...
    void by_parts(const Block& block, const float* packed, const float* grads, int64_t number, float* all) {
        parallel_for(0, parts, Work{product_ns(method.points, ceil_div(p.rows, parts))},
                     [&](int64_t begin, int64_t end) {
                         pool::Scratch mine(keeps_sums() ? 0 : bytes(part_size()));
                         for (int64_t i = begin; i < end; ++i) {
                             float* weights = keeps_sums() ? all + i * part_size() : mine.as<float>();
                             multiply(block, {0, method.points}, part(i), packed, grads, number > 0, weights);
                             if (is_last(number))
                                 method.gather(p, tiling, weights, part(i).begin, part(i).end, result);
                         }
                     });
    }
    // ... or, where these are few, elements of the tiles.
    void few_rows(const Block& block, const float* packed, const float* grads, int64_t number, float* all) {
        parallel_for(0, method.points, Work{product_ns(1, p.rows)}, [&](int64_t begin, int64_t end) {
            multiply(block, {begin, end}, {0, p.rows}, packed, grads, number > 0, all);
        });
        if (is_last(number)) method.gather(p, tiling, all, 0, p.rows, result);
    }

    bool run() {
        const int64_t points = method.points;
        pool::Scratch sources(bytes(points * slice_of(tiling.source_rows(p), tiling.width)));
        pool::Scratch grads(bytes(points * slice_of(p.rows, grad_row())));
        pool::Scratch packed(bytes(points * chunks * strips * strip_size()));
        pool::Scratch all(keeps_sums() ? bytes(parts * part_size()) : 0);
        Block block;
        for (int64_t number = 0; number < tiling.all_blocks(); ++number) {
            tiling.lay_out(p, number, block);
            transform(block, sources.as<float>(), packed.as<float>(), grads.as<float>());
            if (has_given_up()) return false;
            if (parts == 1)
                few_rows(block, packed.as<float>(), grads.as<float>(), number, all.as<float>());
            else
                by_parts(block, packed.as<float>(), grads.as<float>(), number, all.as<float>());
        }
        return true;
    }
};

template <class T>
static bool grad_weight(const conv::Problem& p, const T* grad_output, const Operand& input, T* result) {
    if constexpr (sizeof(T) != sizeof(float)) {
        return false;
    } else {
        if (!fits(p, input)) return false;
        const Problem q = problem_of(p, input, Operand{}, false, Operand{}, nullptr);
        const Method* method = choose_for_weight(q, p.winograd);
        return method != nullptr && WeightGradient(q, *method, grad_output, result).run();
    }
}

}  // namespace pt::conv::PT_ISA::winograd
