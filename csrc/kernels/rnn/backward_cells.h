// The gradients of the cells: one pass over the gates, for the tile of sums that has just been computed.
#pragma once

#include "kernels/rnn/forward.h"

namespace pt::rnn::PT_ISA {

template <class T>
struct BackwardRun {
    const Backward<T>& b;
    Packed<T> recurrent, projection;
    T* gates_grad;     // of the arguments of the gates; gru: those of the recurrent product
    int64_t grad_row;  // apart
    T* new_grad;       // gru: of n's argument [rows, hidden]
    T* state_grad;     // with a projection: of h [rows, state]
    T* unprojected;    // and o tanh(c) [rows, hidden]
};

// Of what the gradient of h consists: a tile of the recurrent product (or null), what lies in grad_h0, and
// grad_y.
template <class T>
struct Incoming {
    const T* sums;
    int64_t sums_row;
    bool with_initial, with_y;
};

template <class T>
struct IncomingRow {
    const T *sums, *initial, *y;

    template <class Access>
    __attribute__((always_inline)) Vec<T> get(int64_t at, const Access& v) const {
        Vec<T> x = sums != nullptr ? v.get(sums + at) : Vec<T>{};
        if (initial != nullptr) x += v.get(initial + at);
        if (y != nullptr) x += v.get(y + at);
        return x;
    }
};
template <class T>
PT_INLINE IncomingRow<T> incoming_row(const BackwardRun<T>& run, const Incoming<T>& from, int64_t i,
                                      int64_t r, int64_t row, int64_t first, int64_t unit) {
    const BackwardArrays<T>& a = run.b.arrays;
    return {from.sums != nullptr ? from.sums + (r - first) * from.sums_row : nullptr,
            from.with_initial ? a.grad_h0 + r * run.b.shape.state() + unit : nullptr,
            from.with_y && a.grad_y != nullptr && i >= 0 ? a.grad_y + row * a.grad_y_row + unit : nullptr};
}

// What the gradient of one row's cells reads and writes, from some unit on.
template <class T>
struct CellGrad {
    int64_t hidden;
    const T* gates;
    const T* y;       // (tanh, relu)
    const T* before;  // c (lstm) or h (gru) before the step
    const T* c;       // after the step (lstm)
    T* grad;          // of the gates' arguments
    T* new_grad;      // (gru)
    T* carried;       // in place: the gradient of c (lstm), what goes to the earlier h directly (gru)
    T* unprojected;   // or null (lstm)
};

template <class T, Mode mode, class Access>
PT_INLINE void apply_cell_grad(const CellGrad<T>& at, Vec<T> dh, int64_t u, const Access& v) {
    const Vec<T> one = constant<T>(1);
    const auto gate = [&](int g)
                          __attribute__((always_inline)) { return v.get(at.gates + g * at.hidden + u); };
    const auto put = [&](int g, Vec<T> x)
                         __attribute__((always_inline)) { v.put(at.grad + g * at.hidden + u, x); };
    if constexpr (mode == Mode::tanh) {
        const Vec<T> y = v.get(at.y + u);
        put(0, dh * (one - y * y));
    } else if constexpr (mode == Mode::relu) {
        put(0, select<T>(v.get(at.y + u) <= Vec<T>{}, Vec<T>{}, dh));
    } else if constexpr (mode == Mode::lstm) {
        const Vec<T> i = gate(0), f = gate(1), g = gate(2), o = gate(3);
        const Vec<T> t = quotient(tanh_fraction<T>(v.get(at.c + u)));
        const Vec<T> dc = v.get(at.carried + u) + dh * o * (one - t * t);
        put(0, dc * g * i * (one - i));
        put(1, dc * v.get(at.before + u) * f * (one - f));
        put(2, dc * i * (one - g * g));
        put(3, dh * t * o * (one - o));
        v.put(at.carried + u, dc * f);
        if (at.unprojected != nullptr) v.put(at.unprojected + u, o * t);
    } else {
        const Vec<T> r = gate(0), z = gate(1), n = gate(2), hn = gate(3);
        const Vec<T> dn = dh * (one - z) * (one - n * n);
        put(0, dn * hn * r * (one - r));
        put(1, dh * (v.get(at.before + u) - n) * z * (one - z));
        put(2, dn * r);
        v.put(at.new_grad + u, dn);
        v.put(at.carried + u, dh * z);
    }
}

// Units [unit, unit + units) of rows of number i of the walk; `from.sums` begins with the first of both.
template <class T, Mode mode>
static void cell_grads(const BackwardRun<T>& run, int64_t i, Range rows, int64_t unit, int64_t units,
                       const Incoming<T>& from) {
    constexpr int L = lanes<T>;
    const Shape& s = run.b.shape;
    const Walk& walk = run.b.walk;
    const BackwardArrays<T>& a = run.b.arrays;
    const int64_t hidden = s.hidden, count = least(units, hidden - unit);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        const int64_t row = walk.row(i) + r;
        const IncomingRow<T> dh = incoming_row(run, from, i, r, row, rows.begin, unit);
        CellGrad<T> at{};
        at.hidden = hidden;
        at.grad = run.gates_grad + row * run.grad_row + unit;
        if constexpr (mode == Mode::lstm) {
            at.gates = a.gates + row * 4 * hidden + unit;
            at.before = walk.previous(i, r, a.cells, hidden, a.c0, hidden) + unit;
            at.c = a.cells + row * hidden + unit;
            at.carried = a.grad_c0 + r * hidden + unit;
            at.unprojected = run.unprojected != nullptr ? run.unprojected + row * hidden + unit : nullptr;
        } else if constexpr (mode == Mode::gru) {
            at.gates = a.gates + row * 4 * hidden + unit;
            at.before = walk.previous(i, r, a.y, a.y_row, a.h0, hidden) + unit;
            at.new_grad = run.new_grad + row * hidden + unit;
            at.carried = a.grad_h0 + r * hidden + unit;
        } else {
            at.y = a.y + row * a.y_row + unit;
        }
        int64_t u = 0;
        for (; u + L <= count; u += L) apply_cell_grad<T, mode>(at, dh.get(u, Whole<T>{}), u, Whole<T>{});
        if (u < count) {
            const Part<T> rest{static_cast<int>(count - u)};
            apply_cell_grad<T, mode>(at, dh.get(u, rest), u, rest);
        }
    }
}

