// Backpropagation through time.
//
// Unrolled over its steps a recurrent network is a deep network whose layers share their weights. With a_t
// the gates' arguments, a_t = W_ih x_t + W_hh h_(t-1) + b, and h_t = cell(a_t, state), the chain rule walks
// it from its end:
//
//     dh_t  = (what y_t's gradient says) + W_hh^T da_(t+1)      the one thing that has to be done step by
//     step da_t  = dh_t through the cell: products with the gates' derivatives, which follow from their
//     values
//             (sigmoid' = s (1 - s), tanh' = 1 - t^2), so forward keeps the gates and never the arguments
//     dW_hh = sum over t of da_t h_(t-1)^T,  dW_ih = sum of da_t x_t^T,  db = sum of da_t,  dx_t = W_ih^T
//     da_t
//
// lstm carries a second gradient along, that of its cells: dc_t = dh_t o (1 - tanh^2 c_t) + dc_(t+1) f_(t+1).
// In gru, h_(t-1) also reaches h_t directly, which adds dh_t z to dh_(t-1).
//
// Here da_t of a step is one pass over the tile of the product W_hh^T da_(t+1) that has just been computed,
// with W_hh packed once. All da are kept, so that the sums over t are one large product each.
//
// Sources: Werbos, Backpropagation through time: what it does and how to do it (Proc. IEEE 78, 1990),
// https://doi.org/10.1109/5.58337; Graves, Supervised Sequence Labelling with Recurrent Neural Networks
// (2012), chapter 4 (LSTM's equations); Appleyard et al., Optimizing Performance of Recurrent Neural Networks
// on GPUs (2016), https://arxiv.org/abs/1604.01946 (one product for all steps where the recurrence allows).
#pragma once

#include "kernels/rnn/backward_cells.h"

