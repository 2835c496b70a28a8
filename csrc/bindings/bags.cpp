// Bags of rows of a table: csrc/kernels/index/bags.h on NumPy arrays.
#include "bindings/bindings.h"
#include "base/check.h"
#include "kernels/index/bags.h"
#include "kernels/index/index.h"

namespace pt {

namespace {

// The arguments that all of these share: numbers (int64), bounds (int64, or the size of every bag), padding.
struct BagArguments {
    index::Bags bags;
    int64_t total;    // numbers, in bags or not
    bool fit = true;  // every number is a row, bounds ascend from 0 on

    BagArguments(const py::object& numbers, const py::object& bounds, int64_t rows, int64_t columns,
                 int64_t padding) {
        const ArrayView places = view(numbers, "numbers");
        PT_CHECK(places.dtype == DType::int64 && places.is_contiguous(),
                 "numbers: expected contiguous int64");
        total = places.numel();
        bags.numbers = places.as<int64_t>();
        bags.padding = padding;
        bags.columns = columns;
        if (py::isinstance<py::int_>(bounds)) {
            bags.size = bounds.cast<int64_t>();
            PT_CHECK(places.ndim == 2 && places.shape[1] == bags.size, "numbers: a row for every bag");
            bags.count = places.shape[0];
        } else {
            const ArrayView ends = view(bounds, "bounds");
            PT_CHECK(ends.dtype == DType::int64 && ends.ndim == 1 && ends.is_contiguous() && ends.numel() > 0,
                     "bounds: expected a vector of int64");
            bags.bounds = ends.as<int64_t>();
            bags.count = ends.numel() - 1;
            fit = bags.bounds[0] == 0;
            int64_t before = 0;
            for (int64_t i = 0; i <= bags.count; ++i) {
                fit = fit && bags.bounds[i] >= before;
                before = bags.bounds[i];
            }
            fit = fit && before <= total;
        }
        fit = fit && index::in_bounds(bags.numbers, total, rows);
    }
};

void check_matrix(const ArrayView& x, const char* name) {
    PT_CHECK(x.ndim == 2 && x.is_contiguous(), name);
    PT_CHECK(index::can_bag(x.dtype), "bags: no kernel for this dtype");
}

ArrayView weights_view(const py::object& weights, const ArrayView& beside, int64_t total) {
    if (weights.is_none()) return {};
    const ArrayView each = view(weights, "weights");
    PT_CHECK(each.dtype == beside.dtype && each.is_contiguous() && each.numel() == total,
             "weights: one for each number, in the table's dtype");
    return each;
}

py::object bag_sum(const py::object& table, const py::object& numbers, const py::object& bounds,
                   int64_t padding, const py::object& weights, bool mean) {
    const ArrayView rows = view(table, "table");
    check_matrix(rows, "table: expected a contiguous matrix");
    const BagArguments given(numbers, bounds, rows.shape[0], rows.shape[1], padding);
    const ArrayView factors = weights_view(weights, rows, given.total);
    if (!given.fit) return py::none();
    const int64_t shape[2] = {given.bags.count, rows.shape[1]};
    const py::object result = make_array(2, shape, rows.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(given.total * rows.shape[1]);
    index::bag_sum(given.bags, rows, factors, mean, out);
    return result;
}

py::object bag_max(const py::object& table, const py::object& numbers, const py::object& bounds,
                   int64_t padding, bool with_places) {
    const ArrayView rows = view(table, "table");
    check_matrix(rows, "table: expected a contiguous matrix");
    const BagArguments given(numbers, bounds, rows.shape[0], rows.shape[1], padding);
    PT_CHECK(given.total < (int64_t{1} << 31), "numbers: less than 2^31 of them");
    if (!given.fit) return py::none();
    const int64_t shape[2] = {given.bags.count, rows.shape[1]};
    const py::object result = make_array(2, shape, rows.dtype);
    const py::object from = with_places ? make_array(2, shape, DType::int64) : py::object(py::none());
    const ArrayView out = view_of(result);
    int64_t* places = with_places ? view_of(from).as<int64_t>() : nullptr;
    {
        ReleaseGil nogil(given.total * rows.shape[1]);
        index::bag_max(given.bags, rows, out, places);
    }
    return py::make_tuple(result, from);
}

py::object bag_spread(const py::object& grad, const py::object& numbers, const py::object& bounds,
                      int64_t padding, const py::object& weights, bool mean, int64_t rows) {
    const ArrayView g = view(grad, "grad");
    check_matrix(g, "grad: expected a contiguous matrix");
    PT_CHECK(rows >= 0, "rows: not negative");
    const BagArguments given(numbers, bounds, rows, g.shape[1], padding);
    const ArrayView factors = weights_view(weights, g, given.total);
    PT_CHECK(given.fit && g.shape[0] == given.bags.count, "bags: they do not fit grad");
    const int64_t shape[2] = {rows, g.shape[1]};
    const py::object result = make_array(2, shape, g.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(out.numel() + given.total * g.shape[1]);
    index::bag_spread(given.bags, g, factors, mean, out);
    return result;
}

py::object bag_dot(const py::object& grad, const py::object& table, const py::object& numbers,
                   const py::object& bounds, int64_t padding) {
    const ArrayView g = view(grad, "grad");
    const ArrayView rows = view(table, "table");
    check_matrix(g, "grad: expected a contiguous matrix");
    check_matrix(rows, "table: expected a contiguous matrix");
    PT_CHECK(g.dtype == rows.dtype && g.shape[1] == rows.shape[1], "table: the columns of grad");
    const BagArguments given(numbers, bounds, rows.shape[0], rows.shape[1], padding);
    PT_CHECK(given.fit && g.shape[0] == given.bags.count, "bags: they do not fit grad");
    const py::object result = make_array(1, &given.total, g.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(given.total * g.shape[1]);
    index::bag_dot(given.bags, g, rows, out);
    return result;
}

}  // namespace

void bind_bags(py::module_& m) {
    m.def("bag_sum", &bag_sum, py::arg("table"), py::arg("numbers"), py::arg("bounds"), py::arg("padding"),
          py::arg("weights"), py::arg("mean"));
    m.def("bag_max", &bag_max, py::arg("table"), py::arg("numbers"), py::arg("bounds"), py::arg("padding"),
          py::arg("with_places"));
    m.def("bag_spread", &bag_spread, py::arg("grad"), py::arg("numbers"), py::arg("bounds"),
          py::arg("padding"), py::arg("weights"), py::arg("mean"), py::arg("rows"));
    m.def("bag_dot", &bag_dot, py::arg("grad"), py::arg("table"), py::arg("numbers"), py::arg("bounds"),
          py::arg("padding"));
}

}  // namespace pt