// Asks for what cell_grads will read of some rows: each gate of each row is a cache line of its own, far from
// the others, which no hardware foresees; the product that comes first gives it time to arrive.
template <class T, Mode mode>
PT_INLINE void prefetch_cells(const BackwardRun<T>& run, int64_t i, Range rows, int64_t unit, int64_t units) {
    constexpr int64_t line = 64 / sizeof(T);
    const Shape& s = run.b.shape;
    const BackwardArrays<T>& a = run.b.arrays;
    const int64_t count = least(units, s.hidden - unit), first = run.b.walk.row(i);
    for (int64_t row = first + rows.begin; row < first + rows.end; ++row)
        for (int64_t u = unit; u < unit + count; u += line) {
            if constexpr (mode == Mode::lstm || mode == Mode::gru)
                for (int64_t g = 0; g < 4; ++g)
                    __builtin_prefetch(a.gates + row * 4 * s.hidden + g * s.hidden + u);
            if constexpr (mode == Mode::lstm) __builtin_prefetch(a.cells + row * s.hidden + u);
            if (a.grad_y != nullptr) __builtin_prefetch(a.grad_y + row * a.grad_y_row + u);
        }
}

// With a projection: the gradient of h, whose product with the projection the cells need.
template <class T>
static void gather_state_grad(const BackwardRun<T>& run, int64_t i, Range rows, int64_t unit, int64_t units,
                              const Incoming<T>& from) {
    constexpr int L = lanes<T>;
    const int64_t state = run.b.shape.state(), count = least(units, state - unit);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        const int64_t row = run.b.walk.row(i) + r;
        const IncomingRow<T> dh = incoming_row(run, from, i, r, row, rows.begin, unit);
        for (int64_t u = 0; u < count; u += L) {
            const Part<T> part{static_cast<int>(least(count - u, L))};
            part.put(run.state_grad + row * state + unit + u, dh.get(u, part));
        }
    }
}

// The gradient of the initial state of rows that begin at the step whose product `sums` is.
template <class T, Mode mode>
static void leave_initial_grad(const BackwardRun<T>& run, Range rows, int64_t unit, int64_t units,
                               const T* sums, int64_t sums_row) {
    constexpr int L = lanes<T>;
    const int64_t state = run.b.shape.state(), count = least(units, state - unit);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        T* to = run.b.arrays.grad_h0 + r * state + unit;
        const T* sum = sums + (r - rows.begin) * sums_row;
        for (int64_t u = 0; u < count; u += L) {
            const Part<T> part{static_cast<int>(least(count - u, L))};
            const Vec<T> x = part.get(sum + u);
            part.put(to + u, mode == Mode::gru ? x + part.get(to + u) : x);
        }
    }
}

}  // namespace pt::rnn::PT_ISA
