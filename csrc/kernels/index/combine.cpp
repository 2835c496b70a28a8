// Scattering: what several sources put in one place is stored, added up, multiplied, or the extreme of them.
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "kernels/index/copy.h"
#include "kernels/index/kernels.h"
#include "kernels/index/lines.h"
#include "kernels/index/types.h"

namespace pt::index {
namespace {

struct Store {
    template <class T>
    static void run(T& x, T y) {
        x = y;
    }
};
struct Sum {
    template <class T>
    static constexpr T neutral() {
        return T{};
    }
    template <class T>
    static void run(T& x, T y) {
        x = static_cast<T>(x + y);
    }
};
struct Product {
    template <class T>
    static constexpr T neutral() {
        return T(1);
    }
    template <class T>
    static void run(T& x, T y) {
        x = static_cast<T>(x * y);
    }
};
// y where it is better or NaN, else x. Written as a value: of a store under a condition compilers make a
// branch, which nothing can predict.
template <class T>
T better(bool wins, T y, T x) {
    if constexpr (std::is_integral_v<T>) {
        return wins ? y : x;
    } else {
        const T best = wins ? y : x;
        return y != y ? y : best;
    }
}

struct Max {
    template <class T>
    static constexpr T neutral() {
        using L = std::numeric_limits<T>;
        return L::has_infinity ? -L::infinity() : L::lowest();
    }
    template <class T>
    static void run(T& x, T y) {
        x = better(y > x, y, x);
    }
};
struct Min {
    template <class T>
    static constexpr T neutral() {
        using L = std::numeric_limits<T>;
        return L::has_infinity ? L::infinity() : L::max();
    }
    template <class T>
    static void run(T& x, T y) {
        x = better(y < x, y, x);
    }
};

template <class Op>
struct Fill {
    template <class T>
    static void run(T& x, T) {
        x = Op::template neutral<T>();
    }
};

Along store_of(int64_t item) {
    Along run = nullptr;
    with_size(item, [&](auto t) { run = along<decltype(t), Store>; });
    return run;
}

template <class Op>
Errand errand_of(DType dtype, bool include_self) {
    Errand errand;
    const auto set = [&](auto t) {
        using T = decltype(t);
        errand.along = along<T, Op>;
        if (include_self) return;
        errand.fill = along<T, Fill<Op>>;
        errand.first = store_of(sizeof(T));
    };
    if constexpr (std::is_same_v<Op, Max> || std::is_same_v<Op, Min>)
        with_ordered(dtype, set);
    else
        with_summed(dtype, set);
    return errand;
}

Errand errand_of(Reduction reduction, DType dtype, bool include_self) {
    if (dtype == DType::boolean && reduction == Reduction::sum) reduction = Reduction::max;
    if (dtype == DType::boolean && reduction == Reduction::product) reduction = Reduction::min;
    switch (reduction) {
        case Reduction::store: {
            Errand errand;
            errand.along = store_of(item_size(dtype));
            return errand;
        }
        case Reduction::sum:
            return errand_of<Sum>(dtype, include_self);
        case Reduction::product:
            return errand_of<Product>(dtype, include_self);
        case Reduction::max:
            return errand_of<Max>(dtype, include_self);
        default:
            return errand_of<Min>(dtype, include_self);
    }
}

// Is it the slices of source by a vector of indices, which is repeated for all elements of a slice?
bool of_slices(const ArrayView& out, int axis, const ArrayView& index, const ArrayView& source) {
    bool all = index.strides[axis] == static_cast<int64_t>(sizeof(int64_t)) && source.is_contiguous();
    for (int i = 0; i < out.ndim; ++i) {
        const bool repeated =
            index.shape[i] == out.shape[i] && (index.strides[i] == 0 || index.shape[i] == 1);
        all = all && index.shape[i] == source.shape[i] && (i == axis || repeated);
    }
    return all && axis < out.ndim - 1 && out.is_contiguous();
}

}  // namespace

bool can_reduce(Reduction reduction, DType dtype) {
    const bool half = dtype == DType::float16 || dtype == DType::bfloat16;
    const bool complex = dtype == DType::complex64 || dtype == DType::complex128;
    const bool ordered = reduction == Reduction::max || reduction == Reduction::min;
    return can_move(dtype) && (reduction == Reduction::store || !(half || (complex && ordered)));
}

bool scatter(Reduction reduction, const ArrayView& start, const ArrayView& out, int axis,
             const ArrayView& index, const ArrayView& source, bool include_self) {
    const bool fresh = start.data != out.data;
    if (index.numel() == 0 || out.shape[axis] == 0) {
        if (fresh) copy(start, out);
        return index.numel() == 0;
    }
    if (reduction == Reduction::sum && include_self && can_add(out.dtype) &&
        of_slices(out, axis, index, source)) {
        const int64_t* const places = index.as<int64_t>();
        const int64_t n = index.shape[axis];
        if (!in_bounds(places, n, out.shape[axis])) return false;
        plus_rows(start, axis, places, n, source, out);
        return true;
    }
    Errand errand = errand_of(reduction, out.dtype, include_self);
    errand.ns = 0.7;
    errand.writes_x = true;
    if (fresh) errand.start = &start;
    return walk(Lines(index, out, source, axis), errand);
}

}  // namespace pt::index
