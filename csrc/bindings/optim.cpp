// Optimizer steps over lists of arrays. Each function checks every array first and changes nothing when one
// does not fit (it returns false): the caller then takes the NumPy path.
#include "kernels/optim/optim.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/bindings.h"

namespace pt {

namespace {

PyArrayObject* array_at(const py::list& list, size_t i) {
    PyObject* object = PyList_GET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i));
    return PyArray_Check(object) ? reinterpret_cast<PyArrayObject*>(object) : nullptr;
}

bool is_float(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

bool is_dense(PyArrayObject* array, bool written) {
    return array != nullptr && PyArray_IS_C_CONTIGUOUS(array) && PyArray_ISALIGNED(array) &&
           (!written || PyArray_ISWRITEABLE(array)) && is_float(dtype_of_array(array));
}

// `array` can stand beside `param`: dense, the same type and number of elements.
bool matches(PyArrayObject* array, PyArrayObject* param, bool written) {
    return is_dense(array, written) && dtype_of_array(array) == dtype_of_array(param) &&
           PyArray_SIZE(array) == PyArray_SIZE(param);
}

// The items of a call, by element type: parameters of a group may differ in theirs.
template <class Item>
struct Batch {
    std::vector<Item> float32, float64;
    int64_t elements = 0;

    Item& add(DType dtype, int64_t numel) {
        elements += numel;
        return (dtype == DType::float32 ? float32 : float64).emplace_back();
    }
    // run(items, count, dtype), without the GIL
    template <class Run>
    void run(const Run& run_items) const {
        ReleaseGil released(elements);
        if (!float32.empty()) run_items(float32.data(), static_cast<int64_t>(float32.size()), DType::float32);
        if (!float64.empty()) run_items(float64.data(), static_cast<int64_t>(float64.size()), DType::float64);
    }
};

struct Number {
    std::string_view name;
    double optim::Rule::* field;
};
struct Flag {
    std::string_view name;
    bool optim::Rule::* field;
};
constexpr Number kNumbers[] = {
    {"lr", &optim::Rule::lr},
    {"weight_decay", &optim::Rule::weight_decay},
    {"eps", &optim::Rule::eps},
    {"beta1", &optim::Rule::beta1},
    {"beta2", &optim::Rule::beta2},
    {"momentum", &optim::Rule::momentum},
    {"dampening", &optim::Rule::dampening},
    {"lr_decay", &optim::Rule::lr_decay},
    {"momentum_decay", &optim::Rule::momentum_decay},
    {"lambd", &optim::Rule::lambd},
    {"alpha", &optim::Rule::alpha},
    {"t0", &optim::Rule::t0},
    {"eta_minus", &optim::Rule::eta_minus},
    {"eta_plus", &optim::Rule::eta_plus},
    {"step_min", &optim::Rule::step_min},
    {"step_max", &optim::Rule::step_max},
};
constexpr Flag kFlags[] = {
    {"maximize", &optim::Rule::maximize},
    {"decoupled", &optim::Rule::decoupled},
    {"nesterov", &optim::Rule::nesterov},
};

void set_field(optim::Rule& rule, std::string_view name, PyObject* value) {
    for (const Flag& flag : kFlags) {
        if (flag.name != name) continue;
        const int truth = PyObject_IsTrue(value);
        if (truth < 0) throw py::error_already_set();
        rule.*flag.field = truth != 0;
        return;
    }
    for (const Number& number : kNumbers) {
        if (number.name != name) continue;
        rule.*number.field = PyFloat_AsDouble(value);
        if (PyErr_Occurred()) throw py::error_already_set();
        return;
    }
    throw py::value_error("optim_step: no hyperparameter " + std::string(name));
}

optim::Rule rule_of(const py::dict& values) {
    optim::Rule rule;
    PyObject *key, *value;
    Py_ssize_t place = 0;
    while (PyDict_Next(values.ptr(), &place, &key, &value)) {
        Py_ssize_t size;
        const char* name = PyUnicode_AsUTF8AndSize(key, &size);
        if (name == nullptr) throw py::error_already_set();
        set_field(rule, std::string_view(name, static_cast<size_t>(size)), value);
    }
    return rule;
}

// The lists of a tuple; one that is empty stands for arrays that are not kept.
std::vector<py::list> columns_of(const py::tuple& lists, size_t expected, size_t length, const char* name) {
    if (lists.size() != expected)
        throw py::value_error(std::string(name) + ": expected " + std::to_string(expected) + " lists, got " +
                              std::to_string(lists.size()));
    std::vector<py::list> columns;
    for (const auto& entry : lists) {
        columns.push_back(py::cast<py::list>(entry));
        const size_t size = columns.back().size();
        if (size != 0 && size != length)
            throw py::value_error(std::string(name) + ": expected " + std::to_string(length) +
                                  " arrays, got " + std::to_string(size));
    }
    return columns;
}

bool step(const std::string& name, const py::list& params, const py::list& grads, const py::tuple& states,
          const py::tuple& scalars, const py::dict& hyperparameters) {
    const optim::Algorithm* algorithm = optim::find(name);
    if (algorithm == nullptr) throw py::value_error("optim_step: no algorithm " + name);
    const size_t count = params.size();
    if (grads.size() != count)
        throw py::value_error("grads: expected " + std::to_string(count) + " arrays, got " +
                              std::to_string(grads.size()));
    const auto kept = columns_of(states, static_cast<size_t>(algorithm->states), count, "states");
    const auto numbers = columns_of(scalars, static_cast<size_t>(algorithm->scalars), count, "scalars");
    const optim::Rule rule = rule_of(hyperparameters);
    Batch<optim::Item> batch;
    for (size_t i = 0; i < count; ++i) {
        PyArrayObject *param = array_at(params, i), *grad = array_at(grads, i);
        if (!is_dense(param, true) || !matches(grad, param, false)) return false;
        optim::Item& item = batch.add(dtype_of_array(param), PyArray_SIZE(param));
        item = {PyArray_DATA(param), PyArray_DATA(grad), {}, PyArray_SIZE(param), {}};
        for (size_t k = 0; k < kept.size(); ++k) {
            if (kept[k].empty()) continue;
            PyArrayObject* array = array_at(kept[k], i);
            if (!matches(array, param, true)) return false;
            item.state[k] = PyArray_DATA(array);
        }
        for (const py::list& column : numbers) {
            PyArrayObject* number = column.empty() ? nullptr : array_at(column, i);
            if (!is_dense(number, true) || PyArray_SIZE(number) != 1) return false;
        }
    }
    size_t next32 = 0, next64 = 0;  // the items again, in the order of the parameters
    for (size_t i = 0; i < count; ++i) {
        std::array<optim::Scalar, optim::kMaxScalars> own{};
        for (size_t k = 0; k < numbers.size(); ++k) {
            PyArrayObject* number = array_at(numbers[k], i);
            own[k] = {PyArray_DATA(number), dtype_of_array(number)};
        }
        const bool single = dtype_of_array(array_at(params, i)) == DType::float32;
        optim::Item& item = single ? batch.float32[next32++] : batch.float64[next64++];
        algorithm->prepare(own.data(), rule, item.factor);
    }
    batch.run([&](const optim::Item* items, int64_t size, DType dtype) {
        optim::step(*algorithm, items, size, dtype, rule);
    });
    return true;
}

// The sum of squares of each array; None where an array is not contiguous float32 or float64.
py::list squares(const py::list& arrays) {
    py::list result;
    for (size_t i = 0; i < arrays.size(); ++i) {
        PyArrayObject* array = array_at(arrays, i);
        if (!is_dense(array, false)) {
            result.append(py::none());
            continue;
        }
        const int64_t numel = PyArray_SIZE(array);
        double sum;
        {
            ReleaseGil released(numel);
            sum = optim::sum_of_squares(PyArray_DATA(array), numel, dtype_of_array(array));
        }
        result.append(sum);
    }
    return result;
}

template <void (*change)(const optim::Span*, int64_t, DType, double)>
bool change_all(const py::list& arrays, double value) {
    Batch<optim::Span> batch;
    for (size_t i = 0; i < arrays.size(); ++i) {
        PyArrayObject* array = array_at(arrays, i);
        if (!is_dense(array, true)) return false;
        batch.add(dtype_of_array(array), PyArray_SIZE(array)) = {PyArray_DATA(array), PyArray_SIZE(array)};
    }
    batch.run(
        [&](const optim::Span* spans, int64_t count, DType dtype) { change(spans, count, dtype, value); });
    return true;
}

}  // namespace

void bind_optim(py::module_& m) {
    m.def("optim_step", &step, py::arg("algorithm"), py::arg("params"), py::arg("grads"), py::arg("states"),
          py::arg("scalars"), py::arg("rule"));
    m.def("optim_squares", &squares, py::arg("arrays"));
    m.def("optim_scale", &change_all<optim::scale>, py::arg("arrays"), py::arg("factor"));
    m.def("optim_clamp", &change_all<optim::clamp>, py::arg("arrays"), py::arg("bound"));
}

}  // namespace pt
