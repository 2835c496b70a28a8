// Products of float16 and bfloat16: sums in float32, rounded once, after bias and activation. The packers
// widen what they read; the products themselves are those of float32.
//
// Where the CPU multiplies pairs of bfloat16 (AVX512-BF16), nothing is widened: a lane of 32 bits holds two
// neighbours of the depth, and the instruction adds both products to a lane of the sums. To the blocks around
// it that is a product of "floats" of half the depth. The instruction takes denormal numbers for zeros.
#pragma once

#include "kernels/matmul/few.h"
#include "kernels/matmul/gemm.h"
#include "simd/half.h"

namespace pt::matmul::PT_ISA {

using Bits = uint16_t;

template <class Half>
struct HalfRows {
    const Bits* data;
    int64_t row, step;

    Strip<float> strip(int64_t i, int rows, int64_t k, int64_t depth, float* to) const {
        constexpr int L = lanes<float>;
        for (int r = 0; r < rows; ++r) {
            const Bits* from = data + (i + r) * row + k * step;
            float* at = to + r * depth;
            if (step == 1)
                for (int64_t d = 0; d < depth; d += L) {
                    const int count = depth - d < L ? static_cast<int>(depth - d) : L;
                    store_n(at + d, widen_n<Half>(from + d, count), count);
                }
            else
                for (int64_t d = 0; d < depth; ++d) at[d] = widen<Half>(from[d * step]);
        }
        return {to, depth, 1};
    }
};

template <class Half>
struct HalfColumns {
    const Bits* data;
    int64_t step, column;

    Strip<float> strip(int64_t j, int columns, int64_t k, int64_t depth, float* to) const {
        constexpr int L = lanes<float>;
        const int width = (columns + L - 1) / L * L;
        const Bits* from = data + k * step + j * column;
        if (column == 1) {
            for (int64_t d = 0; d < depth; ++d, from += step)
                for (int c = 0; c < columns; c += L)
                    store(to + d * width + c, widen_n<Half>(from + c, columns - c < L ? columns - c : L));
        } else if (step == 1) {
            for (int64_t d = 0; d < depth; d += L) {
                const int count = depth - d < L ? static_cast<int>(depth - d) : L;
                for (int c = 0; c < width; c += L) {
                    float rows[L * L];
                    for (int x = 0; x < L; ++x)
                        store(rows + x * L, c + x < columns
                                                ? widen_n<Half>(from + (c + x) * column + d, count)
                                                : Vec<float>{});
                    transpose_block(rows, L, L, count, to + d * width + c, width, true);
                }
            }
        } else {
            for (int64_t d = 0; d < depth; ++d)
                for (int c = 0; c < width; ++c)
                    to[d * width + c] = c < columns ? widen<Half>(from[d * step + c * column]) : 0.0f;
        }
        return {to, 0, width};
    }
};

#if defined(__AVX512VL__)

// sum += both products of each pair
struct PairDot {
    static PT_INLINE_MEMBER Vec<float> apply(Vec<float> sum, Vec<float> x, Vec<float> y) {
        asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
        return sum;
    }
};

// Elements 2k and 2k + 1 as one lane; beyond an odd depth stands a zero.
PT_INLINE float pair_of(const Bits* p, int64_t step, bool both) {
    const uint32_t bits = p[0] | (both ? static_cast<uint32_t>(p[step]) << 16 : 0);
    float pair;
    std::memcpy(&pair, &bits, sizeof pair);
    return pair;
}

struct PairRows {
    const Bits* data;
    int64_t row, step, k;  // k: the whole depth, in elements
    bool in_place;         // if the pairs lie there

    Strip<float> strip(int64_t i, int rows, int64_t k0, int64_t depth, float* to) const {
        const bool even = 2 * (k0 + depth) <= k;
        const Bits* first = data + i * row + 2 * k0 * step;
        if (in_place && even && step == 1 && row % 2 == 0 && reinterpret_cast<uintptr_t>(first) % 4 == 0)
            return {reinterpret_cast<const float*>(first), row / 2, 1};
        for (int r = 0; r < rows; ++r) {
            const Bits* from = first + r * row;
            float* at = to + r * depth;
            const int64_t whole = even ? depth : depth - 1;
            if (step == 1)
                std::memcpy(at, from, static_cast<size_t>(whole) * sizeof(float));
            else
                for (int64_t d = 0; d < whole; ++d) at[d] = pair_of(from + 2 * d * step, step, true);
            if (!even) at[whole] = pair_of(from + 2 * whole * step, step, false);
        }
        return {to, depth, 1};
    }
};

struct PairColumns {
    const Bits* data;
    int64_t step, column, k;

    static constexpr int kAhead = 8;

