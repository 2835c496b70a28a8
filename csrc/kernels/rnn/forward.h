// Forward: the input products of many steps at a time in one product, then step by step the recurrent
// product and the gates on top of it.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/rnn/gates.h"
#include "kernels/rnn/packed.h"

namespace pt::rnn::PT_ISA {

constexpr int64_t kInputBytes = int64_t{1} << 19;  // that one input product writes: they stay in level 2

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
    const T* sums;  // the recurrent product; those of the next gate are `gate` further on
    int64_t gate;
    T* pre;  // the input product with biases; the next gate is `hidden` further on
    int64_t hidden;
    const T* h;       // before the step (gru)
    const T* bias_n;  // b_hn or null (gru)
    T* c;             // in place (lstm)
    T* kept_c;        // c after the step, or null (lstm)
    T* out;
    bool keep;  // the gates, in the place of `pre`
};

template <class T, Mode mode, class Access>
PT_INLINE void apply_cell(const Cell<T>& at, const Access& v) {
    const auto gate = [&](int g) __attribute__((always_inline)) {
        return v.get(at.pre + g * at.hidden) + v.get(at.sums + g * at.gate);
    };
    const auto keep = [&](int g, Vec<T> x) __attribute__((always_inline)) {
        if (at.keep) v.put(at.pre + g * at.hidden, x);
    };
    const Vec<T> one = constant<T>(1);
    if constexpr (mode == Mode::tanh) {
        v.put(at.out, quotient(tanh_fraction<T>(gate(0))));
    } else if constexpr (mode == Mode::relu) {
        v.put(at.out, max_hw<T>(Vec<T>{}, gate(0)));  // a NaN stays one
    } else if constexpr (mode == Mode::lstm) {
        const Fraction<T> i = sigmoid_fraction<T>(gate(0)), f = sigmoid_fraction<T>(gate(1));
        const Fraction<T> g = tanh_fraction<T>(gate(2)), o = sigmoid_fraction<T>(gate(3));
        const Vec<T> both = i.denominator * g.denominator, all = one / (both * f.denominator);
        const Vec<T> part = f.denominator * all;  // 1 / both
        const Vec<T> forget = f.numerator * (both * all);
        const Vec<T> c = forget * v.get(at.c) + i.numerator * g.numerator * part;
        const Fraction<T> t = tanh_fraction<T>(c);
        const Vec<T> last = one / (o.denominator * t.denominator);
        v.put(at.c, c);
        v.put(at.out, o.numerator * t.numerator * last);
        if (at.kept_c != nullptr) v.put(at.kept_c, c);
        keep(0, i.numerator * (g.denominator * part));
        keep(1, forget);
        keep(2, g.numerator * (i.denominator * part));
        keep(3, o.numerator * (t.denominator * last));
    } else {
        const Fraction<T> reset = sigmoid_fraction<T>(gate(0)), update = sigmoid_fraction<T>(gate(1));
        const Vec<T> both = one / (reset.denominator * update.denominator);
        const Vec<T> r = reset.numerator * (update.denominator * both);
        const Vec<T> z = update.numerator * (reset.denominator * both);
        Vec<T> hn = v.get(at.sums + 2 * at.gate);
        if (at.bias_n != nullptr) hn += v.get(at.bias_n);
        const Vec<T> n = quotient(tanh_fraction<T>(v.get(at.pre + 2 * at.hidden) + r * hn));
        v.put(at.out, (v.get(at.h) - n) * z + n);
        keep(0, r), keep(1, z), keep(2, n), keep(3, hn);
    }
}

// One walk over some steps whose input products are there.
template <class T>
struct ForwardRun {
    const Forward<T>& f;
    Packed<T> recurrent, projection;
    T* pre;  // input products, pre_row apart, from row pre_first
    int64_t pre_row, pre_first;
    T* unprojected;  // [batch, hidden], for the projection
    bool keep;
};

