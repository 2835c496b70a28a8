// The cells: from the sums of a step to its gates and states.
//
// A cell is a chain of some hundred dependent instructions, more than the processor can look ahead to the
// next row. So cells with two functions one after the other are applied in two rounds over the rows of a
// tile, each with a chain of half the length, that leave what lies between them in the place of the sums.
#pragma once

#include "kernels/rnn/gates.h"
#include "kernels/rnn/packed.h"

namespace pt::rnn::PT_ISA {

// A vector of units, or the first n of one.
template <class T>
struct Whole {
    __attribute__((always_inline)) Vec<T> get(const T* p) const { return load(p); }
    __attribute__((always_inline)) void put(T* p, Vec<T> x) const { store(p, x); }
};
template <class T>
struct Part {
    int n;
    __attribute__((always_inline)) Vec<T> get(const T* p) const { return load_n(p, n); }
    __attribute__((always_inline)) void put(T* p, Vec<T> x) const { store_n(p, x, n); }
};

// What the cell of some neighbouring units of one row reads and writes.
template <class T>
struct Cell {
    T* sums;  // the product; that of the next gate is `gate` further on
    int64_t gate;
    const T* pre;  // what is added to it; that of the next gate is `hidden` further on
    int64_t hidden;
    T* kept;          // the gates, each `hidden` after the other, or null; may be where `pre` is
    const T* h;       // before the step (gru)
    const T* bias_n;  // b_hn or null (gru)
    T* c;             // in place (lstm)
    T* kept_c;        // c after the step, or null (lstm)
    T* out;
};

// How far the rows of a tile are apart in each.
struct CellSteps {
    int64_t sums, pre, kept, h, c, out;
};
template <class T, Mode mode>
PT_INLINE void next_row(Cell<T>& at, const CellSteps& steps) {
    at.sums += steps.sums;
    at.pre += steps.pre;
    at.out += steps.out;
    if constexpr (mode == Mode::lstm || mode == Mode::gru)
        if (at.kept != nullptr) at.kept += steps.kept;
    if constexpr (mode == Mode::lstm) {
        at.c += steps.c;
        if (at.kept_c != nullptr) at.kept_c += steps.c;
    }
    if constexpr (mode == Mode::gru) at.h += steps.h;
}

template <class T, class Access>
PT_INLINE Vec<T> argument(const Cell<T>& at, int gate, const Access& v) {
    return v.get(at.pre + gate * at.hidden) + v.get(at.sums + gate * at.gate);
}
template <class T, class Access>
PT_INLINE void keep(const Cell<T>& at, int gate, Vec<T> x, const Access& v) {
    if (at.kept != nullptr) v.put(at.kept + gate * at.hidden, x);
}

template <class T, Mode mode, class Access>
PT_INLINE void first_round(const Cell<T>& at, const Access& v) {
    const Vec<T> one = constant<T>(1);
    if constexpr (mode == Mode::tanh) {
        v.put(at.out, quotient(tanh_fraction<T>(argument(at, 0, v))));
    } else if constexpr (mode == Mode::relu) {
        v.put(at.out, max_hw<T>(Vec<T>{}, argument(at, 0, v)));  // a NaN stays one
    } else if constexpr (mode == Mode::lstm) {
        const Fraction<T> i = sigmoid_fraction<T>(argument(at, 0, v));
        const Fraction<T> f = sigmoid_fraction<T>(argument(at, 1, v));
        const Fraction<T> g = tanh_fraction<T>(argument(at, 2, v));
        const Fraction<T> o = sigmoid_fraction<T>(argument(at, 3, v));
        const Vec<T> both = i.denominator * g.denominator, all = one / (both * f.denominator);
        const Vec<T> part = f.denominator * all;  // 1 / both
        const Vec<T> forget = f.numerator * (both * all);
        const Vec<T> c = forget * v.get(at.c) + i.numerator * g.numerator * part;
        v.put(at.c, c);
        if (at.kept_c != nullptr) v.put(at.kept_c, c);
        keep(at, 0, i.numerator * (g.denominator * part), v);
        keep(at, 1, forget, v);
        keep(at, 2, g.numerator * (i.denominator * part), v);
        v.put(at.sums, o.numerator);
        v.put(at.sums + at.gate, o.denominator);
    } else {
        const Fraction<T> reset = sigmoid_fraction<T>(argument(at, 0, v));
        const Fraction<T> update = sigmoid_fraction<T>(argument(at, 1, v));
        const Vec<T> both = one / (reset.denominator * update.denominator);
        const Vec<T> r = reset.numerator * (update.denominator * both);
        const Vec<T> z = update.numerator * (reset.denominator * both);
        Vec<T> hn = v.get(at.sums + 2 * at.gate);
        if (at.bias_n != nullptr) hn += v.get(at.bias_n);
        v.put(at.sums, v.get(at.pre + 2 * at.hidden) + r * hn);
        v.put(at.sums + at.gate, z);
        keep(at, 0, r, v);
        keep(at, 1, z, v);
        keep(at, 3, hn, v);
    }
}

template <class T, Mode mode, class Access>
PT_INLINE void second_round(const Cell<T>& at, const Access& v) {
    if constexpr (mode == Mode::lstm) {
        const Fraction<T> o{v.get(at.sums), v.get(at.sums + at.gate)}, t = tanh_fraction<T>(v.get(at.c));
        const Vec<T> both = constant<T>(1) / (o.denominator * t.denominator);
        v.put(at.out, o.numerator * t.numerator * both);
        keep(at, 3, o.numerator * (t.denominator * both), v);
    } else {
        const Vec<T> n = quotient(tanh_fraction<T>(v.get(at.sums))), z = v.get(at.sums + at.gate);
        v.put(at.out, (v.get(at.h) - n) * z + n);
        keep(at, 2, n, v);
    }
}

// One walk over some steps.
template <class T>
struct ForwardRun {
    const Forward<T>& f;
    Packed<T> recurrent, input, projection;
    bool fused;    // input products come with the recurrent ones; else they are in `pre`
    const T* pre;  // input products and biases, pre_row apart, from row pre_first; fused: the biases, once
    int64_t pre_row, pre_first;
    T* unprojected;  // [batch, hidden], for the projection
};

template <class T, Mode mode>
PT_INLINE Cell<T> cell_of(const ForwardRun<T>& run, int64_t i, int64_t r, int64_t unit, T* sums,
                          int64_t gate) {
    const Shape& s = run.f.shape;
    const Walk& walk = run.f.walk;
    const ForwardArrays<T>& a = run.f.arrays;
    const int64_t row = walk.row(i) + r;
    Cell<T> at{};
    at.sums = sums;
    at.gate = gate;
    at.pre = run.pre + (row - run.pre_first) * run.pre_row + unit;
    at.hidden = s.hidden;
    at.out = (run.unprojected != nullptr ? run.unprojected + r * s.hidden : a.y + row * a.y_row) + unit;
    if constexpr (mode == Mode::lstm || mode == Mode::gru)
        at.kept = a.gates != nullptr ? a.gates + row * s.kept() + unit : nullptr;
    if constexpr (mode == Mode::lstm) {
        at.c = a.c_n + r * s.hidden + unit;
        at.kept_c = a.cells != nullptr ? a.cells + row * s.hidden + unit : nullptr;
    }
    if constexpr (mode == Mode::gru) {
        at.h = walk.previous(i, r, a.y, a.y_row, a.h0, s.hidden) + unit;
        at.bias_n = run.f.weights.b_hh != nullptr ? run.f.weights.b_hh + 2 * s.hidden + unit : nullptr;
    }
    return at;
}

// Asks for the input products that the cells of a strip will read: each gate of each row is a cache line of
// its own, far from the others, which no hardware foresees; the product that comes first gives it time to
// arrive.
template <class T>
PT_INLINE void prefetch_cells(const ForwardRun<T>& run, int64_t i, Range rows, int64_t unit) {
    if (run.fused) return;
    const Shape& s = run.f.shape;
    const int64_t first = run.f.walk.row(i) - run.pre_first, gates = s.gates();
    for (int64_t row = first + rows.begin; row < first + rows.end; ++row)
        for (int64_t g = 0; g < gates; ++g)
            __builtin_prefetch(run.pre + row * run.pre_row + g * s.hidden + unit);
}

// All rows begin at number i, or all were there before.
template <class T, Mode mode, class Access>
static void apply_rounds(const ForwardRun<T>& run, int64_t i, Range rows, int64_t unit, T* sums,
                         int64_t sums_row, int64_t gate, const Access& v) {
    const Shape& s = run.f.shape;
    const int64_t y_row = run.f.arrays.y_row;
    const CellSteps steps{sums_row, run.pre_row,
                          s.kept(), rows.begin < run.f.walk.carried(i) ? y_row : s.hidden,
                          s.hidden, run.unprojected != nullptr ? s.hidden : y_row};
    const Cell<T> first = cell_of<T, mode>(run, i, rows.begin, unit, sums, gate);
    Cell<T> at = first;
    for (int64_t r = rows.begin; r < rows.end; ++r, next_row<T, mode>(at, steps)) first_round<T, mode>(at, v);
    if constexpr (mode == Mode::lstm || mode == Mode::gru) {
        at = first;
        for (int64_t r = rows.begin; r < rows.end; ++r, next_row<T, mode>(at, steps))
            second_round<T, mode>(at, v);
    }
}

// The cells of units [unit, unit + units) in rows of number i of the walk; `sums`, which is overwritten,
// begins with the first of both.
template <class T, Mode mode>
static void apply_cells(const ForwardRun<T>& run, int64_t i, Range rows, int64_t unit, int64_t units, T* sums,
                        int64_t sums_row, int64_t gate) {
    constexpr int L = lanes<T>;
    const int64_t end = least(unit + units, run.f.shape.hidden);
    for (; unit < end; unit += L, sums += L)
        if (end - unit >= L)
            apply_rounds<T, mode>(run, i, rows, unit, sums, sums_row, gate, Whole<T>{});
        else
            apply_rounds<T, mode>(run, i, rows, unit, sums, sums_row, gate,
                                  Part<T>{static_cast<int>(end - unit)});
}

}  // namespace pt::rnn::PT_ISA
