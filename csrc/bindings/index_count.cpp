// Counting, for index.cpp.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/pool.h"
#include "bindings/bindings.h"
#include "kernels/index/count.h"

namespace pt {
namespace {

py::object zeros(int64_t n, DType dtype = DType::int64) {
    const py::object result = make_array(1, &n, dtype);
    std::memset(view_of(result).data, 0, static_cast<size_t>(n) * sizeof(int64_t));
    return result;
}

// The first n elements, without the room behind them.
py::object head(const ArrayView& all, int64_t n) {
    const py::object result = make_array(1, &n, all.dtype);
    std::memcpy(view_of(result).data, all.data, static_cast<size_t>(n * item_size(all.dtype)));
    return result;
}

// None when an element is negative.
py::object index_bin_counts(const py::object& input, int64_t minlength) {
    const ArrayView in = view(input, "input");
    PT_CHECK(index::can_count(in.dtype) && in.is_contiguous(), "bincount: expected contiguous integers");
    int64_t bits;
    {
        ReleaseGil nogil(in.numel());
        bits = index::common_bits(in);
    }
    if (bits < 0) return py::none();
    const py::object counts = zeros(std::max(in.numel() > 0 ? bits + 1 : 0, minlength));
    const ArrayView out = view_of(counts);
    {
        ReleaseGil nogil(in.numel());
        index::bin_counts(in, out);
    }
    int64_t n = out.numel();
    while (n > minlength && out.as<int64_t>()[n - 1] == 0) --n;
    return n == out.numel() ? counts : head(out, n);
}

// None when an element is negative.
py::object index_bin_weights(const py::object& input, const py::object& weights, int64_t minlength) {
    const ArrayView in = view(input, "input");
    const ArrayView w = view(weights, "weights");
    PT_CHECK(index::can_count(in.dtype) && in.is_contiguous(), "bincount: expected contiguous integers");
    PT_CHECK((w.dtype == DType::float32 || w.dtype == DType::float64) && w.is_contiguous() &&
                 w.numel() == in.numel(),
             "weights: a contiguous float32 or float64 for each element");
    const int64_t bits = index::common_bits(in);
    if (bits < 0) return py::none();
    const py::object totals = zeros(std::max(in.numel() > 0 ? bits + 1 : 0, minlength), DType::float64);
    const ArrayView out = view_of(totals);
    int64_t greatest;
    {
        ReleaseGil nogil(in.numel());
        greatest = index::bin_weights(in, w, out);
    }
    const int64_t n = std::max(greatest + 1, minlength);
    return n == out.numel() ? totals : head(out, n);
}

// (values, inverse or None, counts). runs: of each run of equal neighbours.
py::tuple index_unique(const py::object& input, bool runs, bool want_inverse) {
    const ArrayView in = view(input, "input");
    const bool known = in.dtype == DType::float32 || in.dtype == DType::float64 || index::can_count(in.dtype);
    PT_CHECK(known && in.is_contiguous(), "unique: expected a contiguous array of a wide type");
    const int64_t n = in.numel();
    PT_CHECK(n < (int64_t{1} << 32), "unique: less than 2^32 elements");
    const py::object values = make_array(1, &n, in.dtype);
    const py::object counts = make_array(1, &n, DType::int64);
    const py::object inverse = want_inverse ? make_array(in.ndim, in.shape, DType::int64) : py::none();
    const ArrayView value_view = view_of(values);
    const ArrayView count_view = view_of(counts);
    const ArrayView inverse_view = want_inverse ? view_of(inverse) : ArrayView{};
    int64_t found;
    {
        ReleaseGil nogil(n * 4);
        found = (runs ? index::unique_runs : index::unique)(in, value_view, count_view,
                                                            want_inverse ? &inverse_view : nullptr);
    }
    return py::make_tuple(head(value_view, found), inverse, head(count_view, found));
}

py::object index_histogram(const py::object& input, const py::object& bounds) {
    const ArrayView in = view(input, "input");
    const ArrayView edges = view(bounds, "edges");
    PT_CHECK((in.dtype == DType::float32 || in.dtype == DType::float64) && edges.dtype == in.dtype,
             "histogram: expected float32 or float64");
    PT_CHECK(in.is_contiguous() && edges.is_contiguous() && edges.ndim == 1 && edges.numel() >= 2,
             "histogram: contiguous, with at least two edges");
    const py::object counts = zeros(edges.numel() - 1);
    const ArrayView out = view_of(counts);
    ReleaseGil nogil(in.numel() * 2);
    index::histogram(in, edges, out);
    return counts;
}

}  // namespace

void bind_index_count(py::module_& m) {
    m.def("index_bin_counts", &index_bin_counts, py::arg("input"), py::arg("minlength"));
    m.def("index_bin_weights", &index_bin_weights, py::arg("input"), py::arg("weights"),
          py::arg("minlength"));
    m.def("index_unique", &index_unique, py::arg("input"), py::arg("runs"), py::arg("want_inverse"));
    m.def("index_histogram", &index_histogram, py::arg("input"), py::arg("edges"));
}

}  // namespace pt
