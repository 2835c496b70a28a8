// Forward: the input products of many steps at a time in one product, then step by step the recurrent
// product and the gates on top of it.
#pragma once

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/rnn/forward_cells.h"

namespace pt::rnn::PT_ISA {

constexpr int64_t kInputBytes = int64_t{1} << 19;  // that one input product writes: they stay in level 2

// Number i of the walk, for some sequences and strips of units.
template <class T, Mode mode>
static void forward_step(const ForwardRun<T>& run, int64_t i, Range rows, Range strips) {
    const Walk& walk = run.f.walk;
    const ForwardArrays<T>& a = run.f.arrays;
    const Packed<T>& w = run.recurrent;
    const int64_t carried = walk.carried(i), state = run.f.shape.state(), input = run.f.shape.input;
    alignas(64) T sums[kMaxSums<T>];
    for (int64_t strip = strips.begin; strip < strips.end; ++strip) {
        const auto tile = [&](Range part, const T* h, int64_t h_row) {
            const int64_t rows = part.end - part.begin;
            prefetch_cells(run, i, part, strip * w.units);
            const Factors<T> both[] = {{h + part.begin * h_row, h_row, w, strip},
                                       {a.x + (walk.row(i) + part.begin) * input, input, run.input, strip}};
            multiply_strips(both, run.fused ? 2 : 1, rows, sums);
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
        parallel_for(0, sharing.threads, sharing.part(), [&](int64_t from, int64_t to) {
            const Range rows{first_sequence(walk, from, sharing.threads),
                             first_sequence(walk, to, sharing.threads)};
            for (int64_t i = begin; i < end; ++i) {
                forward_step<T, mode>(run, i, rows, strips);
                project_step(run, i, rows, projected);
            }
        });
        return;
    }
    run_team(sharing.threads, sharing.expected_us, [&](int thread, int team) {
        for (int64_t i = begin; i < end; ++i) {
            forward_step<T, mode>(run, i, all_rows, even_part(strips, thread, team));
            if (team > 1) team_barrier();
            if (run.unprojected == nullptr) continue;
            project_step(run, i, all_rows, even_part(projected, thread, team));
            if (team > 1) team_barrier();
        }
    });
}

// Memory for as long as a forward pass takes.
template <class T>
struct Room {
    pool::Scratch memory;

    explicit Room(int64_t elements) : memory(sizeof(T) * static_cast<size_t>(elements)) {}
    T* get() const { return memory.as<T>(); }
};

// A single step: its weights are used once, which packing them would not pay for.
template <class T, Mode mode>
static void forward_once(ForwardRun<T>& run, const T* bias) {
    const Forward<T>& f = run.f;
    const Shape& s = f.shape;
    const int64_t batch = f.walk.first[1], columns = s.gates() * s.hidden, state = s.state();
    const Room<T> sums(batch * columns), pre(batch * columns);
    product(f.products, batch, columns, s.input, f.arrays.x, s.input, 1, f.weights.w_ih, 1, s.input,
            pre.get(), columns, bias);
    product(f.products, batch, columns, state, f.arrays.h0, state, 1, f.weights.w_hh, 1, state, sums.get(),
            columns);
    run.pre = pre.get();
    run.pre_row = columns;
    parallel_for(0, batch, cell_work(columns), [&](int64_t begin, int64_t end) {
        apply_cells<T, mode>(run, 0, {begin, end}, 0, s.hidden, sums.get() + begin * columns, columns,
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

// What the products are added to: b_ih + b_hh, but for gru's n, whose b_hn goes through the gate r.
template <class T>
static void add_biases(const Shape& s, const Weights<T>& w, T* to) {
    const int64_t columns = s.gates() * s.hidden, both = s.mode == Mode::gru ? 2 * s.hidden : columns;
    for (int64_t j = 0; j < columns; ++j)
        to[j] = w.b_ih == nullptr ? T(0) : j < both ? w.b_ih[j] + w.b_hh[j] : w.b_ih[j];
}

// Weights [gates * hidden, depth], transposed.
template <class T>
static Operand<T> recurrent_operand(int64_t depth, const Shape& s, const T* weights) {
    return {weights, depth, s.gates(), s.hidden, 1, s.hidden * depth, depth};
}
template <class T>
static int64_t packed_size(const Operand<T>& operand, int64_t rows) {
    const Packed<T> form = packed_form(operand, rows);
    return form.strips() * form.strip_size();
}
// Of a matrix [k, n] packed by Products::pack: rows of a strip are at most 256 bytes.
template <class T>
static int64_t product_size(int64_t k, int64_t n) {
    constexpr int64_t strip = 256 / sizeof(T);
    return k * ceil_div(n, strip) * strip;
}

// Whether input products come with the recurrent ones, tile by tile, which saves writing and reading them.
// Not so for few rows, for which reading W_ih once per step costs more, nor for gru, whose n wants both
// products.
template <class T, Mode mode>
static bool fuses_input(const Shape& s, int64_t batch) {
    constexpr int64_t kCached = int64_t{1} << 20, kManyRows = 32;
    const int64_t bytes = s.gates() * s.hidden * (s.input + s.state()) * static_cast<int64_t>(sizeof(T));
    return mode != Mode::gru && batch > products::max_rows(kMaxPart) &&
           (batch >= kManyRows || bytes <= kCached);
}

// Several steps: weights are packed, then the walk goes chunk by chunk.
template <class T, Mode mode>
static void forward_many(ForwardRun<T>& run, const T* bias) {
    const Forward<T>& f = run.f;
    const Shape& s = f.shape;
    const Walk& walk = f.walk;
    const ForwardArrays<T>& a = f.arrays;
    const int64_t columns = s.gates() * s.hidden, batch = walk.first[1];
    run.fused = fuses_input<T, mode>(s, batch);
    const Operand<T> recurrent = recurrent_operand(s.state(), s, f.weights.w_hh);
    const Operand<T> input = recurrent_operand(s.input, s, f.weights.w_ih);
    const Operand<T> projection{f.weights.w_hr, s.hidden, 1, s.projection, 1, 0, s.hidden};
    const Room<T> w_hh(packed_size(recurrent, batch)),
        w_hr(s.projection > 0 ? packed_size(projection, batch) : 0);
    const Room<T> w_ih(run.fused ? packed_size(input, batch) : product_size<T>(s.input, columns));
    run.recurrent = pack(recurrent, batch, w_hh.get());
    if (s.projection > 0) run.projection = pack(projection, batch, w_hr.get());
    const Sharing sharing = share(walk, columns * (s.state() + (run.fused ? s.input : 0)), sizeof(T));
    if (run.fused) {
        run.input = pack(input, batch, w_ih.get());
        run.pre = bias;
        return forward_walk<T, mode>(run, sharing, 0, walk.steps);
    }
    f.products.pack(s.input, columns, f.weights.w_ih, 1, s.input, w_ih.get());
    // Without gates the input products go where the results come, in training where the gates are kept.
    constexpr bool in_place = mode == Mode::tanh || mode == Mode::relu;
    const int64_t step_bytes = batch * columns * static_cast<int64_t>(sizeof(T));
    const int64_t chunk = least(walk.steps, most(1, kInputBytes / step_bytes));
    T* whole = in_place ? a.y : a.gates;
    const Room<T> part(whole == nullptr ? chunk * batch * columns : 0);
    run.pre_row = in_place ? a.y_row : whole != nullptr ? s.kept() : columns;
    for (int64_t begin = 0; begin < walk.steps; begin += chunk) {
        const int64_t end = least(begin + chunk, walk.steps);
        const int64_t one = walk.step(begin), other = walk.step(end - 1);
        const int64_t first = walk.first[least(one, other)], last = walk.first[most(one, other) + 1];
        T* to = whole != nullptr ? whole + first * run.pre_row : part.get();
        run.pre = to;
        run.pre_first = first;
        f.products.multiply_packed({last - first, columns, s.input, a.x + first * s.input, s.input, 1,
                                    w_ih.get(), to, run.pre_row, bias, matmul::Activation::none, false});
        forward_walk<T, mode>(run, sharing, begin, end);
    }
}

template <class T, Mode mode>
static void forward_as(const Forward<T>& f) {
    const Shape& s = f.shape;
    const int64_t columns = s.gates() * s.hidden, batch = f.walk.first[1];
    if (mode == Mode::lstm) copy_row(f.arrays.c0, batch * s.hidden, f.arrays.c_n);
    const Room<T> bias(columns), unprojected(s.projection > 0 ? batch * s.hidden : 0);
    add_biases(s, f.weights, bias.get());
    ForwardRun<T> run{f, {}, {}, {}, false, nullptr, 0, 0, unprojected.get()};
    if (f.walk.steps == 1)
        forward_once<T, mode>(run, bias.get());
    else
        forward_many<T, mode>(run, bias.get());
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
