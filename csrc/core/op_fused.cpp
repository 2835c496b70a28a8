// Layer norm, cross-entropy and negative log-likelihood on the quick road: plain calls of contiguous float32
// and float64 tensors. Everything else, errors too, is in pytensor/ops/norm.py and
// pytensor/ops/cross_entropy.py.
#include "core/op.h"

#include "base/pool.h"
#include "kernels/loss/loss.h"
#include "kernels/norm/norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pt::core {

namespace {

// A contiguous CPU tensor of `dtype`.
bool is_plain(PyObject* object, DType dtype) {
    if (!is_tensor(object) || !PyArray_CheckExact(as_tensor(object)->array)) return false;
    PyArrayObject* array = array_of(as_tensor(object));
    return PyArray_IS_C_CONTIGUOUS(array) && dtype_of_array(array) == dtype;
}

bool is_absent(PyObject* argument) { return argument == nullptr || argument == Py_None; }

// An optional tensor argument as an operand; false when it is neither absent nor plain with these sizes.
bool read_vector(PyObject* argument, DType dtype, int ndim, const int64_t* shape, Operand* operand) {
    *operand = {Py_None, nullptr, false};
    if (is_absent(argument)) return true;
    if (!is_plain(argument, dtype)) return false;
    const ArrayView v = view_of(array_of(as_tensor(argument)));
    if (v.ndim != ndim || !std::equal(shape, shape + ndim, v.shape)) return false;
    *operand = {argument, as_tensor(argument), false};
    return true;
}

template <class T>
T* data_of(const Operand& operand) {
    return operand.tensor == nullptr ? nullptr : static_cast<T*>(PyArray_DATA(array_of(operand.tensor)));
}

// The dtype of a plain tensor with elements, of those that the kernels know.
DType plain_float(PyObject* object) {
    for (const DType dtype : {DType::float32, DType::float64})
        if (is_plain(object, dtype) && PyArray_SIZE(array_of(as_tensor(object))) > 0) return dtype;
    return DType::unsupported;
}

// (a, b, ...), all of whose references are stolen; null when one of them is.
template <class... Items>
PyObject* tuple_of(Items... items) {
    PyObject* tuple = ((items != nullptr) && ...) ? PyTuple_Pack(sizeof...(items), items...) : nullptr;
    (Py_XDECREF(items), ...);
    return tuple;
}

// ---- layer norm -------------------------------------------------------------------------------------------

// layer_norm(input, normalized_shape, weight, bias, eps)
struct LayerNorm {
    Operand operands[3];  // input, weight, bias
    DType dtype;
    int axes;  // that are normalised over
    norm::Groups sizes;
    PyObject* shape;
    double eps = 1e-5;

    bool read(PyObject* input, PyObject* const* given) {
        enum { kShape, kWeight, kBias, kEps };
        dtype = plain_float(input);
        shape = given[kShape];
        if (dtype == DType::unsupported || shape == nullptr || !PyTuple_Check(shape)) return false;
        operands[0] = {input, as_tensor(input), false};
        const ArrayView in = view_of(array_of(as_tensor(input)));
        axes = static_cast<int>(PyTuple_GET_SIZE(shape));
        if (axes < 1 || axes > in.ndim) return false;
        const int64_t* ends = in.shape + (in.ndim - axes);
        int64_t channels = 1;
        for (int i = 0; i < axes; ++i) {
            PyObject* const size = PyTuple_GET_ITEM(shape, i);
            if (!PyLong_CheckExact(size) || PyLong_AsLongLong(size) != ends[i]) return false;
            channels *= ends[i];
        }
        if (given[kEps] != nullptr) {
            if (!PyFloat_CheckExact(given[kEps])) return false;
            eps = PyFloat_AS_DOUBLE(given[kEps]);
        }
        sizes = {in.numel() / channels, channels, 1, 1, true};
        return read_vector(given[kWeight], dtype, axes, ends, &operands[1]) &&
               read_vector(given[kBias], dtype, axes, ends, &operands[2]);
    }

