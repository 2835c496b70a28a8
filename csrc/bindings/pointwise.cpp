#include "kernels/pointwise/pointwise.h"

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

bool broadcasts_to(const ArrayView& in, const ArrayView& out) {
    if (in.ndim > out.ndim) return false;
    for (int i = 1; i <= in.ndim; ++i) {
        const int64_t size = in.shape[in.ndim - i];
        if (size != 1 && size != out.shape[out.ndim - i]) return false;
    }
    return true;
}

// out[...] = op(inputs..., params...), every input broadcast to out's shape.
void run(const std::string& name, const py::tuple& inputs, const py::tuple& params, const py::object& out) {
    const int op = find_op(name);
    const int arity = pointwise::arity(op);
    PT_CHECK(static_cast<int>(inputs.size()) == arity, "pointwise: " + name + ": wrong number of inputs");
    PT_CHECK(static_cast<int>(params.size()) == pointwise::num_params(op),
             "pointwise: " + name + ": wrong number of parameters");
    ArrayView views[3];
    const ArrayView result = writable_view(out, "out");
    for (int i = 0; i < arity; ++i) {
        views[i] = view(inputs[i], "inputs");
        PT_CHECK(broadcasts_to(views[i], result),
                 "pointwise: " + name + ": an input does not broadcast to out");
    }
    const DType dtype = views[arity - 1].dtype;
    const bool selects = name == "where";
    for (int i = 0; i < arity; ++i)
        PT_CHECK(views[i].dtype == (selects && i == 0 ? DType::boolean : dtype),
                 "pointwise: " + name + ": the inputs differ in dtype");
    PT_CHECK(pointwise::supports(op, dtype), "pointwise: " + name + ": no kernel for this dtype");
    PT_CHECK(result.dtype == pointwise::result_dtype(op, dtype),
             "pointwise: " + name + ": out has another dtype");
    double values[kMaxParams];
    for (size_t i = 0; i < params.size(); ++i) values[i] = params[i].cast<double>();
    ReleaseGil release(result.numel());
    pointwise::run(op, views, result, values);
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
    m.def("pointwise", &run, py::arg("name"), py::arg("inputs"), py::arg("params"), py::arg("out"));
    m.def("pointwise_supports", [](const std::string& name, const py::object& dtype) {
        const int op = pointwise::find(name.c_str());
        return op >= 0 && pointwise::supports(op, dtype_of_descr(dtype));
    });
    m.def("pointwise_ops", &list_ops);
}

}  // namespace pt
