#include "kernels/index/pick.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/index.h"
#include "kernels/index/types.h"

namespace pt::index {
namespace {

constexpr double kPlaceNs = 0.7;  // of an index
constexpr double kPickNs = 0.8;   // of an element

// Axes that x and its result have in common, outermost first; those of size 1 are left out, and neighbours
// that both arrays walk in one stride are one.
struct Shared {
    int count = 0;
    int64_t numel = 1;
    int64_t size[kMaxDims];
    int64_t x[kMaxDims];
    int64_t y[kMaxDims];

    void add(int64_t n, int64_t step_x, int64_t step_y) {
        numel *= n;
        if (n == 1) return;
        if (count > 0 && x[count - 1] == n * step_x && y[count - 1] == n * step_y) {
            size[count - 1] *= n;
            x[count - 1] = step_x;
            y[count - 1] = step_y;
            return;
        }
        size[count] = n;
        x[count] = step_x;
        y[count++] = step_y;
    }
    // Where element `number` of the first `axes` axes lies.
    void at(int axes, int64_t number, int64_t& at_x, int64_t& at_y) const {
        at_x = at_y = 0;
        for (int i = axes - 1; i >= 0; --i) {
            at_x += number % size[i] * x[i];
            at_y += number % size[i] * y[i];
            number /= size[i];
        }
    }
};

// The three groups of axes: before the indices (outer), of the indices, and after them (inner).
struct Layout {
    Shared outer, inner;
    int64_t numbers = 1;             // of the indices
    int64_t step = 0;                // in the result, from one index to the next
    const int64_t* steps = nullptr;  // or where they lie, when it is not always the same

    explicit Layout(const Picked& p) {
        int axis = 0;  // of x
        const auto next = [&] {
            for (int k = 0; k < p.count; ++k) axis += axis == p.axes[k];
            return axis++;
        };
        const ArrayView& y = p.result;
        for (int i = 0; i < y.ndim; ++i) {
            if (i >= p.index_axis && i < p.index_axis + p.index_axes) continue;
            const int a = next();
            (i < p.index_axis ? outer : inner).add(y.shape[i], p.x.strides[a], y.strides[i]);
        }
    }
};

// The axes of the indices in the result: one stride, or (false) a table of places.
bool one_step(const Picked& p, int64_t& numbers, int64_t& step) {
    bool same = true;
    numbers = 1;
    for (int i = p.index_axis + p.index_axes - 1; i >= p.index_axis; --i) {
        const int64_t n = p.result.shape[i];
        if (n == 1) continue;
        if (numbers == 1) step = p.result.strides[i];
        same = same && p.result.strides[i] == numbers * step;
        numbers *= n;
    }
    return same;
}

void fill_steps(const Picked& p, int64_t numbers, int64_t* steps) {
    for (int64_t m = 0; m < numbers; ++m) {
        int64_t rest = m;
        steps[m] = 0;
        for (int i = p.index_axis + p.index_axes - 1; i >= p.index_axis; --i) {
            steps[m] += rest % p.result.shape[i] * p.result.strides[i];
            rest /= p.result.shape[i];
        }
    }
}

// What is done for the numbers [first, last) of one outer element, and of the last inner axis for the
// elements [begin, end). The one part that is compiled for each type.
struct Part {
    const Layout& l;
    const int64_t* places;
    char* x;
    char* y;
    int64_t first, last, begin, end;
};

template <class T, class Body>
void run_part(const Part& p) {
    const Layout& l = p.l;
    const auto in_result = [&](int64_t m) { return p.y + (l.steps != nullptr ? l.steps[m] : m * l.step); };
    if (l.inner.count == 0) {
        for (int64_t m = p.first; m < p.last; ++m)
            Body::run(*reinterpret_cast<T*>(p.x + p.places[m]), *reinterpret_cast<T*>(in_result(m)));
        return;
    }
    const int run = l.inner.count - 1;
    const int64_t runs = l.inner.numel / l.inner.size[run];
    const int64_t step_x = l.inner.x[run], step_y = l.inner.y[run];
    for (int64_t m = p.first; m < p.last; ++m)
        for (int64_t r = 0; r < runs; ++r) {
            int64_t at_x, at_y;
            l.inner.at(run, r, at_x, at_y);
            char* const x = p.x + p.places[m] + at_x;
            char* const y = in_result(m) + at_y;
            if constexpr (Body::kMoves)
                if (step_x == sizeof(T) && step_y == sizeof(T)) {
                    const int64_t skipped = p.begin * step_x;
                    Body::lines(x + skipped, y + skipped, static_cast<size_t>((p.end - p.begin) * step_x));
                    continue;
                }
            for (int64_t i = p.begin; i < p.end; ++i)
                Body::run(*reinterpret_cast<T*>(x + i * step_x), *reinterpret_cast<T*>(y + i * step_y));
        }
}

struct Read {
    static constexpr bool kMoves = true;
    static void lines(const char* x, char* y, size_t bytes) { std::memcpy(y, x, bytes); }
    template <class T>
    static void run(const T& x, T& y) {
        y = x;
    }
};
struct Write {
    static constexpr bool kMoves = true;
    static void lines(char* x, const char* y, size_t bytes) { std::memcpy(x, y, bytes); }
    template <class T>
    static void run(T& x, const T& y) {
        if constexpr (std::is_integral_v<T>)
            __atomic_store_n(&x, y, __ATOMIC_RELAXED);  // several threads may store the same number
        else
            x = y;
    }
};
struct Add {
    static constexpr bool kMoves = false;
    template <class T>
    static void run(T& x, const T& y) {
        x = static_cast<T>(x + y);
    }
};

// Several indices may name one place of x. So that no two threads write it, and all in the same order, what
// is cut is: of a result that is written anything; of x the outer elements, or the last inner axis.
void walk(const Picked& p, bool cut_anywhere, void (*run)(const Part&)) {
    Layout l(p);
    const bool same = one_step(p, l.numbers, l.step);
    pool::Scratch table(same ? 0 : static_cast<size_t>(l.numbers) * sizeof(int64_t));
    if (!same) {
        fill_steps(p, l.numbers, table.as<int64_t>());
        l.steps = table.as<int64_t>();
    }
    const int64_t last_size = l.inner.count > 0 ? l.inner.size[l.inner.count - 1] : 1;
    const auto outer = [&](int64_t o, int64_t first, int64_t last, int64_t begin, int64_t end) {
        int64_t x, y;
        l.outer.at(l.outer.count, o, x, y);
        run({l, p.places, p.x.data + x, p.result.data + y, first, last, begin, end});
    };
    const double ns = kPickNs + static_cast<double>(l.inner.numel - 1) * kPickNs / 4;  // of an index
    if (cut_anywhere) {
        parallel_for(0, l.outer.numel * l.numbers, Work{ns}, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end;) {
                const int64_t o = i / l.numbers, m = i % l.numbers;
                const int64_t some = end - i < l.numbers - m ? end - i : l.numbers - m;
                outer(o, m, m + some, 0, last_size);
                i += some;
            }
        });
    } else if (l.outer.numel > 1) {
        parallel_for(0, l.outer.numel, Work{ns * static_cast<double>(l.numbers)},
                     [&](int64_t begin, int64_t end) {
                         for (int64_t o = begin; o < end; ++o) outer(o, 0, l.numbers, 0, last_size);
                     });
    } else {
        const double column = ns * static_cast<double>(l.numbers) / static_cast<double>(last_size);
        parallel_for(0, last_size, Work{column, 16},
                     [&](int64_t begin, int64_t end) { outer(0, 0, l.numbers, begin, end); });
    }
}