    template <class T>
    void run(PyObject* y, char* mean, char* rstd) const {
        norm::group_forward<T>(sizes, data_of<T>(operands[0]), data_of<T>(operands[1]),
                               data_of<T>(operands[2]), static_cast<T>(eps), reinterpret_cast<T*>(mean),
                               reinterpret_cast<T*>(rstd),
                               static_cast<T*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(y))));
    }
    void run(PyObject* y, char* mean, char* rstd) const {
        ReleaseGil release(sizes.batch * sizes.channels);
        if (dtype == DType::float32)
            run<float>(y, mean, rstd);
        else
            run<double>(y, mean, rstd);
    }
};

char* memory_of(PyObject* array) { return PyArray_BYTES(reinterpret_cast<PyArrayObject*>(array)); }

// `y` (stolen) with its node: saved = (input, weight, mean, rstd), ctx = ((rows, channels, 1), eps, shape).
PyObject* record_layer_norm(const OpObject* op, const LayerNorm& call, PyObject* y, PyObject* mean,
                            PyObject* rstd) {
    PyObject* result = wrap(y);
    PyObject* sizes = tuple_of(PyLong_FromLongLong(call.sizes.batch),
                               PyLong_FromLongLong(call.sizes.channels), PyLong_FromLong(1));
    PyObject* ctx = tuple_of(sizes, PyFloat_FromDouble(call.eps), Py_NewRef(call.shape));
    NodeObject* node = result != nullptr && ctx != nullptr ? new_node(op->node, 3, 4, 1) : nullptr;
    if (node == nullptr) {
        Py_XDECREF(result);
        Py_XDECREF(ctx);
        return nullptr;
    }
    for (int i = 0; i < 3; ++i)
        if (call.operands[i].needs) set_edge(node, i, call.operands[i].tensor);
    node->ctx = ctx;
    save_tensor(node, 0, call.operands[0].tensor);
    if (call.operands[1].tensor != nullptr)
        save_tensor(node, 1, call.operands[1].tensor);
    else
        save_object(node, 1, Py_None);
    save_object(node, 2, mean);
    save_object(node, 3, rstd);
    if (attach_output(node, 0, as_tensor(result)) < 0 || finish_node(node) < 0) Py_CLEAR(result);
    Py_DECREF(as_object(node));
    return result;
}

// ---- negative log-likelihood ------------------------------------------------------------------------------

// nll_loss(input, target, weight, size_average, ignore_index, reduce, reduction)
struct NllLoss {
    enum Mode { kNone, kSum, kMean };
    Operand operands[3];  // input, target, weight
    DType dtype;
    ArrayView target;
    loss::Samples samples;
    int64_t ignore_index = -100;
    Mode mode = kMean;

    bool read(PyObject* input, PyObject* labels, PyObject* const* given) {
        enum { kWeight, kSizeAverage, kIgnoreIndex, kReduce, kReduction };
        dtype = plain_float(input);
        if (dtype == DType::unsupported || !is_plain(labels, DType::int64)) return false;
        const ArrayView in = view_of(array_of(as_tensor(input)));
        target = view_of(array_of(as_tensor(labels)));
        if (in.ndim < 2 || target.ndim != in.ndim - 1 || target.shape[0] != in.shape[0] ||
            !std::equal(in.shape + 2, in.shape + in.ndim, target.shape + 1) ||
            !is_absent(given[kSizeAverage]) || !is_absent(given[kReduce]) || !read_mode(given[kReduction]) ||
            !read_ignored(given[kIgnoreIndex]))
            return false;
        samples = {in.shape[0], in.shape[1], in.numel() / (in.shape[0] * in.shape[1])};
        operands[0] = {input, as_tensor(input), false};
        operands[1] = {labels, as_tensor(labels), false};
        return read_vector(given[kWeight], dtype, 1, in.shape + 1, &operands[2]);
    }

    bool read_mode(PyObject* text) {
        if (text == nullptr) return true;
        if (!PyUnicode_CheckExact(text)) return false;
        for (const auto& [name, value] : {std::pair{"mean", kMean}, {"sum", kSum}, {"none", kNone}})
            if (PyUnicode_CompareWithASCIIString(text, name) == 0) {
                mode = value;
                return true;
            }
        return false;
    }

    bool read_ignored(PyObject* number) {
        if (number == nullptr) return true;
        int overflow = 0;
        if (!PyLong_CheckExact(number)) return false;
        ignore_index = PyLong_AsLongLongAndOverflow(number, &overflow);
        return overflow == 0;
    }

