#include "bindings/bindings.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/loss/ctc.h"
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

// (classes), (batch, classes) or (batch, classes, ...)
loss::Samples samples_of(int ndim, const int64_t* shape) {
    PT_CHECK(ndim >= 1, "x: expected at least the axis of classes");
    if (ndim == 1) return {1, shape[0], 1};
    loss::Samples s{shape[0], shape[1], 1};
    for (int i = 2; i < ndim; ++i) s.inner *= shape[i];
    return s;
}

Inputs inputs_of(const py::object& x, const py::object& target, const py::object& weight) {
    Inputs in{view(x, "x"), view(target, "target"), nullptr, {}};
    PT_CHECK((in.x.dtype == DType::float32 || in.x.dtype == DType::float64) && in.x.is_contiguous(),
             "x: expected a contiguous float32 or float64 array");
    in.shape = samples_of(in.x.ndim, in.x.shape);
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
    const uint64_t limit = static_cast<uint64_t>(classes);
    const auto wrong = [&](int64_t i) {
        return static_cast<int>(p[i] != ignore_index) &
               static_cast<int>(static_cast<uint64_t>(p[i]) >= limit);
    };
    constexpr int64_t kTogether = 32;  // without a branch for each
    const int64_t n = t.numel();
    for (int64_t begin = 0; begin < n; begin += kTogether) {
        const int64_t end = std::min(begin + kTogether, n);
        int any = 0;
        for (int64_t i = begin; i < end; ++i) any |= wrong(i);
        if (any == 0) continue;
        for (int64_t i = begin; i < end; ++i)
            if (wrong(i) != 0) return py::int_(p[i]);
    }
    return py::none();
}

// Room for the losses: the result itself for "none", else an array to be added up.
struct Losses {
    py::object result, each;
    std::string reduction;

    Losses(const ArrayView& x, const ArrayView& target, const std::string& reduction_)
        : reduction(reduction_) {
        each = make_array(target.ndim, target.shape, x.dtype);
        result = reduction == "none" ? each : make_array(0, nullptr, x.dtype);
    }
    // Finishes the result; gives what the gradient of each loss is multiplied by.
    template <class T>
    double reduce(double counted) const {
        if (reduction == "none") return 1;
        const ArrayView losses = view_of(each), out = view_of(result);
        double total = 0;
        for (int64_t i = 0, n = losses.numel(); i < n; ++i) total += losses.as<T>()[i];
        const double factor = reduction == "sum" ? 1 : 1 / counted;
        *out.as<T>() = static_cast<T>(reduction == "sum" ? total : total / counted);
        return counted == 0 && reduction == "mean" ? std::nan("") : factor;
    }
};

// (result, largest, log_sum, factor of the gradient of each loss). Targets must have been checked with
// bad_target.
py::object cross_entropy(const py::object& x, const py::object& target, const py::object& weight,
                         int64_t ignore_index, double smoothing, const std::string& reduction) {
    const Inputs in = inputs_of(x, target, weight);
    const std::vector<int64_t> shape = {in.shape.count()};
    const Losses losses(in.x, in.target, reduction);
    py::object largest = make_array(shape, in.x.dtype), log_sum = make_array(shape, in.x.dtype);
    double factor = 1;
    {
        const ArrayView l = view_of(losses.each), m = view_of(largest), s = view_of(log_sum);
        ReleaseGil release(in.x.numel());
        factor = for_dtype(in.x.dtype, [&](auto t) {
            using T = decltype(t);
            const double counted = loss::cross_entropy<T>(problem<T>(in, ignore_index, smoothing), l.as<T>(),
                                                          m.as<T>(), s.as<T>());
            return losses.reduce<T>(counted);
        });
    }
    return py::make_tuple(losses.result, largest, log_sum, factor);
}

// (result, factor)
py::object nll(const py::object& x, const py::object& target, const py::object& weight, int64_t ignore_index,
               const std::string& reduction) {
    const Inputs in = inputs_of(x, target, weight);
    const bool each = reduction == "none";
    py::object result =
        each ? make_array(in.target.ndim, in.target.shape, in.x.dtype) : make_array(0, nullptr, in.x.dtype);
    const ArrayView out = view_of(result);
    const double factor = for_dtype(in.x.dtype, [&](auto t) {
        using T = decltype(t);
        const loss::NllSums sums =
            loss::nll<T>(problem<T>(in, ignore_index, 0), each ? out.as<T>() : nullptr);
        PT_CHECK(!sums.wrong, "target: not a class");
        if (each) return 1.0;
        const bool mean = reduction == "mean";
        *out.as<T>() = static_cast<T>(mean ? sums.losses / sums.weights : sums.losses);
        if (!mean) return 1.0;
        return sums.weights == 0 ? std::nan("") : 1 / sums.weights;
    });
    return py::make_tuple(result, factor);
}

