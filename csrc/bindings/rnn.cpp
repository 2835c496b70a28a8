#include "bindings/bindings.h"

#include <string>

#include "base/check.h"
#include "kernels/rnn/rnn.h"

namespace pt {

namespace {

template <class Body>
void for_dtype(DType dtype, const Body& body) {
    if (dtype == DType::float32)
        body(float{});
    else
        body(double{});
}

rnn::Mode parse_mode(const std::string& name) {
    if (name == "tanh") return rnn::Mode::tanh;
    if (name == "relu") return rnn::Mode::relu;
    if (name == "lstm") return rnn::Mode::lstm;
    PT_CHECK(name == "gru", "rnn: unknown mode " + name);
    return rnn::Mode::gru;
}

// Arrays of one dtype, whose sizes are known.
struct Reader {
    DType dtype;

    char* dense(const py::object& array, int64_t size, const char* name) const {
        const ArrayView v = view(array, name);
        PT_CHECK(v.dtype == dtype && v.is_contiguous() && v.numel() == size,
                 std::string(name) + ": wrong dtype, size or layout");
        return v.data;
    }
    char* dense_or_null(const py::object& array, int64_t size, const char* name) const {
        return array.is_none() ? nullptr : dense(array, size, name);
    }
    // A matrix whose rows are contiguous, and how far they are apart, in elements.
    char* rows(const py::object& array, int64_t count, int64_t width, int64_t& apart,
               const char* name) const {
        const ArrayView v = view(array, name);
        PT_CHECK(v.dtype == dtype && v.ndim == 2 && v.shape[0] == count && v.shape[1] == width &&
                     (width == 1 || v.strides[1] == item_size(dtype)),
                 std::string(name) + ": wrong dtype, shape or layout");
        apart = v.strides[0] / item_size(dtype);
        return v.data;
    }
};

template <class T>
T* as(char* p) {
    return reinterpret_cast<T*>(p);
}

// The sizes that the arrays say, each checked: batch sizes add up to the rows of x.
rnn::Shape shape_of(const std::string& mode, const py::object& x, const py::object& batch_sizes,
                    const py::object& h0, const py::object& w_hh, const py::object& w_hr, bool reverse) {
    const ArrayView in = view(x, "x"), h = view(h0, "h0"), w = view(w_hh, "w_hh");
    PT_CHECK(in.dtype == DType::float32 || in.dtype == DType::float64, "x: expected float32 or float64");
    PT_CHECK(in.ndim == 2 && h.ndim == 2 && w.ndim == 2, "rnn: expected matrices");
    rnn::Shape s{parse_mode(mode), 0, h.shape[0], in.shape[1], 0, 0, nullptr, reverse};
    s.hidden = w.shape[0] / s.gates();
    if (!w_hr.is_none()) s.projection = view(w_hr, "w_hr").shape[0];
    PT_CHECK(s.projection == 0 || s.mode == rnn::Mode::lstm, "rnn: only lstm has a projection");
    if (batch_sizes.is_none()) {
        PT_CHECK(s.batch > 0 && in.shape[0] % s.batch == 0, "rnn: x does not consist of whole steps");
        s.steps = in.shape[0] / s.batch;
        return s;
    }
    const ArrayView sizes = view(batch_sizes, "batch_sizes");
    PT_CHECK(sizes.dtype == DType::int64 && sizes.ndim == 1 && sizes.is_contiguous() && sizes.shape[0] > 0,
             "batch_sizes: expected a contiguous int64 vector");
    s.steps = sizes.shape[0];
    s.batch_sizes = sizes.as<const int64_t>();
    int64_t rows = 0;
    for (int64_t t = 0; t < s.steps; ++t) {
        PT_CHECK(s.batch_sizes[t] > 0 && (t == 0 || s.batch_sizes[t] <= s.batch_sizes[t - 1]),
                 "batch_sizes: expected positive sizes that do not grow");
        rows += s.batch_sizes[t];
    }
    PT_CHECK(rows == in.shape[0] && s.batch_sizes[0] == s.batch, "batch_sizes: do not fit x and h0");
    return s;
}

struct WeightArrays {
    char *w_ih, *w_hh, *b_ih, *b_hh, *w_hr;