    // Fills `out`; gives what the gradient of each loss is multiplied by. Null (no error): a target is no
    // class.
    template <class T>
    PyObject* run(PyObject* out) const {
        T* result = reinterpret_cast<T*>(memory_of(out));
        const loss::CrossEntropy<T> problem = {
            samples, data_of<T>(operands[0]), target.as<int64_t>(), data_of<T>(operands[2]), ignore_index,
            T(0)};
        loss::NllSums sums;
        {
            ReleaseGil release(samples.count());
            sums = loss::nll<T>(problem, mode == kNone ? result : nullptr);
        }
        if (sums.wrong) return nullptr;
        if (mode != kNone) *result = static_cast<T>(mode == kMean ? sums.losses / sums.weights : sums.losses);
        const double factor = sums.weights == 0 ? std::nan("") : 1 / sums.weights;
        return PyFloat_FromDouble(mode == kMean ? factor : 1.0);
    }

    PyObject* run(PyObject* out) const {
        return dtype == DType::float32 ? run<float>(out) : run<double>(out);
    }
};

const char* mode_name(NllLoss::Mode mode) {
    return mode == NllLoss::kMean ? "mean" : mode == NllLoss::kSum ? "sum" : "none";
}

// ---- cross-entropy ----------------------------------------------------------------------------------------

// The same arguments and label_smoothing; target classes, not probabilities.
struct CrossEntropy : NllLoss {
    double smoothing = 0;
    double factor = 1;  // what the gradient of each loss is multiplied by

    bool read_smoothing(PyObject* number) {
        if (number == nullptr) return true;
        if (!PyFloat_CheckExact(number)) return false;
        smoothing = PyFloat_AS_DOUBLE(number);
        return smoothing >= 0 && smoothing <= 1;
    }

    bool all_are_classes() const {
        const int64_t* labels = target.as<int64_t>();
        for (int64_t i = 0, n = target.numel(); i < n; ++i)
            if (labels[i] != ignore_index &&
                static_cast<uint64_t>(labels[i]) >= static_cast<uint64_t>(samples.classes))
                return false;
        return true;
    }

    // Fills `out` from the losses in `each`, and what backward needs.
    template <class T>
    void run(PyObject* out, PyObject* each, PyObject* largest, PyObject* log_sum) {
        T* const losses = reinterpret_cast<T*>(memory_of(each));
        ReleaseGil release(samples.count() * samples.classes);
        const double counted = loss::cross_entropy<T>(
            {samples, data_of<T>(operands[0]), target.as<int64_t>(), data_of<T>(operands[2]), ignore_index,
             static_cast<T>(smoothing)},
            losses, reinterpret_cast<T*>(memory_of(largest)), reinterpret_cast<T*>(memory_of(log_sum)));
        if (mode == kNone) return;
        double total = 0;
        for (int64_t i = 0; i < samples.count(); ++i) total += losses[i];
        *reinterpret_cast<T*>(memory_of(out)) = static_cast<T>(mode == kSum ? total : total / counted);
        if (mode == kMean) factor = counted == 0 ? std::nan("") : 1 / counted;
    }
};

// saved: (input, target, weight, largest, log_sum); ctx: (ignore_index, smoothing, factor, mode, ndim)
int record_cross_entropy(const OpObject* op, const CrossEntropy& call, PyObject* result, PyObject* largest,
                         PyObject* log_sum) {
    PyObject* const ctx =
        tuple_of(PyLong_FromLongLong(call.ignore_index), PyFloat_FromDouble(call.smoothing),
                 PyFloat_FromDouble(call.factor), PyUnicode_InternFromString(mode_name(call.mode)),
                 PyLong_FromLong(PyArray_NDIM(array_of(call.operands[0].tensor))));
    NodeObject* const node = ctx != nullptr ? new_node(op->node, 1, 5, 1) : nullptr;
    if (node == nullptr) {
        Py_XDECREF(ctx);
        return -1;
    }
    node->ctx = ctx;
    set_edge(node, 0, call.operands[0].tensor);
    for (int i = 0; i < 3; ++i) {
        if (call.operands[i].tensor != nullptr)
            save_tensor(node, i, call.operands[i].tensor);
        else
            save_object(node, i, Py_None);
    }
    save_object(node, 3, largest);
    save_object(node, 4, log_sum);
    int status = attach_output(node, 0, as_tensor(result));
    if (status == 0) status = finish_node(node);
    Py_DECREF(as_object(node));
    return status;
}

}  // namespace

