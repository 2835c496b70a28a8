// forward and grad_input as products over a stage. The input gradient is one product per residue of the input
// position modulo the stride: the positions of one residue see the same taps, and with these it is a
// convolution of stride 1 over grad_output.
#pragma once

#include "kernels/conv/depthwise_grad.h"
#include "kernels/conv/lane_product.h"
#include "kernels/conv/winograd_choice.h"

namespace pt::conv::PT_ISA {

// Taps of one axis that positions `start + t * pitch` (0 <= t < count) of the result see, and the source
// coordinate at t = 0 of each; it advances by `step` with t.
struct AxisTaps {
    int64_t start, pitch, count, step;
    int64_t total;
    int64_t* tap;
    int64_t* coordinate;
};

PT_INLINE AxisTaps forward_taps(const Problem& p, int a, int64_t* storage) {
    AxisTaps taps{0, 1, p.out[a], p.stride[a], p.kernel[a], storage, storage + p.kernel[a]};
    for (int64_t j = 0; j < p.kernel[a]; ++j) {
        taps.tap[j] = j;
        taps.coordinate[j] = j * p.dilation[a] - p.padding[a];
    }
    return taps;
}

PT_INLINE AxisTaps gradient_taps(const Problem& p, int a, int64_t residue, int64_t* storage) {
    const int64_t count = p.in[a] > residue ? (p.in[a] - residue + p.stride[a] - 1) / p.stride[a] : 0;
    AxisTaps taps{residue, p.stride[a], count, 1, 0, storage, storage + p.kernel[a]};
    for (int64_t j = 0; j < p.kernel[a]; ++j) {
        const int64_t reach = residue + p.padding[a] - j * p.dilation[a];
        if (reach % p.stride[a] != 0) continue;
        taps.tap[taps.total] = j;
        taps.coordinate[taps.total++] = reach / p.stride[a];
    }
    return taps;
}

PT_INLINE void extend(Reach& reach, int a, const AxisTaps& taps) {
    reach.step[a] = taps.step;
    if (taps.count == 0) return;
    for (int64_t j = 0; j < taps.total; ++j) {
        const int64_t lo = taps.coordinate[j], hi = lo + (taps.count - 1) * taps.step;
        if (lo < reach.lo[a]) reach.lo[a] = lo;
        if (hi > reach.hi[a]) reach.hi[a] = hi;
    }
}
constexpr int64_t kUnset = int64_t{1} << 60;
PT_INLINE void start(Reach& reach) {
    for (int a = 0; a < 3; ++a) reach.lo[a] = kUnset, reach.hi[a] = -kUnset, reach.step[a] = 1;
}
PT_INLINE void finish(Reach& reach) {  // an axis that nothing reaches stages one element
    for (int a = 0; a < 3; ++a)
        if (reach.lo[a] == kUnset) reach.lo[a] = reach.hi[a] = 0;
}

// What one product needs besides the source: tables and packed weights, in scratch memory.
template <class T>
struct Tables {
    int64_t depth;
    int64_t* offsets;  // in the stage; kAhead entries more can be read
    int64_t* weights;  // of the same k in the weight array, for row 0
};

// Room for the tables of `depth` k in all.
struct TableSpace {
    pool::Scratch memory;
    explicit TableSpace(int64_t depth) : memory(sizeof(int64_t) * (2 * depth + kAhead)) {
        for (int64_t i = 0; i < kAhead; ++i) memory.as<int64_t>()[2 * depth + i] = 0;
    }
};

// k runs over (channel, taps): the source's channels, which are `channel_axis` of the weight.
template <class T>
static void fill_tables(const Stage<T>& stage, const AxisTaps* taps, int64_t channels, const Operand& weight,
                        int channel_axis, Tables<T>& tables) {
    int64_t k = 0;
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < taps[0].total; ++i)
            for (int64_t j = 0; j < taps[1].total; ++j)
                for (int64_t l = 0; l < taps[2].total; ++l, ++k) {
                    tables.offsets[k] = stage.offset(c, taps[0].coordinate[i] - stage.reach.lo[0],
                                                     taps[1].coordinate[j] - stage.reach.lo[1],
                                                     taps[2].coordinate[l] - stage.reach.lo[2]);
                    tables.weights[k] =
                        c * weight.strides[channel_axis] + taps[0].tap[i] * weight.strides[2] +
                        taps[1].tap[j] * weight.strides[3] + taps[2].tap[l] * weight.strides[4];
                }
    tables.depth = k;
}

