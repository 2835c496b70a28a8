#include "bindings/bindings.h"

#include "base/check.h"
#include "kernels/index/index.h"

namespace pt {

namespace {

// What all of these insist on; that the indices are inside is the op's affair.
void check_index(const ArrayView& x, int axis, const ArrayView& index) {
    PT_CHECK(index.dtype == DType::int64, "index: expected int64");
    PT_CHECK(axis >= 0 && axis < x.ndim, "axis: no such axis");
}

py::object index_gather(const py::object& input, int axis, const py::object& index) {
    const ArrayView in = view(input, "input");
    const ArrayView places = view(index, "index");
    check_index(in, axis, places);
    PT_CHECK(places.ndim == in.ndim, "index: as many axes as input");
    const py::object result = make_array(places.ndim, places.shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(out.numel());
    index::gather(in, axis, places, out);
    return result;
}

void index_scatter(const py::object& target, int axis, const py::object& index, const py::object& source,
                   bool add) {
    const ArrayView out = writable_view(target, "out");
    const ArrayView places = view(index, "index");
    const ArrayView values = view(source, "source");
    check_index(out, axis, places);
    PT_CHECK(places.ndim == out.ndim && values.ndim == out.ndim, "index, source: as many axes as out");
    PT_CHECK(values.dtype == out.dtype, "source: the dtype of out");
    PT_CHECK(!add || index::can_add(out.dtype), "scatter_add: no kernel for this dtype");
    ReleaseGil nogil(places.numel());
    (add ? index::scatter_add : index::scatter)(out, axis, places, values);
}

bool index_in_bounds(const py::object& index, int64_t size) {
    const ArrayView places = view(index, "index");
    PT_CHECK(places.dtype == DType::int64 && places.is_contiguous(), "index: expected contiguous int64");
    ReleaseGil nogil(places.numel());
    return index::in_bounds(places.as<int64_t>(), places.numel(), size);
}

py::object index_take_rows(const py::object& input, int axis, const py::object& index) {
    const ArrayView in = view(input, "input");
    const ArrayView places = view(index, "index");
    check_index(in, axis, places);
    PT_CHECK(in.is_contiguous() && places.is_contiguous(), "take_rows: expected contiguous arrays");
    std::vector<int64_t> shape(in.shape, in.shape + axis);
    shape.insert(shape.end(), places.shape, places.shape + places.ndim);
    shape.insert(shape.end(), in.shape + axis + 1, in.shape + in.ndim);
    const py::object result = make_array(shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(out.numel());
    index::take_rows(in, axis, places.as<int64_t>(), places.numel(), out);
    return result;
}

void index_add_rows(const py::object& target, int axis, const py::object& index, const py::object& source) {
    const ArrayView out = writable_view(target, "out");
    const ArrayView places = view(index, "index");
    const ArrayView values = view(source, "source");
    check_index(out, axis, places);
    PT_CHECK(out.is_contiguous() && places.is_contiguous() && values.is_contiguous(),
             "add_rows: expected contiguous arrays");
    PT_CHECK(values.dtype == out.dtype && index::can_add(out.dtype), "add_rows: no kernel for these dtypes");
    PT_CHECK(values.ndim == out.ndim && values.shape[axis] == places.numel(), "source: a slice per index");
    ReleaseGil nogil(values.numel());
    index::add_rows(out, axis, places.as<int64_t>(), places.numel(), values);
}

}  // namespace

void bind_index(py::module_& m) {
    m.def("index_gather", &index_gather, py::arg("input"), py::arg("axis"), py::arg("index"));
    m.def("index_scatter", &index_scatter, py::arg("out"), py::arg("axis"), py::arg("index"),
          py::arg("source"), py::arg("add"));
    m.def("index_in_bounds", &index_in_bounds, py::arg("index"), py::arg("size"));
    m.def("index_take_rows", &index_take_rows, py::arg("input"), py::arg("axis"), py::arg("index"));
    m.def("index_add_rows", &index_add_rows, py::arg("out"), py::arg("axis"), py::arg("index"),
          py::arg("source"));
}

}  // namespace pt