PyObject* call_cross_entropy(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    PyObject* given[kMaxOpParams];
    CrossEntropy call;
    if (!sort_arguments(op->arguments, 2, args, PyVectorcall_NARGS(nargsf), names, given) ||
        !call.read(args[0], args[1], given) || !call.read_smoothing(given[5]) || !call.all_are_classes())
        return call_slow(op, args, nargsf, names);
    if (!ask_needs(op, call.operands, 1)) return nullptr;
    const int64_t count = call.samples.count();
    PyObject* const each = new_array(call.target.ndim, call.target.shape, call.dtype);
    PyObject* const out = call.mode == NllLoss::kNone ? Py_XNewRef(each) : new_array(0, nullptr, call.dtype);
    PyObject* const largest = new_array(1, &count, call.dtype);
    PyObject* const log_sum = new_array(1, &count, call.dtype);
    PyObject* result = nullptr;
    if (each != nullptr && out != nullptr && largest != nullptr && log_sum != nullptr) {
        if (call.dtype == DType::float32)
            call.run<float>(out, each, largest, log_sum);
        else
            call.run<double>(out, each, largest, log_sum);
        result = wrap(Py_NewRef(out));
        if (result != nullptr && call.operands[0].needs &&
            record_cross_entropy(op, call, result, largest, log_sum) < 0)
            Py_CLEAR(result);
    }
    for (PyObject* array : {each, out, largest, log_sum}) Py_XDECREF(array);
    return result;
}

PyObject* call_layer_norm(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject* given[kMaxOpParams];
    LayerNorm call;
    if (!sort_arguments(op->arguments, 1, args, count, names, given) || !call.read(args[0], given))
        return call_slow(op, args, nargsf, names);
    if (!ask_needs(op, call.operands, 3)) return nullptr;
    const bool recorded = call.operands[0].needs || call.operands[1].needs || call.operands[2].needs;
    const ArrayView in = view_of(array_of(call.operands[0].tensor));
    PyObject* y = new_array(in.ndim, in.shape, call.dtype);
    if (y == nullptr) return nullptr;
    const int64_t rows = call.sizes.rows();
    if (!recorded) {
        pool::Scratch scratch(static_cast<size_t>(2 * rows * item_size(call.dtype)));
        call.run(y, scratch.as<char>(), scratch.as<char>() + rows * item_size(call.dtype));
        return wrap(y);
    }
    PyObject *mean = new_array(1, &rows, call.dtype), *rstd = new_array(1, &rows, call.dtype);
    PyObject* result = nullptr;
    if (mean != nullptr && rstd != nullptr) {
        call.run(y, memory_of(mean), memory_of(rstd));
        result = record_layer_norm(op, call, y, mean, rstd);
    } else {
        Py_DECREF(y);
    }
    Py_XDECREF(mean);
    Py_XDECREF(rstd);
    return result;
}

PyObject* call_nll_loss(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject* given[kMaxOpParams];
    NllLoss call;
    if (!sort_arguments(op->arguments, 2, args, count, names, given) || !call.read(args[0], args[1], given))
        return call_slow(op, args, nargsf, names);
    if (!ask_needs(op, call.operands, 1)) return nullptr;
    PyObject* out = call.mode == NllLoss::kNone ? new_array(call.target.ndim, call.target.shape, call.dtype)
                                                : new_array(0, nullptr, call.dtype);
    if (out == nullptr) return nullptr;
    PyObject* factor = call.run(out);
    if (factor == nullptr) {
        Py_DECREF(out);
        return PyErr_Occurred() != nullptr ? nullptr : call_slow(op, args, nargsf, names);
    }
    if (!call.operands[0].needs) {
        Py_DECREF(factor);
        return wrap(out);
    }
    const ArrayView in = view_of(array_of(call.operands[0].tensor));
    PyObject* ctx = tuple_of(PyLong_FromLongLong(call.ignore_index), factor, size_from(in.ndim, in.shape),
                             PyUnicode_InternFromString(mode_name(call.mode)));
    if (ctx == nullptr) {
        Py_DECREF(out);
        return nullptr;
    }
    PyObject* result = finish(op, out, call.operands, 1, ctx);
    Py_DECREF(ctx);
    return result;
}

}  // namespace pt::core