    // Up to 32 pairs of a row and the one `below` it (null: zeros), in whole vectors.
    static PT_INLINE_MEMBER void interleave(const Bits* from, const Bits* below, int count, float* to) {
        using Words = uint16_t __attribute__((vector_size(64)));
        constexpr Words first = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
        const __mmask32 mask = count >= 32 ? ~0u : (1u << count) - 1u;
        const __m512i top = _mm512_maskz_loadu_epi16(mask, from);
        const __m512i bottom = _mm512_maskz_loadu_epi16(below == nullptr ? 0 : mask, below);
        store(to, (Vec<float>)_mm512_permutex2var_epi16(top, (__m512i)first, bottom));
        if (count > lanes<float>)
            store(to + lanes<float>,
                  (Vec<float>)_mm512_permutex2var_epi16(top, (__m512i)(first + 16), bottom));
    }

    Strip<float> strip(int64_t j, int columns, int64_t k0, int64_t depth, float* to) const {
        constexpr int L = lanes<float>;
        const int width = (columns + L - 1) / L * L;
        const Bits* from = data + 2 * k0 * step + j * column;
        const bool aligned = reinterpret_cast<uintptr_t>(from) % 4 == 0 && column % 2 == 0;
        if (step == 1 && aligned && k % 2 == 0)  // the pairs lie there
            return pack_columns(reinterpret_cast<const float*>(from), 1, column / 2, columns, depth, to);
        for (int64_t d = 0; d < depth; ++d, from += 2 * step) {
            const bool both = 2 * (k0 + d) + 1 < k;
            float* at = to + d * width;
            if (column == 1) {
                for (int ahead = 2 * kAhead; ahead < 2 * kAhead + 2;
                     ++ahead)  // rows lie too far apart for the CPU to see
                    for (int c = 0; c < columns; c += 2 * L) __builtin_prefetch(from + ahead * step + c);
                for (int c = 0; c < width; c += 2 * L)
                    interleave(from + c, both ? from + c + step : nullptr, columns - c, at + c);
            } else {
                for (int c = 0; c < width; ++c)
                    at[c] = c < columns ? pair_of(from + c * column, step, both) : 0.0f;
            }
        }
        return {to, 0, width};
    }
};

#endif

// Rounds the sums of a part of C, after bias and activation.
template <class Half, Activation A>
static void round_part(const Problem<Bits>& p, const Part& part, const float* sums, int64_t row) {
    constexpr int L = lanes<float>;
    for (int64_t r = 0; r < part.rows; ++r)
        for (int64_t c = 0; c < part.columns; c += L) {
            const int64_t i = part.i + r, j = part.j + c;
            const int count = part.columns - c < L ? static_cast<int>(part.columns - c) : L;
            Vec<float> x = load_n(sums + r * row + c, count);
            if (p.bias != nullptr) {
                const Bits* bias = p.bias + i * p.bias_row + j * p.bias_col;
                if (p.bias_col == 1)
                    x += widen_n<Half>(bias, count);
                else
                    for (int d = 0; d < count; ++d) x[d] += widen<Half>(bias[d * p.bias_col]);
            }
            x = activate<float, A>(x);
            Bits* to = p.c + i * p.c_row + j * p.c_col;
            if (p.c_col == 1)
                narrow_n<Half>(to, x, count);
            else
                for (int d = 0; d < count; ++d) to[d * p.c_col] = narrow<Half>(x[d]);
        }
}
template <class Half>
static void round_part(const Problem<Bits>& p, const Part& part, const float* sums, int64_t row) {
    switch (p.activation) {
        case Activation::none:
            return round_part<Half, Activation::none>(p, part, sums, row);
        case Activation::relu:
            return round_part<Half, Activation::relu>(p, part, sums, row);
        case Activation::gelu:
            return round_part<Half, Activation::gelu>(p, part, sums, row);
        case Activation::gelu_tanh:
            return round_part<Half, Activation::gelu_tanh>(p, part, sums, row);
    }
}

// Where tiles go: rounded as soon as their sums are complete. Sums of several passes over the depth wait in a
// matrix of floats.
template <class Half>
struct HalfOutput {
    const Problem<Bits>& problem;
    float* sums;  // [m, n], or null for one pass
    const TileTable<float>* tiles;
    bool pairs;  // the sums are PairDot's
};

#if defined(__AVX512VL__)

// The same for sums of PairDot without bias and activation: one instruction, which takes denormal numbers for
// zeros as theirs does.
static void round_pairs(const Problem<Bits>& p, const Part& part, const float* sums, int64_t row) {
    constexpr int L = lanes<float>;
    for (int64_t r = 0; r < part.rows; ++r) {
        Bits* to = p.c + (part.i + r) * p.c_row + part.j;
        for (int64_t c = 0; c < part.columns; c += L) {
            const uint32_t count = part.columns - c < L ? static_cast<uint32_t>(part.columns - c) : L;
            __m256i rounded;
            asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(load(sums + r * row + c)));
            _mm256_mask_storeu_epi16(to + c, (__mmask16)((1u << count) - 1u), rounded);
        }
    }
}

