// Scans of a block of lines. Where the lines are neighbours, a vector of them is scanned at once. Along a
// line without gaps, a vector is scanned in registers by log2(lanes) shifts [Hillis & Steele 1986], and what
// came before it joins last, so that only one operation waits for the vector before.
#pragma once

#include "kernels/reduce/functors.h"

namespace pt::reduce::PT_ISA {

// v moved up by `by` lanes, `fill` below.
template <class T>
PT_INLINE Vec<T> shift_lanes(Vec<T> v, Vec<T> fill, int by) {
    using Int = typename int_of<sizeof(T)>::type;
    const Vec<Int> lane = iota<Int>();
    const Int some = static_cast<Int>(by);
    return __builtin_shuffle(v, fill, lane < some ? lane + static_cast<Int>(lanes<T>) : lane - some);
}

// Lane i of the result joins the lanes up to i.
template <class T, class Join>
PT_INLINE Vec<T> scan_lanes(Vec<T> v, Vec<T> identity, const Join& join) {
#pragma GCC unroll 4
    for (int by = 1; by < lanes<T>; by *= 2) v = join(shift_lanes<T>(v, identity, by), v);
    return v;
}

template <class T>
PT_INLINE Vec<T> last_lane(Vec<T> v) {
    return __builtin_shuffle(v, broadcast(static_cast<typename int_of<sizeof(T)>::type>(lanes<T> - 1)));
}

template <class T>
struct WideOf {
    using type = T;
};
template <>
struct WideOf<float> {
    using type = double;
};

template <class T, template <class> class Functor>
struct ScanOf {
    // Floats are accumulated in double precision; integers wrap at 64 bits.
    using Wide = typename AccumulatorOf<typename WideOf<T>::type>::type;
    using Op = Functor<Wide>;

    static void run(const ScanBlock& b) {
        constexpr int64_t item = sizeof(T);
        if (b.line_in == item && b.line_out == item && b.lines >= lanes<T>) return side_by_side(b);
        if constexpr (sizeof(T) ==
                      4) {  // 64-bit integers need no help, doubles keep the order of their additions
            if (b.step_in == item && b.step_out == item) {
                for (int64_t i = 0; i < b.lines; ++i)
                    straight(reinterpret_cast<const T*>(b.in + i * b.line_in), b.n,
                             reinterpret_cast<T*>(b.out + i * b.line_out));
                return;
            }
        }
        int64_t i = 0;
        if constexpr (is_float<T>)  // an integer addition takes one cycle: nothing to hide
            for (; i + 4 <= b.lines; i += 4) some<4>(b, i);
        for (; i < b.lines; ++i) some<1>(b, i);
    }

  private:
    // In double precision.
    static void straight(const T* x, int64_t n, T* y) {
        using D = Vec<double>;
        constexpr int L = lanes<double>;
        typedef T Part __attribute__((vector_size(L * sizeof(T)), aligned(alignof(T)), may_alias));
        const D identity = broadcast<double>(Functor<double>::identity());
        D before = identity;
        int64_t i = 0;
        for (; i + L <= n; i += L) {
            const D v = __builtin_convertvector(*reinterpret_cast<const Part*>(x + i), D);
            const D scanned =
                scan_lanes<double>(v, identity, [](D a, D b) { return Functor<double>::join(a, b); });
            *reinterpret_cast<Part*>(y + i) =
                __builtin_convertvector(Functor<double>::join(before, scanned), Part);
            before = Functor<double>::join(before, last_lane<double>(scanned));
        }
        double last = before[0];
        for (; i < n; ++i) {
            last = Functor<double>::join(last, static_cast<double>(x[i]));
            y[i] = static_cast<T>(last);
        }
    }

    // Four lines at a time hide the latency of the additions; more would compete for the same cache sets.
    template <int W>
    static void some(const ScanBlock& b, int64_t first) {
        const char* x = b.in + first * b.line_in;
        char* y = b.out + first * b.line_out;
        Wide acc[W];
        for (int u = 0; u < W; ++u) acc[u] = Op::identity();
        for (int64_t i = 0; i < b.n; ++i)
            for (int u = 0; u < W; ++u) {
                const T v = *reinterpret_cast<const T*>(x + i * b.step_in + u * b.line_in);
                acc[u] = Op::join(acc[u], static_cast<Wide>(v));
                *reinterpret_cast<T*>(y + i * b.step_out + u * b.line_out) = static_cast<T>(acc[u]);
            }
    }