// The cells of units [unit, unit + units) in rows of number i of the walk; `sums` begins with the first of
// both.
template <class T, Mode mode>
static void apply_cells(const ForwardRun<T>& run, int64_t i, Range rows, int64_t unit, int64_t units,
                        const T* sums, int64_t sums_row, int64_t sums_gate) {
    constexpr int L = lanes<T>;
    const Shape& s = run.f.shape;
    const Walk& walk = run.f.walk;
    const ForwardArrays<T>& a = run.f.arrays;
    const int64_t hidden = s.hidden, end = least(unit + units, hidden);
    const T* bias_n = mode == Mode::gru && run.f.weights.b_hh ? run.f.weights.b_hh + 2 * hidden : nullptr;
    for (int64_t r = rows.begin; r < rows.end; ++r, sums += sums_row) {
        const int64_t row = walk.row(i) + r;
        const T* h = mode == Mode::gru ? walk.previous(i, r, a.y, a.y_row, a.h0, hidden) : nullptr;
        T* pre = run.pre + (row - run.pre_first) * run.pre_row;
        T* out = run.unprojected != nullptr ? run.unprojected + r * hidden : a.y + row * a.y_row;
        T* c = mode == Mode::lstm ? a.c_n + r * hidden : nullptr;
        T* kept_c = mode == Mode::lstm && a.cells != nullptr ? a.cells + row * hidden : nullptr;
        for (int64_t u = unit; u < end; u += L) {
            const Cell<T> cell{sums + (u - unit),
                               sums_gate,
                               pre + u,
                               hidden,
                               h != nullptr ? h + u : nullptr,
                               bias_n != nullptr ? bias_n + u : nullptr,
                               c != nullptr ? c + u : nullptr,
                               kept_c != nullptr ? kept_c + u : nullptr,
                               out + u,
                               run.keep};
            if (end - u >= L)
                apply_cell<T, mode>(cell, Whole<T>{});
            else
                apply_cell<T, mode>(cell, Part<T>{static_cast<int>(end - u)});
        }
    }
}

// Number i of the walk, for some sequences and strips of units.
template <class T, Mode mode>
static void forward_step(const ForwardRun<T>& run, int64_t i, Range rows, Range strips) {
    const Walk& walk = run.f.walk;
    const ForwardArrays<T>& a = run.f.arrays;
    const Packed<T>& w = run.recurrent;
    const int64_t carried = walk.carried(i), state = run.f.shape.state();
    alignas(64) T sums[kMaxSums<T>];
    for (int64_t strip = strips.begin; strip < strips.end; ++strip) {
        const auto tile = [&](Range part, const T* h, int64_t h_row) {
            multiply_strip(w, strip, h + part.begin * h_row, h_row, part.end - part.begin, sums);
            apply_cells<T, mode>(run, i, part, strip * w.units, w.units, sums, w.vecs * lanes<T>, lanes<T>);
        };
        each_tile(intersection(rows, {0, carried}), w.tile_rows(),
                  [&](Range part) { tile(part, a.y + walk.row(i - 1) * a.y_row, a.y_row); });
        each_tile(intersection(rows, {carried, walk.batch(i)}), w.tile_rows(),
                  [&](Range part) { tile(part, a.h0, state); });
    }
}

// Rows of sums into the rows of a matrix.
template <class T>
PT_INLINE void put_rows(const T* sums, int64_t sums_row, int64_t rows, int64_t columns, T* to,
                        int64_t to_row) {
    constexpr int L = lanes<T>;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t u = 0; u < columns; u += L)
            store_n(to + r * to_row + u, load(sums + r * sums_row + u),
                    static_cast<int>(least(columns - u, L)));
}

// h of number i from what the cells gave.
template <class T>
static void project_step(const ForwardRun<T>& run, int64_t i, Range rows, Range strips) {
    const ForwardArrays<T>& a = run.f.arrays;
    const Packed<T>& w = run.projection;
    const int64_t hidden = run.f.shape.hidden, first = run.f.walk.row(i);
    alignas(64) T sums[kMaxSums<T>];
    for (int64_t strip = strips.begin; strip < strips.end; ++strip)
        each_tile(intersection(rows, {0, run.f.walk.batch(i)}), w.tile_rows(), [&](Range part) {
            multiply_strip(w, strip, run.unprojected + part.begin * hidden, hidden, part.end - part.begin,
                           sums);
            const int64_t column = strip * w.units;
            put_rows(sums, w.vecs * lanes<T>, part.end - part.begin, least(w.units, w.columns - column),
                     a.y + (first + part.begin) * a.y_row + column, a.y_row);
        });
}