// Rows [m, m + Rows) of the weights at k in [begin, end) as [k][Rows], rows beyond the last zero.
template <class T, int Rows>
static void pack_weight_tile(const T* from, const int64_t* offsets, int64_t row_stride, int used,
                             int64_t begin, int64_t end, T* to) {
    for (int64_t k = begin; k < end; ++k, to += Rows) {
        const T* at = from + offsets[k];
        if (used == Rows)
            for (int r = 0; r < Rows; ++r) to[r] = at[r * row_stride];
        else
            for (int r = 0; r < Rows; ++r) to[r] = r < used ? at[r * row_stride] : T(0);
    }
}

// [group][pass][tile][k][Rows]: what one pass reads lies together. Some k of all tiles at a time: tiles that
// are neighbours read the same lines where rows are not dense.
template <class T, int Rows>
static void pack_weights(const T* weight, const Tables<T>& tables, int64_t groups, int64_t group_stride,
                         int64_t rows, int64_t row_stride, int64_t passes, T* packed) {
    const int64_t tiles = (rows + Rows - 1) / Rows, depth = tables.depth, threads = num_threads();
    const Work work{0.3 * static_cast<double>(depth * Rows),
                    groups * tiles > threads ? groups * tiles / threads : 1};
    parallel_for(0, groups * tiles, work, [&](int64_t begin, int64_t end) {
        for (int64_t pass = 0; pass < passes; ++pass) {
            const int64_t k0 = depth * pass / passes, k1 = depth * (pass + 1) / passes;
            for (int64_t k = k0; k < k1; k += kAhead) {
                const int64_t last = k1 - k < kAhead ? k1 : k + kAhead;
                for (int64_t i = begin; i < end; ++i) {
                    const int64_t tile = i % tiles, group = i / tiles, m = tile * Rows;
                    const T* from = weight + group * group_stride + m * row_stride;
                    T* to = packed + group * tiles * depth * Rows;
                    pack_weight_tile<T, Rows>(from, tables.weights, row_stride,
                                              rows - m < Rows ? static_cast<int>(rows - m) : Rows, k, last,
                                              to + (k0 * tiles + tile * (k1 - k0) + k - k0) * Rows);
                }
            }
        }
    });
}

template <class T>
static void pack_bias(const Operand& bias, int64_t groups, int64_t rows, int64_t padded, T* packed) {
    for (int64_t g = 0; g < groups; ++g)
        for (int64_t m = 0; m < padded; ++m)
            packed[g * padded + m] = bias.data != nullptr && m < rows
                                         ? static_cast<const T*>(bias.data)[(g * rows + m) * bias.strides[0]]
                                         : T(0);
}

// The two sides of a convolution: what is computed and what is read.
struct Sides {
    int64_t rows, channels;          // of each group: of the result, of the source
    const int64_t *result, *source;  // spatial sizes
    int row_axis, channel_axis;      // of the weight
};

// The taps that a result sees, one AxisTaps per residue of its position along each axis.
struct Residues {
    const AxisTaps* of_axis[3];
    int64_t count[3];

    int64_t total() const { return count[0] * count[1] * count[2]; }
    void at(int64_t i, AxisTaps* taps) const {
        taps[0] = of_axis[0][i / (count[1] * count[2])];
        taps[1] = of_axis[1][i / count[2] % count[1]];
        taps[2] = of_axis[2][i % count[2]];
    }
    Reach reach() const {
        Reach r;
        start(r);
        for (int a = 0; a < 3; ++a)
            for (int64_t i = 0; i < count[a]; ++i) extend(r, a, of_axis[a][i]);
        finish(r);
        return r;
    }
};

constexpr int64_t kLeastGroups = 8;  // images' groups that are worth a unit of work each
constexpr int64_t kMostDirectRows = 32, kPackingRows = 8, kLeastDirectDepth = 128;
constexpr int64_t kLaneDepth = 32;
constexpr int64_t kFewPanels = 16;

// packed_product(), direct_product() or lane_product(): see Plan::way_of.
enum class Way { packed, direct, lanes };

