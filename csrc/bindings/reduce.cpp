#include "bindings/bindings.h"

#include "base/check.h"

#include "kernels/reduce/reduce.h"
#include "kernels/reduce/scan.h"

namespace pt {

namespace {

int find_reduction(const std::string& name) {
    const int op = reduce::find(name.c_str());
    PT_CHECK(op >= 0, "unknown reduction " + name);
    return op;
}

// Results in new arrays without the reduced axes, or with them as size 1: an array, or a pair
// (values, indices) when indices are wanted.
py::object reduce_run(const std::string& name, const py::object& array, uint64_t axes, bool keepdim,
                      double param, bool with_indices) {
    const int op = find_reduction(name);
    const ArrayView in = view(array, "input");
    PT_CHECK(reduce::supports(op, in.dtype), name + ": no kernel for this dtype");
    PT_CHECK(!with_indices || reduce::has_indices(op), name + " has no indices");
    OwnedView shape(in);
    std::vector<int64_t> sizes;
    for (int i = 0; i < in.ndim; ++i) {
        const bool reduced = (axes >> i & 1) != 0;
        shape.sizes[i] = reduced ? 1 : in.shape[i];
        if (!reduced || keepdim) sizes.push_back(shape.sizes[i]);
    }
    const auto as_full = [&](const py::object& result, OwnedView& full) {
        const ArrayView small = view_of(result);
        full = shape;
        full.data = small.data;
        full.dtype = small.dtype;
        int64_t step = item_size(small.dtype);
        for (int i = in.ndim - 1; i >= 0; --i) {
            full.steps[i] = step;
            step *= full.sizes[i];
        }
    };
    OwnedView out, indices;
    const py::object values = make_array(sizes, reduce::result_dtype(op, in.dtype));
    as_full(values, out);
    py::object places;
    if (with_indices) {
        places = make_array(sizes, DType::int64);
        as_full(places, indices);
    }
    {
        ReleaseGil nogil(in.numel());
        reduce::run(op, in, axes, out, with_indices ? &indices : nullptr, param);
    }
    if (with_indices) return py::make_tuple(values, places);
    return values;
}

py::object reduce_scan(const std::string& name, const py::object& array, int axis, bool reverse) {
    PT_CHECK(name == "cumsum" || name == "cumprod", "unknown scan " + name);
    const ArrayView in = view(array, "input");
    PT_CHECK(reduce::can_scan(in.dtype), name + ": no kernel for this dtype");
    PT_CHECK(axis >= 0 && axis < in.ndim, name + ": no such axis");
    const py::object result = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(in.numel());
    reduce::scan(name == "cumsum" ? reduce::Scan::sum : reduce::Scan::product, in, axis, out, reverse);
    return result;
}

py::tuple reduce_scan_extremes(bool greatest, const py::object& array, int axis) {
    const ArrayView in = view(array, "input");
    PT_CHECK(reduce::can_scan_extremes(in.dtype), "cummax: no kernel for this dtype");
    PT_CHECK(axis >= 0 && axis < in.ndim, "cummax: no such axis");
    const py::object values = make_array(in.ndim, in.shape, in.dtype);
    const py::object places = make_array(in.ndim, in.shape, DType::int64);
    const ArrayView best = view_of(values);
    const ArrayView indices = view_of(places);
    {
        ReleaseGil nogil(in.numel());
        reduce::scan_extremes(greatest, in, axis, best, indices);
    }
    return py::make_tuple(values, places);
}

py::object reduce_scan_logsumexp(const py::object& array, int axis) {
    const ArrayView in = view(array, "input");
    PT_CHECK(in.dtype == DType::float32 || in.dtype == DType::float64,
             "logcumsumexp: no kernel for this dtype");
    PT_CHECK(axis >= 0 && axis < in.ndim, "logcumsumexp: no such axis");
    const py::object result = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(in.numel() * 8);
    reduce::scan_logsumexp(in, axis, out);
    return result;
}

}  // namespace

void bind_reduce(py::module_& m) {
    m.def("reduce_run", &reduce_run, py::arg("name"), py::arg("input"), py::arg("axes"), py::arg("keepdim"),
          py::arg("param") = 0.0, py::arg("with_indices") = false);
    m.def("reduce_scan", &reduce_scan, py::arg("name"), py::arg("input"), py::arg("axis"),
          py::arg("reverse") = false);
    m.def("reduce_scan_extremes", &reduce_scan_extremes, py::arg("greatest"), py::arg("input"),
          py::arg("axis"));
    m.def("reduce_scan_logsumexp", &reduce_scan_logsumexp, py::arg("input"), py::arg("axis"));
    m.def("reduce_supports", [](const std::string& name, const py::object& array) {
        return reduce::supports(find_reduction(name), view(array, "input").dtype);
    });
    m.def("reduce_names", [] {
        std::vector<std::string> names;
        for (int op = 0; op < reduce::num_ops(); ++op) names.emplace_back(reduce::name(op));
        return names;
    });
}

}  // namespace pt