// Numbers [begin, end) of the walk.
template <class T, Mode mode>
static void forward_walk(const ForwardRun<T>& run, const Sharing& sharing, int64_t begin, int64_t end) {
    const Walk& walk = run.f.walk;
    const Range all_rows{0, walk.first[1]}, strips{0, run.recurrent.strips()};
    const Range projected{0, run.unprojected != nullptr ? run.projection.strips() : 0};
    if (sharing.by_rows || sharing.threads == 1) {
        parallel_for(0, sharing.threads, 1, [&](int64_t from, int64_t to) {
            const Range rows{first_sequence(walk, from, sharing.threads),
                             first_sequence(walk, to, sharing.threads)};
            for (int64_t i = begin; i < end; ++i) {
                forward_step<T, mode>(run, i, rows, strips);
                project_step(run, i, rows, projected);
            }
        });
        return;
    }
    run_team(sharing.threads, [&](int thread, int team) {
        for (int64_t i = begin; i < end; ++i) {
            forward_step<T, mode>(run, i, all_rows, even_part(strips, thread, team));
            if (team > 1) team_barrier();
            if (run.unprojected == nullptr) continue;
            project_step(run, i, all_rows, even_part(projected, thread, team));
            if (team > 1) team_barrier();
        }
    });
}

// A single step: its weights are used once, which packing them would not pay for.
template <class T, Mode mode>
static void forward_once(const ForwardRun<T>& run) {
    const Forward<T>& f = run.f;
    const Shape& s = f.shape;
    const int64_t batch = f.walk.first[1], columns = s.gates() * s.hidden, state = s.state();
    pool::Scratch sums(sizeof(T) * static_cast<size_t>(batch * columns));
    product(f.products, batch, columns, state, f.arrays.h0, state, 1, f.weights.w_hh, 1, state, sums.as<T>(),
            columns);
    parallel_for(0, batch, 1 + 32768 / columns, [&](int64_t begin, int64_t end) {
        apply_cells<T, mode>(run, 0, {begin, end}, 0, s.hidden, sums.as<T>() + begin * columns, columns,
                             s.hidden);
    });
    if (run.unprojected != nullptr)
        product(f.products, batch, s.projection, s.hidden, run.unprojected, s.hidden, 1, f.weights.w_hr, 1,
                s.hidden, f.arrays.y, f.arrays.y_row);
}

template <class T>
PT_INLINE void copy_row(const T* from, int64_t count, T* to) {
    constexpr int L = lanes<T>;
    for (int64_t u = 0; u < count; u += L) {
        const int n = static_cast<int>(least(count - u, L));
        store_n(to + u, load_n(from + u, n), n);
    }
}

// The last state of every sequence.
template <class T>
static void take_last_states(const Forward<T>& f) {
    const int64_t state = f.shape.state();
    for (int64_t i = 0; i < f.walk.steps; ++i)
        for (int64_t r = f.walk.batch(i + 1); r < f.walk.batch(i); ++r)
            copy_row(f.arrays.y + (f.walk.row(i) + r) * f.arrays.y_row, state, f.arrays.h_n + r * state);
}

// What the input product adds: b_ih + b_hh, but for gru's n, whose b_hn goes through the gate r.
template <class T>
static void add_biases(const Shape& s, const Weights<T>& w, T* to) {
    const int64_t columns = s.gates() * s.hidden, both = s.mode == Mode::gru ? 2 * s.hidden : columns;
    for (int64_t j = 0; j < columns; ++j) to[j] = j < both ? w.b_ih[j] + w.b_hh[j] : w.b_ih[j];
}

template <class T>
static Operand<T> recurrent_operand(const Shape& s, const Weights<T>& w) {
    return {w.w_hh, s.state(), s.gates(), s.hidden, 1, s.hidden * s.state(), s.state()};
}
template <class T>
static size_t packed_bytes(const Operand<T>& operand, int64_t rows) {
    const Packed<T> form = packed_form(operand, rows);
    return sizeof(T) * static_cast<size_t>(form.strips() * form.strip_size());
}