// Everything that the images of a call share. Every tap belongs to one residue, so the tables and packed
// weights of all residues together are as large as those of one product over all taps.
template <class T>
struct Plan {
    Sides side;
    Residues residues;
    Stage<T> stage;
    int64_t groups;
    Way way;
    int64_t tile;        // rows of weights that lie together
    int64_t row_stride;  // of the weights, where they are read as they lie; else 0
    const T* own_weights;
    TableSpace table_space;
    pool::Scratch table_list, packed_weights, packed_bias;

    Plan(const Problem& p, const Sides& side, const Residues& residues, const Operand& source,
         const Operand& weight, const Operand& bias)
        : side(side),
          residues(residues),
          // Direct products read whole vectors past the end of a row and so want a stage.
          stage(make_stage<T>(source, side.channels * p.groups, side.source, residues.reach(),
                              way_of(p, side, residues) == Way::direct)),
          groups(p.groups),
          way(way_of(p, side, residues)),
          tile(way == Way::lanes ? lanes<T> : kMr),
          row_stride(reads_weights(p, side, weight) ? weight.strides[0] : 0),
          own_weights(static_cast<const T*>(weight.data)),
          table_space(depth_of(p)),
          table_list(sizeof(Tables<T>) * residues.total()),
          packed_weights(row_stride > 0 ? 0 : sizeof(T) * padded_rows() * depth_of(p)),
          packed_bias(sizeof(T) * padded_rows()) {
        pack_bias(bias, groups, side.rows, padded_rows() / groups, packed_bias.template as<T>());
        int64_t done = 0;
        for (int64_t i = 0; i < residues.total(); ++i) {
            AxisTaps taps[3];
            residues.at(i, taps);
            Tables<T>& t = tables()[i];
            t.offsets = table_space.memory.template as<int64_t>() + 2 * done;
            t.weights = t.offsets + side.channels * taps[0].total * taps[1].total * taps[2].total;
            fill_tables(stage, taps, side.channels, weight, side.channel_axis, t);
            if (row_stride > 0) continue;
            const int64_t group_stride = p.out_channels / p.groups * weight.strides[0];
            const auto pack = way == Way::lanes ? &pack_weights<T, lanes<T>> : &pack_weights<T, kMr>;
            pack(own_weights, t, groups, group_stride, side.rows, weight.strides[side.row_axis],
                 way == Way::packed ? (t.depth + kDepth - 1) / kDepth : 1,
                 packed_weights.template as<T>() + done * padded_rows());
            done += t.depth;
        }
    }

    // What a position of the result costs, in multiply-adds of a vector each, over the depth and the lanes.
    // Packing a k of a panel costs about as much as kPackingRows rows of its product. Direct products compute
    // the lanes behind the end of each row of positions as well; products along the lanes those behind the
    // last output, and their sums go out as kLaneDepth more k. Over a short depth the results dominate, and
    // direct products write all rows' in turns, a plane apart: for 3 channels to 32 at 32x32, in planes of
    // 4 kB that share sets of the cache, packing is 2.6 times as fast.
    static Way way_of(const Problem& p, const Sides& side, const Residues& residues) {
        const int64_t depth = side.channels * p.kernel[0] * p.kernel[1] * p.kernel[2], rows = side.rows;
        const int64_t width = side.result[2], lane_count = (width + lanes<T> - 1) / lanes<T> * lanes<T>;
        const int64_t packed = width * (rows + kPackingRows), direct = lane_count * rows;
        const int64_t along = (width + 1) / 2 * 2 * lane_tiles<T>(rows) * lanes<T>;
        const bool few = rows <= kMr || (p.groups > 1 && rows <= 2 * kMr && depth <= kDepth);
        const bool deep = depth > side.channels && depth >= kLeastDirectDepth && rows <= kMostDirectRows;
        const bool one = residues.total() == 1, is_direct = few || (deep && one && direct <= packed);
        const int64_t least = is_direct ? direct : packed;
        if (one && width > 1 && along * (depth + kLaneDepth) < least * depth) return Way::lanes;
        return is_direct ? Way::direct : Way::packed;
    }
    // Where few panels of columns meet the weights, packing these costs more than it gains: they are read as
    // they lie when the channels and taps of a row follow each other, in the order of k.
    bool reads_weights(const Problem& p, const Sides& side, const Operand& weight) const {
        const int64_t columns = p.batch * side.result[0] * side.result[1] * side.result[2];
        if (way != Way::packed || side.channel_axis != 1 || columns > kFewPanels * kNr<T>) return false;
        if (weight.strides[0] <= 0) return false;
        int64_t size = 1;
        for (int a = 2; a >= -1; --a) {
            const int64_t count = a >= 0 ? p.kernel[a] : side.channels;
            if (count > 1 && weight.strides[a >= 0 ? 2 + a : 1] != size) return false;
            size *= count;
        }
        return true;
    }
    int64_t depth_of(const Problem& p) const {
        return side.channels * p.kernel[0] * p.kernel[1] * p.kernel[2];
    }
    int64_t padded_rows() const { return (side.rows + tile - 1) / tile * tile * groups; }
    const T* first_weights() const { return row_stride > 0 ? own_weights : packed_weights.template as<T>(); }
    Tables<T>* tables() const { return table_list.template as<Tables<T>>(); }