#endif

template <class Half>
PT_INLINE void multiply_tile(const HalfOutput<Half>& out, const Part& part, int64_t depth,
                             const Strip<float>& a, const Strip<float>& b, bool, bool first, bool last) {
    constexpr int L = lanes<float>;
    const Problem<Bits>& p = out.problem;
    const int columns = static_cast<int>(part.columns);
    const int vecs = (columns + L - 1) / L, tail = columns - (vecs - 1) * L;
    const Tile<float> tile = out.tiles->of[0][vecs][part.rows];
    if (first && last) {
        constexpr int width = kMaxVecs * L;
        alignas(64) float sums[max_rows(1) * width];
        for (int64_t i = 0; i < part.rows;
             ++i)  // two cache lines of a row of C are underway until the sums stand
            for (int64_t j = 0; j < columns; j += 32)
                __builtin_prefetch(p.c + (part.i + i) * p.c_row + (part.j + j) * p.c_col, 1);
        tile(depth, a.data, a.row, a.step, b.data, b.step, L, sums, width, false);
#if defined(__AVX512VL__)
        if (out.pairs && p.bias == nullptr && p.activation == Activation::none && p.c_col == 1)
            return round_pairs(p, part, sums, width);
#endif
        return round_part<Half>(p, part, sums, width);
    }
    float* sums = out.sums + part.i * p.n + part.j;
    tile(depth, a.data, a.row, a.step, b.data, b.step, tail, sums, p.n, !first);
    if (last) round_part<Half>(p, part, sums, p.n);
}

#if defined(__AVX512VL__)

// Few rows: B is read once, as it lies, and widened in registers.
template <class Half>
struct Widened {
    using Type = Bits;
    static PT_INLINE_MEMBER Vec<float> read(const Bits* p) { return widen_n<Half>(p, lanes<float>); }
    static PT_INLINE_MEMBER Vec<float> read_n(const Bits* p, int n) { return widen_n<Half>(p, n); }
};

template <class Half>
static void multiply_few_half(const Problem<Bits>& p) {
    pool::Scratch scratch(sizeof(float) * static_cast<size_t>(p.m * (p.k + p.n)));
    float *a = scratch.as<float>(), *sums = a + p.m * p.k;
    HalfRows<Half>{p.a, p.a_row, p.a_k}.strip(0, static_cast<int>(p.m), 0, p.k, a);
    const Problem<float> wide{p.m,     p.n,  p.k, a, p.k,     1, nullptr, p.b_k,
                              p.b_col, sums, p.n, 1, nullptr, 0, 0,       Activation::none};
    multiply_few<float, Widened<Half>>(wide, p.b);
    round_part<Half>(p, Part{0, p.m, 0, p.n}, sums, p.n);
}

#endif

template <class Half>
static void multiply_half(const Problem<Bits>& given) {
    Problem<Bits> p = given;
    if (p.c_row == 1 && p.c_col != 1) p = transposed(p);  // the rows of C are to be contiguous
    const int threads = p.m * p.n * p.k < kParallel ? 1 : num_threads();
    HalfOutput<Half> out{p, nullptr, &tile_table<float>, false};
    const auto run = [&](int64_t depth, const auto& a, const auto& b) {
        const bool once = passes_over(depth) == 1;
        pool::Scratch sums(once ? 0 : sizeof(float) * static_cast<size_t>(p.m * p.n));
        out.sums = sums.as<float>();
        gemm<float>(p.m, p.n, depth, a, b, out, threads);
    };
#if defined(__AVX512VL__)
    if (p.n <= kFewRows && p.m > p.n) p = transposed(p);
    if (p.m <= kFewRows && (p.b_col == 1 || p.b_k == 1)) return multiply_few_half<Half>(p);
    if (__is_same(Half, Bfloat16) && __builtin_cpu_supports("avx512bf16")) {
        out.tiles = &tile_table<float, PairDot>;
        out.pairs = true;
        return run((p.k + 1) / 2, PairRows{p.a, p.a_row, p.a_k, p.k, p.n <= kColumnsInPlace},
                   PairColumns{p.b, p.b_k, p.b_col, p.k});
    }
#endif
    run(p.k, HalfRows<Half>{p.a, p.a_row, p.a_k}, HalfColumns<Half>{p.b, p.b_k, p.b_col});
}

static void multiply_float16(const Problem<Bits>& p) { multiply_half<Float16>(p); }
static void multiply_bfloat16(const Problem<Bits>& p) { multiply_half<Bfloat16>(p); }

}  // namespace pt::matmul::PT_ISA