// places[i] += index[i] * stride over `n` indices `step` bytes apart. Negative: one was outside.
int64_t add_line(const char* index, int64_t step, int64_t n, int64_t size, int64_t stride, int64_t* places) {
    int64_t signs = 0;
    const auto add = [&](int64_t place, int64_t i) {
        const int64_t from_front = place + ((place >> 63) & size);
        signs |= from_front | (size - 1 - from_front);
        places[i] += from_front * stride;
    };
    if (step == static_cast<int64_t>(sizeof(int64_t)))
        for (int64_t i = 0; i < n; ++i) add(reinterpret_cast<const int64_t*>(index)[i], i);
    else
        for (int64_t i = 0; i < n; ++i) add(*reinterpret_cast<const int64_t*>(index + i * step), i);
    return signs;
}

// Is one number written, to single elements?
bool is_one_number(const Picked& p) {
    bool all = p.index_axes == p.result.ndim;
    for (int i = 0; i < p.result.ndim; ++i) all = all && (p.result.strides[i] == 0 || p.result.shape[i] == 1);
    return all;
}

}  // namespace

bool find_places(const ArrayView& x, const int* axes, const ArrayView* indices, int count, int ndim,
                 const int64_t* shape, int64_t* places) {
    int64_t numbers = 1;
    for (int i = 0; i < ndim; ++i) numbers *= shape[i];
    if (numbers == 0) return true;
    std::atomic<bool> inside{true};
    parallel_for(0, numbers, Work{kPlaceNs * count}, [&](int64_t begin, int64_t end) {
        std::memset(places + begin, 0, static_cast<size_t>(end - begin) * sizeof(int64_t));
        int64_t signs = 0;
        for (int k = 0; k < count; ++k) {
            const OwnedView index = OwnedView::broadcast(indices[k], ndim, shape);
            Shared steps;
            for (int i = 0; i < ndim; ++i) steps.add(shape[i], index.strides[i], 0);
            const int last = steps.count - 1;
            const int64_t n = last >= 0 ? steps.size[last] : 1;
            const int64_t step = last >= 0 ? steps.x[last] : 0;
            for (int64_t i = begin; i < end;) {
                int64_t at, none;
                steps.at(last, i / n, at, none);
                const int64_t some = std::min(end - i, n - i % n);
                signs |= add_line(index.data + at + i % n * step, step, some, x.shape[axes[k]],
                                  x.strides[axes[k]], places + i);
                i += some;
            }
        }
        if (signs < 0) inside.store(false, std::memory_order_relaxed);
    });
    return inside.load(std::memory_order_relaxed);
}

void pick(const Picked& picked) {
    if (picked.result.numel() == 0) return;
    with_size(item_size(picked.x.dtype), [&](auto t) { walk(picked, true, run_part<decltype(t), Read>); });
}

void put(const Picked& picked) {
    if (picked.result.numel() == 0) return;
    const int64_t item = item_size(picked.x.dtype);
    const bool anyhow = item <= 8 && is_one_number(picked);  // then it does not matter who comes last
    with_size(item, [&](auto t) { walk(picked, anyhow, run_part<decltype(t), Write>); });
}

bool can_put_add(DType dtype) { return dtype != DType::boolean && can_reduce(Reduction::sum, dtype); }

void put_add(const Picked& picked) {
    if (picked.result.numel() == 0) return;
    with_summed(picked.x.dtype, [&](auto t) { walk(picked, false, run_part<decltype(t), Add>); });
}

}  // namespace pt::index
