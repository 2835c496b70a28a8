#include "bindings/bindings.h"

#include <cstring>

#include "base/check.h"
#include "kernels/norm/norm.h"

namespace pt {

namespace {

template <class Body>
void for_dtype(DType dtype, const Body& body) {
    if (dtype == DType::float32)
        body(float{});
    else
        body(double{});
}

bool same_shape(const ArrayView& a, const ArrayView& b) {
    return a.ndim == b.ndim &&
           std::memcmp(a.shape, b.shape, sizeof(int64_t) * static_cast<size_t>(a.ndim)) == 0;
}

ArrayView input(const py::object& array, const char* name) {
    const ArrayView v = view(array, name);
    PT_CHECK(v.dtype == DType::float32 || v.dtype == DType::float64,
             std::string(name) + ": expected float32 or float64");
    PT_CHECK(v.is_contiguous(), std::string(name) + ": expected a contiguous array");
    return v;
}
ArrayView input_like(const py::object& array, const ArrayView& like, const char* name) {
    const ArrayView v = input(array, name);
    PT_CHECK(v.dtype == like.dtype && same_shape(v, like), std::string(name) + ": wrong dtype or shape");
    return v;
}
// A vector of `size` elements of the given dtype, or null for None.
char* vector_or_null(const py::object& array, DType dtype, int64_t size, const char* name) {
    if (array.is_none()) return nullptr;
    const ArrayView v = input(array, name);
    PT_CHECK(v.dtype == dtype && v.numel() == size, std::string(name) + ": wrong dtype or size");
    return v.data;
}
template <class T>
T* as(char* p) {
    return reinterpret_cast<T*>(p);
}

norm::Batch batch_of(const ArrayView& x) {
    PT_CHECK(x.ndim >= 2, "x: expected (batch, channels, ...)");
    norm::Batch s{x.shape[0], x.shape[1], 1};
    for (int i = 2; i < x.ndim; ++i) s.spatial *= x.shape[i];
    return s;
}

// running += momentum * (batch - running), with the unbiased variance.
template <class T>
void update_running(const norm::Batch& s, const T* mean, const T* var, T* running_mean, T* running_var,
                    double momentum) {
    const double n = static_cast<double>(s.batch * s.spatial), unbiased = n / (n - 1);
    for (int64_t c = 0; c < s.channels; ++c) {
        if (running_mean != nullptr)
            running_mean[c] = static_cast<T>((1 - momentum) * running_mean[c] + momentum * mean[c]);
        if (running_var != nullptr)
            running_var[c] = static_cast<T>((1 - momentum) * running_var[c] + momentum * unbiased * var[c]);
    }
}

// (y, mean, biased variance); running statistics, where given, are updated in place.
py::object batch_train(const py::object& x, const py::object& weight, const py::object& bias,
                       const py::object& running_mean, const py::object& running_var, double momentum,
                       double eps) {
    const ArrayView in = input(x, "x");
    const norm::Batch s = batch_of(in);
    char* w = vector_or_null(weight, in.dtype, s.channels, "weight");
    char* b = vector_or_null(bias, in.dtype, s.channels, "bias");
    if (!running_mean.is_none()) writable_view(running_mean, "running_mean");
    if (!running_var.is_none()) writable_view(running_var, "running_var");
    char* rm = vector_or_null(running_mean, in.dtype, s.channels, "running_mean");
    char* rv = vector_or_null(running_var, in.dtype, s.channels, "running_var");
    py::object y = make_array(in.ndim, in.shape, in.dtype);
    py::object mean = make_array({s.channels}, in.dtype), var = make_array({s.channels}, in.dtype);
    {
        const ArrayView out = view_of(y), m = view_of(mean), v = view_of(var);
        ReleaseGil release(in.numel());
        for_dtype(in.dtype, [&](auto t) {
            using T = decltype(t);
            norm::batch_forward<T>(s, in.as<T>(), as<T>(w), as<T>(b), m.as<T>(), v.as<T>(),
                                   static_cast<T>(eps), true, out.as<T>());
            update_running<T>(s, m.as<T>(), v.as<T>(), as<T>(rm), as<T>(rv), momentum);
        });
    }
    return py::make_tuple(y, mean, var);
}

py::object batch_eval(const py::object& x, const py::object& weight, const py::object& bias,
                      const py::object& mean, const py::object& var, double eps) {
    const ArrayView in = input(x, "x");
    const norm::Batch s = batch_of(in);
    char* w = vector_or_null(weight, in.dtype, s.channels, "weight");
    char* b = vector_or_null(bias, in.dtype, s.channels, "bias");
    char* m = vector_or_null(mean, in.dtype, s.channels, "mean");
    char* v = vector_or_null(var, in.dtype, s.channels, "var");
    PT_CHECK(m != nullptr && v != nullptr, "batch_eval: mean and var are needed");
    py::object y = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(y);
    ReleaseGil release(in.numel());
    for_dtype(in.dtype, [&](auto t) {
        using T = decltype(t);
        norm::batch_forward<T>(s, in.as<T>(), as<T>(w), as<T>(b), as<T>(m), as<T>(v), static_cast<T>(eps),
                               false, out.as<T>());
    });
    return y;
}

// (grad_x or None, grad_weight, grad_bias)
py::object batch_backward(const py::object& grad, const py::object& x, const py::object& weight,
                          const py::object& mean, const py::object& var, double eps, bool training,
                          bool need_x) {
    const ArrayView in = input(x, "x"), g = input_like(grad, in, "grad");
    const norm::Batch s = batch_of(in);
    char* w = vector_or_null(weight, in.dtype, s.channels, "weight");
    char* m = vector_or_null(mean, in.dtype, s.channels, "mean");
    char* v = vector_or_null(var, in.dtype, s.channels, "var");
    PT_CHECK(m != nullptr && v != nullptr, "batch_backward: mean and var are needed");
    py::object gx = need_x ? make_array(in.ndim, in.shape, in.dtype) : py::none();
    py::object gw = make_array({s.channels}, in.dtype), gb = make_array({s.channels}, in.dtype);
    {
        char* to = need_x ? view_of(gx).data : nullptr;
        const ArrayView gwv = view_of(gw), gbv = view_of(gb);
        ReleaseGil release(in.numel());
        for_dtype(in.dtype, [&](auto t) {
            using T = decltype(t);
            norm::batch_backward<T>(s, g.as<T>(), in.as<T>(), as<T>(w), as<T>(m), as<T>(v),
                                    static_cast<T>(eps), training, as<T>(to), gwv.as<T>(), gbv.as<T>());
        });
    }
    return py::make_tuple(gx, gw, gb);
}

norm::Groups groups_of(const ArrayView& x, int64_t batch, int64_t channels, int64_t groups, bool centered) {
    PT_CHECK(batch >= 0 && channels > 0 && groups > 0 && channels % groups == 0,
             "group norm: channels must be a multiple of groups");
    const int64_t numel = x.numel();
    PT_CHECK(batch == 0 ? numel == 0 : numel % (batch * channels) == 0,
             "group norm: x does not consist of batch * channels planes");
    return {batch, channels, batch == 0 ? 1 : numel / (batch * channels), groups, centered};
}

// (y, mean, rstd), the latter two with batch * groups elements. Layer norm: batch rows, groups = 1.
py::object group_forward(const py::object& x, const py::object& weight, const py::object& bias, int64_t batch,
                         int64_t channels, int64_t groups, double eps, bool centered) {
    const ArrayView in = input(x, "x");
    const norm::Groups s = groups_of(in, batch, channels, groups, centered);
    char* w = vector_or_null(weight, in.dtype, channels, "weight");
    char* b = vector_or_null(bias, in.dtype, channels, "bias");
    py::object y = make_array(in.ndim, in.shape, in.dtype);
    py::object mean = make_array({s.rows()}, in.dtype), rstd = make_array({s.rows()}, in.dtype);
    {
        const ArrayView out = view_of(y), m = view_of(mean), r = view_of(rstd);
        ReleaseGil release(in.numel());
        for_dtype(in.dtype, [&](auto t) {
            using T = decltype(t);
            norm::group_forward<T>(s, in.as<T>(), as<T>(w), as<T>(b), static_cast<T>(eps), m.as<T>(),
                                   r.as<T>(), out.as<T>());
        });
    }
    return py::make_tuple(y, mean, rstd);
}

// (grad_x or None, grad_weight, grad_bias)
py::object group_backward(const py::object& grad, const py::object& x, const py::object& weight,
                          const py::object& mean, const py::object& rstd, int64_t batch, int64_t channels,
                          int64_t groups, bool need_x, bool centered) {
    const ArrayView in = input(x, "x"), g = input_like(grad, in, "grad");
    const norm::Groups s = groups_of(in, batch, channels, groups, centered);
    char* w = vector_or_null(weight, in.dtype, channels, "weight");
    char* m = vector_or_null(mean, in.dtype, s.rows(), "mean");
    char* r = vector_or_null(rstd, in.dtype, s.rows(), "rstd");
    PT_CHECK(m != nullptr && r != nullptr, "group_backward: mean and rstd are needed");
    py::object gx = need_x ? make_array(in.ndim, in.shape, in.dtype) : py::none();
    py::object gw = make_array({channels}, in.dtype), gb = make_array({channels}, in.dtype);
    {
        char* to = need_x ? view_of(gx).data : nullptr;
        const ArrayView gwv = view_of(gw), gbv = view_of(gb);
        ReleaseGil release(in.numel());
        for_dtype(in.dtype, [&](auto t) {
            using T = decltype(t);
            norm::group_backward<T>(s, g.as<T>(), in.as<T>(), as<T>(w), as<T>(m), as<T>(r), as<T>(to),
                                    gwv.as<T>(), gbv.as<T>());
        });
    }
    return py::make_tuple(gx, gw, gb);
}

struct Lines {
    int64_t outer = 1, n = 1, inner = 1;
};
Lines lines_of(const ArrayView& x, int axis) {
    PT_CHECK(axis >= 0 && (axis < x.ndim || x.ndim == 0), "softmax: no such axis");
    Lines l;
    for (int i = 0; i < x.ndim; ++i) (i < axis ? l.outer : i == axis ? l.n : l.inner) *= x.shape[i];
    return l;
}

py::object softmax(const py::object& x, int axis, bool log) {
    const ArrayView in = input(x, "x");
    const Lines l = lines_of(in, axis);
    py::object y = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(y);
    if (in.numel() == 0) return y;
    ReleaseGil release(in.numel());
    for_dtype(in.dtype, [&](auto t) {
        using T = decltype(t);
        norm::softmax_forward<T>(in.as<T>(), out.as<T>(), log, l.outer, l.n, l.inner);
    });
    return y;
}

py::object softmax_backward(const py::object& grad, const py::object& y, int axis, bool log) {
    const ArrayView result = input(y, "y"), g = input_like(grad, result, "grad");
    const Lines l = lines_of(result, axis);
    py::object gx = make_array(result.ndim, result.shape, result.dtype);
    const ArrayView out = view_of(gx);
    if (result.numel() == 0) return gx;
    ReleaseGil release(result.numel());
    for_dtype(result.dtype, [&](auto t) {
        using T = decltype(t);
        norm::softmax_backward<T>(g.as<T>(), result.as<T>(), out.as<T>(), log, l.outer, l.n, l.inner);
    });
    return gx;
}

}  // namespace

void bind_norm(py::module_& m) {
    m.def("norm_batch_train", &batch_train);
    m.def("norm_batch_eval", &batch_eval);
    m.def("norm_batch_backward", &batch_backward);
    m.def("norm_group_forward", &group_forward);
    m.def("norm_group_backward", &group_backward);
    m.def("norm_softmax", &softmax);
    m.def("norm_softmax_backward", &softmax_backward);
}

}  // namespace pt
