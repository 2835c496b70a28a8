#include "bindings/bindings.h"

#include "base/check.h"
#include "kernels/conv/conv.h"

namespace pt {

namespace {

using Sizes = std::vector<int64_t>;

conv::Params params_of(const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups) {
    PT_CHECK(!stride.empty() && stride.size() <= 3 && padding.size() == stride.size() &&
                 dilation.size() == stride.size(),
             "conv: stride, padding and dilation must have one entry per spatial axis");
    conv::Params p{};
    p.groups = groups;
    for (size_t i = 0; i < stride.size(); ++i) {
        p.stride[i] = stride[i];
        p.padding[i] = padding[i];
        p.dilation[i] = dilation[i];
    }
    return p;
}

void check_spatial(const ArrayView& x, size_t spatial) {
    PT_CHECK(x.ndim == static_cast<int>(spatial) + 2, "conv: wrong number of axes for this stride");
}

// A bias or null; `channels` is what it must have.
const ArrayView* bias_view(const py::object& bias, ArrayView& storage, DType dtype, int64_t channels) {
    if (bias.is_none()) return nullptr;
    storage = view(bias, "bias");
    PT_CHECK(storage.ndim == 1 && storage.shape[0] == channels && storage.dtype == dtype,
             "conv: bias must have one element per channel, of the same dtype");
    return &storage;
}

py::object conv_forward(const py::object& input, const py::object& weight, const py::object& bias,
                        const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups,
                        const Sizes& out_size) {
    const ArrayView x = view(input, "input"), w = view(weight, "weight");
    const conv::Params p = params_of(stride, padding, dilation, groups);
    check_spatial(x, stride.size());
    PT_CHECK(w.ndim == x.ndim && out_size.size() == stride.size(), "conv: wrong number of axes");
    Sizes shape{x.shape[0], w.shape[0]};
    shape.insert(shape.end(), out_size.begin(), out_size.end());
    py::object result = make_array(shape, x.dtype);
    const ArrayView out = view_of(result);
    ArrayView storage;
    const ArrayView* b = bias_view(bias, storage, x.dtype, w.shape[0]);
    ReleaseGil release(out.numel() + x.numel());
    conv::forward(x, w, b, out, p);
    return result;
}

py::object conv_grad_input(const py::object& grad_output, const py::object& weight, const py::object& bias,
                           const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups,
                           const Sizes& in_size) {
    const ArrayView g = view(grad_output, "grad_output"), w = view(weight, "weight");
    const conv::Params p = params_of(stride, padding, dilation, groups);
    check_spatial(g, stride.size());
    PT_CHECK(w.ndim == g.ndim && in_size.size() == stride.size(), "conv: wrong number of axes");
    Sizes shape{g.shape[0], w.shape[1] * groups};
    shape.insert(shape.end(), in_size.begin(), in_size.end());
    py::object result = make_array(shape, g.dtype);
    const ArrayView out = view_of(result);
    ArrayView storage;
    const ArrayView* b = bias_view(bias, storage, g.dtype, shape[1]);
    ReleaseGil release(out.numel() + g.numel());
    conv::grad_input(g, w, b, out, p);
    return result;
}

py::object conv_grad_weight(const py::object& grad_output, const py::object& input, const Sizes& stride,
                            const Sizes& padding, const Sizes& dilation, int64_t groups, const Sizes& kernel,
                            bool with_bias) {
    const ArrayView g = view(grad_output, "grad_output"), x = view(input, "input");
    const conv::Params p = params_of(stride, padding, dilation, groups);
    check_spatial(g, stride.size());
    PT_CHECK(g.ndim == x.ndim && kernel.size() == stride.size() && groups > 0, "conv: wrong number of axes");
    Sizes shape{g.shape[1], x.shape[1] / groups};
    shape.insert(shape.end(), kernel.begin(), kernel.end());
    py::object result = make_array(shape, g.dtype);
    py::object bias = with_bias ? make_array({g.shape[1]}, g.dtype) : py::none();
    const ArrayView w = view_of(result);
    ArrayView b;
    if (with_bias) b = view_of(bias);
    {
        ReleaseGil release(g.numel() + x.numel());
        conv::grad_weight(g, x, w, with_bias ? &b : nullptr, p);
    }
    return py::make_tuple(result, bias);
}

py::object im2col(const py::object& image, const Sizes& kernel, const Sizes& stride, const Sizes& padding,
                  const Sizes& dilation, const Sizes& out_size) {
    const ArrayView x = view(image, "input");
    const conv::Params p = params_of(stride, padding, dilation, 1);
    check_spatial(x, stride.size());
    PT_CHECK(kernel.size() == stride.size() && out_size.size() == stride.size(),
             "unfold: wrong number of axes");
    int64_t taps = 1, length = 1;
    for (int64_t k : kernel) taps *= k;
    for (int64_t s : out_size) length *= s;
    py::object result = make_array({x.shape[0], x.shape[1] * taps, length}, x.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil release(out.numel());
    conv::im2col(x, out, kernel.data(), out_size.data(), p);
    return result;
}

py::object col2im(const py::object& columns, const Sizes& in_size, const Sizes& kernel, const Sizes& stride,
                  const Sizes& padding, const Sizes& dilation, const Sizes& out_size) {
    const ArrayView x = view(columns, "input");
    const conv::Params p = params_of(stride, padding, dilation, 1);
    PT_CHECK(x.ndim == 3 && kernel.size() == stride.size() && out_size.size() == stride.size() &&
                 in_size.size() == stride.size(),
             "fold: wrong number of axes");
    int64_t taps = 1;
    for (int64_t k : kernel) taps *= k;
    PT_CHECK(taps > 0, "fold: kernel sizes must be positive");
    Sizes shape{x.shape[0], x.shape[1] / taps};
    shape.insert(shape.end(), in_size.begin(), in_size.end());
    py::object result = make_array(shape, x.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil release(x.numel());
    conv::col2im(x, out, kernel.data(), out_size.data(), p);
    return result;
}

constexpr const char* kWinogradModes[] = {"off", "automatic", "tiles of 2", "tiles of 3", "tiles of 4"};

std::string winograd() { return kWinogradModes[static_cast<int>(conv::winograd())]; }

void set_winograd(const std::string& mode) {
    for (int i = 0; i < 5; ++i)
        if (mode == kWinogradModes[i]) return conv::set_winograd(static_cast<conv::Winograd>(i));
    PT_CHECK(false, "set_winograd: expected 'off', 'automatic' or 'tiles of 2', 3 or 4");
}

}  // namespace

void bind_conv(py::module_& m) {
    m.def("conv_forward", &conv_forward);
    m.def("conv_grad_input", &conv_grad_input);
    m.def("conv_grad_weight", &conv_grad_weight);
    m.def("winograd", &winograd);
    m.def("set_winograd", &set_winograd);
    m.def("im2col", &im2col);
    m.def("col2im", &col2im);
}

}  // namespace pt
