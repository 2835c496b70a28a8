// When Winograd's convolution is taken, and with which tiles.
#pragma once

#include "kernels/conv/winograd.h"

namespace pt::conv::PT_ISA::winograd {

// Estimated cycles of the roads, from the vector instructions that they take. The constants were measured on
// an AVX-512 machine (docs/performance/conv.md) and are the same at every level, as is the order of the
// results.
PT_INLINE double direct_cost(const Problem& p) {
    const double pixels = static_cast<double>(p.batch * p.out[0] * p.out[1] * p.out[2]);
    return pixels * static_cast<double>(p.channels * p.rows * p.taps()) / (2 * kLanes) * 1.2;
}
PT_INLINE double cost(const Problem& p, const Method& method) {
    const Tiling tiling(p, method.m, method.r, kSourceBytes, 4 * kLanes);
    const double depth = static_cast<double>(tiling.depth), rows = static_cast<double>(p.rows);
    const double e = static_cast<double>(method.points), planes = static_cast<double>(tiling.planes);
    const double vectors = static_cast<double>(tiling.all_blocks() * tiling.width) / kLanes * planes;
    const double products = vectors * e * depth * rows / 2 * 1.2;
    const double segments = static_cast<double>(tiling.segments * tiling.stacks);
    const double sources = static_cast<double>(tiling.source_rows(p));
    const double transforms = segments * e * (sources + planes * rows) * 5;
    const double weights = depth * rows * e / kLanes * 5;
    return products + transforms + weights;
}

// As for the forward pass, with grad_output transformed instead of the results, and the source packed once
// more.
PT_INLINE Tiling weight_tiling(const Problem& p, const Method& method) {
    // Wide blocks: the sums are read and written once for each.
    const int64_t least = method.points <= 6 ? kMostTiles : kUsualTiles;
    return Tiling(p, method.m, method.r, kSourceBytes, least);
}
PT_INLINE double weight_cost(const Problem& p, const Method& method) {
    const Tiling tiling = weight_tiling(p, method);
    const double e = method.points, planes = static_cast<double>(tiling.planes);
    const double both = static_cast<double>(tiling.source_rows(p)) + static_cast<double>(p.rows) * planes;
    const double weights = static_cast<double>(tiling.depth * p.rows) * e;
    const double tiles = static_cast<double>(p.batch * p.out[0] * tiling.rows * tiling.columns);
    const double sums = static_cast<double>(tiling.all_blocks()) / kLanes * 3;  // are read and written
    return weights * (tiles / (2 * kLanes) * 1.2 + sums + 5.0 / kLanes) +
           static_cast<double>(tiling.segments * tiling.stacks) * e * both * 6;
}

// Estimated cycles with a stride of 2; the definition's are those of the same taps over the grid.
PT_INLINE double phase_cost(const Problem& p, const Phases& phases) {
    const Tiling tiling = tiling_of(p, kPhasesOf4, &phases);
    const double rows = static_cast<double>(p.rows), e = kPhasesOf4.points;
    const double weights = static_cast<double>(p.channels) * rows;
    const double vectors = static_cast<double>(tiling.all_blocks() * tiling.width) / kLanes;
    const double products = vectors * static_cast<double>(phases.points()) * weights / 2 * 1.2;
    const double results = static_cast<double>(phases.units()) * rows;
    const double transforms =
        static_cast<double>(tiling.segments) * e * (static_cast<double>(tiling.channels) + results) * 7;
    return products + transforms +
           kPhases * weights * e / kLanes * 15;  // the weights go through the third cache
}

// The methods for a kernel: those whose tiles have `mode`'s size, or all.
struct Methods {
    const Method* of[2];
    int count = 0;

