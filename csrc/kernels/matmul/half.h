// Products of float16 and bfloat16: sums in float32, rounded once, after bias and activation. The packers
// widen what they read; the products themselves are those of float32.
//
// Where the CPU multiplies pairs of bfloat16 (AVX512-BF16), nothing is widened: a lane of 32 bits holds two
// neighbours of the depth, and the instruction adds both products to a lane of the sums. To the blocks around
// it that is a product of "floats" of half the depth. The instruction takes denormal numbers for zeros.
#pragma once

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

    Strip<float> strip(int64_t i, int rows, int64_t k0, int64_t depth, float* to) const {
        const bool even = 2 * (k0 + depth) <= k;
        for (int r = 0; r < rows; ++r) {
            const Bits* from = data + (i + r) * row + 2 * k0 * step;
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

    Strip<float> strip(int64_t j, int columns, int64_t k0, int64_t depth, float* to) const {
        constexpr int L = lanes<float>;
        const int width = (columns + L - 1) / L * L;
        const Bits* from = data + 2 * k0 * step + j * column;
        const bool aligned = reinterpret_cast<uintptr_t>(from) % 4 == 0 && column % 2 == 0;
        if (step == 1 && aligned && k % 2 == 0)  // the pairs lie there
            return pack_columns(reinterpret_cast<const float*>(from), 1, column / 2, columns, depth, to);
        for (int64_t d = 0; d < depth; ++d, from += 2 * step) {
            const bool both = 2 * (k0 + d) + 1 < k;
            for (int c = 0; c < width; c += L) {
                const int count = columns - c < L ? columns - c : L;
                if (column == 1) {
                    const __mmask16 mask = (__mmask16)((1u << count) - 1u);
                    const __m512i low =
                        _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_maskz_loadu_epi16(mask, from + c));
                    const __m512i high = _mm512_maskz_cvtepu16_epi32(
                        0xffff, _mm256_maskz_loadu_epi16(both ? mask : 0, from + (both ? step : 0) + c));
                    store(to + d * width + c, (Vec<float>)((Vec<uint32_t>)low | (Vec<uint32_t>)high << 16));
                } else {
                    for (int x = 0; x < L; ++x)
                        to[d * width + c + x] =
                            x < count ? pair_of(from + (c + x) * column, step, both) : 0.0f;
                }
            }
        }
        return {to, 0, width};
    }
};

#endif

// Rounds the sums, after bias and activation.
template <class Half, Activation A>
static void round_rows(const Problem<Bits>& p, const float* sums, int64_t begin, int64_t end) {
    constexpr int L = lanes<float>;
    for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < p.n; j += L) {
            const int count = p.n - j < L ? static_cast<int>(p.n - j) : L;
            Vec<float> x = load_n(sums + i * p.n + j, count);
            if (p.bias != nullptr) {
                const Bits* bias = p.bias + i * p.bias_row + j * p.bias_col;
                if (p.bias_col == 1)
                    x += widen_n<Half>(bias, count);
                else
                    for (int c = 0; c < count; ++c) x[c] += widen<Half>(bias[c * p.bias_col]);
            }
            x = activate<float, A>(x);
            Bits* to = p.c + i * p.c_row + j * p.c_col;
            if (p.c_col == 1)
                narrow_n<Half>(to, x, count);
            else
                for (int c = 0; c < count; ++c) to[c * p.c_col] = narrow<Half>(x[c]);
        }
}

template <class Half>
static void multiply_half(const Problem<Bits>& p) {
    pool::Scratch scratch(sizeof(float) * static_cast<size_t>(p.m * p.n));
    float* sums = scratch.as<float>();
    Output<float> out{sums, p.n, 1, nullptr, 0, 0, Activation::none, false};
    const int threads = p.m * p.n * p.k < kParallel ? 1 : num_threads();
#if defined(__AVX512VL__)
    if (__is_same(Half, Bfloat16) && __builtin_cpu_supports("avx512bf16")) {
        out.tiles = &tile_table<float, PairDot>;
        gemm<float>(p.m, p.n, (p.k + 1) / 2, PairRows{p.a, p.a_row, p.a_k, p.k},
                    PairColumns{p.b, p.b_k, p.b_col, p.k}, out, threads);
    } else
#endif
        gemm<float>(p.m, p.n, p.k, HalfRows<Half>{p.a, p.a_row, p.a_k},
                    HalfColumns<Half>{p.b, p.b_k, p.b_col}, out, threads);
    parallel_for(0, p.m, 1 + 65536 / p.n, [&](int64_t begin, int64_t end) {
        switch (p.activation) {
            case Activation::none:
                return round_rows<Half, Activation::none>(p, sums, begin, end);
            case Activation::relu:
                return round_rows<Half, Activation::relu>(p, sums, begin, end);
            case Activation::gelu:
                return round_rows<Half, Activation::gelu>(p, sums, begin, end);
            case Activation::gelu_tanh:
                return round_rows<Half, Activation::gelu_tanh>(p, sums, begin, end);
        }
    });
}

static void multiply_float16(const Problem<Bits>& p) { multiply_half<Float16>(p); }
static void multiply_bfloat16(const Problem<Bits>& p) { multiply_half<Bfloat16>(p); }

}  // namespace pt::matmul::PT_ISA
