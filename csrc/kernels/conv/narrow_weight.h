// The weight gradient of few outputs in a group: their vectors would be partly empty. So a vector holds
// `Pack` neighbouring columns of every output,
//
//     grad:  m0 column 0, m0 column 1, m1 column 0, m1 column 1 ...
//
// and meets as many neighbouring elements of the source, which one load repeats all over a vector. The lanes
// of an output are added at the end. A tile of K rows k of one vector each stays in registers.
#pragma once

#include "base/pool.h"
#include "kernels/conv/stage.h"
#include "simd/transpose.h"

namespace pt::conv::PT_ISA {

// What is read: a stage of all images and groups, or (`by_group`) the array, of which every unit of work
// stages what it needs.
template <class T>
struct NarrowWeight {
    const Stage<T>* stage;
    bool by_group;
    const T* source;  // unless by_group
    const T* grad;    // C-contiguous: [images][groups * rows][grid]
    const int64_t* offsets;
    int64_t groups, channels, rows, depth;
    int64_t grid[3], step[2];  // distances in the stage

    int64_t positions() const { return grid[0] * grid[1] * grid[2]; }
};

// Rows of columns of one plane, cut so that their part of grad stays in the first cache.
struct NarrowBlock {
    int64_t plane, row, rows, column, columns;
};

constexpr int64_t kBlockVectors = 256;
constexpr int64_t kNarrowUnits = 8;  // a fixed number: the result does not depend on the threads

template <class T>
struct NarrowBlocks {
    int64_t rows, columns;        // of a block
    int64_t down, across, total;  // how many blocks there are, of an image

