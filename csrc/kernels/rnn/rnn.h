// Recurrent networks: one layer in one direction over whole sequences, forward and backward. T is float or
// double.
//
// Sequences lie step after step, as rows: those of step t are [first_t, first_t + batch_t), a row per
// sequence. `batch_sizes` says how many sequences are still running at each step, and never grows (PyTorch's
// packed sequences); null: all of them at every step. With `reverse` the walk begins at the last step, and a
// shorter sequence joins it, from its initial state, at its own end.
//
//     tanh, relu   h' = f(W_ih x + b_ih + W_hh h + b_hh)
//     lstm         i, f, o = sigmoid(...), g = tanh(...): c' = f c + i g, h' = o tanh(c') or W_hr (o
//     tanh(c')) gru          r, z = sigmoid(...), n = tanh(W_in x + b_in + r (W_hn h + b_hn)): h' = (1 - z) n
//     + z h
//
// Sources: Elman, Finding Structure in Time (1990); Hochreiter and Schmidhuber, Long Short-Term Memory
// (1997), https://doi.org/10.1162/neco.1997.9.8.1735; Sak et al. (2014), https://arxiv.org/abs/1402.1128
// (projection); Cho et al. (2014), https://arxiv.org/abs/1406.1078 (GRU). Method: docs/performance/rnn.md.
#pragma once

#include <cstdint>

namespace pt::rnn {

enum class Mode { tanh, relu, lstm, gru };

struct Shape {
    Mode mode;
    int64_t steps, batch, input, hidden;
    int64_t projection;          // lstm only; 0: none
    const int64_t* batch_sizes;  // per step, batch_sizes[0] == batch; or null
    bool reverse;

    // Gates of a unit, which are blocks of `hidden` rows of the weights: i f g o, r z n.
    int64_t gates() const { return mode == Mode::lstm ? 4 : mode == Mode::gru ? 3 : 1; }
    int64_t state() const { return projection > 0 ? projection : hidden; }  // elements of h
    // What training keeps per row besides y: i f g o, and r z n with W_hn h + b_hn; nothing for tanh and
    // relu, whose gradients follow from y.
    int64_t kept() const { return mode == Mode::lstm || mode == Mode::gru ? 4 * hidden : 0; }
};

// All dense but y, whose rows are y_row apart. Biases are both null or both given.
template <class T>
struct Weights {
    const T *w_ih, *w_hh;  // [gates * hidden, input], [gates * hidden, state]
    const T *b_ih, *b_hh;  // [gates * hidden]
    const T* w_hr;         // [projection, hidden]
};

// x [rows, input], h0 [batch, state], c0 [batch, hidden] (lstm) give y [rows, state], h_n and c_n, which are
// like h0 and c0. In training `gates` [rows, kept] and, for lstm, `cells` [rows, hidden] keep what backward
// needs; null: nothing is kept.
template <class T>
struct ForwardArrays {
    const T *x, *h0, *c0;
    T* y;
    int64_t y_row;
    T *h_n, *c_n;
    T *gates, *cells;
};
template <class T>
void forward(const Shape& shape, const Weights<T>& weights, const ForwardArrays<T>& arrays);

// Gradients of a scalar of which those with respect to y (rows grad_y_row apart), h_n and c_n are given (each
// null where nothing depends on it). grad_x and the group of weights (grad_w_ih null: all of it) are computed
// when asked for, grad_h0 and grad_c0 always.
template <class T>
struct BackwardArrays {
    const T *x, *h0, *c0;
    const T* y;
    int64_t y_row;
    const T *gates, *cells;
    const T* grad_y;
    int64_t grad_y_row;
    const T *grad_h_n, *grad_c_n;
    T *grad_x, *grad_h0, *grad_c0;
    T *grad_w_ih, *grad_w_hh, *grad_b_ih, *grad_b_hh, *grad_w_hr;
};
template <class T>
void backward(const Shape& shape, const Weights<T>& weights, const BackwardArrays<T>& arrays);

}  // namespace pt::rnn