// Of a matrix [k, n] packed by Products::pack: rows of a strip are at most 256 bytes.
template <class T>
static size_t products_bytes(int64_t k, int64_t n) {
    constexpr int64_t strip = 256 / sizeof(T);
    return sizeof(T) * static_cast<size_t>(k * ceil_div(n, strip) * strip);
}

template <class T, Mode mode>
static void forward_as(const Forward<T>& f) {
    const Shape& s = f.shape;
    const Walk& walk = f.walk;
    const ForwardArrays<T>& a = f.arrays;
    const int64_t columns = s.gates() * s.hidden, batch = walk.first[1], once = walk.steps == 1;
    if (mode == Mode::lstm) copy_row(a.c0, batch * s.hidden, a.c_n);
    // Without gates the input products go where the results come, in training where the gates are kept.
    constexpr bool in_place = mode == Mode::tanh || mode == Mode::relu;
    const bool keep = a.gates != nullptr;
    const int64_t step_bytes = batch * columns * static_cast<int64_t>(sizeof(T));
    const int64_t chunk = least(walk.steps, most(1, kInputBytes / step_bytes));
    pool::Scratch products(in_place || keep ? 0 : sizeof(T) * static_cast<size_t>(chunk * batch * columns));
    pool::Scratch bias(f.weights.b_ih != nullptr ? sizeof(T) * static_cast<size_t>(columns) : 0);
    if (f.weights.b_ih != nullptr) add_biases(s, f.weights, bias.as<T>());
    const bool projects = s.projection > 0;
    pool::Scratch unprojected(projects ? sizeof(T) * static_cast<size_t>(batch * s.hidden) : 0);

    const Operand<T> recurrent = recurrent_operand(s, f.weights);
    const Operand<T> projection{f.weights.w_hr, s.hidden, 1, s.projection, 1, 0, s.hidden};
    pool::Scratch w_hh(once ? 0 : packed_bytes(recurrent, batch));
    pool::Scratch w_hr(once || !projects ? 0 : packed_bytes(projection, batch));
    pool::Scratch w_ih(once ? 0 : products_bytes<T>(s.input, columns));
    if (!once) f.products.pack(s.input, columns, f.weights.w_ih, 1, s.input, w_ih.as<T>());
    ForwardRun<T> run{f, {}, {}, nullptr, 0, 0, unprojected.as<T>(), keep};
    if (!once) run.recurrent = pack(recurrent, batch, w_hh.as<T>());
    if (!once && projects) run.projection = pack(projection, batch, w_hr.as<T>());
    run.pre_row = in_place ? a.y_row : keep ? s.kept() : columns;
    const Sharing sharing = share(walk, batch * columns * s.state());

    for (int64_t begin = 0; begin < walk.steps; begin += chunk) {
        const int64_t end = least(begin + chunk, walk.steps);
        const int64_t one = walk.step(begin), other = walk.step(end - 1);
        const int64_t first = walk.first[least(one, other)], last = walk.first[most(one, other) + 1];
        run.pre_first = in_place || keep ? 0 : first;
        run.pre = in_place ? a.y : keep ? a.gates : products.as<T>();
        const T* x = a.x + first * s.input;
        T* to = run.pre + (first - run.pre_first) * run.pre_row;
        if (once)
            product(f.products, last - first, columns, s.input, x, s.input, 1, f.weights.w_ih, 1, s.input, to,
                    run.pre_row, bias.as<const T>());
        else
            f.products.multiply_packed({last - first, columns, s.input, x, s.input, 1, w_ih.as<const T>(), to,
                                        run.pre_row, bias.as<const T>(), matmul::Activation::none, false});
        if (once)
            forward_once<T, mode>(run);
        else
            forward_walk<T, mode>(run, sharing, begin, end);
    }
    take_last_states(f);
}

template <class T>
static void forward(const Forward<T>& f) {
    if (f.walk.steps == 0 || f.walk.first[1] == 0) return;
    if (f.shape.mode == Mode::tanh)
        forward_as<T, Mode::tanh>(f);
    else if (f.shape.mode == Mode::relu)
        forward_as<T, Mode::relu>(f);
    else if (f.shape.mode == Mode::lstm)
        forward_as<T, Mode::lstm>(f);
    else
        forward_as<T, Mode::gru>(f);
}

}  // namespace pt::rnn::PT_ISA