    static void side_by_side(const ScanBlock& b) {
        Wide acc[kScanLines];
        for (int64_t j = 0; j < b.lines; ++j) acc[j] = Op::identity();
        for (int64_t i = 0; i < b.n; ++i) {
            const T* x = reinterpret_cast<const T*>(b.in + i * b.step_in);
            T* __restrict y = reinterpret_cast<T*>(b.out + i * b.step_out);
            for (int64_t j = 0; j < b.lines; ++j) {
                acc[j] = Op::join(acc[j], static_cast<Wide>(x[j]));
                y[j] = static_cast<T>(acc[j]);
            }
        }
    }
};

// The best so far and the place of the last such element; NaN beats everything.
template <class T, bool Greatest>
struct ExtremesOf {
    static void run(const ScanBlock& b) {
        constexpr int64_t item = sizeof(T);
        constexpr int64_t index = sizeof(int64_t);
        if (b.line_in == item && b.line_out == item && b.line_place == index && b.lines > 4)
            return side_by_side(b);
        const bool whole = b.step_in == item && b.step_out == item && b.step_place == index;
        for (int64_t i = 0; i < b.lines; ++i) {
            const char* x = b.in + i * b.line_in;
            char* y = b.out + i * b.line_out;
            char* places = b.place + i * b.line_place;
            State state{*reinterpret_cast<const T*>(x), 0};
            if constexpr (item >= 4)
                if (whole) {
                    straight(reinterpret_cast<const T*>(x), b.n, reinterpret_cast<T*>(y),
                             reinterpret_cast<int64_t*>(places), state);
                    continue;
                }
            for (int64_t k = 0; k < b.n; ++k)
                state.take(*reinterpret_cast<const T*>(x + k * b.step_in), k,
                           reinterpret_cast<T*>(y + k * b.step_out),
                           reinterpret_cast<int64_t*>(places + k * b.step_place));
        }
    }

  private:
    static bool wins(T x, T best) { return (Greatest ? x >= best : x <= best) | (x != x); }
    PT_INLINE Vec<T> better(Vec<T> before, Vec<T> after) {  // of equals the one after
        return Greatest ? max_hw<T>(before, after) : min_hw<T>(before, after);
    }

    struct State {
        T best;
        int64_t place;
        PT_INLINE_MEMBER void take(T x, int64_t i, T* y, int64_t* at) {
            const bool better = wins(x, best);
            best = better ? x : best;
            place = better ? i : place;
            *y = best;
            *at = place;
        }
    };

    // In most vectors nothing beats the best so far.
    static void straight(const T* x, int64_t n, T* y, int64_t* places, State state) {
        constexpr int L = lanes<T>;
        using Int = typename int_of<sizeof(T)>::type;
        const Vec<T> identity = broadcast<T>(Greatest ? lowest<T>() : highest<T>());
        int64_t i = 0;
        for (; i + L <= n; i += L) {
            const Vec<T> v = load(x + i);
            const Vec<T> best = broadcast(state.best);
            const Mask<T> loses = Greatest ? v < best : v > best;
            if (first_lane<T>(~loses) == L) {
                store(y + i, best);
                for (int k = 0; k < L; ++k) places[i + k] = state.place;
            } else if (first_lane<T>(v != v) < L || state.best != state.best) {
                for (int k = 0; k < L; ++k) state.take(x[i + k], i + k, y + i + k, places + i + k);
            } else {
                const Vec<T> so_far = better(best, scan_lanes<T>(v, identity, better));
                const Vec<Int> none = broadcast<Int>(-1);
                const Vec<Int> won = scan_lanes<Int>(select<Int>(v == so_far, iota<Int>(), none), none,
                                                     [](Vec<Int> a, Vec<Int> b) { return a > b ? a : b; });
                Int at[L];
                store(at, won);
                store(y + i, so_far);
                for (int k = 0; k < L; ++k) places[i + k] = at[k] < 0 ? state.place : i + at[k];
                state = {so_far[L - 1], at[L - 1] < 0 ? state.place : i + at[L - 1]};
            }
        }
        for (; i < n; ++i) state.take(x[i], i, y + i, places + i);
    }

    static void side_by_side(const ScanBlock& b) {
        T best[kScanLines];
        int64_t place[kScanLines] = {};
        const T* first = reinterpret_cast<const T*>(b.in);
        for (int64_t j = 0; j < b.lines; ++j) best[j] = first[j];
        for (int64_t i = 0; i < b.n; ++i) {
            const T* x = reinterpret_cast<const T*>(b.in + i * b.step_in);
            T* __restrict y = reinterpret_cast<T*>(b.out + i * b.step_out);
            int64_t* __restrict at = reinterpret_cast<int64_t*>(b.place + i * b.step_place);
            for (int64_t j = 0; j < b.lines; ++j) {
                const bool better = wins(x[j], best[j]);
                best[j] = better ? x[j] : best[j];
                place[j] = better ? i : place[j];
                y[j] = best[j];
                at[j] = place[j];
            }
        }
    }
};

}  // namespace pt::reduce::PT_ISA

#define PT_SCANS_OF(functor) \
    {&ScanOf<float, functor>::run, &ScanOf<double, functor>::run, &ScanOf<int64_t, functor>::run}
#define PT_SCANS {PT_SCANS_OF(Sum), PT_SCANS_OF(Prod)}
#define PT_EXTREMES_OF(greatest)                                               \
    {&ExtremesOf<float, greatest>::run, &ExtremesOf<double, greatest>::run,    \
     &ExtremesOf<uint8_t, greatest>::run, &ExtremesOf<int32_t, greatest>::run, \
     &ExtremesOf<int64_t, greatest>::run}
#define PT_EXTREMES {PT_EXTREMES_OF(false), PT_EXTREMES_OF(true)}
