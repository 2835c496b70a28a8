#include "bindings/bindings.h"

#include "base/check.h"
#include "kernels/matmul/matmul.h"

namespace pt {

namespace {

// `view` with axes of size 1 in front, up to ndim.
OwnedView lifted(const ArrayView& view, int ndim) {
    OwnedView v;
    v.data = view.data;
    v.dtype = view.dtype;
    v.ndim = ndim;
    const int missing = ndim - view.ndim;
    for (int i = 0; i < ndim; ++i) {
        v.sizes[i] = i < missing ? 1 : view.shape[i - missing];
        v.steps[i] = i < missing ? 0 : view.strides[i - missing];
    }
    v.shape = v.sizes;
    v.strides = v.steps;
    return v;
}

// a @ b for arrays with two axes or more, batch axes broadcast; into `out` when given.
py::object matmul_arrays(const py::object& a_array, const py::object& b_array, const py::object& out_array,
                         const py::object& bias_array, bool relu) {
    const ArrayView a_given = view(a_array, "a"), b_given = view(b_array, "b");
    PT_CHECK(a_given.ndim >= 2 && b_given.ndim >= 2, "matmul: expected two axes or more");
    const int ndim = a_given.ndim > b_given.ndim ? a_given.ndim : b_given.ndim;
    const OwnedView a = lifted(a_given, ndim), b = lifted(b_given, ndim);
    int64_t shape[kMaxDims];
    for (int i = 0; i < ndim - 2; ++i) shape[i] = a.shape[i] == 1 ? b.shape[i] : a.shape[i];
    shape[ndim - 2] = a.shape[ndim - 2];
    shape[ndim - 1] = b.shape[ndim - 1];
    py::object result = out_array.is_none() ? make_array(ndim, shape, a.dtype) : out_array;
    const ArrayView out = writable_view(result, "out");
    PT_CHECK(out.ndim == ndim, "matmul: out has the wrong number of axes");
    for (int i = 0; i < ndim; ++i) PT_CHECK(out.shape[i] == shape[i], "matmul: out has the wrong shape");
    const bool has_bias = !bias_array.is_none();
    const ArrayView bias = has_bias ? view(bias_array, "bias") : ArrayView{};
    ReleaseGil release(out.numel() * (a.shape[ndim - 1] + 1));
    matmul::matmul(a, b, out, has_bias ? &bias : nullptr,
                   relu ? matmul::Activation::relu : matmul::Activation::none);
    return result;
}

}  // namespace

void bind_matmul(py::module_& m) {
    m.def("matmul", &matmul_arrays, py::arg("a"), py::arg("b"), py::arg("out") = py::none(),
          py::arg("bias") = py::none(), py::arg("relu") = false);
}

}  // namespace pt
