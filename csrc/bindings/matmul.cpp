#include "bindings/bindings.h"

#include "base/check.h"
#include "base/pool.h"
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

matmul::Activation activation_of(const std::string& name) {
    if (name.empty()) return matmul::Activation::none;
    if (name == "relu") return matmul::Activation::relu;
    if (name == "gelu") return matmul::Activation::gelu;
    PT_CHECK(name == "gelu_tanh", "matmul: activation must be relu, gelu or gelu_tanh");
    return matmul::Activation::gelu_tanh;
}

// a @ b for arrays with two axes or more, batch axes broadcast; into `out` when given.
py::object matmul_arrays(const py::object& a_array, const py::object& b_array, const py::object& out_array,
                         const py::object& bias_array, const std::string& activation) {
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
    const matmul::Activation applied = activation_of(activation);
    const ArrayView bias = has_bias ? view(bias_array, "bias") : ArrayView{};
    ReleaseGil release(out.numel() * (a.shape[ndim - 1] + 1));
    matmul::matmul(a, b, out, has_bias ? &bias : nullptr, applied);
    return result;
}

// The roads of packed products for the tests: every matrix of `a` [count, m, k] by one packed b [k, n], added
// to `out` when it is given.
py::object matmul_packed(const py::object& a_array, const py::object& b_array, const py::object& out_array,
                         const py::object& bias_array, const std::string& activation) {
    const ArrayView a = view(a_array, "a"), b = view(b_array, "b");
    PT_CHECK(a.ndim == 3 && b.ndim == 2 && a.shape[2] == b.shape[0] && a.dtype == b.dtype,
             "matmul_packed: expected a [count, m, k] and b [k, n]");
    const int64_t shape[3] = {a.shape[0], a.shape[1], b.shape[1]};
    py::object result = out_array.is_none() ? make_array(3, shape, a.dtype) : out_array;
    const ArrayView out = writable_view(result, "out");
    PT_CHECK(out.ndim == 3 && out.is_contiguous() && out.dtype == a.dtype,
             "matmul_packed: out must be contiguous");
    const ArrayView bias = bias_array.is_none() ? ArrayView{} : view(bias_array, "bias");
    PT_CHECK(bias.data == nullptr || (bias.ndim == 1 && bias.is_contiguous() && bias.shape[0] == shape[2]),
             "matmul_packed: bias must be contiguous");
    pool::Scratch memory(matmul::packed_bytes(b.dtype, b.shape[0], b.shape[1]));
    const matmul::PackedB packed = matmul::pack(b, memory.as<void>());
    const auto run = [&](auto zero) {
        using T = decltype(zero);
        constexpr int64_t item = sizeof(T);
        for (int64_t i = 0; i < shape[0]; ++i)
            matmul::multiply<T>({shape[1], a.as<const T>() + i * (a.strides[0] / item), a.strides[1] / item,
                                 a.strides[2] / item, out.as<T>() + i * shape[1] * shape[2], shape[2],
                                 bias.as<const T>(), activation_of(activation), !out_array.is_none()},
                                packed);
    };
    ReleaseGil release(out.numel() * (b.shape[0] + 1));
    if (a.dtype == DType::float32)
        run(float{});
    else
        run(double{});
    return result;
}

}  // namespace

void bind_matmul(py::module_& m) {
    m.def("matmul", &matmul_arrays, py::arg("a"), py::arg("b"), py::arg("out") = py::none(),
          py::arg("bias") = py::none(), py::arg("activation") = "");
    m.def("matmul_packed", &matmul_packed, py::arg("a"), py::arg("b"), py::arg("out") = py::none(),
          py::arg("bias") = py::none(), py::arg("activation") = "");
}

}  // namespace pt
