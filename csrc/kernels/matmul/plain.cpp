// The plain version: the sums of the definition, in double, one element at a time.
#include "base/parallel.h"
#include "kernels/matmul/problem.h"

namespace pt::matmul {

namespace {

template <class T>
void multiply(const Problem<T>& p) {
    parallel_for(0, p.m, 1 + 100000 / (p.n * p.k + 1), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            for (int64_t j = 0; j < p.n; ++j) {
                double sum = 0.0;
                for (int64_t k = 0; k < p.k; ++k)
                    sum += static_cast<double>(p.a[i * p.a_row + k * p.a_k]) * p.b[k * p.b_k + j * p.b_col];
                if (p.bias != nullptr) sum += p.bias[i * p.bias_row + j * p.bias_col];
                p.c[i * p.c_row + j * p.c_col] = static_cast<T>(p.relu && sum < 0.0 ? 0.0 : sum);
            }
    });
}

}  // namespace

namespace plain {
const Kernels kernels = {
#define PT_MATMUL_KERNEL(name, dtype, T) &matmul::name<T>,
#include "kernels/matmul/kernels.inc"
#undef PT_MATMUL_KERNEL
};
}  // namespace plain

}  // namespace pt::matmul
