// The plain version: the equations of rnn.h and backward.h, one element at a time.
#include <cmath>
#include <vector>

#include "kernels/rnn/problem.h"

namespace pt::rnn {

namespace {

template <class T>
T sigmoid(T x) {
    return T(1) / (T(1) + std::exp(-x));
}

// sum over k of a[k * a_step] * b[k * b_step]
template <class T>
T dot(int64_t n, const T* a, int64_t a_step, const T* b, int64_t b_step) {
    double sum = 0;
    for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(a[k * a_step]) * b[k * b_step];
    return static_cast<T>(sum);
}

// One row at number i of the walk.
template <class T>
void forward_row(const Forward<T>& f, int64_t i, int64_t r) {
    const Shape& s = f.shape;
    const ForwardArrays<T>& a = f.arrays;
    const Weights<T>& w = f.weights;
    const int64_t row = f.walk.row(i) + r, hidden = s.hidden, state = s.state(), columns = s.gates() * hidden;
    const T* h = f.walk.previous(i, r, a.y, a.y_row, a.h0, state);
    std::vector<T> from_x(columns), from_h(columns), out(hidden);
    for (int64_t j = 0; j < columns; ++j) {
        from_x[j] =
            dot(s.input, a.x + row * s.input, 1, w.w_ih + j * s.input, 1) + (w.b_ih ? w.b_ih[j] : T(0));
        from_h[j] = dot(state, h, 1, w.w_hh + j * state, 1) + (w.b_hh ? w.b_hh[j] : T(0));
    }
    for (int64_t u = 0; u < hidden; ++u) {
        const auto gate = [&](int g) { return from_x[g * hidden + u] + from_h[g * hidden + u]; };
        T kept[4] = {};
        if (s.mode == Mode::tanh) {
            out[u] = std::tanh(gate(0));
        } else if (s.mode == Mode::relu) {
            out[u] = gate(0) <= T(0) ? T(0) : gate(0);
        } else if (s.mode == Mode::lstm) {
            const T in = sigmoid(gate(0)), forget = sigmoid(gate(1)), g = std::tanh(gate(2)),
                    o = sigmoid(gate(3));
            T& c = a.c_n[r * hidden + u];
            c = forget * c + in * g;
            out[u] = o * std::tanh(c);
            if (a.cells != nullptr) a.cells[row * hidden + u] = c;
            kept[0] = in, kept[1] = forget, kept[2] = g, kept[3] = o;
        } else {
            const T reset = sigmoid(gate(0)), z = sigmoid(gate(1)), hn = from_h[2 * hidden + u];
            const T n = std::tanh(from_x[2 * hidden + u] + reset * hn);
            out[u] = (h[u] - n) * z + n;
            kept[0] = reset, kept[1] = z, kept[2] = n, kept[3] = hn;
        }
        for (int g = 0; a.gates != nullptr && s.kept() > 0 && g < 4; ++g)
            a.gates[row * s.kept() + g * hidden + u] = kept[g];
    }
    for (int64_t u = 0; u < state; ++u)
        a.y[row * a.y_row + u] =
            s.projection > 0 ? dot(hidden, out.data(), 1, w.w_hr + u * hidden, 1) : out[u];
}

template <class T>
void forward(const Forward<T>& f) {
    const int64_t state = f.shape.state(), batch = f.walk.batch(f.walk.reverse ? f.walk.steps - 1 : 0);
    if (f.shape.mode == Mode::lstm)
        for (int64_t j = 0; j < batch * f.shape.hidden; ++j) f.arrays.c_n[j] = f.arrays.c0[j];
    for (int64_t i = 0; i < f.walk.steps; ++i)
        for (int64_t r = 0; r < f.walk.batch(i); ++r) {
            forward_row(f, i, r);
            for (int64_t u = 0; u < state; ++u)  // the last step of a row writes last
                f.arrays.h_n[r * state + u] = f.arrays.y[(f.walk.row(i) + r) * f.arrays.y_row + u];
        }
}

// What all rows add to: the gradients of the weights, each element a sum in double.
struct Sums {
    std::vector<double> w_ih, w_hh, b_ih, b_hh, w_hr;
};

// One row: dh and dc are those of the state behind it, and become those of the state before it.
template <class T>
void backward_row(const Backward<T>& b, int64_t i, int64_t r, T* dh, T* dc, Sums& sums) {
    const Shape& s = b.shape;
    const BackwardArrays<T>& a = b.arrays;
    const Weights<T>& w = b.weights;
    const int64_t row = b.walk.row(i) + r, hidden = s.hidden, state = s.state(), columns = s.gates() * hidden;
    const T* h = b.walk.previous(i, r, a.y, a.y_row, a.h0, state);
    const T* y = a.y + row * a.y_row;
    for (int64_t u = 0; u < state && a.grad_y != nullptr; ++u) dh[u] += a.grad_y[row * a.grad_y_row + u];
    std::vector<T> of_x(columns), of_h(columns), direct(state, T(0));
    for (int64_t u = 0; u < hidden; ++u) {
        const T d = s.projection > 0 ? dot(state, dh, 1, w.w_hr + u, hidden) : dh[u];
        const auto kept = [&](int g) { return a.gates[row * s.kept() + g * hidden + u]; };
        const auto put = [&](int g, T x) { of_x[g * hidden + u] = of_h[g * hidden + u] = x; };
        if (s.mode == Mode::tanh) {
            put(0, d * (T(1) - y[u] * y[u]));
        } else if (s.mode == Mode::relu) {
            put(0, y[u] <= T(0) ? T(0) : d);
        } else if (s.mode == Mode::lstm) {
            const T in = kept(0), forget = kept(1), g = kept(2), o = kept(3);
            const T t = std::tanh(a.cells[row * hidden + u]);
            const T before = b.walk.previous(i, r, a.cells, hidden, a.c0, hidden)[u];
            const T all = dc[u] + d * o * (T(1) - t * t);
            put(0, all * g * in * (T(1) - in));
            put(1, all * before * forget * (T(1) - forget));
            put(2, all * in * (T(1) - g * g));
            put(3, d * t * o * (T(1) - o));
            dc[u] = all * forget;
            for (int64_t p = 0; p < s.projection && a.grad_w_hr; ++p)
                sums.w_hr[p * hidden + u] += static_cast<double>(dh[p]) * (o * t);
        } else {
            const T reset = kept(0), z = kept(1), n = kept(2), hn = kept(3);
            const T dn = d * (T(1) - z) * (T(1) - n * n);
            put(0, dn * hn * reset * (T(1) - reset));
            put(1, d * (h[u] - n) * z * (T(1) - z));
            of_x[2 * hidden + u] = dn;
            of_h[2 * hidden + u] = dn * reset;
            direct[u] = d * z;
        }
    }
    for (int64_t u = 0; u < state; ++u) dh[u] = direct[u] + dot(columns, of_h.data(), 1, w.w_hh + u, state);
    for (int64_t k = 0; k < s.input && a.grad_x != nullptr; ++k)
        a.grad_x[row * s.input + k] = dot(columns, of_x.data(), 1, w.w_ih + k, s.input);
    for (int64_t j = 0; j < columns && a.grad_w_ih != nullptr; ++j) {
        const double dx = of_x[j], d = of_h[j];
        for (int64_t k = 0; k < s.input; ++k) sums.w_ih[j * s.input + k] += dx * a.x[row * s.input + k];
        for (int64_t k = 0; k < state; ++k) sums.w_hh[j * state + k] += d * h[k];
        sums.b_ih[j] += dx;
        sums.b_hh[j] += d;
    }
}

template <class T>
void write(const std::vector<double>& from, T* to) {
    if (to == nullptr) return;
    for (size_t j = 0; j < from.size(); ++j) to[j] = static_cast<T>(from[j]);
}

template <class T>
void backward(const Backward<T>& b) {
    const Shape& s = b.shape;
    const BackwardArrays<T>& a = b.arrays;
    const int64_t state = s.state(), hidden = s.hidden, columns = s.gates() * hidden;
    const int64_t batch = b.walk.batch(b.walk.reverse ? b.walk.steps - 1 : 0);
    for (int64_t j = 0; j < batch * state; ++j) a.grad_h0[j] = a.grad_h_n ? a.grad_h_n[j] : T(0);
    for (int64_t j = 0; j < batch * hidden && s.mode == Mode::lstm; ++j)
        a.grad_c0[j] = a.grad_c_n ? a.grad_c_n[j] : T(0);
    const auto zeros = [](int64_t n) { return std::vector<double>(static_cast<size_t>(n), 0.0); };
    Sums sums{zeros(columns * s.input), zeros(columns * state), zeros(columns), zeros(columns),
              zeros(s.projection * hidden)};
    for (int64_t i = b.walk.steps - 1; i >= 0; --i)
        for (int64_t r = 0; r < b.walk.batch(i); ++r)
            backward_row(b, i, r, a.grad_h0 + r * state,
                         s.mode == Mode::lstm ? a.grad_c0 + r * hidden : nullptr, sums);
    if (a.grad_w_ih == nullptr) return;
    write(sums.w_ih, a.grad_w_ih);
    write(sums.w_hh, a.grad_w_hh);
    write(sums.b_ih, a.grad_b_ih);
    write(sums.b_hh, a.grad_b_hh);
    write(sums.w_hr, a.grad_w_hr);
}

}  // namespace

namespace plain {
extern const Kernels kernels;
const Kernels kernels = {{&forward<float>, &backward<float>}, {&forward<double>, &backward<double>}};
}  // namespace plain

}  // namespace pt::rnn
