// The plain version: the sums of the definition, in double, one element at a time.
#include "base/float16.h"
#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/matmul/problem.h"

#include <bit>
#include <cmath>

namespace pt::matmul {

namespace {

double activate(double x, Activation activation) {
    switch (activation) {
        case Activation::none:
            return x;
        case Activation::relu:
            return x < 0.0 ? 0.0 : x;
        case Activation::gelu:
            return 0.5 * x * (1.0 + std::erf(x * 0.707106781186547524400844));
        case Activation::gelu_tanh:
            return 0.5 * x * (1.0 + std::tanh(0.797884560802865355879892 * (x + 0.044715 * x * x * x)));
    }
    return x;
}

template <class T>
void multiply_add(const Problem<T>& p, bool add) {
    parallel_for(0, p.m, 1 + 100000 / (p.n * p.k + 1), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            for (int64_t j = 0; j < p.n; ++j) {
                T& c = p.c[i * p.c_row + j * p.c_col];
                double sum = add ? static_cast<double>(c) : 0.0;
                for (int64_t k = 0; k < p.k; ++k)
                    sum += static_cast<double>(p.a[i * p.a_row + k * p.a_k]) * p.b[k * p.b_k + j * p.b_col];
                if (p.bias != nullptr) sum += p.bias[i * p.bias_row + j * p.bias_col];
                c = static_cast<T>(activate(sum, p.activation));
            }
    });
}

template <class T>
void multiply(const Problem<T>& p) {
    multiply_add(p, false);
}

// Packed is row-major.
template <class T>
void multiply_packed(const PackedProblem<T>& p) {
    multiply_add<T>(
        {p.m, p.n, p.k, p.a, p.a_row, p.a_k, p.packed, p.n, 1, p.c, p.c_row, 1, p.bias, 0, 1, p.activation},
        p.add);
}

template <class T>
void pack(int64_t k, int64_t n, const T* b, int64_t b_k, int64_t b_col, T* to) {
    for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < n; ++j) to[i * n + j] = b[i * b_k + j * b_col];
}

template <class T>
bool multiply_small(const Problem<T>&, const BatchSteps&, int64_t) {
    return false;
}

float widened(uint16_t bits, bool bfloat) {
    if (bfloat) return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
    return static_cast<float>(std::bit_cast<Float16>(bits));
}
uint16_t rounded(float x, bool bfloat) {
    if (!bfloat) return std::bit_cast<uint16_t>(static_cast<Float16>(x));
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    if (x != x) return static_cast<uint16_t>(bits >> 16 | 0x40);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Widened as a whole, multiplied as float32, rounded.
template <bool Bfloat>
void multiply_half(const Problem<uint16_t>& p) {
    pool::Scratch scratch(sizeof(float) * static_cast<size_t>(p.m * p.k + p.k * p.n + p.m * p.n + p.n + p.m));
    float* a = scratch.as<float>();
    float *b = a + p.m * p.k, *c = b + p.k * p.n, *bias = c + p.m * p.n;
    const auto widen = [](const uint16_t* from, int64_t rows, int64_t row, int64_t columns, int64_t column,
                          float* to) {
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j)
                to[i * columns + j] = widened(from[i * row + j * column], Bfloat);
    };
    widen(p.a, p.m, p.a_row, p.k, p.a_k, a);
    widen(p.b, p.k, p.b_k, p.n, p.b_col, b);
    const bool of_rows = p.bias_row != 0;
    if (p.bias != nullptr) widen(p.bias, 1, 0, of_rows ? p.m : p.n, of_rows ? p.bias_row : p.bias_col, bias);
    multiply<float>({p.m, p.n, p.k, a, p.k, 1, b, p.n, 1, c, p.n, 1, p.bias != nullptr ? bias : nullptr,
                     of_rows ? 1 : 0, of_rows ? 0 : 1, p.activation});
    for (int64_t i = 0; i < p.m; ++i)
        for (int64_t j = 0; j < p.n; ++j) p.c[i * p.c_row + j * p.c_col] = rounded(c[i * p.n + j], Bfloat);
}

template <class T>
void multiply_integers(const Problem<T>& p) {
    parallel_for(0, p.m, 1 + 100000 / (p.n * p.k + 1), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            for (int64_t j = 0; j < p.n; ++j) {
                uint64_t sum = p.bias != nullptr ? p.bias[i * p.bias_row + j * p.bias_col] : 0;
                for (int64_t k = 0; k < p.k; ++k)
                    sum += uint64_t{p.a[i * p.a_row + k * p.a_k]} * p.b[k * p.b_k + j * p.b_col];
                p.c[i * p.c_row + j * p.c_col] = static_cast<T>(sum);
            }
    });
}

}  // namespace

namespace plain {
const Kernels kernels = {
#define PT_MATMUL_KERNEL(dtype, T) \
    &matmul::multiply<T>, &matmul::multiply_small<T>, &matmul::multiply_packed<T>, &matmul::pack<T>,
#include "kernels/matmul/kernels.inc"
#undef PT_MATMUL_KERNEL
    &matmul::multiply_half<false>,        &matmul::multiply_half<true>,
    &matmul::multiply_integers<uint8_t>,  &matmul::multiply_integers<uint16_t>,
    &matmul::multiply_integers<uint32_t>, &matmul::multiply_integers<uint64_t>,
};
}  // namespace plain

}  // namespace pt::matmul
