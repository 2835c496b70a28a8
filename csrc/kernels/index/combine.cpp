// scatter_reduce: products and extremes of what several sources put in one place, and sums by lines.
#include <atomic>
#include <type_traits>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/index/lines.h"

namespace pt::index {
namespace {

struct SumInto {
    template <class T>
    static T join(T x, T y) {
        if constexpr (std::is_integral_v<T>) {
            using U = std::make_unsigned_t<T>;
            return static_cast<T>(static_cast<U>(x) + static_cast<U>(y));
        } else {
            return x + y;
        }
    }
};
struct ProductInto {
    template <class T>
    static T join(T x, T y) {
        if constexpr (std::is_integral_v<T>) {
            using U = std::make_unsigned_t<T>;
            return static_cast<T>(static_cast<U>(x) * static_cast<U>(y));
        } else {
            return x * y;
        }
    }
};
struct MaxInto {  // NaN wins
    template <class T>
    static T join(T x, T y) {
        return (y > x) | (y != y) ? y : x;
    }
};
struct MinInto {
    template <class T>
    static T join(T x, T y) {
        return (y < x) | (y != y) ? y : x;
    }
};

// Elements [begin, end) of a line.
struct Stretch {
    const Lines& lines;
    char* x;
    const char* y;
    const char* index;
    int64_t begin, end;
};

template <class T, class Op>
void combine_line(const Stretch& s) {
    const Lines& l = s.lines;
    constexpr int64_t item = sizeof(T);
    if (l.step_index == 0 && l.step_x == item && l.step_y == item) {  // a row of x for a row of y
        T* __restrict x = reinterpret_cast<T*>(s.x + *reinterpret_cast<const int64_t*>(s.index) * l.jump);
        const T* y = reinterpret_cast<const T*>(s.y);
        for (int64_t j = s.begin; j < s.end; ++j) x[j] = Op::join(x[j], y[j]);
        return;
    }
    if (l.step_index == 8 && l.step_y == item && l.jump == item &&
        l.step_x == 0) {  // a line of x, of y and of places
        T* x = reinterpret_cast<T*>(s.x);
        const T* y = reinterpret_cast<const T*>(s.y);
        const int64_t* place = reinterpret_cast<const int64_t*>(s.index);
        for (int64_t j = s.begin; j < s.end; ++j) x[place[j]] = Op::join(x[place[j]], y[j]);
        return;
    }
    for (int64_t j = s.begin; j < s.end; ++j) {
        const int64_t place = *reinterpret_cast<const int64_t*>(s.index + j * l.step_index);
        T& x = *reinterpret_cast<T*>(s.x + place * l.jump + j * l.step_x);
        x = Op::join(x, *reinterpret_cast<const T*>(s.y + j * l.step_y));
    }
}

using Combine = void (*)(const Stretch&);

template <class Op>
Combine combine_of(DType dtype) {
    switch (dtype) {
        case DType::float32:
            return combine_line<float, Op>;
        case DType::float64:
            return combine_line<double, Op>;
        case DType::int32:
            return combine_line<int32_t, Op>;
        default:
            PT_ASSERT(dtype == DType::int64);
            return combine_line<int64_t, Op>;
    }
}

Combine combine_of(Reduction reduction, DType dtype) {
    switch (reduction) {
        case Reduction::sum:
            return combine_of<SumInto>(dtype);
        case Reduction::product:
            return combine_of<ProductInto>(dtype);
        case Reduction::max:
            return combine_of<MaxInto>(dtype);
        default:
            return combine_of<MinInto>(dtype);
    }
}

}  // namespace

// Threads share whole lines where they are along the indexed axis, rows of the result where an index moves
// whole rows, and else columns of all lines.
bool scatter_reduce(Reduction reduction, const ArrayView& out, int axis, const ArrayView& index,
                    const ArrayView& source) {
    if (index.numel() == 0) return true;
    const Combine combine = combine_of(reduction, out.dtype);
    const Lines lines(index, out, source, axis);
    const int64_t size = out.shape[axis];
    if (size == 0) return false;
    std::atomic<bool> inside{true};
    const auto run = [&](int64_t line, int64_t begin, int64_t end) {
        char* x;
        char* y;
        const char* places;
        lines.start(line, x, y, places);
        if (line_in_bounds(places + begin * lines.step_index, lines.step_index, end - begin, size))
            combine({lines, x, y, places, begin, end});
        else
            inside.store(false, std::memory_order_relaxed);
    };
    if (lines.axis == lines.last) {
        parallel_for(0, lines.count, Work{static_cast<double>(lines.length)},
                     [&](int64_t begin, int64_t end) {
                         for (int64_t i = begin; i < end; ++i) run(i, 0, lines.length);
                     });
    } else if (lines.step_index == 0) {  // a thread combines what goes to its own rows of x
        const int threads = num_threads();
        const double all = static_cast<double>(lines.count * lines.length);
        const Work work{all / static_cast<double>(size), (size + threads - 1) / threads};
        parallel_for(0, size, work, [&](int64_t first, int64_t last) {
            for (int64_t i = 0; i < lines.count; ++i) {
                char* x;
                char* y;
                const char* at;
                lines.start(i, x, y, at);
                const int64_t place = *reinterpret_cast<const int64_t*>(at);
                if (place < 0 || place >= size)
                    inside.store(false, std::memory_order_relaxed);
                else if (place >= first && place < last)
                    combine({lines, x, y, at, 0, lines.length});
            }
        });
    } else {
        parallel_for(0, lines.length, Work{static_cast<double>(lines.count), 16},
                     [&](int64_t begin, int64_t end) {
                         for (int64_t i = 0; i < lines.count; ++i) run(i, begin, end);
                     });
    }
    return inside.load(std::memory_order_relaxed);
}

}  // namespace pt::index