    // The product of one residue over the first image of `source`, into `out`.
    Product<T> product(int64_t residue, const T* weights, const T* source, T* out) const {
        AxisTaps taps[3];
        residues.at(residue, taps);
        Product<T> q;
        q.groups = groups;
        q.images = 1;
        q.rows = side.rows;
        q.depth = tables()[residue].depth;
        q.weights = weights;
        q.bias = packed_bias.template as<T>();
        q.bias_group = padded_rows() / groups;
        q.row_stride = row_stride;
        q.weight_group = row_stride > 0 ? side.rows * row_stride : q.bias_group * q.depth;
        q.offsets = tables()[residue].offsets;
        q.source = source;
        q.source_image = stage.image;
        q.source_group = side.channels * stage.channel;
        q.source_step[0] = taps[0].step * stage.plane;
        q.source_step[1] = taps[1].step * stage.row;
        const int64_t row = side.result[2], plane = row * side.result[1];
        q.out_channel = plane * side.result[0];
        q.out_group = side.rows * q.out_channel;
        q.out_image = groups * q.out_group;
        q.out_step[0] = taps[0].pitch * plane;
        q.out_step[1] = taps[1].pitch * row;
        q.out_step[2] = taps[2].pitch;
        q.out = out + taps[0].start * plane + taps[1].start * row + taps[2].start;
        for (int a = 0; a < 3; ++a) q.grid[a] = taps[a].count;
        return q;
    }
};

// Group by group of images: staged together, then multiplied.
template <class T>
static void run_by_images(const Plan<T>& plan, int64_t batch, int64_t depth, T* out) {
    const Stage<T>& stage = plan.stage;
    const int64_t together = images_per_group(stage, batch, plan.side.rows * depth < 64);
    pool::Scratch staged(sizeof(T) * stage.elements(together));
    for (int64_t n = 0; n < batch; n += together) {
        const int64_t images = batch - n < together ? batch - n : together;
        const T* source = stage_images(stage, n, images, plan.side.channels * plan.groups, staged.as<T>());
        const T* weights = plan.first_weights();
        for (int64_t i = 0; i < plan.residues.total(); ++i) {
            Product<T> q = plan.product(i, weights, source, out);
            weights += q.depth * plan.padded_rows();
            q.images = images;
            q.out += n * q.out_image;
            if (q.columns() == 0 || q.rows == 0) continue;
            if (plan.way == Way::direct)
                direct_product(q);
            else if (plan.way == Way::lanes)
                lane_product(q);
            else
                packed_product(merge_axes(q));
        }
    }
}