    NarrowBlocks(const NarrowWeight<T>& p, int pack) {
        const int64_t most = kBlockVectors * pack;
        columns = p.grid[2] < most ? p.grid[2] : most;
        rows = most / ((columns + pack - 1) / pack * pack);
        rows = rows < p.grid[1] ? rows : p.grid[1];
        down = (p.grid[1] + rows - 1) / rows;
        across = (p.grid[2] + columns - 1) / columns;
        total = p.grid[0] * down * across;
    }
    NarrowBlock at(const NarrowWeight<T>& p, int64_t i) const {
        const int64_t row = i / across % down * rows, column = i % across * columns;
        return {i / (across * down), row, p.grid[1] - row < rows ? p.grid[1] - row : rows, column,
                p.grid[2] - column < columns ? p.grid[2] - column : columns};
    }
};

// p[0] ... p[Pack - 1] again and again.
template <class T, int Pack>
PT_INLINE Vec<T> repeat(const T* p) {
    constexpr int bytes = Pack * sizeof(T);
    if constexpr (Pack == 1) {
        return broadcast(*p);
    } else if constexpr (bytes == 8) {
        double both;
        __builtin_memcpy(&both, p, 8);
        return bits<Vec<T>>(broadcast(both));
    } else {
#if defined(__AVX512F__)
        if constexpr (bytes == 16)
            return (Vec<T>)_mm512_maskz_broadcast_f32x4(0xffff,
                                                        _mm_loadu_ps(reinterpret_cast<const float*>(p)));
        else
            return (Vec<T>)_mm512_maskz_broadcast_f64x4(0xff,
                                                        _mm256_loadu_pd(reinterpret_cast<const double*>(p)));
#elif defined(__AVX2__)
        return (Vec<T>)_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
        Vec<T> v;
        for (int i = 0; i < lanes<T>; ++i) v[i] = p[i % Pack];
        return v;
#endif
    }
}

// The same of the first n only, zeros for the others, which are not read.
template <class T, int Pack>
PT_INLINE Vec<T> repeat_part(const T* p, int n) {
    Vec<T> v{};
    for (int c = 0; c < n; ++c) {
        const Mask<T> here = (iota<typename int_of<sizeof(T)>::type>() & (Pack - 1)) == c;
        v = select<T>(here, broadcast(p[c]), v);
    }
    return v;
}

// A block of grad_output of one group as [row][vector]; lane m * Pack + c is column c of output m.
template <class T, int Pack>
static void interleave_block(const NarrowWeight<T>& p, const T* grad, const NarrowBlock& block, T* to) {
    constexpr int L = lanes<T>;
    const int64_t positions = p.positions();
    grad += (block.plane * p.grid[1] + block.row) * p.grid[2] + block.column;
    if constexpr (Pack * sizeof(T) <= 8) {  // a transposition, of pairs of floats as of 64-bit numbers
        if (p.grid[2] % Pack == 0) {
            using Unit = typename int_of<Pack * sizeof(T)>::type;
            constexpr int N = lanes<Unit>;
            const bool dense = block.columns == p.grid[2];  // rows that follow each other are one
            const int64_t units = block.columns / Pack, length = dense ? block.rows * units : units;
            for (int64_t r = 0; r < (dense ? 1 : block.rows); ++r, grad += p.grid[2], to += length * L)
                for (int64_t j = 0; j < length; j += N)
                    transpose_block(reinterpret_cast<const Unit*>(grad + j * Pack), positions / Pack,
                                    static_cast<int>(p.rows),
                                    length - j < N ? static_cast<int>(length - j) : N,
                                    reinterpret_cast<Unit*>(to + j * L), N, true);
            return;
        }
    }
    for (int64_t r = 0; r < block.rows; ++r, grad += p.grid[2])
        for (int64_t j = 0; j < block.columns; j += Pack, to += L) {
            store(to, Vec<T>{});
            const int64_t n = block.columns - j < Pack ? block.columns - j : Pack;
            for (int64_t m = 0; m < p.rows; ++m)
                if (n == Pack)
                    __builtin_memcpy(to + m * Pack, grad + m * positions + j, Pack * sizeof(T));
                else
                    for (int64_t c = 0; c < n; ++c) to[m * Pack + c] = grad[m * positions + j + c];
        }
}

// sums[k][lane] += what a block gives to K rows k, the elements of which lie behind from[k].
template <class T, int Pack, int K>
static void narrow_tile(const T* const* from, const NarrowBlock& block, int64_t step, const T* grad,
                        T* sums) {
    constexpr int L = lanes<T>;
    Vec<T> acc[K];
#pragma GCC unroll 12
    for (int k = 0; k < K; ++k) acc[k] = load(sums + k * L);
    const int rest = static_cast<int>(block.columns % Pack);
    for (int64_t r = 0; r < block.rows; ++r) {
        const int64_t end = r * step + block.columns - rest;
        for (int64_t at = r * step; at < end; at += Pack, grad += L) {
            const Vec<T> g = load(grad);
#pragma GCC unroll 12
            for (int k = 0; k < K; ++k) acc[k] += g * repeat<T, Pack>(from[k] + at);
        }
        if (rest == 0) continue;
        const Vec<T> g = load(grad);
        grad += L;
#pragma GCC unroll 12
        for (int k = 0; k < K; ++k) acc[k] += g * repeat_part<T, Pack>(from[k] + end, rest);
    }
#pragma GCC unroll 12
    for (int k = 0; k < K; ++k) store(sums + k * L, acc[k]);
}

// Blocks [begin, end) of all images, numbered image by image, of one group. `sums` is [tiles][K][lane].
template <class T, int Pack, int K>
static void narrow_blocks(const NarrowWeight<T>& p, int64_t group, int64_t begin, int64_t end, T* staged,
                          T* interleaved, T* sums) {
    const NarrowBlocks<T> blocks(p, Pack);
    const int64_t first_channel = group * p.channels;
    for (int64_t i = begin; i < end; ++i) {
        const int64_t n = i / blocks.total;
        const NarrowBlock block = blocks.at(p, i % blocks.total);
        const T* source = staged;
        if (!p.by_group)
            source = p.source + n * p.stage->image + first_channel * p.stage->channel;
        else if (i == begin || i % blocks.total == 0)
            stage_channels(*p.stage, n, first_channel, p.channels, staged);
        source += block.plane * p.step[0] + block.row * p.step[1] + block.column;
        interleave_block<T, Pack>(p, p.grad + (n * p.groups + group) * p.rows * p.positions(), block,
                                  interleaved);
        for (int64_t k = 0; k < p.depth; k += K) {
            const T* from[K];
            for (int j = 0; j < K; ++j) from[j] = source + p.offsets[k + j < p.depth ? k + j : p.depth - 1];
            narrow_tile<T, Pack, K>(from, block, p.step[1], interleaved, sums + k * lanes<T>);
        }
    }
}

// sums [k][lane] of one group to [m][k], the lanes of each m added.
template <class T, int Pack>
static void store_narrow(const NarrowWeight<T>& p, const T* sums, T* to) {
    constexpr int L = lanes<T>;
    T lane[L * L];
    for (int64_t k = 0; k < p.depth; k += L) {
        const int count = p.depth - k < L ? static_cast<int>(p.depth - k) : L;
        transpose_block(sums + k * L, L, count, L, lane, L, true);
        for (int64_t m = 0; m < p.rows; ++m) {
            Vec<T> total = load(lane + m * Pack * L);
            for (int c = 1; c < Pack; ++c) total += load(lane + (m * Pack + c) * L);
            store_n(to + m * p.depth + k, total, count);
        }
    }
}

template <class T>
using NarrowBlocksOf = void (*)(const NarrowWeight<T>&, int64_t, int64_t, int64_t, T*, T*, T*);
template <class T>
using StoreNarrow = void (*)(const NarrowWeight<T>&, const T*, T*);

template <class T>
struct NarrowKernel {
    int pack, k;  // k: rows of a tile
    NarrowBlocksOf<T> run;
    StoreNarrow<T> finish;
};

template <class T, int Pack>
static NarrowKernel<T> narrow_kernel_of(int64_t depth) {
    if ((depth + 8) / 9 * 9 < (depth + 11) / 12 * 12)
        return {Pack, 9, &narrow_blocks<T, Pack, 9>, &store_narrow<T, Pack>};
    return {Pack, 12, &narrow_blocks<T, Pack, 12>, &store_narrow<T, Pack>};
}

template <class T>
static NarrowKernel<T> narrow_kernel(int64_t rows, int64_t depth) {
    if constexpr (lanes<T> >= 8)
        if (4 * rows <= lanes<T>) return narrow_kernel_of<T, 4>(depth);
    if constexpr (lanes<T> >= 4)
        if (2 * rows <= lanes<T>) return narrow_kernel_of<T, 2>(depth);
    return narrow_kernel_of<T, 1>(depth);
}

// Whole batch; p needs no source, images and by_group yet. to: [groups * rows][depth].
template <class T>
static void narrow_weight(NarrowWeight<T> p, int64_t batch, T* to) {
    const NarrowKernel<T> kernel = narrow_kernel<T>(p.rows, p.depth);
    const Stage<T>& stage = *p.stage;
    const int64_t tiles = (p.depth + kernel.k - 1) / kernel.k, size = tiles * kernel.k * lanes<T>;
    const int64_t parts = p.groups < kNarrowUnits ? kNarrowUnits : 1;
    const int64_t group_size = p.channels * stage.channel + Stage<T>::slack;
    p.by_group =
        parts == 1 && stage.copied && group_size * static_cast<int64_t>(sizeof(T)) <= kMostGroupBytes;
    const int64_t together = p.by_group ? batch : images_per_group(stage, batch);
    pool::Scratch staged(p.by_group ? 0 : sizeof(T) * stage.elements(together));
    pool::Scratch memory(sizeof(T) * size * p.groups * parts);
    T* sums = memory.as<T>();
    for (int64_t i = 0; i < size * p.groups * parts; ++i) sums[i] = T(0);
    const NarrowBlocks<T> blocks(p, kernel.pack);
    const T* grad = p.grad;
    for (int64_t n = 0; n < batch; n += together) {
        const int64_t images = batch - n < together ? batch - n : together, steps = images * blocks.total;
        if (!p.by_group) p.source = stage_images(stage, n, images, p.channels * p.groups, staged.as<T>());
        p.grad = grad + n * p.groups * p.rows * p.positions();
        const int64_t flops = 2 * p.rows * p.depth * p.positions() * images / parts;
        parallel_for(0, p.groups * parts, Work{flops_ns(flops)}, [&](int64_t begin, int64_t end) {
            pool::Scratch interleaved(sizeof(T) * kBlockVectors * lanes<T>);
            pool::Scratch own(p.by_group ? sizeof(T) * group_size : 0);
            for (int64_t unit = begin; unit < end; ++unit) {
                const int64_t part = unit % parts;
                kernel.run(p, unit / parts, steps * part / parts, steps * (part + 1) / parts, own.as<T>(),
                           interleaved.as<T>(), sums + unit * size);
            }
        });
    }
    for (int64_t group = 0; group < p.groups; ++group) {
        T* total = sums + group * parts * size;
        for (int64_t i = size; i < parts * size; ++i) total[i % size] += total[i];
        kernel.finish(p, total, to + group * p.rows * p.depth);
    }
}

}  // namespace pt::conv::PT_ISA
