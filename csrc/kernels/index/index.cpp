#include "kernels/index/index.h"

#include <atomic>

#include "base/parallel.h"
#include "kernels/index/kernels.h"
#include "kernels/index/lines.h"
#include "kernels/index/types.h"

namespace pt::index {
namespace {

constexpr int64_t kGrain = 16384;  // elements below which a second thread does not pay

// body(x element, y element) for every index. Whole lines go to one thread when they are along the indexed
// axis; otherwise a thread takes a range of columns of every line: either way no two threads meet in x. The
// indices of a line are checked before it is walked; false when one is outside.
template <class T, class Body>
bool walk(const Lines& lines, const Body& body) {
    constexpr int64_t item = sizeof(T);
    const bool packed = lines.axis == lines.last && lines.jump == item && lines.step_y == item &&
                        lines.step_index == static_cast<int64_t>(sizeof(int64_t));
    const int64_t size = lines.x.shape[lines.axis];
    std::atomic<bool> inside{true};
    const auto run = [&](int64_t line, int64_t begin, int64_t end) {
        char* x;
        char* y;
        const char* index;
        lines.start(line, x, y, index);
        if (!line_in_bounds(index + begin * lines.step_index, lines.step_index, end - begin, size)) {
            inside.store(false, std::memory_order_relaxed);
            return;
        }
        if (packed) {
            const int64_t* places = reinterpret_cast<const int64_t*>(index);
            T* from = reinterpret_cast<T*>(x);
            T* to = reinterpret_cast<T*>(y);
            int64_t j = begin;
            for (; j + 8 <= end; j += 8) {  // meanwhile the indices of the next line come near
                __builtin_prefetch(places + j + lines.length);
                for (int64_t u = j; u < j + 8; ++u) body(from[places[u]], to[u]);
            }
            for (; j < end; ++j) body(from[places[j]], to[j]);
            return;
        }
        for (int64_t j = begin; j < end; ++j) {
            const int64_t place = *reinterpret_cast<const int64_t*>(index + j * lines.step_index);
            body(*reinterpret_cast<T*>(x + place * lines.jump + j * lines.step_x),
                 *reinterpret_cast<T*>(y + j * lines.step_y));
        }
    };
    if (lines.axis == lines.last) {
        parallel_for(0, lines.count, kGrain / (lines.length + 1) + 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) run(i, 0, lines.length);
        });
    } else {
        parallel_for(0, lines.length, kGrain / (lines.count + 1) + 16, [&](int64_t begin, int64_t end) {
            for (int64_t i = 0; i < lines.count; ++i) run(i, begin, end);
        });
    }
    return inside.load(std::memory_order_relaxed);
}

// A C-contiguous array seen as (outer, size of the axis, inner).
struct Slabs {
    int64_t outer = 1;
    int64_t size;
    int64_t inner = 1;

    Slabs(const ArrayView& x, int axis) : size(x.shape[axis]) {
        for (int i = 0; i < axis; ++i) outer *= x.shape[i];
        for (int i = axis + 1; i < x.ndim; ++i) inner *= x.shape[i];
    }
};

}  // namespace

bool in_bounds(const int64_t* index, int64_t n, int64_t size) {
    return PT_SELECT(Kernels).in_bounds(index, n, size);
}

bool can_move(DType dtype) { return dtype != DType::unsupported; }
bool can_add(DType dtype) {
    return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::int32 ||
           dtype == DType::int64;
}

bool gather(const ArrayView& in, int axis, const ArrayView& index, const ArrayView& out) {
    if (index.numel() == 0) return true;
    bool inside = true;
    const Lines lines(index, in, out, axis);
    with_size(item_size(in.dtype), [&](auto t) {
        using T = decltype(t);
        inside = walk<T>(lines, [](const T& x, T& y) { y = x; });
    });
    return inside;
}

bool scatter(const ArrayView& out, int axis, const ArrayView& index, const ArrayView& source) {
    if (index.numel() == 0) return true;
    bool inside = true;
    const Lines lines(index, out, source, axis);
    with_size(item_size(out.dtype), [&](auto t) {
        using T = decltype(t);
        inside = walk<T>(lines, [](T& x, const T& y) { x = y; });
    });
    return inside;
}

bool scatter_add(const ArrayView& out, int axis, const ArrayView& index, const ArrayView& source) {
    if (index.numel() == 0) return true;
    bool inside = true;
    const Lines lines(index, out, source, axis);
    with_number(out.dtype, [&](auto t) {
        using T = decltype(t);
        inside = walk<T>(lines, [](T& x, const T& y) { x += y; });
    });
    return inside;
}

void take_rows(const ArrayView& in, int axis, const int64_t* index, int64_t n, const ArrayView& out) {
    if (out.numel() == 0) return;
    const Slabs slabs(in, axis);
    const int64_t item = item_size(in.dtype);
    const int64_t bytes = slabs.inner * item;
    const Kernels& kernels = PT_SELECT(Kernels);
    if (slabs.inner > 1) {
        parallel_for(0, slabs.outer * n, kGrain / slabs.inner + 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end;) {
                const int64_t o = i / n;
                const int64_t k = i % n;
                const int64_t some = end - i < n - k ? end - i : n - k;
                kernels.take_rows(in.data + o * slabs.size * bytes, bytes, index + k, some,
                                  out.data + i * bytes);
                i += some;
            }
        });
        return;
    }
    with_size(item, [&](auto t) {
        using T = decltype(t);
        parallel_for(0, slabs.outer, kGrain / (n + 1) + 1, [&](int64_t begin, int64_t end) {
            for (int64_t o = begin; o < end; ++o) {
                const T* from = in.as<T>() + o * slabs.size;
                T* to = out.as<T>() + o * n;
                for (int64_t k = 0; k < n; ++k) to[k] = from[index[k]];
            }
        });
    });
}

void add_rows(const ArrayView& out, int axis, const int64_t* index, int64_t n, const ArrayView& source) {
    if (source.numel() == 0) return;
    const Slabs slabs(out, axis);
    with_number(out.dtype, [&](auto t) {
        using T = decltype(t);
        const auto add = [&](int64_t o, int64_t begin, int64_t end) {
            if (slabs.inner == 1) {
                T* to = out.as<T>() + o * slabs.size;
                const T* from = source.as<T>() + o * n;
                for (int64_t k = 0; k < n; ++k) to[index[k]] += from[k];
                return;
            }
            for (int64_t k = 0; k < n; ++k) {
                T* __restrict to = out.as<T>() + (o * slabs.size + index[k]) * slabs.inner;
                const T* from = source.as<T>() + (o * n + k) * slabs.inner;
                for (int64_t j = begin; j < end; ++j) to[j] += from[j];
            }
        };
        if (slabs.outer > 1)
            parallel_for(0, slabs.outer, kGrain / (n * slabs.inner) + 1, [&](int64_t begin, int64_t end) {
                for (int64_t o = begin; o < end; ++o) add(o, 0, slabs.inner);
            });
        else
            parallel_for(0, slabs.inner, kGrain / n + 16,
                         [&](int64_t begin, int64_t end) { add(0, begin, end); });
    });
}

}  // namespace pt::index