    Methods(const Problem& p, Winograd mode) {
        const bool line = p.kernel[1] == 1, column = p.kernel[2] == 1;
        if (mode == Winograd::automatic || mode == Winograd::tiles_of_4)
            of[count++] = line ? &kLineOf4 : column ? &kColumnOf4 : &kSquareOf4;
        if (mode == Winograd::automatic ||
            mode == (line || column ? Winograd::tiles_of_3 : Winograd::tiles_of_2))
            of[count++] = line ? &kLineOf3 : column ? &kColumnOf3 : &kSquareOf2;
    }
    // Null: the direct road is cheaper, or there is none with such tiles.
    template <class Cost>
    const Method* cheapest(const Cost& cost, double most) const {
        const Method* best = nullptr;
        for (int i = 0; i < count; ++i) {
            const double here = cost(*of[i]);
            if (here < most) best = of[i], most = here;
        }
        return best;
    }
};

constexpr double kAnyCost = 1e300;

PT_INLINE const Method* choose(const Problem& p, Winograd mode) {
    return Methods(p, mode).cheapest([&](const Method& method) { return cost(p, method); },
                                     mode == Winograd::automatic ? direct_cost(p) : kAnyCost);
}
PT_INLINE const Method* choose_for_weight(const Problem& p, Winograd mode) {
    // Several planes of few channels: little work in many blocks. 1.3 times as fast as the direct road with
    // one thread, but 0.75 times with two.
    if (mode == Winograd::automatic && p.kernel[0] > 1 && p.channels <= kColumns) return nullptr;
    return Methods(p, mode).cheapest([&](const Method& method) { return weight_cost(p, method); },
                                     mode == Winograd::automatic ? direct_cost(p) : kAnyCost);
}

// Whether Winograd's algorithm can do with the operands, but for stride and kernel.
PT_INLINE bool fits_at_all(const conv::Problem& p, const Operand& source) {
    if (p.winograd == Winograd::off || p.groups != 1 || source.strides[4] != 1) return false;
    if (p.batch == 0 || p.in_channels == 0 || p.out_channels == 0) return false;
    for (int a = 0; a < 3; ++a)
        if (p.dilation[a] != 1 || p.in[a] == 0 || p.out[a] == 0) return false;
    return true;
}

// Whether tiles can be cut at all: kernels of 3 taps and more along the rows, the columns or both.
PT_INLINE bool fits(const conv::Problem& p, const Operand& source) {
    if (!fits_at_all(p, source)) return false;
    for (int a = 0; a < 3; ++a)
        if (p.stride[a] != 1) return false;
    const int64_t rows = p.kernel[1], columns = p.kernel[2];
    const bool square = rows >= 3 && columns >= 3 && rows <= 6 && columns <= 6;
    const bool straight = (rows == 1 && columns >= 3) || (columns == 1 && rows >= 3);
    return (square || straight) && p.kernel[0] * rows * columns <= kMostTaps;
}

// The same with a stride of 2: kernels of 3 or 4 taps along both axes of planes.
PT_INLINE bool fits_phases(const conv::Problem& p, const Operand& source) {
    if (!fits_at_all(p, source) || p.kernel[0] != 1 || p.stride[0] != 1) return false;
    for (int a = 1; a < 3; ++a)
        if (p.stride[a] != 2 || p.kernel[a] < 3 || p.kernel[a] > 4) return false;
    return p.winograd == Winograd::automatic || p.winograd == Winograd::tiles_of_4;
}

// Whether the taps of a weight lie together.
PT_INLINE bool is_dense(const conv::Problem& p, const Operand& weight) {
    return (weight.strides[4] == 1 || p.kernel[2] == 1) &&
           (weight.strides[3] == p.kernel[2] || p.kernel[1] == 1) &&
           (weight.strides[2] == p.kernel[2] * p.kernel[1] || p.kernel[0] == 1);
}

// The problem over `source`: the input, or for the input gradient grad_output.
PT_INLINE Problem problem_of(const conv::Problem& p, const Operand& source, const Operand& weight,
                             bool gradient, const Operand& bias, void* result) {
    Problem q{};
    q.batch = p.batch;
    q.channels = gradient ? p.out_channels : p.in_channels;
    q.rows = gradient ? p.in_channels : p.out_channels;
    for (int a = 0; a < 3; ++a) {
        q.in[a] = gradient ? p.out[a] : p.in[a];
        q.out[a] = gradient ? p.in[a] : p.out[a];
        q.kernel[a] = p.kernel[a];
        q.origin[a] = gradient ? p.padding[a] - p.kernel[a] + 1 : -p.padding[a];
    }
    q.source = static_cast<const float*>(source.data);
    q.source_image = source.strides[0];
    q.source_channel = source.strides[1];
    q.source_plane = source.strides[2];
    q.source_row = source.strides[3];
    q.weight = static_cast<const float*>(weight.data);
    q.weight_row = weight.strides[gradient];
    q.weight_channel = weight.strides[!gradient];
    q.turned = gradient;
    q.bias = bias;
    q.result = static_cast<float*>(result);
    return q;
}

// These return false where nothing was done, or nothing that counts.
PT_INLINE bool run(const Problem& p, Winograd mode) {
    const Method* method = choose(p, mode);
    return method != nullptr && convolve(p, *method);
}
PT_INLINE bool run_phases(const conv::Problem& p, Problem q, bool gradient) {
    const Phases phases{AxisPhases(p.kernel[1], p.padding[1], gradient),
                        AxisPhases(p.kernel[2], p.padding[2], gradient),
                        {q.out[1], q.out[2]}};
    for (int a = 1; a < 3; ++a) {
        q.kernel[a] = p.kernel[a];
        q.origin[a] = 0;
        if (gradient) q.out[a] = (q.out[a] + 1) / 2;  // positions of a phase
    }
    if (p.winograd == Winograd::automatic && phase_cost(q, phases) > direct_cost(q)) return false;
    return convolve(q, kPhasesOf4, &phases);
}

static bool convolve(const conv::Problem& p, const Operand& source, const Operand& weight, bool gradient,
                     const Operand& bias, void* result) {
    if (!is_dense(p, weight)) return false;
    const auto problem = [&] { return problem_of(p, source, weight, gradient, bias, result); };
    if (fits_phases(p, source)) return run_phases(p, problem(), gradient);
    return fits(p, source) && run(problem(), p.winograd);
}

template <class T>
static bool forward(const conv::Problem& p, const Operand& input, const Operand& weight, const Operand& bias,
                    void* output) {
    if constexpr (sizeof(T) != sizeof(float))
        return false;
    else
        return convolve(p, input, weight, false, bias, output);
}

template <class T>
static bool grad_input(const conv::Problem& p, const Operand& grad_output, const Operand& weight,
                       const Operand& bias, void* result) {
    if constexpr (sizeof(T) != sizeof(float))
        return false;
    else
        return convolve(p, grad_output, weight, true, bias, result);
}

}  // namespace pt::conv::PT_ISA::winograd
