#include "bindings/bindings.h"

#include "base/check.h"
#include "kernels/loss/loss.h"

namespace pt {

namespace {

template <class Body>
auto for_dtype(DType dtype, const Body& body) {
    if (dtype == DType::float32) return body(float{});
    return body(double{});
}

struct Inputs {
    ArrayView x, target;
    char* weight;
    loss::Samples shape;
};

Inputs inputs_of(const py::object& x, const py::object& target, const py::object& weight) {
    Inputs in{view(x, "x"), view(target, "target"), nullptr, {}};
    PT_CHECK((in.x.dtype == DType::float32 || in.x.dtype == DType::float64) && in.x.is_contiguous(),
             "x: expected a contiguous float32 or float64 array");
    PT_CHECK(in.x.ndim == 3, "x: expected (batch, classes, inner)");
    in.shape = {in.x.shape[0], in.x.shape[1], in.x.shape[2]};
    PT_CHECK(
        in.target.dtype == DType::int64 && in.target.is_contiguous() && in.target.numel() == in.shape.count(),
        "target: expected contiguous int64, one per sample");
    if (!weight.is_none()) {
        const ArrayView w = view(weight, "weight");
        PT_CHECK(w.dtype == in.x.dtype && w.is_contiguous() && w.numel() == in.shape.classes,
                 "weight: expected the dtype of x, one per class");
        in.weight = w.data;
    }
    return in;
}

template <class T>
loss::CrossEntropy<T> problem(const Inputs& in, int64_t ignore_index, double smoothing) {
    return {in.shape,
            in.x.as<T>(),
            in.target.as<int64_t>(),
            reinterpret_cast<const T*>(in.weight),
            ignore_index,
            static_cast<T>(smoothing)};
}

// The first target that is neither ignore_index nor a class; None when all are fine.
py::object bad_target(const py::object& target, int64_t classes, int64_t ignore_index) {
    const ArrayView t = view(target, "target");
    PT_CHECK(t.dtype == DType::int64 && t.is_contiguous(), "target: expected contiguous int64");
    const int64_t* p = t.as<int64_t>();
    for (int64_t i = 0, n = t.numel(); i < n; ++i)
        if (p[i] != ignore_index && (p[i] < 0 || p[i] >= classes)) return py::int_(p[i]);
    return py::none();
}

// (losses per sample, largest, log_sum, sum of the weights of the samples that count). Targets must have been
// checked with bad_target.
py::object cross_entropy(const py::object& x, const py::object& target, const py::object& weight,
                         int64_t ignore_index, double smoothing) {
    const Inputs in = inputs_of(x, target, weight);
    const std::vector<int64_t> shape = {in.shape.count()};
    py::object losses = make_array(shape, in.x.dtype), largest = make_array(shape, in.x.dtype),
               log_sum = make_array(shape, in.x.dtype);
    double counted = 0;
    {
        const ArrayView l = view_of(losses), m = view_of(largest), s = view_of(log_sum);
        ReleaseGil release(in.x.numel());
        counted = for_dtype(in.x.dtype, [&](auto t) {
            using T = decltype(t);
            return loss::cross_entropy<T>(problem<T>(in, ignore_index, smoothing), l.as<T>(), m.as<T>(),
                                          s.as<T>());
        });
    }
    return py::make_tuple(losses, largest, log_sum, counted);
}

// `grad` has one element for all samples or one for each.
py::object cross_entropy_backward(const py::object& grad, const py::object& x, const py::object& target,
                                  const py::object& weight, int64_t ignore_index, double smoothing,
                                  const py::object& largest, const py::object& log_sum, double factor) {
    const Inputs in = inputs_of(x, target, weight);
    const ArrayView g = view(grad, "grad"), m = view(largest, "largest"), s = view(log_sum, "log_sum");
    const int64_t count = in.shape.count();
    for (const ArrayView* v : {&g, &m, &s})
        PT_CHECK(v->dtype == in.x.dtype && v->is_contiguous(),
                 "cross_entropy_backward: wrong dtype or layout");
    PT_CHECK((g.numel() == 1 || g.numel() == count) && m.numel() == count && s.numel() == count,
             "cross_entropy_backward: wrong size");
    py::object result = make_array(in.x.ndim, in.x.shape, in.x.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil release(in.x.numel());
    for_dtype(in.x.dtype, [&](auto t) {
        using T = decltype(t);
        loss::cross_entropy_backward<T>(problem<T>(in, ignore_index, smoothing), m.as<T>(), s.as<T>(),
                                        g.as<T>(), g.numel() == 1 ? 0 : 1, static_cast<T>(factor),
                                        out.as<T>());
    });
    return result;
}

loss::PairLoss pair_kind(const std::string& name) {
    constexpr const char* names[] = {"mse",        "l1", "smooth_l1", "huber", "bce", "bce_with_logits",
                                     "soft_margin"};
    for (int i = 0; i < 7; ++i)
        if (name == names[i]) return static_cast<loss::PairLoss>(i);
    throw std::invalid_argument("pair_loss: unknown loss " + name);
}

void check_pair(const ArrayView& x, const ArrayView& target) {
    PT_CHECK((x.dtype == DType::float32 || x.dtype == DType::float64) && x.is_contiguous() &&
                 target.dtype == x.dtype && target.is_contiguous() && target.numel() == x.numel(),
             "pair_loss: expected two contiguous arrays of one size and dtype, float32 or float64");
}

// reduction: "none" gives the losses, "sum" and "mean" a 0-d array.
py::object pair_loss(const std::string& name, double param, const py::object& x, const py::object& target,
                     const std::string& reduction) {
    const loss::PairLoss kind = pair_kind(name);
    const ArrayView in = view(x, "x"), t = view(target, "target");
    check_pair(in, t);
    const bool each = reduction == "none";
    py::object result = each ? make_array(in.ndim, in.shape, in.dtype) : make_array(0, nullptr, in.dtype);
    const ArrayView out = view_of(result);
    const int64_t n = in.numel();
    ReleaseGil release(n);
    for_dtype(in.dtype, [&](auto tag) {
        using T = decltype(tag);
        const double sum = loss::pair_loss<T>(kind, static_cast<T>(param), in.as<T>(), t.as<T>(), n,
                                              each ? out.as<T>() : nullptr);
        if (!each) *out.as<T>() = static_cast<T>(reduction == "mean" ? sum / static_cast<double>(n) : sum);
    });
    return result;
}

py::object pair_loss_backward(const std::string& name, double param, const py::object& grad,
                              const py::object& x, const py::object& target, double factor) {
    const loss::PairLoss kind = pair_kind(name);
    const ArrayView g = view(grad, "grad"), in = view(x, "x"), t = view(target, "target");
    check_pair(in, t);
    const int64_t n = in.numel();
    PT_CHECK(g.dtype == in.dtype && g.is_contiguous() && (g.numel() == 1 || g.numel() == n),
             "grad: expected one element or one for each pair");
    py::object result = make_array(in.ndim, in.shape, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil release(n);
    for_dtype(in.dtype, [&](auto tag) {
        using T = decltype(tag);
        loss::pair_loss_backward<T>(kind, static_cast<T>(param), in.as<T>(), t.as<T>(), g.as<T>(),
                                    g.numel() == 1 ? 0 : 1, static_cast<T>(factor), n, out.as<T>());
    });
    return result;
}

}  // namespace

void bind_loss(py::module_& m) {
    m.def("loss_bad_target", &bad_target);
    m.def("loss_cross_entropy", &cross_entropy);
    m.def("loss_cross_entropy_backward", &cross_entropy_backward);
    m.def("loss_pair", &pair_loss);
    m.def("loss_pair_backward", &pair_loss_backward);
}

}  // namespace pt
