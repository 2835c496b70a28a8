// Scans of a block of lines. Where the lines are neighbours, a vector of them is scanned at once; otherwise
// four at a time, which hides the latency of the additions (and more would compete for the same cache sets).
#pragma once

#include "kernels/reduce/functors.h"

namespace pt::reduce::PT_ISA {

template <class T, template <class> class Functor>
struct ScanOf {
    static void run(const ScanBlock& b) {
        constexpr int64_t item = sizeof(T);
        if (b.line_in == item && b.line_out == item && b.lines >= lanes<T>) return side_by_side(b);
        int64_t i = 0;
        for (; i + 4 <= b.lines; i += 4) some<4>(b, i);
        for (; i < b.lines; ++i) some<1>(b, i);
    }

  private:
    template <int W>
    static void some(const ScanBlock& b, int64_t first) {
        const char* x = b.in + first * b.line_in;
        char* y = b.out + first * b.line_out;
        double acc[W];
        for (int u = 0; u < W; ++u) acc[u] = Functor<double>::identity();
        for (int64_t i = 0; i < b.n; ++i)
            for (int u = 0; u < W; ++u) {
                const T v = *reinterpret_cast<const T*>(x + i * b.step_in + u * b.line_in);
                acc[u] = Functor<double>::join(acc[u], static_cast<double>(v));
                *reinterpret_cast<T*>(y + i * b.step_out + u * b.line_out) = static_cast<T>(acc[u]);
            }
    }

    static void side_by_side(const ScanBlock& b) {
        double acc[64];
        for (int64_t j = 0; j < b.lines; ++j) acc[j] = Functor<double>::identity();
        for (int64_t i = 0; i < b.n; ++i) {
            const T* x = reinterpret_cast<const T*>(b.in + i * b.step_in);
            T* __restrict y = reinterpret_cast<T*>(b.out + i * b.step_out);
            for (int64_t j = 0; j < b.lines; ++j) {
                acc[j] = Functor<double>::join(acc[j], static_cast<double>(x[j]));
                y[j] = static_cast<T>(acc[j]);
            }
        }
    }
};

}  // namespace pt::reduce::PT_ISA

#define PT_SCANS                                                  \
    {                                                             \
        {&ScanOf<float, Sum>::run, &ScanOf<double, Sum>::run}, {  \
            &ScanOf<float, Prod>::run, &ScanOf<double, Prod>::run \
        }                                                         \
    }