py::object nll_backward(const py::object& grad, const std::vector<int64_t>& shape, const py::object& target,
                        const py::object& weight, int64_t ignore_index, double factor) {
    const ArrayView g = view(grad, "grad");
    py::object result = make_array(shape, g.dtype);
    const Inputs in = inputs_of(result, target, weight);  // the gradient stands where x stood
    PT_CHECK(g.is_contiguous() && (g.numel() == 1 || g.numel() == in.shape.count()), "grad: wrong size");
    for_dtype(g.dtype, [&](auto t) {
        using T = decltype(t);
        loss::nll_backward<T>(problem<T>(in, ignore_index, 0), g.as<T>(), g.numel() == 1 ? 0 : 1,
                              static_cast<T>(factor), in.x.as<T>());
    });
    return result;
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
    constexpr const char* names[loss::kPairLosses] = {"mse",
                                                      "l1",
                                                      "smooth_l1",
                                                      "huber",
                                                      "bce",
                                                      "bce_with_logits",
                                                      "soft_margin",
                                                      "kl",
                                                      "kl_log",
                                                      "hinge",
                                                      "bce_pos_weight",
                                                      "gaussian",
                                                      "kl_by_target",
                                                      "kl_log_by_target",
                                                      "gaussian_by_variance"};
    for (int i = 0; i < loss::kPairLosses; ++i)
        if (name == names[i]) return static_cast<loss::PairLoss>(i);
    throw std::invalid_argument("pair_loss: unknown loss " + name);
}

// Input, target and parameter: a number, or a contiguous array whose size divides theirs.
struct PairInputs {
    loss::PairLoss kind;
    ArrayView x, target, each;
    double number = 0;

    PairInputs(const std::string& name, const py::object& param, const py::object& x_,
               const py::object& target_)
        : kind(pair_kind(name)), x(view(x_, "x")), target(view(target_, "target")) {
        PT_CHECK((x.dtype == DType::float32 || x.dtype == DType::float64) && x.is_contiguous() &&
                     target.dtype == x.dtype && target.is_contiguous() && target.numel() == x.numel(),
                 "pair_loss: expected two contiguous arrays of one size and dtype, float32 or float64");
        if (!loss::is_ternary(kind)) {
            number = py::cast<double>(param);
            return;
        }
        each = view(param, "param");
        PT_CHECK(each.dtype == x.dtype && each.is_contiguous() &&
                     (x.numel() == 0 || (each.numel() > 0 && x.numel() % each.numel() == 0)),
                 "pair_loss: expected a parameter of the dtype of x whose size divides its size");
    }
    template <class T>
    loss::Pairs<T> pairs(const T& constant) const {
        const bool ternary = loss::is_ternary(kind);
        return {x.as<T>(), target.as<T>(), ternary ? each.as<T>() : &constant, ternary ? each.numel() : 1,
                x.numel()};
    }
};

// reduction: "none" gives the losses, "sum" and "mean" a 0-d array.
py::object pair_loss(const std::string& name, const py::object& param, const py::object& x,
                     const py::object& target, const std::string& reduction) {
    const PairInputs in(name, param, x, target);
    const bool each = reduction == "none";
    py::object result =
        each ? make_array(in.x.ndim, in.x.shape, in.x.dtype) : make_array(0, nullptr, in.x.dtype);
    const ArrayView out = view_of(result);
    const int64_t n = in.x.numel();
    ReleaseGil release(n);
    for_dtype(in.x.dtype, [&](auto tag) {
        using T = decltype(tag);
        const T constant = static_cast<T>(in.number);
        const double sum = loss::pair_loss<T>(in.kind, in.pairs<T>(constant), each ? out.as<T>() : nullptr);
        if (!each) *out.as<T>() = static_cast<T>(reduction == "mean" ? sum / static_cast<double>(n) : sum);
    });
    return result;
}

