#include "kernels/pointwise/pointwise.h"

#include <algorithm>

#include "base/check.h"
#include "bindings/bindings.h"

namespace pt {

namespace {

constexpr int kMaxParams = 8;

int find_op(const std::string& name) {
    const int op = pointwise::find(name.c_str());
    if (op < 0) throw py::value_error("pointwise: there is no op '" + name + "'");
    return op;
}

// The shape that the inputs broadcast to, aligned at the right end of `shape`; gives its number of axes.
int broadcast_shape(const ArrayView* views, int count, int64_t* shape) {
    int ndim = 0;
    for (int k = 0; k < count; ++k) ndim = std::max(ndim, views[k].ndim);
    std::fill(shape, shape + ndim, 1);
    for (int k = 0; k < count; ++k)
        for (int i = 0; i < views[k].ndim; ++i) {
            int64_t& size = shape[i + ndim - views[k].ndim];
            const int64_t own = views[k].shape[i];
            PT_CHECK(own == size || own == 1 || size == 1, "pointwise: the inputs' shapes do not broadcast");
            if (own != 1) size = own;
        }
    return ndim;
}

py::object make_result(const ArrayView* inputs, int count, int ndim, const int64_t* shape, DType dtype) {
    PyObject* array = new_result(inputs, count, ndim, shape, dtype);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(array);
}

// An uninitialised array for the element-by-element result of `inputs`: the shape that they broadcast to, the
// layout that PyTorch gives it (base/layout.h).
py::object empty_result(const std::vector<py::object>& inputs, int type_number) {
    std::vector<ArrayView> views;
    for (const py::object& input : inputs) views.push_back(view(input, "inputs"));
    const DType dtype = dtype_of_type(type_number);
    PT_CHECK(dtype != DType::unsupported, "new_result: unsupported dtype");
    int64_t shape[kMaxDims];
    const int count = static_cast<int>(views.size());
    const int ndim = broadcast_shape(views.data(), count, shape);
    return make_result(views.data(), count, ndim, shape, dtype);
}

// op(inputs..., params...), every input broadcast to the result's shape: a new array, or `out`.
py::object run(const std::string& name, const py::tuple& inputs, const py::tuple& params, py::object out) {
    const int op = find_op(name);
    const int arity = pointwise::arity(op);
    PT_CHECK(static_cast<int>(inputs.size()) == arity, "pointwise: " + name + ": wrong number of inputs");
    PT_CHECK(static_cast<int>(params.size()) == pointwise::num_params(op),
             "pointwise: " + name + ": wrong number of parameters");
    ArrayView views[3];
    for (int i = 0; i < arity; ++i) views[i] = view(inputs[i], "inputs");
    const bool selects = name == "where";
    const bool scales = name == "mul" || name == "div" || name == "floor_divide" || name == "trunc_divide";
    const DType dtype = views[scales ? 0 : arity - 1].dtype;
    for (int i = 0; i < arity; ++i) {
        const bool number = scales && i == 1 && views[1].dtype == DType::float32 && views[1].numel() == 1 &&
                            (dtype == DType::float16 || dtype == DType::bfloat16);
        PT_CHECK(number || views[i].dtype == (selects && i == 0 ? DType::boolean : dtype),
                 "pointwise: " + name + ": the inputs differ in dtype");
    }
    PT_CHECK(pointwise::supports(op, dtype), "pointwise: " + name + ": no kernel for this dtype");
    double values[kMaxParams];
    for (size_t i = 0; i < params.size(); ++i) values[i] = params[i].cast<double>();

    int64_t shape[kMaxDims];
    const int ndim = broadcast_shape(views, arity, shape);
    const DType result_dtype = pointwise::result_dtype(op, dtype);
    if (out.is_none()) out = make_result(views, arity, ndim, shape, result_dtype);
    const ArrayView result = writable_view(out, "out");
    PT_CHECK(result.dtype == result_dtype, "pointwise: " + name + ": out has another dtype");
    PT_CHECK(result.ndim == ndim && std::equal(shape, shape + ndim, result.shape),
             "pointwise: " + name + ": out has another shape");
    ReleaseGil release(result.numel());
    pointwise::run(op, views, result, values, dtype);
    return out;
}

// `input` as another real type, in the layout of an element-by-element result: a new array.
py::object cast(const py::object& input, int type_number) {
    const ArrayView in = view(input, "input");
    const DType dtype = dtype_of_type(type_number);
    PT_CHECK(pointwise::castable(in.dtype) && pointwise::castable(dtype), "cast: not between real types");
    py::object out = make_result(&in, 1, in.ndim, in.shape, dtype);
    const ArrayView result = view_of(out);
    ReleaseGil release(result.numel());
    pointwise::cast(in, result);
    return out;
}

// (name, arity, number of parameters) of every op.
py::list list_ops() {
    py::list all;
    for (int op = 0; op < pointwise::num_ops(); ++op)
        all.append(py::make_tuple(pointwise::name(op), pointwise::arity(op), pointwise::num_params(op)));
    return all;
}

DType dtype_of_descr(const py::object& descr) {
    const py::object empty = py::module_::import("numpy").attr("empty")(0, descr);
    return view_of(empty).dtype;
}

}  // namespace

void bind_pointwise(py::module_& m) {
    m.def("pointwise", &run, py::arg("name"), py::arg("inputs"), py::arg("params") = py::tuple(),
          py::arg("out") = py::none());
    m.def("pointwise_supports", [](const std::string& name, const py::object& dtype) {
        const int op = pointwise::find(name.c_str());
        return op >= 0 && pointwise::supports(op, dtype_of_descr(dtype));
    });
    m.def("pointwise_params", [](const std::string& name) { return pointwise::num_params(find_op(name)); });
    m.def("pointwise_ops", &list_ops);
    m.def("cast", &cast, py::arg("input"), py::arg("type_number"));
    m.def("new_result", &empty_result, py::arg("inputs"), py::arg("type_number"));
}

}  // namespace pt
