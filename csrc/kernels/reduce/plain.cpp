// The plain level: one element after the other, sums in double. Slow and obviously right.
#include <cmath>

#include "kernels/reduce/kernels.h"

namespace pt::reduce::plain {
namespace {

// Folds elements one by one into a Partial; `seen` elements came before.
template <class T>
struct Sum {
    static void add(Partial& p, T x, int64_t seen) {
        if constexpr (std::is_floating_point_v<T>) {
            const double before = seen == 0 ? 0.0 : p.f[0];
            const double total = before + x;
            const double lost =
                std::fabs(before) >= std::fabs(double(x)) ? (before - total) + x : (x - total) + before;
            p.f[1] = (seen == 0 ? 0.0 : p.f[1]) + lost;
            p.f[0] = total;
        } else {
            p.i[0] = static_cast<int64_t>((seen == 0 ? 0u : static_cast<uint64_t>(p.i[0])) +
                                          static_cast<uint64_t>(x));
        }
    }
};
template <class T>
struct SumSquares {
    static void add(Partial& p, T x, int64_t seen) {
        if constexpr (std::is_floating_point_v<T>) {
            Sum<double>::add(p, static_cast<double>(x) * x, seen);
        } else {
            p.i[0] = static_cast<int64_t>((seen == 0 ? 0u : static_cast<uint64_t>(p.i[0])) +
                                          static_cast<uint64_t>(x) * static_cast<uint64_t>(x));
        }
    }
};
template <class T>
struct NanSum {
    static void add(Partial& p, T x, int64_t seen) { Sum<T>::add(p, x == x ? x : T(0), seen); }
};
template <class T>
struct Prod {
    static void add(Partial& p, T x, int64_t seen) {
        if constexpr (std::is_floating_point_v<T>)
            p.f[0] = (seen == 0 ? 1.0 : p.f[0]) * x;
        else
            p.i[0] = static_cast<int64_t>((seen == 0 ? 1u : static_cast<uint64_t>(p.i[0])) *
                                          static_cast<uint64_t>(x));
    }
};
template <class T, bool Greatest>
struct Extreme {
    static void add(Partial& p, T x, int64_t seen) {
        if constexpr (std::is_floating_point_v<T>)
            put(p.f[0], static_cast<double>(x), seen, p.index);
        else
            put(p.i[0], static_cast<int64_t>(x), seen, p.index);
    }
    template <class V>
    static void put(V& best, V x, int64_t seen, int64_t& index) {
        const bool better = (Greatest ? x > best : x < best) || x != x;
        if (seen != 0 && (!better || best != best)) return;
        best = x;
        index = seen;
    }
};
template <class T>
using Max = Extreme<T, true>;
template <class T>
using Min = Extreme<T, false>;
template <class T, bool Every>
struct Truth {
    static void add(Partial& p, T x, int64_t seen) {
        const bool before = seen == 0 ? Every : get(p);
        const bool now = Every ? before && x != T(0) : before || x != T(0);
        if constexpr (std::is_floating_point_v<T>)
            p.f[0] = now;
        else
            p.i[0] = now;
    }
    static bool get(const Partial& p) {
        if constexpr (std::is_floating_point_v<T>)
            return p.f[0] != 0;
        else
            return p.i[0] != 0;
    }
};
template <class T>
using Any = Truth<T, false>;
template <class T>
using All = Truth<T, true>;
template <class T>
struct Welford {
    static void add(Partial& p, T x, int64_t seen) {
        if (seen == 0) p.f[0] = p.f[1] = 0;
        const double delta = static_cast<double>(x) - p.f[0];
        p.f[0] += delta / static_cast<double>(seen + 1);
        p.f[1] += delta * (static_cast<double>(x) - p.f[0]);
        p.count = seen + 1;
    }
};

template <class T, template <class> class Op>
struct Loops {
    static void row(const char* data, int64_t n, Partial* result) {
        const T* x = reinterpret_cast<const T*>(data);
        for (int64_t i = 0; i < n; ++i) Op<T>::add(*result, x[i], i);
    }
    static void columns(const char* data, int64_t rows, int64_t stride, int64_t cols, ColumnState* state) {
        for (int64_t j = 0; j < cols; ++j) {
            Partial p;
            p.i[0] = state->i[0][j];
            p.i[1] = state->i[1][j];
            p.index = state->index[j];
            for (int64_t r = 0; r < rows; ++r)
                Op<T>::add(p, reinterpret_cast<const T*>(data + r * stride)[j], state->count + r);
            state->i[0][j] = p.i[0];
            state->i[1][j] = p.i[1];
            state->index[j] = p.index;
        }
        state->count += rows;
    }
};

template <class T, template <class> class Op>
using Fold = Loops<T, Op>;
template <class T, template <class> class Op>
using Arg = Loops<T, Op>;
template <class T, template <class> class>
using Moments = Loops<T, Welford>;

template <class T, bool Product>
void scan(const ScanBlock& b) {
    for (int64_t j = 0; j < b.lines; ++j) {
        std::conditional_t<std::is_floating_point_v<T>, double, uint64_t> total = Product;
        for (int64_t i = 0; i < b.n; ++i) {
            const T x = *reinterpret_cast<const T*>(b.in + j * b.line_in + i * b.step_in);
            total =
                Product ? total * static_cast<decltype(total)>(x) : total + static_cast<decltype(total)>(x);
            *reinterpret_cast<T*>(b.out + j * b.line_out + i * b.step_out) = static_cast<T>(total);
        }
    }
}

template <class T, bool Greatest>
void extremes(const ScanBlock& b) {
    for (int64_t j = 0; j < b.lines; ++j) {
        T best = *reinterpret_cast<const T*>(b.in + j * b.line_in);
        int64_t place = 0;
        for (int64_t i = 0; i < b.n; ++i) {
            const T x = *reinterpret_cast<const T*>(b.in + j * b.line_in + i * b.step_in);
            const bool wins = (Greatest ? x >= best : x <= best) || x != x;
            best = wins ? x : best;
            place = wins ? i : place;
            *reinterpret_cast<T*>(b.out + j * b.line_out + i * b.step_out) = best;
            *reinterpret_cast<int64_t*>(b.place + j * b.line_place + i * b.step_place) = place;
        }
    }
}

#define PT_EXTREMES_OF(greatest)                                                            \
    {&extremes<float, greatest>, &extremes<double, greatest>, &extremes<uint8_t, greatest>, \
     &extremes<int32_t, greatest>, &extremes<int64_t, greatest>}
#define PT_ENTRY(functor, family, T) {&family<T, functor>::row, &family<T, functor>::columns}

}  // namespace

const Kernels kernels = {
    {
#define PT_KERNEL(kind, functor, family)                                     \
    {PT_ENTRY(functor, family, float), PT_ENTRY(functor, family, double),    \
     PT_ENTRY(functor, family, uint8_t), PT_ENTRY(functor, family, int32_t), \
     PT_ENTRY(functor, family, int64_t)},
#include "kernels/reduce/kernels.inc"
#undef PT_KERNEL
    },
    {{&scan<float, false>, &scan<double, false>, &scan<int64_t, false>},
     {&scan<float, true>, &scan<double, true>, &scan<int64_t, true>}},
    {PT_EXTREMES_OF(false), PT_EXTREMES_OF(true)},
};

}  // namespace pt::reduce::plain