// Products of several groups that pack no columns: what an (image, group) reads is staged where it is used,
// in the first or second cache.
template <class T>
static void run_by_groups(const Plan<T>& plan, int64_t batch, int64_t depth, T* out) {
    const Stage<T>& stage = plan.stage;
    const int64_t groups = plan.groups, channels = plan.side.channels, size = channels * stage.channel;
    const int64_t* result = plan.side.result;
    const int64_t flops = 2 * plan.side.rows * depth * result[0] * result[1] * result[2];
    parallel_for(0, batch * groups, Work{flops_ns(flops)}, [&](int64_t begin, int64_t end) {
        pool::Scratch scratch(sizeof(T) * (size + Stage<T>::slack)), sums(sizeof(T) * kLaneSums<T>);
        T* staged = scratch.as<T>();
        for (int64_t i = 0; i < Stage<T>::slack; ++i) staged[size + i] = T(0);
        for (int64_t at = begin; at < end; ++at) {
            const int64_t n = at / groups, group = at % groups;
            stage_channels(stage, n, group * channels, channels, staged);
            const T* weights = plan.packed_weights.template as<T>();
            for (int64_t i = 0; i < plan.residues.total(); ++i) {
                Product<T> q = plan.product(i, weights, staged, out);
                weights += q.depth * plan.padded_rows();
                q.groups = 1;
                q.near = true;
                q.weights += group * q.weight_group;
                q.bias += group * q.bias_group;
                q.out += n * q.out_image + group * q.out_group;
                if (q.columns() == 0) continue;
                if (plan.way == Way::direct)
                    direct_rows(q, 0, q.grid[0] * q.grid[1]);
                else
                    lane_pairs(q, 0, LanePairs<T>(q).total(q), sums.as<T>());
            }
        }
    });
}

template <class T>
static void convolve(const Problem& p, const Sides& side, const Residues& residues, const Operand& source,
                     const Operand& weight, const Operand& bias, T* out) {
    if (p.batch == 0 || side.rows == 0) return;
    const Plan<T> plan(p, side, residues, source, weight, bias);
    const int64_t group_bytes = side.channels * plan.stage.channel * static_cast<int64_t>(sizeof(T));
    const bool small = p.batch * p.groups >= kLeastGroups && group_bytes <= kMostGroupBytes;
    if (plan.way != Way::packed && plan.stage.copied && p.groups > 1 && small)
        run_by_groups(plan, p.batch, plan.depth_of(p), out);
    else
        run_by_images(plan, p.batch, plan.depth_of(p), out);
}

template <class T>
static void forward(const Problem& p, const Operand& input, const Operand& weight, const Operand& bias,
                    void* output) {
    const Sides side{p.out_channels / p.groups, p.in_channels / p.groups, p.out, p.in, 0, 1};
    if (depthwise::forward<T>(p, input, weight, bias, output)) return;
    if (winograd::forward<T>(p, input, weight, bias, output)) return;
    pool::Scratch axes(sizeof(int64_t) * 2 * (p.kernel[0] + p.kernel[1] + p.kernel[2]));
    int64_t* storage = axes.as<int64_t>();
    AxisTaps taps[3];
    for (int a = 0; a < 3; ++a, storage += 2 * p.kernel[a - 1]) taps[a] = forward_taps(p, a, storage);
    const Residues residues{{&taps[0], &taps[1], &taps[2]}, {1, 1, 1}};
    convolve(p, side, residues, input, weight, bias, static_cast<T*>(output));
}

template <class T>
static void grad_input(const Problem& p, const Operand& grad_output, const Operand& weight,
                       const Operand& bias, void* result) {
    const Sides side{p.in_channels / p.groups, p.out_channels / p.groups, p.in, p.out, 1, 0};
    if (depthwise::grad_input<T>(p, grad_output, weight, bias, result)) return;
    if (winograd::grad_input<T>(p, grad_output, weight, bias, result)) return;
    Residues residues;
    int64_t numbers = 0, lists = 0;
    for (int a = 0; a < 3; ++a) {  // residues that have a position
        residues.count[a] = p.in[a] < p.stride[a] ? p.in[a] : p.stride[a];
        numbers += 2 * p.kernel[a] * residues.count[a];
        lists += residues.count[a];
    }
    pool::Scratch axes(sizeof(int64_t) * numbers), all_taps(sizeof(AxisTaps) * lists);
    int64_t* storage = axes.as<int64_t>();
    AxisTaps* next = all_taps.as<AxisTaps>();
    for (int a = 0; a < 3; ++a) {
        residues.of_axis[a] = next;
        for (int64_t r = 0; r < residues.count[a]; ++r, storage += 2 * p.kernel[a])
            *next++ = gradient_taps(p, a, r, storage);
    }
    convolve(p, side, residues, grad_output, weight, bias, static_cast<T*>(result));
}

}  // namespace pt::conv::PT_ISA
