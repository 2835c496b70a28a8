// What is done to the elements: how one is lifted into the reduction, how two results join, and how a leaf's
// result (of type T) joins what is kept in double. Every function serves scalars and vectors alike.
#pragma once

#include "kernels/reduce/kernels.h"
#include "simd/vec.h"

namespace pt::reduce::PT_ISA {

using namespace ::pt::PT_ISA;

template <class T>
constexpr bool is_float = static_cast<T>(0.5) != static_cast<T>(0);

template <class T>
struct AccumulatorOf {  // integer sums wrap at 64 bits, as unsigned arithmetic defines it
    using type = uint64_t;
};
template <>
struct AccumulatorOf<float> {
    using type = float;
};
template <>
struct AccumulatorOf<double> {
    using type = double;
};

// The state of a float reduction that is one number.
template <class Op>
struct OneNumber {
    PT_INLINE void accumulate(double& total, double&, double x) { total = Op::join(total, x); }
    PT_INLINE void finish(double total, double, Partial* p) { p->f[0] = total; }
    PT_INLINE void start(double x, int64_t j, ColumnState* s) { s->f[0][j] = x; }
    PT_INLINE void add(double x, int64_t j, ColumnState* s) { s->f[0][j] = Op::join(s->f[0][j], x); }
    // For integers the state is the accumulator itself.
};

// A sum and what its additions lost (Neumaier's two-sum).
struct TwoSum {
    PT_INLINE void accumulate(double& total, double& lost, double x) {
        const double sum = total + x;
        const double back = sum - total;
        lost += (total - (sum - back)) + (x - back);
        total = sum;
    }
    PT_INLINE void finish(double total, double lost, Partial* p) {
        p->f[0] = total;
        p->f[1] = lost;
    }
    PT_INLINE void start(double x, int64_t j, ColumnState* s) {
        s->f[0][j] = x;
        s->f[1][j] = 0;
    }
    PT_INLINE void add(double x, int64_t j, ColumnState* s) { accumulate(s->f[0][j], s->f[1][j], x); }
};

template <class T>
struct Sum : TwoSum {
    static constexpr bool kPlain = true;  // adds the elements as they are
    using Acc = typename AccumulatorOf<T>::type;
    PT_INLINE constexpr Acc identity() { return 0; }
    PT_INLINE constexpr T fill() { return 0; }
    template <class V>
    PT_INLINE V lift(V x) {
        return x;
    }
    template <class A, class B>
    PT_INLINE A join(A a, B b) {
        return a + b;
    }
};

template <class T>
struct SumSquares : Sum<T> {
    static constexpr bool kPlain = false;
    static constexpr bool kRoots = true;  // norms are their roots
    template <class V>
    PT_INLINE auto lift(V x) {
        if constexpr (is_float<T>)
            return x * x;
        else
            return static_cast<uint64_t>(x) * static_cast<uint64_t>(x);
    }
};

template <class T>
struct NanSum : Sum<T> {  // NaN counts as 0
    static constexpr bool kPlain = false;
    static constexpr bool kFloatsOnly = true;
    template <class V>
    PT_INLINE V lift(V x) {
        return x == x ? x : V{};
    }
};

template <class T>
struct Prod : OneNumber<Prod<T>> {
    using Acc = typename AccumulatorOf<T>::type;
    PT_INLINE constexpr Acc identity() { return 1; }
    PT_INLINE constexpr T fill() { return 1; }
    template <class V>
    PT_INLINE V lift(V x) {
        return x;
    }
    template <class A, class B>
    PT_INLINE A join(A a, B b) {
        return a * b;
    }
};

template <class T>
PT_INLINE constexpr T lowest() {
    if constexpr (is_float<T>)
        return static_cast<T>(-__builtin_inf());
    else if constexpr (static_cast<T>(-1) > static_cast<T>(0))
        return 0;
    else
        return static_cast<T>(static_cast<T>(1) << (sizeof(T) * 8 - 1));
}
template <class T>
PT_INLINE constexpr T highest() {
    if constexpr (is_float<T>)
        return static_cast<T>(__builtin_inf());
    else
        return static_cast<T>(~lowest<T>());
}

// The greatest element; the first NaN wins over everything.
template <class T>
struct Max : OneNumber<Max<T>> {
    using Acc = T;
    PT_INLINE constexpr T identity() { return lowest<T>(); }
    PT_INLINE constexpr T fill() { return lowest<T>(); }
    template <class V>
    PT_INLINE V lift(V x) {
        return x;
    }
    template <class V>
    PT_INLINE V join(V a, V b) {
        return ((a > b) | (a != a)) ? a : b;
    }
    PT_INLINE Vec<T> quick(Vec<T> a, Vec<T> b)
        requires(is_float<T>)
    {
        return max_hw<T>(a, b);
    }
    template <class V>
    PT_INLINE auto better(V a, V than) {
        return ((a > than) | (a != a)) & (than == than);
    }
};

template <class T>
struct Min : OneNumber<Min<T>> {
    using Acc = T;
    PT_INLINE constexpr T identity() { return highest<T>(); }
    PT_INLINE constexpr T fill() { return highest<T>(); }
    template <class V>
    PT_INLINE V lift(V x) {
        return x;
    }
    template <class V>
    PT_INLINE V join(V a, V b) {
        return ((a < b) | (a != a)) ? a : b;
    }
    PT_INLINE Vec<T> quick(Vec<T> a, Vec<T> b)
        requires(is_float<T>)
    {
        return min_hw<T>(a, b);
    }
    template <class V>
    PT_INLINE auto better(V a, V than) {
        return ((a < than) | (a != a)) & (than == than);
    }
};

// Truth as 0 and 1 of the element type; NaN is true.
template <class T>
PT_INLINE T truth(T x) {
    return static_cast<T>(x != 0);
}
template <class V>
PT_INLINE V truth_lanes(V x) {
    return x != 0 ? V{} + 1 : V{};
}

template <class T>
struct Any : OneNumber<Any<T>> {
    using Acc = T;
    PT_INLINE constexpr T identity() { return 0; }
    PT_INLINE constexpr T fill() { return 0; }
    template <class V>
    PT_INLINE V lift(V x) {
        if constexpr (sizeof(V) == sizeof(T))
            return truth<T>(x);
        else
            return truth_lanes<V>(x);
    }
    template <class V>
    PT_INLINE V join(V a, V b) {
        return a > b ? a : b;
    }
};

template <class T>
struct All : Any<T> {
    PT_INLINE constexpr T identity() { return 1; }
    PT_INLINE constexpr T fill() { return 1; }
    template <class V>
    PT_INLINE V join(V a, V b) {
        return a < b ? a : b;
    }
    PT_INLINE void accumulate(double& total, double&, double x) { total = join(total, x); }
    PT_INLINE void add(double x, int64_t j, ColumnState* s) { s->f[0][j] = join(s->f[0][j], x); }
};

}  // namespace pt::reduce::PT_ISA
