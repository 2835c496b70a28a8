// Pooling with windows anywhere, and what goes by positions in planes. No vectors: every output reads or
// writes elsewhere.
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/pool/pool.h"

namespace pt::pooling {

namespace {

// better ? a : b without a branch: no one can foresee the winner.
template <class T>
T choose(bool better, T a, T b) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    const Bits mask = Bits{0} - Bits{better};
    return std::bit_cast<T>((std::bit_cast<Bits>(a) & mask) | (std::bit_cast<Bits>(b) & ~mask));
}

}  // namespace

template <class T>
void max_forward_at(const T* x, const int64_t* const* starts, T* values, int64_t* indices, int64_t planes,
                    const Window& w) {
    const Work row{1.5 * static_cast<double>(w.taps() * w.out[2])};
    parallel_for(0, planes * w.out[0] * w.out[1], row, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t p = r / (w.out[0] * w.out[1]), od = r / w.out[1] % w.out[0], oh = r % w.out[1];
            const T* plane = x + p * w.in_size();
            const int64_t top =
                (starts[0][p * w.out[0] + od] * w.in[1] + starts[1][p * w.out[1] + oh]) * w.in[2];
            for (int64_t ow = 0; ow < w.out[2]; ++ow) {
                const int64_t first = top + starts[2][p * w.out[2] + ow];
                int64_t position = first;
                T best = -std::numeric_limits<T>::infinity();
                for (int64_t a = 0; a < w.kernel[0]; ++a)
                    for (int64_t b = 0; b < w.kernel[1]; ++b) {
                        const int64_t row = first + (a * w.in[1] + b) * w.in[2];
                        for (int64_t i = row; i < row + w.kernel[2]; ++i) {
                            const T v = plane[i];
                            const bool better = (v > best) | (v != v);
                            position = choose(better, i, position);
                            best = choose(better, v, best);
                        }
                    }
                values[r * w.out[2] + ow] = best;
                indices[r * w.out[2] + ow] = position;
            }
        }
    });
}

namespace {

// Clears the planes of `large` and calls put(place in its plane, small[i]) for every index; false when one
// lies outside. Neighbouring outputs often share a place, and the second addition waits for the first:
// several planes in turn keep them apart.
template <class T, class Put>
bool by_places(T* large, const int64_t* indices, const T* small, int64_t planes, int64_t large_size,
               int64_t small_size, const Put& put) {
    constexpr int64_t kTurns = 2;
    std::atomic<bool> inside = true;
    const double ns = 0.04 * static_cast<double>(large_size) + 0.5 * static_cast<double>(small_size);
    parallel_for(0, planes, Work{ns, kTurns}, [&](int64_t p, int64_t last) {
        bool all_inside = true;
        const auto size = static_cast<uint64_t>(large_size);
        for (; p < last; p += kTurns) {
            const int64_t turns = std::min(kTurns, last - p);
            T* const plane = large + p * large_size;
            std::memset(plane, 0, static_cast<size_t>(turns * large_size) * sizeof(T));
            const auto one = [&](int64_t i, int64_t o) {
                const int64_t at = (p + i) * small_size + o;
                const auto place = static_cast<uint64_t>(indices[at]);
                if (place < size)
                    put(plane[i * large_size + static_cast<int64_t>(place)], small[at]);
                else
                    all_inside = false;
            };
            if (turns == kTurns)
                for (int64_t o = 0; o < small_size; ++o) {
#pragma GCC unroll 4
                    for (int64_t i = 0; i < kTurns; ++i) one(i, o);
                }
            else
                for (int64_t o = 0; o < small_size; ++o) one(0, o);
        }
        if (!all_inside) inside = false;
    });
    return inside;
}

}  // namespace

template <class T>
bool scatter_backward(const T* grad, const int64_t* indices, T* grad_x, int64_t planes, int64_t out_size,
                      int64_t in_size) {
    return by_places(grad_x, indices, grad, planes, in_size, out_size, [](T& to, T v) { to += v; });
}
template <class T>
bool unpool(const T* x, const int64_t* indices, T* out, int64_t planes, int64_t x_size, int64_t out_size) {
    return by_places(out, indices, x, planes, out_size, x_size, [](T& to, T v) { to = v; });
}
template <class T>
bool gather(const T* x, const int64_t* indices, T* out, int64_t planes, int64_t out_size, int64_t x_size) {
    if (x_size == 0) return planes * out_size == 0;
    std::atomic<bool> inside = true;
    parallel_for(0, planes, Work{0.5 * static_cast<double>(out_size)}, [&](int64_t begin, int64_t end) {
        const auto size = static_cast<uint64_t>(x_size);
        bool outside = false;
        for (int64_t p = begin; p < end; ++p)
            for (int64_t o = p * out_size; o < (p + 1) * out_size; ++o) {
                const auto place = static_cast<uint64_t>(indices[o]);
                outside |= place >= size;
                out[o] = x[static_cast<uint64_t>(p * x_size) + (place < size ? place : 0)];
            }
        if (outside) inside = false;
    });
    return inside;
}

#define PT_INSTANTIATE(T)                                                                                \
    template void max_forward_at(const T*, const int64_t* const*, T*, int64_t*, int64_t, const Window&); \
    template bool scatter_backward(const T*, const int64_t*, T*, int64_t, int64_t, int64_t);             \
    template bool unpool(const T*, const int64_t*, T*, int64_t, int64_t, int64_t);                       \
    template bool gather(const T*, const int64_t*, T*, int64_t, int64_t, int64_t);
PT_INSTANTIATE(float)
PT_INSTANTIATE(double)
#undef PT_INSTANTIATE

}  // namespace pt::pooling