namespace pt::rnn::PT_ISA {

// Number i of the walk (-1: what lies before it), for some sequences and strips of the state's columns. Rows
// that were at i + 1 too get their gradient from there, rows that ended at i from grad_h_n, which lies in
// grad_h0; rows that begin at i + 1 leave theirs in grad_h0.
template <class T, Mode mode>
static void backward_step(const BackwardRun<T>& run, int64_t i, Range rows, Range strips) {
    const Walk& walk = run.b.walk;
    const Packed<T>& w = run.recurrent;
    const int64_t now = walk.batch(i), later = walk.batch(i + 1), both = least(now, later);
    alignas(64) T sums[kMaxSums<T>];
    const int64_t sums_row = w.vecs * lanes<T>;
    for (int64_t strip = strips.begin; strip < strips.end; ++strip) {
        const int64_t unit = strip * w.units;
        const auto multiply = [&](Range part) {
            const T* a = run.gates_grad + (walk.row(i + 1) + part.begin) * run.grad_row;
            multiply_strip(w, strip, a, run.grad_row, part.end - part.begin, sums);
        };
        const auto finish = [&](Range part, bool has_sums, bool ended) {
            const Incoming<T> h{has_sums ? sums : nullptr, sums_row, ended || mode == Mode::gru, true};
            if (run.state_grad != nullptr)
                gather_state_grad(run, i, part, unit, w.units, h);
            else
                cell_grads<T, mode>(run, i, part, unit, w.units, h);
        };
        each_tile(intersection(rows, {0, both}), w.tile_rows(), [&](Range part) {
            if (run.state_grad == nullptr) prefetch_cells<T, mode>(run, i, part, unit, w.units);
            multiply(part);
            finish(part, true, false);
        });
        each_tile(intersection(rows, {both, now}), w.tile_rows(),
                  [&](Range part) { finish(part, false, true); });
        each_tile(intersection(rows, {both, later}), w.tile_rows(), [&](Range part) {
            multiply(part);
            leave_initial_grad<T, mode>(run, part, unit, w.units, sums, sums_row);
        });
    }
}

// The cells' gradients at number i from those of the projected state.
template <class T>
static void unproject_step(const BackwardRun<T>& run, int64_t i, Range rows, Range strips) {
    const Packed<T>& w = run.projection;
    const int64_t state = w.depth;
    alignas(64) T sums[kMaxSums<T>];
    for (int64_t strip = strips.begin; strip < strips.end; ++strip)
        each_tile(intersection(rows, {0, run.b.walk.batch(i)}), w.tile_rows(), [&](Range part) {
            const T* a = run.state_grad + (run.b.walk.row(i) + part.begin) * state;
            multiply_strip(w, strip, a, state, part.end - part.begin, sums);
            cell_grads<T, Mode::lstm>(run, i, part, strip * w.units, w.units,
                                      Incoming<T>{sums, w.vecs * lanes<T>, false, false});
        });
}

template <class T, Mode mode>
static void backward_walk(const BackwardRun<T>& run, const Sharing& sharing) {
    const Walk& walk = run.b.walk;
    const Range all_rows{0, walk.first[1]}, strips{0, run.recurrent.strips()};
    const bool projects = mode == Mode::lstm && run.state_grad != nullptr;
    const Range projected{0, projects ? run.projection.strips() : 0};
    if (sharing.by_rows || sharing.threads == 1) {
        parallel_for(0, sharing.threads, sharing.part(), [&](int64_t from, int64_t to) {
            const Range rows{first_sequence(walk, from, sharing.threads),
                             first_sequence(walk, to, sharing.threads)};
            for (int64_t i = walk.steps - 1; i >= -1; --i) {
                backward_step<T, mode>(run, i, rows, strips);
                if (projects && i >= 0) unproject_step(run, i, rows, projected);
            }
        });
        return;
    }
    run_team(sharing.threads, sharing.expected_us, [&](int thread, int team) {
        for (int64_t i = walk.steps - 1; i >= -1; --i) {
            backward_step<T, mode>(run, i, all_rows, even_part(strips, thread, team));
            if (team > 1) team_barrier();
            if (!projects || i < 0) continue;
            unproject_step(run, i, all_rows, even_part(projected, thread, team));
            if (team > 1) team_barrier();
        }
    });
}

// A single step, without packing.
template <class T, Mode mode>
static void backward_once(const BackwardRun<T>& run) {
    const Backward<T>& b = run.b;
    const Shape& s = b.shape;
    const int64_t batch = b.walk.first[1], columns = s.gates() * s.hidden, state = s.state();
    const bool projects = mode == Mode::lstm && run.state_grad != nullptr;
    pool::Scratch sums(sizeof(T) * static_cast<size_t>(batch * most(s.hidden, state)));
    T* dh = sums.as<T>();
    if (projects) {
        gather_state_grad(run, 0, {0, batch}, 0, state, Incoming<T>{nullptr, 0, true, true});
        product(b.products, batch, s.hidden, state, run.state_grad, state, 1, b.weights.w_hr, s.hidden, 1, dh,
                s.hidden);
    }
    parallel_for(0, batch, cell_work(columns), [&](int64_t begin, int64_t end) {
        const Incoming<T> h{projects ? dh + begin * s.hidden : nullptr, s.hidden, !projects, !projects};
        cell_grads<T, mode>(run, 0, {begin, end}, 0, s.hidden, h);
    });
    product(b.products, batch, state, columns, run.gates_grad, run.grad_row, 1, b.weights.w_hh, state, 1, dh,
            state);
    leave_initial_grad<T, mode>(run, {0, batch}, 0, state, dh, state);
}

// Columns [j, j + count) of sum_rows, count <= Vecs * L.
template <class T, int Vecs>
static void sum_some(const T* a, int64_t a_row, int64_t rows, int64_t count, T* to) {
    constexpr int L = lanes<T>;
    constexpr int64_t kBlock = 64;
    const int tail = static_cast<int>(count - (Vecs - 1) * L);
    Vec<T> totals[Vecs] = {};
    for (int64_t block = 0; block < rows; block += kBlock) {
        Vec<T> sums[Vecs] = {};
        for (int64_t r = block; r < least(block + kBlock, rows); ++r)
            for (int v = 0; v < Vecs; ++v) {
                const T* at = a + r * a_row + v * L;
                sums[v] += v < Vecs - 1 || tail == L ? load(at) : load_n(at, tail);
            }
        for (int v = 0; v < Vecs; ++v) totals[v] += sums[v];
    }
    for (int v = 0; v < Vecs; ++v) store_n(to + v * L, totals[v], v < Vecs - 1 ? L : tail);
}

// to[j] = sum over the rows of a, in blocks, so that rounding errors do not grow with the number of rows.
template <class T>
static void sum_rows(const T* a, int64_t a_row, int64_t rows, int64_t columns, T* to) {
    constexpr int L = lanes<T>;
    constexpr int64_t kWidth = 8 * L;
    parallel_for(0, ceil_div(columns, kWidth), Work{0.02 * sizeof(T) * static_cast<double>(rows * kWidth)},
                 [&](int64_t begin, int64_t end) {
                     int64_t j = begin * kWidth;
                     for (; j + kWidth <= least(end * kWidth, columns); j += kWidth)
                         sum_some<T, 8>(a + j, a_row, rows, kWidth, to + j);
                     for (; j < least(end * kWidth, columns); j += L)
                         sum_some<T, 1>(a + j, a_row, rows, least(columns - j, L), to + j);
                 });
}

// h before every row, as a matrix.
template <class T>
static void copy_previous_states(const Backward<T>& b, T* to) {
    const int64_t state = b.shape.state();
    const Walk& walk = b.walk;
    for (int64_t i = 0; i < walk.steps; ++i)
        for (int64_t r = 0; r < walk.batch(i); ++r)
            copy_row(walk.previous(i, r, b.arrays.y, b.arrays.y_row, b.arrays.h0, state), state,
                     to + (walk.row(i) + r) * state);
}

// The gradients that are sums over all steps.
template <class T>
static void weight_grads(const BackwardRun<T>& run) {
    const Backward<T>& b = run.b;
    const Shape& s = b.shape;
    const BackwardArrays<T>& a = b.arrays;
    const int64_t rows = b.walk.first[b.walk.steps], columns = s.gates() * s.hidden, state = s.state();
    const T* grad = run.gates_grad;
    if (a.grad_w_ih != nullptr) {
        pool::Scratch previous(sizeof(T) * static_cast<size_t>(rows * state));
        copy_previous_states(b, previous.as<T>());
        product(b.products, columns, state, rows, grad, 1, run.grad_row, previous.as<const T>(), state, 1,
                a.grad_w_hh, state);
        if (a.grad_b_hh != nullptr) sum_rows(grad, run.grad_row, rows, columns, a.grad_b_hh);
        if (s.projection > 0)
            product(b.products, s.projection, s.hidden, rows, run.state_grad, 1, state, run.unprojected,
                    s.hidden, 1, a.grad_w_hr, s.hidden);
    }
    // Of gru's n the input product has another gradient than the recurrent one, which is needed no more.
    if (s.mode == Mode::gru)
        for (int64_t r = 0; r < rows; ++r)
            copy_row(run.new_grad + r * s.hidden, s.hidden, run.gates_grad + r * run.grad_row + 2 * s.hidden);
    if (a.grad_w_ih != nullptr) {
        product(b.products, columns, s.input, rows, grad, 1, run.grad_row, a.x, s.input, 1, a.grad_w_ih,
                s.input);
        if (a.grad_b_ih != nullptr && s.mode == Mode::gru)
            sum_rows(grad, run.grad_row, rows, columns, a.grad_b_ih);
        else if (a.grad_b_ih != nullptr)
            copy_row(a.grad_b_hh, columns, a.grad_b_ih);
    }
    if (a.grad_x != nullptr)
        product(b.products, rows, s.input, columns, grad, run.grad_row, 1, b.weights.w_ih, s.input, 1,
                a.grad_x, s.input);
}

template <class T>
static void start_from(const T* grad, int64_t count, T* to) {
    constexpr int L = lanes<T>;
    if (grad != nullptr) return copy_row(grad, count, to);
    for (int64_t u = 0; u < count; u += L) store_n(to + u, Vec<T>{}, static_cast<int>(least(count - u, L)));
}

template <class T, Mode mode>
static void backward_as(const Backward<T>& b) {
    const Shape& s = b.shape;
    const Walk& walk = b.walk;
    const BackwardArrays<T>& a = b.arrays;
    const int64_t columns = s.gates() * s.hidden, state = s.state(), batch = walk.first[1];
    const int64_t rows = walk.first[walk.steps], once = walk.steps == 1;
    const auto bytes = [](bool wanted, int64_t count) {
        return wanted ? sizeof(T) * static_cast<size_t>(count) : 0;
    };
    start_from(a.grad_h_n, batch * state, a.grad_h0);
    if (mode == Mode::lstm) start_from(a.grad_c_n, batch * s.hidden, a.grad_c0);

    const bool projects = s.projection > 0;
    // Rows one cache line apart from a power of two: a tile reads many of them side by side.
    const int64_t grad_row = columns + (columns % 256 == 0 ? 64 / static_cast<int64_t>(sizeof(T)) : 0);
    pool::Scratch gates_grad(bytes(true, rows * grad_row));
    pool::Scratch new_grad(bytes(mode == Mode::gru, rows * s.hidden));
    pool::Scratch state_grad(bytes(projects, rows * state)), unprojected(bytes(projects, rows * s.hidden));
    const Operand<T> recurrent{b.weights.w_hh, columns, 1, state, state, 0, 1};
    const Operand<T> projection{b.weights.w_hr, s.projection, 1, s.hidden, s.hidden, 0, 1};
    const Room<T> w_hh(once ? 0 : packed_size(recurrent, batch));
    const Room<T> w_hr(once || !projects ? 0 : packed_size(projection, batch));
    BackwardRun<T> run{
        b, {}, {}, gates_grad.as<T>(), grad_row, new_grad.as<T>(), state_grad.as<T>(), unprojected.as<T>()};
    if (once) {
        backward_once<T, mode>(run);
    } else {
        run.recurrent = pack(recurrent, batch, w_hh.get());
        if (projects) run.projection = pack(projection, batch, w_hr.get());
        backward_walk<T, mode>(run, share(walk, columns * state, sizeof(T)));
    }
    weight_grads(run);
}

template <class T>
static void backward(const Backward<T>& b) {
    if (b.walk.steps == 0 || b.walk.first[1] == 0) return;
    if (b.shape.mode == Mode::tanh)
        backward_as<T, Mode::tanh>(b);
    else if (b.shape.mode == Mode::relu)
        backward_as<T, Mode::relu>(b);
    else if (b.shape.mode == Mode::lstm)
        backward_as<T, Mode::lstm>(b);
    else
        backward_as<T, Mode::gru>(b);
}

}  // namespace pt::rnn::PT_ISA
