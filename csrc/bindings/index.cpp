#include "bindings/bindings.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/index/copy.h"
#include "kernels/index/index.h"
#include "kernels/index/join.h"
#include "kernels/index/pad.h"
#include "kernels/index/sort.h"

namespace pt {

namespace {

// What all of these insist on. For an index outside they give None or False; what that means to the user is
// the op's affair.
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
    bool inside;
    {
        ReleaseGil nogil(out.numel());
        inside = index::gather(in, axis, places, out);
    }
    return inside ? result : py::none();
}

// start: an array like out that it is filled from, or None.
bool index_scatter(int reduction, const py::object& target, int axis, const py::object& index,
                   const py::object& source, const py::object& start, bool include_self) {
    const ArrayView out = writable_view(target, "out");
    const ArrayView places = view(index, "index");
    const ArrayView values = view(source, "source");
    const ArrayView before = start.is_none() ? out : view(start, "start");
    check_index(out, axis, places);
    PT_CHECK(reduction >= 0 && reduction <= static_cast<int>(index::Reduction::min), "no such reduction");
    const auto how = static_cast<index::Reduction>(reduction);
    PT_CHECK(places.ndim == out.ndim && values.ndim == out.ndim, "index, source: as many axes as out");
    PT_CHECK(values.dtype == out.dtype && index::can_reduce(how, out.dtype),
             "scatter: no kernel for these dtypes");
    PT_CHECK(before.ndim == out.ndim && before.dtype == out.dtype &&
                 (start.is_none() || (before.is_contiguous() && out.is_contiguous())),
             "start: contiguous, of out's dtype");
    for (int i = 0; i < out.ndim; ++i) {
        PT_CHECK(before.shape[i] == out.shape[i], "start: the shape of out");
        PT_CHECK(places.numel() == 0 ||
                     ((i == axis || places.shape[i] <= out.shape[i]) && places.shape[i] <= values.shape[i]),
                 "index: no larger than source, and than out beside the axis");
    }
    ReleaseGil nogil(places.numel());
    return index::scatter(how, before, out, axis, places, values, include_self);
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
    if (!index::in_bounds(places.as<int64_t>(), places.numel(), in.shape[axis])) return py::none();
    std::vector<int64_t> shape(in.shape, in.shape + axis);
    shape.insert(shape.end(), places.shape, places.shape + places.ndim);
    shape.insert(shape.end(), in.shape + axis + 1, in.shape + in.ndim);
    const py::object result = make_array(shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(out.numel());
    index::take_rows(in, axis, places.as<int64_t>(), places.numel(), out);
    return result;
}

void check_added(const ArrayView& x, int axis, const ArrayView& places, const ArrayView& values) {
    check_index(x, axis, places);
    PT_CHECK(x.is_contiguous() && places.is_contiguous() && values.is_contiguous(),
             "add_rows: expected contiguous arrays");
    PT_CHECK(values.dtype == x.dtype && index::can_add(x.dtype), "add_rows: no kernel for these dtypes");
    PT_CHECK(values.ndim == x.ndim && values.shape[axis] == places.numel(), "source: a slice per index");
    for (int i = 0; i < x.ndim; ++i)
        PT_CHECK(i == axis || values.shape[i] == x.shape[i], "source: slices of the same shape");
}

bool index_add_rows(const py::object& target, int axis, const py::object& index, const py::object& source) {
    const ArrayView out = writable_view(target, "out");
    const ArrayView places = view(index, "index");
    const ArrayView values = view(source, "source");
    check_added(out, axis, places, values);
    if (!index::in_bounds(places.as<int64_t>(), places.numel(), out.shape[axis])) return false;
    ReleaseGil nogil(values.numel());
    index::plus_rows(out, axis, places.as<int64_t>(), places.numel(), values, out);
    return true;
}

py::object index_plus_rows(const py::object& input, int axis, const py::object& index,
                           const py::object& source) {
    const ArrayView in = view(input, "input");
    const ArrayView places = view(index, "index");
    const ArrayView values = view(source, "source");
    check_added(in, axis, places, values);
    if (!index::in_bounds(places.as<int64_t>(), places.numel(), in.shape[axis])) return py::none();
    const py::object result = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(in.numel() + values.numel());
    index::plus_rows(in, axis, places.as<int64_t>(), places.numel(), values, out);
    return result;
}

void index_copy_into(const py::object& target, const py::object& source) {
    const ArrayView out = writable_view(target, "out");
    const ArrayView in = view(source, "source");
    PT_CHECK(in.dtype == out.dtype && in.ndim == out.ndim, "copy: the dtype and axes of out");
    for (int i = 0; i < in.ndim; ++i) PT_CHECK(in.shape[i] == out.shape[i], "copy: the shape of out");
    ReleaseGil nogil(in.numel());
    index::copy(in, out);
}

py::object index_join(const std::vector<py::object>& inputs, int axis) {
    PT_CHECK(!inputs.empty(), "join: no arrays");
    std::vector<ArrayView> parts;
    for (const py::object& input : inputs) parts.push_back(view(input, "input"));
    const ArrayView& first = parts[0];
    PT_CHECK(axis >= 0 && axis < first.ndim, "axis: no such axis");
    std::vector<int64_t> shape(first.shape, first.shape + first.ndim);
    shape[axis] = 0;
    for (const ArrayView& part : parts) {
        PT_CHECK(part.dtype == first.dtype && part.ndim == first.ndim, "join: one dtype, as many axes");
        for (int i = 0; i < first.ndim; ++i)
            PT_CHECK(i == axis || part.shape[i] == first.shape[i], "join: the same sizes beside the axis");
        shape[axis] += part.shape[axis];
    }
    const py::object result = make_array(shape, first.dtype);
    const ArrayView out = view_of(result);
    std::erase_if(parts, [](const ArrayView& part) { return part.numel() == 0; });
    ReleaseGil nogil(out.numel());
    index::join(parts.data(), static_cast<int64_t>(parts.size()), axis, out);
    return result;
}

void index_clear(const py::object& target) {
    const ArrayView out = writable_view(target, "out");
    PT_CHECK(out.is_contiguous(), "clear: expected a contiguous array");
    ReleaseGil nogil(out.numel());
    index::clear(out);
}

py::object index_triangle(const py::object& input, bool upper, int64_t diagonal) {
    const ArrayView in = view(input, "input");
    PT_CHECK(in.is_contiguous() && in.ndim >= 2, "triangle: expected contiguous matrices");
    const py::object result = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(in.numel());
    index::triangle(in, upper, diagonal, out);
    return result;
}

// mode: a Border. value: an array of one element of input's dtype.
py::object index_pad(const py::object& input, const std::vector<int64_t>& before,
                     const std::vector<int64_t>& shape, int mode, const py::object& value) {
    const ArrayView in = view(input, "input");
    const ArrayView element = view(value, "value");
    const size_t ndim = static_cast<size_t>(in.ndim);
    PT_CHECK(before.size() == ndim && shape.size() == ndim && ndim > 0, "pad: a width and a size per axis");
    PT_CHECK(mode >= 0 && mode <= static_cast<int>(index::Border::circular), "mode: no such border");
    PT_CHECK(element.dtype == in.dtype && element.numel() == 1, "value: one element of the input's dtype");
    PT_CHECK(in.shape[in.ndim - 1] <= 1 || in.strides[in.ndim - 1] == item_size(in.dtype),
             "input: contiguous along its last axis");
    const py::object result = make_array(shape, in.dtype);
    const ArrayView out = view_of(result);
    if (mode != 0 && out.numel() > 0) {
        for (int i = 0; i < in.ndim; ++i) {
            const int64_t after = shape[i] - in.shape[i] - before[i];
            const int64_t kept = in.shape[i] + std::min<int64_t>(before[i], 0) + std::min<int64_t>(after, 0);
            const int64_t most = mode == static_cast<int>(index::Border::reflect) ? in.shape[i] - 1 : kept;
            const bool any = mode == static_cast<int>(index::Border::replicate) && in.shape[i] > 0;
            PT_CHECK(any || std::max(before[i], after) <= most, "pad: not enough elements to repeat");
        }
    }
    ReleaseGil nogil(out.numel());
    index::pad(in, before.data(), static_cast<index::Border>(mode), element.data, out);
    return result;
}

// New arrays for `size` results along `axis` of input: (values, indices).
py::tuple new_selection(const ArrayView& in, int axis, int64_t size) {
    PT_CHECK(index::can_sort(in.dtype), "sort: no kernel for this dtype");
    PT_CHECK(axis >= 0 && axis < in.ndim, "axis: no such axis");
    PT_CHECK(in.shape[axis] < (int64_t{1} << 32), "sort: lines of less than 2^32 elements");
    std::vector<int64_t> shape(in.shape, in.shape + in.ndim);
    shape[axis] = size;
    return py::make_tuple(make_array(shape, in.dtype), make_array(shape, DType::int64));
}

py::tuple index_sort(const py::object& input, int axis, bool descending) {
    const ArrayView in = view(input, "input");
    py::tuple results = new_selection(in, axis, axis >= 0 && axis < in.ndim ? in.shape[axis] : 0);
    const ArrayView values = view_of(py::object(results[0]));
    const ArrayView places = view_of(py::object(results[1]));
    ReleaseGil nogil(in.numel() * 8);
    index::sort(in, axis, descending, values, places);
    return results;
}

py::tuple index_top_k(const py::object& input, int axis, int64_t k, bool largest) {
    const ArrayView in = view(input, "input");
    py::tuple results = new_selection(in, axis, k);
    PT_CHECK(k >= 0 && k <= in.shape[axis], "k: more than there are");
    const ArrayView values = view_of(py::object(results[0]));
    const ArrayView places = view_of(py::object(results[1]));
    ReleaseGil nogil(in.numel() * 2);
    index::top_k(in, axis, largest, values, places);
    return results;
}

// rank: an int, or an int64 array with one for every line.
py::tuple index_select_rank(const py::object& input, int axis, const py::object& rank) {
    const ArrayView in = view(input, "input");
    py::tuple results = new_selection(in, axis, 1);
    const ArrayView values = view_of(py::object(results[0]));
    const ArrayView places = view_of(py::object(results[1]));
    int64_t one = 0;
    const int64_t* ranks = nullptr;
    int64_t count = 1;
    if (py::isinstance<py::int_>(rank)) {
        one = rank.cast<int64_t>();
    } else {
        const ArrayView each = view(rank, "rank");
        PT_CHECK(each.dtype == DType::int64 && each.is_contiguous() && each.numel() == values.numel(),
                 "rank: one contiguous int64 for every line");
        ranks = each.as<int64_t>();
        count = each.numel();
    }
    for (int64_t i = 0; i < count; ++i) {
        const int64_t wanted = ranks != nullptr ? ranks[i] : one;
        PT_CHECK(wanted >= 0 && wanted < in.shape[axis], "rank: out of range");
    }
    ReleaseGil nogil(in.numel() * 2);
    index::select_rank(in, axis, one, ranks, values, places);
    return results;
}

py::object index_search_sorted(const py::object& sorted, const py::object& wanted, bool right) {
    const ArrayView edges = view(sorted, "edges");
    const ArrayView values = view(wanted, "values");
    PT_CHECK(edges.dtype == values.dtype && index::can_sort(edges.dtype),
             "search: no kernel for these dtypes");
    PT_CHECK(edges.is_contiguous() && values.is_contiguous(), "search: expected contiguous arrays");
    if (edges.ndim > 1) {
        bool fits = values.ndim == edges.ndim;
        for (int i = 0; fits && i + 1 < edges.ndim; ++i) fits = values.shape[i] == edges.shape[i];
        PT_CHECK(fits, "search: as many rows of edges as of values");
    }
    const py::object result = make_array(values.ndim, values.shape, DType::int64);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(values.numel() * 4);
    index::search_sorted(edges, values, right, out);
    return result;
}

}  // namespace

void bind_index(py::module_& m) {
    m.def("index_gather", &index_gather, py::arg("input"), py::arg("axis"), py::arg("index"));
    m.def("index_scatter", &index_scatter, py::arg("reduction"), py::arg("out"), py::arg("axis"),
          py::arg("index"), py::arg("source"), py::arg("start") = py::none(), py::arg("include_self") = true);
    m.def("index_in_bounds", &index_in_bounds, py::arg("index"), py::arg("size"));
    m.def("index_take_rows", &index_take_rows, py::arg("input"), py::arg("axis"), py::arg("index"));
    m.def("index_add_rows", &index_add_rows, py::arg("out"), py::arg("axis"), py::arg("index"),
          py::arg("source"));
    m.def("index_plus_rows", &index_plus_rows, py::arg("input"), py::arg("axis"), py::arg("index"),
          py::arg("source"));
    m.def("index_copy_into", &index_copy_into, py::arg("out"), py::arg("source"));
    m.def("index_join", &index_join, py::arg("inputs"), py::arg("axis"));
    m.def("index_clear", &index_clear, py::arg("out"));
    m.def("index_pad", &index_pad, py::arg("input"), py::arg("before"), py::arg("shape"), py::arg("mode"),
          py::arg("value"));
    m.def("index_triangle", &index_triangle, py::arg("input"), py::arg("upper"), py::arg("diagonal"));
    m.def("index_sort", &index_sort, py::arg("input"), py::arg("axis"), py::arg("descending") = false);
    m.def("index_top_k", &index_top_k, py::arg("input"), py::arg("axis"), py::arg("k"),
          py::arg("largest") = true);
    m.def("index_select_rank", &index_select_rank, py::arg("input"), py::arg("axis"), py::arg("rank"));
    m.def("index_search_sorted", &index_search_sorted, py::arg("edges"), py::arg("values"),
          py::arg("right") = false);
}

}  // namespace pt