    template <class T>
    rnn::Weights<T> of() const {
        return {as<T>(w_ih), as<T>(w_hh), as<T>(b_ih), as<T>(b_hh), as<T>(w_hr)};
    }
};
WeightArrays weights_of(const rnn::Shape& s, const Reader& read, const py::object& w_ih,
                        const py::object& w_hh, const py::object& b_ih, const py::object& b_hh,
                        const py::object& w_hr) {
    const int64_t columns = s.gates() * s.hidden;
    PT_CHECK(b_ih.is_none() == b_hh.is_none(), "rnn: one bias without the other");
    return {read.dense(w_ih, columns * s.input, "w_ih"), read.dense(w_hh, columns * s.state(), "w_hh"),
            read.dense_or_null(b_ih, columns, "b_ih"), read.dense_or_null(b_hh, columns, "b_hh"),
            read.dense_or_null(w_hr, s.projection * s.hidden, "w_hr")};
}

int64_t work_of(const rnn::Shape& s, int64_t rows) {
    return rows * s.gates() * s.hidden * (s.input + s.state());
}

// Writes y, h_n and c_n (None unless lstm). In training returns (gates, cells), what backward needs; else
// None.
py::object forward(const std::string& mode, const py::object& x, const py::object& batch_sizes,
                   const py::object& h0, const py::object& c0, const py::object& w_ih, const py::object& w_hh,
                   const py::object& b_ih, const py::object& b_hh, const py::object& w_hr, bool reverse,
                   const py::object& y, const py::object& h_n, const py::object& c_n, bool training) {
    const rnn::Shape s = shape_of(mode, x, batch_sizes, h0, w_hh, w_hr, reverse);
    const ArrayView in = view(x, "x");
    const Reader read{in.dtype};
    const WeightArrays w = weights_of(s, read, w_ih, w_hh, b_ih, b_hh, w_hr);
    const int64_t rows = in.shape[0], states = s.batch * s.state(), cells = s.batch * s.hidden;
    const bool lstm = s.mode == rnn::Mode::lstm;
    writable_view(y, "y");
    writable_view(h_n, "h_n");
    if (lstm) writable_view(c_n, "c_n");
    int64_t y_row = 0;
    char* x_data = read.dense(x, rows * s.input, "x");
    char* h0_data = read.dense(h0, states, "h0");
    char* c0_data = lstm ? read.dense(c0, cells, "c0") : nullptr;
    char* y_data = read.rows(y, rows, s.state(), y_row, "y");
    char* h_n_data = read.dense(h_n, states, "h_n");
    char* c_n_data = lstm ? read.dense(c_n, cells, "c_n") : nullptr;
    py::object kept_gates = py::none(), kept_cells = py::none();
    char *gates_data = nullptr, *cells_data = nullptr;
    if (training && s.kept() > 0) {
        kept_gates = make_array({rows, s.kept()}, in.dtype);
        gates_data = view_of(kept_gates).data;
    }
    if (training && lstm) {
        kept_cells = make_array({rows, s.hidden}, in.dtype);
        cells_data = view_of(kept_cells).data;
    }
    {
        ReleaseGil release(work_of(s, rows));
        for_dtype(in.dtype, [&](auto t) {
            using T = decltype(t);
            rnn::forward<T>(s, w.of<T>(),
                            {as<T>(x_data), as<T>(h0_data), as<T>(c0_data), as<T>(y_data), y_row,
                             as<T>(h_n_data), as<T>(c_n_data), as<T>(gates_data), as<T>(cells_data)});
        });
    }
    if (!training) return py::none();
    return py::make_tuple(kept_gates, kept_cells);
}

// (grad_x, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh, grad_w_hr), None for what was not asked for or is not
// there; grad_h0 and grad_c0 are written.
py::object backward(const std::string& mode, const py::object& x, const py::object& batch_sizes,
                    const py::object& h0, const py::object& c0, const py::object& w_ih,
                    const py::object& w_hh, const py::object& b_ih, const py::object& b_hh,
                    const py::object& w_hr, bool reverse, const py::object& y, const py::object& gates,
                    const py::object& cells, const py::object& grad_y, const py::object& grad_h_n,
                    const py::object& grad_c_n, const py::object& grad_h0, const py::object& grad_c0,
                    bool need_x, bool need_weights) {
    const rnn::Shape s = shape_of(mode, x, batch_sizes, h0, w_hh, w_hr, reverse);
    const ArrayView in = view(x, "x");
    const Reader read{in.dtype};
    const WeightArrays w = weights_of(s, read, w_ih, w_hh, b_ih, b_hh, w_hr);
    const int64_t rows = in.shape[0], states = s.batch * s.state(), cell_count = s.batch * s.hidden;
    const int64_t columns = s.gates() * s.hidden;
    const bool lstm = s.mode == rnn::Mode::lstm;
    writable_view(grad_h0, "grad_h0");
    if (lstm) writable_view(grad_c0, "grad_c0");
    int64_t y_row = 0, grad_y_row = 0;
    char* x_data = read.dense(x, rows * s.input, "x");
    char* h0_data = read.dense(h0, states, "h0");
    char* c0_data = lstm ? read.dense(c0, cell_count, "c0") : nullptr;
    char* y_data = read.rows(y, rows, s.state(), y_row, "y");
    char* gates_data = s.kept() > 0 ? read.dense(gates, rows * s.kept(), "gates") : nullptr;
    char* cells_data = lstm ? read.dense(cells, rows * s.hidden, "cells") : nullptr;
    char* gy = grad_y.is_none() ? nullptr : read.rows(grad_y, rows, s.state(), grad_y_row, "grad_y");
    char* gh_n = read.dense_or_null(grad_h_n, states, "grad_h_n");
    char* gc_n = lstm ? read.dense_or_null(grad_c_n, cell_count, "grad_c_n") : nullptr;
    char* gh0 = read.dense(grad_h0, states, "grad_h0");
    char* gc0 = lstm ? read.dense(grad_c0, cell_count, "grad_c0") : nullptr;
    const auto make = [&](bool wanted, std::vector<int64_t> shape) -> py::object {
        return wanted ? make_array(shape, in.dtype) : py::none();
    };
    const auto data = [](const py::object& array) { return array.is_none() ? nullptr : view_of(array).data; };
    const bool biases = need_weights && w.b_ih != nullptr;
    py::object gx = make(need_x, {rows, s.input});
    py::object gw_ih = make(need_weights, {columns, s.input}),
               gw_hh = make(need_weights, {columns, s.state()});
    py::object gb_ih = make(biases, {columns}), gb_hh = make(biases, {columns});
    py::object gw_hr = make(need_weights && s.projection > 0, {s.projection, s.hidden});
    {
        char *px = data(gx), *pw_ih = data(gw_ih), *pw_hh = data(gw_hh), *pb_ih = data(gb_ih);
        char *pb_hh = data(gb_hh), *pw_hr = data(gw_hr);
        ReleaseGil release(work_of(s, rows));
        for_dtype(in.dtype, [&](auto t) {
            using T = decltype(t);
            rnn::backward<T>(
                s, w.of<T>(),
                {as<T>(x_data), as<T>(h0_data), as<T>(c0_data), as<T>(y_data), y_row, as<T>(gates_data),
                 as<T>(cells_data), as<T>(gy), grad_y_row, as<T>(gh_n), as<T>(gc_n), as<T>(px), as<T>(gh0),
                 as<T>(gc0), as<T>(pw_ih), as<T>(pw_hh), as<T>(pb_ih), as<T>(pb_hh), as<T>(pw_hr)});
        });
    }
    return py::make_tuple(gx, gw_ih, gw_hh, gb_ih, gb_hh, gw_hr);
}

}  // namespace

void bind_rnn(py::module_& m) {
    m.def("rnn_forward", &forward);
    m.def("rnn_backward", &backward);
}

}  // namespace pt