py::object pair_loss_backward(const std::string& name, const py::object& param, const py::object& grad,
                              const py::object& x, const py::object& target, double factor) {
    const PairInputs in(name, param, x, target);
    const ArrayView g = view(grad, "grad");
    const int64_t n = in.x.numel();
    PT_CHECK(g.dtype == in.x.dtype && g.is_contiguous() && (g.numel() == 1 || g.numel() == n),
             "grad: expected one element or one for each pair");
    py::object result = make_array(in.x.ndim, in.x.shape, in.x.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil release(n);
    for_dtype(in.x.dtype, [&](auto tag) {
        using T = decltype(tag);
        const T constant = static_cast<T>(in.number);
        loss::pair_loss_backward<T>(in.kind, in.pairs<T>(constant), g.as<T>(), g.numel() == 1 ? 0 : 1,
                                    static_cast<T>(factor), out.as<T>());
    });
    return result;
}

// log_probs (steps, batch, classes), targets (batch, longest), lengths (batch): contiguous, the last three
// int64.
template <class T>
loss::Ctc<T> ctc_problem(const ArrayView& x, const ArrayView& t, const ArrayView& in, const ArrayView& out,
                         int64_t blank) {
    return {x.shape[0],      x.shape[1],       x.shape[2],        t.shape[1], x.as<T>(),
            t.as<int64_t>(), in.as<int64_t>(), out.as<int64_t>(), blank};
}
void check_ctc(const ArrayView& x, const ArrayView& t, const ArrayView& in, const ArrayView& out) {
    PT_CHECK(x.ndim == 3 && x.is_contiguous() && (x.dtype == DType::float32 || x.dtype == DType::float64),
             "log_probs: expected a contiguous float32 or float64 array with three axes");
    PT_CHECK(t.ndim == 2 && t.shape[0] == x.shape[1], "targets: expected (batch, longest)");
    PT_CHECK(in.numel() == x.shape[1] && out.numel() == x.shape[1], "lengths: expected one per sample");
    for (const ArrayView& v : {t, in, out})
        PT_CHECK(v.dtype == DType::int64 && v.is_contiguous(), "targets, lengths: expected contiguous int64");
}

// (loss of each sample, alpha)
py::tuple ctc_loss(const py::object& log_probs, const py::object& targets, const py::object& input_lengths,
                   const py::object& target_lengths, int64_t blank) {
    const ArrayView x = view(log_probs, "log_probs"), t = view(targets, "targets"),
                    in = view(input_lengths, "input_lengths"), out = view(target_lengths, "target_lengths");
    check_ctc(x, t, in, out);
    py::object losses = make_array({x.shape[1]}, x.dtype);
    py::object alpha = make_array({x.shape[1], x.shape[0], 2 * t.shape[1] + 1}, x.dtype);
    const ArrayView to = view_of(losses), kept = view_of(alpha);
    {
        ReleaseGil release(kept.numel());
        for_dtype(x.dtype, [&](auto tag) {
            using T = decltype(tag);
            loss::ctc_loss<T>(ctc_problem<T>(x, t, in, out, blank), to.as<T>(), kept.as<T>());
        });
    }
    return py::make_tuple(losses, alpha);
}

py::object ctc_loss_backward(const py::object& grad, const py::object& log_probs, const py::object& targets,
                             const py::object& input_lengths, const py::object& target_lengths, int64_t blank,
                             const py::object& losses, const py::object& alpha, bool zero_infinity) {
    const ArrayView g = view(grad, "grad"), x = view(log_probs, "log_probs"), t = view(targets, "targets"),
                    in = view(input_lengths, "input_lengths"), out = view(target_lengths, "target_lengths"),
                    nll = view(losses, "losses"), kept = view(alpha, "alpha");
    check_ctc(x, t, in, out);
    PT_CHECK(g.dtype == x.dtype && g.is_contiguous() && (g.numel() == 1 || g.numel() == x.shape[1]),
             "grad: expected one element or one for each sample");
    PT_CHECK(nll.dtype == x.dtype && nll.is_contiguous() && nll.numel() == x.shape[1] &&
                 kept.is_contiguous() && kept.dtype == x.dtype &&
                 kept.numel() == x.shape[0] * x.shape[1] * (2 * t.shape[1] + 1),
             "losses, alpha: expected what the forward pass gave");
    py::object result = make_array(x.ndim, x.shape, x.dtype);
    const ArrayView to = view_of(result);
    ReleaseGil release(kept.numel());
    for_dtype(x.dtype, [&](auto tag) {
        using T = decltype(tag);
        loss::ctc_loss_backward<T>(ctc_problem<T>(x, t, in, out, blank), g.as<T>(), g.numel() == 1 ? 0 : 1,
                                   zero_infinity, nll.as<T>(), kept.as<T>(), to.as<T>());
    });
    return result;
}

}  // namespace

void bind_loss(py::module_& m) {
    m.def("loss_bad_target", &bad_target);
    m.def("loss_cross_entropy", &cross_entropy);
    m.def("loss_cross_entropy_backward", &cross_entropy_backward);
    m.def("loss_nll", &nll);
    m.def("loss_nll_backward", &nll_backward);
    m.def("loss_ctc", &ctc_loss);
    m.def("loss_ctc_backward", &ctc_loss_backward);
    m.def("loss_pair", &pair_loss);
    m.def("loss_pair_backward", &pair_loss_backward);
}

}  // namespace pt
