// Optimizer steps over lists of arrays. Each function checks every array first and changes nothing when one
// does not fit (it returns false): the caller then takes the NumPy path.
#include "kernels/optim/optim.h"

#include <cmath>
#include <vector>

#include "bindings/bindings.h"

namespace pt {

namespace {

PyArrayObject* array_at(const py::list& list, size_t i) {
    PyObject* object = PyList_GET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i));
    return PyArray_Check(object) ? reinterpret_cast<PyArrayObject*>(object) : nullptr;
}

bool is_dense(PyArrayObject* array, bool written) {
    return array != nullptr && PyArray_IS_C_CONTIGUOUS(array) && PyArray_ISALIGNED(array) &&
           (!written || PyArray_ISWRITEABLE(array));
}

// `array` can stand beside `param`: dense, the same type and number of elements.
bool matches(PyArrayObject* array, PyArrayObject* param, bool written) {
    return is_dense(array, written) && dtype_of_array(array) == dtype_of_array(param) &&
           PyArray_SIZE(array) == PyArray_SIZE(param);
}

bool is_float(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

// The items of a call, by element type: parameters of a group may differ in theirs.
template <class Item>
struct Batch {
    std::vector<Item> float32, float64;
    int64_t elements = 0;

    void add(const Item& item, DType dtype) {
        (dtype == DType::float32 ? float32 : float64).push_back(item);
        elements += item.numel;
    }
    template <class Run, class Rule>
    void run(Run step, const Rule& rule) const {
        ReleaseGil released(elements);
        step(float32.data(), static_cast<int64_t>(float32.size()), DType::float32, rule);
        step(float64.data(), static_cast<int64_t>(float64.size()), DType::float64, rule);
    }
};

void check_length(const py::list& list, size_t expected, const char* name) {
    if (list.size() != expected)
        throw py::value_error(std::string(name) + ": expected " + std::to_string(expected) + " arrays, got " +
                              std::to_string(list.size()));
}

// Momentum buffers are empty without momentum. fresh[i]: the buffer holds nothing yet.
bool sgd(const py::list& params, const py::list& grads, const py::list& buffers,
         const std::vector<bool>& fresh, double lr, double momentum, double dampening, double weight_decay,
         bool nesterov, bool maximize) {
    const size_t count = params.size();
    check_length(grads, count, "grads");
    const bool has_momentum = !buffers.empty();
    if (has_momentum) {
        check_length(buffers, count, "momentum_buffers");
        if (fresh.size() != count) throw py::value_error("fresh: one flag per parameter is needed");
    }
    Batch<optim::SgdItem> batch;
    for (size_t i = 0; i < count; ++i) {
        PyArrayObject* param = array_at(params, i);
        PyArrayObject* grad = array_at(grads, i);
        PyArrayObject* buffer = has_momentum ? array_at(buffers, i) : nullptr;
        if (!is_dense(param, true) || !is_float(dtype_of_array(param)) || !matches(grad, param, false))
            return false;
        if (has_momentum && !matches(buffer, param, true)) return false;
        optim::SgdItem item;
        item.param = PyArray_DATA(param);
        item.grad = PyArray_DATA(grad);
        item.momentum_buffer = has_momentum ? PyArray_DATA(buffer) : nullptr;
        item.numel = PyArray_SIZE(param);
        item.fresh = has_momentum && fresh[i];
        batch.add(item, dtype_of_array(param));
    }
    batch.run(optim::sgd, optim::SgdRule{lr, momentum, dampening, weight_decay, nesterov, maximize});
    return true;
}

double read_step(PyArrayObject* step) {
    return dtype_of_array(step) == DType::float32 ? *static_cast<float*>(PyArray_DATA(step))
                                                  : *static_cast<double*>(PyArray_DATA(step));
}
void write_step(PyArrayObject* step, double value) {
    if (dtype_of_array(step) == DType::float32)
        *static_cast<float*>(PyArray_DATA(step)) = static_cast<float>(value);
    else
        *static_cast<double*>(PyArray_DATA(step)) = value;
}

// steps: one-element arrays that are counted up. max_exp_avg_sqs is empty without amsgrad.
bool adam(const py::list& params, const py::list& grads, const py::list& exp_avgs,
          const py::list& exp_avg_sqs, const py::list& max_exp_avg_sqs, const py::list& steps, double lr,
          double beta1, double beta2, double eps, double weight_decay, bool maximize, bool decoupled) {
    const size_t count = params.size();
    const bool amsgrad = !max_exp_avg_sqs.empty();
    check_length(grads, count, "grads");
    check_length(exp_avgs, count, "exp_avgs");
    check_length(exp_avg_sqs, count, "exp_avg_sqs");
    if (amsgrad) check_length(max_exp_avg_sqs, count, "max_exp_avg_sqs");
    check_length(steps, count, "steps");
    Batch<optim::AdamItem> batch;
    for (size_t i = 0; i < count; ++i) {
        PyArrayObject* param = array_at(params, i);
        PyArrayObject* grad = array_at(grads, i);
        PyArrayObject* exp_avg = array_at(exp_avgs, i);
        PyArrayObject* exp_avg_sq = array_at(exp_avg_sqs, i);
        PyArrayObject* largest = amsgrad ? array_at(max_exp_avg_sqs, i) : nullptr;
        PyArrayObject* step = array_at(steps, i);
        if (!is_dense(param, true) || !is_float(dtype_of_array(param)) || !matches(grad, param, false) ||
            !matches(exp_avg, param, true) || !matches(exp_avg_sq, param, true) ||
            (amsgrad && !matches(largest, param, true)))
            return false;
        if (!is_dense(step, true) || !is_float(dtype_of_array(step)) || PyArray_SIZE(step) != 1) return false;
        const double t = read_step(step) + 1;
        optim::AdamItem item;
        item.param = PyArray_DATA(param);
        item.grad = PyArray_DATA(grad);
        item.exp_avg = PyArray_DATA(exp_avg);
        item.exp_avg_sq = PyArray_DATA(exp_avg_sq);
        item.max_exp_avg_sq = amsgrad ? PyArray_DATA(largest) : nullptr;
        item.numel = PyArray_SIZE(param);
        item.step_size = lr / (1 - std::pow(beta1, t));
        item.scale = 1 / std::sqrt(1 - std::pow(beta2, t));
        batch.add(item, dtype_of_array(param));
    }
    for (size_t i = 0; i < count; ++i) write_step(array_at(steps, i), read_step(array_at(steps, i)) + 1);
    batch.run(optim::adam, optim::AdamRule{lr, beta1, beta2, eps, weight_decay, maximize, decoupled});
    return true;
}

// The sum of squares of each array; None where an array is not contiguous float32 or float64.
py::list squares(const py::list& arrays) {
    py::list result;
    for (size_t i = 0; i < arrays.size(); ++i) {
        PyArrayObject* array = array_at(arrays, i);
        if (!is_dense(array, false) || !is_float(dtype_of_array(array))) {
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

}  // namespace

void bind_optim(py::module_& m) {
    m.def("optim_sgd", &sgd, py::arg("params"), py::arg("grads"), py::arg("momentum_buffers"),
          py::arg("fresh"), py::arg("lr"), py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"),
          py::arg("nesterov"), py::arg("maximize"));
    m.def("optim_squares", &squares, py::arg("arrays"));
    m.def("optim_adam", &adam, py::arg("params"), py::arg("grads"), py::arg("exp_avgs"),
          py::arg("exp_avg_sqs"), py::arg("max_exp_avg_sqs"), py::arg("steps"), py::arg("lr"),
          py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("maximize"),
          py::arg("decoupled"));
}

}  // namespace pt
