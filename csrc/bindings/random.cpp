#include "bindings/bindings.h"

#include <pybind11/stl.h>

#include "base/check.h"
#include "kernels/random/random.h"

namespace pt {

namespace {

using random::Generator;

ArrayView contiguous(py::handle object, const char* argument) {
    const ArrayView v = writable_view(object, argument);
    PT_CHECK(v.is_contiguous(), std::string(argument) + ": the array is not contiguous");
    return v;
}

// fill(float*) or fill(double*), by the array's dtype.
template <class Fill>
void floating_fill(const ArrayView& out, const Fill& fill) {
    PT_CHECK(out.dtype == DType::float32 || out.dtype == DType::float64, "out: expected float32 or float64");
    ReleaseGil gil(out.numel());
    if (out.dtype == DType::float32)
        fill(out.as<float>());
    else
        fill(out.as<double>());
}

void uniform(Generator& g, py::handle out, double from, double to) {
    const ArrayView v = contiguous(out, "out");
    floating_fill(v, [&](auto* p) {
        using T = std::remove_pointer_t<decltype(p)>;
        random::uniform(g, p, v.numel(), static_cast<T>(from), static_cast<T>(to));
    });
}

void normal(Generator& g, py::handle out, double mean, double std, bool serial) {
    const ArrayView v = contiguous(out, "out");
    floating_fill(v, [&](auto* p) { random::normal(g, p, v.numel(), mean, std, serial); });
}

void transformed(Generator& g, py::handle out, int kind, double a, double b) {
    const ArrayView v = contiguous(out, "out");
    floating_fill(
        v, [&](auto* p) { random::transformed(g, static_cast<random::Kind>(kind), p, v.numel(), a, b); });
}

void bernoulli(Generator& g, py::handle out, double p) {
    const ArrayView v = contiguous(out, "out");
    PT_CHECK(item_size(v.dtype) == 1, "out: expected bool or uint8");
    ReleaseGil gil(v.numel());
    random::bernoulli(g, v.as<uint8_t>(), v.numel(), p);
}

ArrayView int64_array(py::handle out) {
    const ArrayView v = contiguous(out, "out");
    PT_CHECK(v.dtype == DType::int64, "out: expected int64");
    return v;
}

void integers(Generator& g, py::handle out, uint64_t range, int64_t base, bool wide) {
    const ArrayView v = int64_array(out);
    PT_CHECK(wide || (range > 0 && range < (uint64_t{1} << 32)), "range: does not fit in 32 bits");
    ReleaseGil gil(v.numel());
    random::integers(g, v.as<int64_t>(), v.numel(), range, base, wide);
}

void permutation(Generator& g, py::handle out) {
    const ArrayView v = int64_array(out);
    ReleaseGil gil(v.numel());
    random::permutation(g, v.as<int64_t>(), v.numel());
}

py::tuple dropout(Generator& g, py::handle x, double keep) {
    const ArrayView v = view(x, "input");
    PT_CHECK(v.is_contiguous(), "input: the array is not contiguous");
    const py::object out = make_array(v.ndim, v.shape, v.dtype);
    const py::object mask = make_array(v.ndim, v.shape, DType::boolean);
    const ArrayView to = view_of(out);
    uint8_t* drawn = view_of(mask).as<uint8_t>();
    floating_fill(to, [&](auto* p) {
        using T = std::remove_pointer_t<decltype(p)>;
        random::dropout<T>(g, v.as<T>(), p, drawn, v.numel(), keep);
    });
    return py::make_tuple(out, mask);
}

py::object masked_scale(py::handle x, py::handle mask, double scale) {
    const ArrayView v = view(x, "input"), m = view(mask, "mask");
    PT_CHECK(v.is_contiguous() && m.is_contiguous(), "masked_scale: the arrays are not contiguous");
    PT_CHECK(m.dtype == DType::boolean && m.numel() == v.numel(), "mask: expected bool of the input's shape");
    const py::object out = make_array(v.ndim, v.shape, v.dtype);
    const ArrayView to = view_of(out);
    floating_fill(to, [&](auto* p) {
        using T = std::remove_pointer_t<decltype(p)>;
        random::masked_scale<T>(v.as<T>(), m.as<uint8_t>(), p, v.numel(), static_cast<T>(scale));
    });
    return out;
}

py::object poisson(Generator& g, py::handle rate) {
    const ArrayView v = view(rate, "rate");
    PT_CHECK(v.dtype == DType::float64 && v.is_contiguous(), "rate: expected a contiguous float64 array");
    const py::object out = make_array(v.ndim, v.shape, v.dtype);
    double* to = view_of(out).as<double>();
    ReleaseGil gil(v.numel());
    random::poisson(g, v.as<double>(), to, v.numel());
    return out;
}

py::object binomial(Generator& g, py::handle count, py::handle p) {
    const ArrayView v = view(count, "count"), w = view(p, "prob");
    PT_CHECK(v.is_contiguous() && w.is_contiguous() && v.dtype == w.dtype && v.numel() == w.numel(),
             "binomial: expected contiguous arrays of one type and shape");
    const py::object out = make_array(v.ndim, v.shape, v.dtype);
    const ArrayView to = view_of(out);
    floating_fill(to, [&](auto* drawn) {
        using T = std::remove_pointer_t<decltype(drawn)>;
        random::binomial<T>(g, v.as<T>(), w.as<T>(), drawn, v.numel());
    });
    return out;
}

py::object multinomial(Generator& g, py::handle weights, int64_t samples) {
    const ArrayView v = view(weights, "weights");
    PT_CHECK(v.ndim == 2 && v.is_contiguous(), "weights: expected a contiguous 2-d array");
    const py::object out = make_array({v.shape[0], samples}, DType::int64);
    const py::object cumulative = make_array({v.shape[1]}, v.dtype);
    const ArrayView row = view_of(cumulative);
    int64_t* to = view_of(out).as<int64_t>();
    floating_fill(row, [&](auto* p) {
        using T = std::remove_pointer_t<decltype(p)>;
        random::multinomial<T>(g, v.as<T>(), v.shape[0], v.shape[1], samples, p, to);
    });
    return out;
}

int weights_fault(py::handle weights) {
    const ArrayView v = view(weights, "weights");
    PT_CHECK(v.ndim == 2 && v.is_contiguous(), "weights: expected a contiguous 2-d array");
    int fault = 0;
    floating_fill(v, [&](auto* p) { fault = random::weights_fault(p, v.shape[0], v.shape[1]); });
    return fault;
}

py::object get_state(Generator& g) {
    const py::object out = make_array({Generator::kStateBytes}, DType::uint8);
    const std::lock_guard lock(g.mutex);
    g.get_state(view_of(out).as<uint8_t>());
    return out;
}

bool set_state(Generator& g, py::handle state) {
    const ArrayView v = view(state, "state");
    PT_CHECK(v.dtype == DType::uint8 && v.is_contiguous() && v.numel() == Generator::kStateBytes,
             "state: expected " + std::to_string(Generator::kStateBytes) + " contiguous bytes");
    const std::lock_guard lock(g.mutex);
    return g.set_state(v.as<uint8_t>());
}

}  // namespace

void bind_random(py::module_& m) {
    py::class_<Generator>(m, "RandomGenerator")
        .def(py::init<uint64_t>())
        .def("seed", &Generator::seed)
        .def("set_seed",
             [](Generator& g, uint64_t seed) {
                 const std::lock_guard lock(g.mutex);
                 g.set_seed(seed);
             })
        .def("get_state", &get_state)
        .def("set_state", &set_state)
        .def_property(
            "next_normal", [](const Generator& g) { return g.next_normal; },
            [](Generator& g, std::optional<double> value) { g.next_normal = value; })
        .def("raw",
             [](Generator& g, int64_t n) {
                 std::string words(static_cast<size_t>(4 * n), '\0');
                 const std::lock_guard lock(g.mutex);
                 g.raw(reinterpret_cast<uint32_t*>(words.data()), n);
                 return py::bytes(words);
             })
        .def("next64", [](Generator& g) {
            const std::lock_guard lock(g.mutex);
            return g.next64();
        });
    m.attr("DEFAULT_SEED") = random::kDefaultSeed;
    m.def("random_uniform", &uniform);
    m.def("random_normal", &normal);
    m.def("random_transformed", &transformed);
    m.def("random_bernoulli", &bernoulli);
    m.def("random_integers", &integers);
    m.def("random_permutation", &permutation);
    m.def("random_poisson", &poisson);
    m.def("random_binomial", &binomial);
    m.def("random_weights_fault", &weights_fault);
    m.def("random_multinomial", &multinomial);
    m.def("dropout", &dropout);
    m.def("masked_scale", &masked_scale);
}

}  // namespace pt
