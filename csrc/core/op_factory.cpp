// New tensors on the quick road: zeros, ones, empty, full, arange, the random fills, the *_like forms and
// tensor(numbers). Plain sizes, dtype= and requires_grad= are answered here, everything else in Python.
#include "core/op.h"

#include "base/layout.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/random/random.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

namespace pt::core {

namespace {

// What the keywords of a call ask for.
struct Options {
    DType dtype = DType::unsupported;  // not given
    bool requires_grad = false;
};

// dtype= (a real type that NumPy has), requires_grad=, device= the CPU; false for any other keyword.
bool read_options(PyObject* const* values, PyObject* names, Options* options) {
    static PyObject* const dtype_name = PyUnicode_InternFromString("dtype");
    static PyObject* const grad_name = PyUnicode_InternFromString("requires_grad");
    static PyObject* const device_name = PyUnicode_InternFromString("device");
    const Py_ssize_t keywords = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < keywords; ++i) {
        PyObject* const name = PyTuple_GET_ITEM(names, i);
        PyObject* const value = values[i];
        if (name == dtype_name) {
            if (value == Py_None) continue;
            for (int d = 0; d < static_cast<int>(DType::complex64); ++d)
                if (registry.dtypes[d] == value) options->dtype = static_cast<DType>(d);
            if (options->dtype == DType::unsupported || options->dtype == DType::bfloat16) return false;
        } else if (name == grad_name) {
            if (value != Py_True && value != Py_False) return false;
            options->requires_grad = value == Py_True;
        } else if (name == device_name) {
            if (value != Py_None && !is_cpu(value)) return false;
        } else {
            return false;
        }
    }
    return true;
}

// Sizes given as f(2, 3) or f((2, 3)): exact, non-negative ints.
bool read_sizes(PyObject* const* args, Py_ssize_t count, int64_t* shape, int* ndim) {
    return read_ints(args, count, shape, ndim) &&
           std::all_of(shape, shape + *ndim, [](int64_t size) { return size >= 0; });
}

bool is_float(DType dtype) { return dtype >= DType::float16; }

// A leaf around `array` (stolen, may be null).
PyObject* finish_leaf(PyObject* array, bool requires_grad) {
    if (array == nullptr) return nullptr;
    PyObject* result = wrap(array);
    if (result != nullptr && requires_grad) as_tensor(result)->requires_grad = true;
    return result;
}

// Stores one value everywhere.
template <class T>
void fill(PyObject* array, T value) {
    const ArrayView out = view_of(reinterpret_cast<PyArrayObject*>(array));
    ArrayView in;
    in.data = reinterpret_cast<char*>(&value);
    in.dtype = dtype_of<T>::value;
    ReleaseGil release(out.numel());
    pointwise::cast(in, out);
}

DType given_or(const Options& options, DType otherwise) {
    return options.dtype != DType::unsupported ? options.dtype : otherwise;
}

}  // namespace

bool read_ints(PyObject* const* args, Py_ssize_t count, int64_t* values, int* n) {
    if (count == 1 && !PyLong_CheckExact(args[0])) {
        const bool list = PyList_CheckExact(args[0]);
        if (!list && !PyTuple_Check(args[0])) return false;
        PyObject* const numbers = args[0];
        count = Py_SIZE(numbers);
        args = list ? reinterpret_cast<PyListObject*>(numbers)->ob_item
                    : reinterpret_cast<PyTupleObject*>(numbers)->ob_item;
    } else if (count == 0) {
        return false;
    }
    if (count > kMaxDims) return false;
    *n = static_cast<int>(count);
    for (Py_ssize_t i = 0; i < count; ++i)
        if (!read_int(args[i], &values[i])) return false;
    return true;
}

// zeros, ones, empty: params[0] is the value, none for empty. Random fills: `alternate` fills the array.
PyObject* call_sizes(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Options options;
    int64_t shape[kMaxDims];
    int ndim;
    if (!registry.default_cpu || !read_sizes(args, count, shape, &ndim) ||
        !read_options(args + count, names, &options))
        return call_slow(op, args, nargsf, names);
    const DType dtype = given_or(options, registry.default_dtype);
    const bool drawn = op->alternate != nullptr;
    if ((options.requires_grad && !is_float(dtype)) ||
        (drawn && dtype != DType::float32 && dtype != DType::float64))
        return call_slow(op, args, nargsf, names);
    PyObject* array = new_array(ndim, shape, dtype);
    if (array == nullptr) return nullptr;
    if (op->param_count > 0) fill(array, op->params[0]);
    if (drawn) {
        PyObject* done = PyObject_CallOneArg(op->alternate, array);
        if (done == nullptr) {
            Py_DECREF(array);
            return nullptr;
        }
        Py_DECREF(done);
    }
    return finish_leaf(array, options.requires_grad);
}

// full(size, number)
PyObject* call_full(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Options options;
    int64_t shape[kMaxDims];
    int ndim;
    if (!registry.default_cpu || count != 2 || PyLong_CheckExact(args[0]) ||
        !read_sizes(args, 1, shape, &ndim) || !read_options(args + count, names, &options))
        return call_slow(op, args, nargsf, names);
    PyObject* const value = args[1];
    const bool whole = PyLong_CheckExact(value);
    const DType dtype = given_or(options, whole ? DType::int64 : registry.default_dtype);
    // Other combinations may overflow or are cut: in Python.
    const bool fits = dtype == DType::float32 || dtype == DType::float64 || (dtype == DType::int64 && whole);
    if ((!whole && !PyFloat_CheckExact(value)) || !fits || (options.requires_grad && !is_float(dtype)))
        return call_slow(op, args, nargsf, names);
    int overflow = 0;
    const int64_t integer = whole ? PyLong_AsLongLongAndOverflow(value, &overflow) : 0;
    const double real = whole ? static_cast<double>(integer) : PyFloat_AS_DOUBLE(value);
    const bool narrow = dtype == DType::float32 && std::isfinite(real) && !(std::fabs(real) <= FLT_MAX);
    if (overflow != 0 || narrow) return call_slow(op, args, nargsf, names);
    PyObject* array = new_array(ndim, shape, dtype);
    if (array == nullptr) return nullptr;
    if (dtype == DType::int64) {
        fill(array, integer);
    } else {
        fill(array, real);
    }
    return finish_leaf(array, options.requires_grad);
}

// arange(end), arange(start, end), arange(start, end, step) of ints
PyObject* call_arange(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Options options;
    if (!registry.default_cpu || count < 1 || count > 3 || !read_options(args + count, names, &options))
        return call_slow(op, args, nargsf, names);
    const DType dtype = given_or(options, DType::int64);
    int64_t bounds[3] = {0, 0, 1};
    constexpr int64_t exact = int64_t{1} << 24;  // in float32 too
    bool plain = dtype == DType::int64 || ((dtype == DType::float32 || dtype == DType::float64));
    for (Py_ssize_t i = 0; i < count && plain; ++i) {
        int overflow = 0;
        int64_t& bound = bounds[count == 1 ? 1 : i];
        plain = PyLong_CheckExact(args[i]);
        if (plain) bound = PyLong_AsLongLongAndOverflow(args[i], &overflow);
        plain = plain && overflow == 0 && bound > -exact && bound < exact;
    }
    const int64_t step = bounds[2], span = bounds[1] - bounds[0];
    if (!plain || step == 0 || (span < 0) != (step < 0 && span != 0) ||
        (options.requires_grad && !is_float(dtype)))
        return call_slow(op, args, nargsf, names);
    const int64_t n = (span + step - (step > 0 ? 1 : -1)) / step;
    PyObject* array = new_array(1, &n, dtype);
    if (array == nullptr) return nullptr;
    char* const data = static_cast<char*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)));
    for (int64_t i = 0; i < n; ++i) {
        const int64_t value = bounds[0] + i * step;
        if (dtype == DType::int64) reinterpret_cast<int64_t*>(data)[i] = value;
        if (dtype == DType::float32) reinterpret_cast<float*>(data)[i] = static_cast<float>(value);
        if (dtype == DType::float64) reinterpret_cast<double*>(data)[i] = static_cast<double>(value);
    }
    return finish_leaf(array, options.requires_grad);
}

// randint(high, size), randint(low, high, size) from the default generator, which is `alternate`
PyObject* call_randint(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Options options;
    int64_t shape[kMaxDims], bounds[2] = {0, 0};
    int ndim = 0;
    bool plain = registry.default_cpu && (count == 2 || count == 3) &&
                 read_options(args + count, names, &options) &&
                 given_or(options, DType::int64) == DType::int64 && !options.requires_grad &&
                 !PyLong_CheckExact(args[count - 1]) && read_sizes(args + count - 1, 1, shape, &ndim);
    for (Py_ssize_t i = 0; i < count - 1 && plain; ++i) {
        int overflow = 0;
        plain = PyLong_CheckExact(args[i]);
        if (plain) bounds[count == 2 ? 1 : i] = PyLong_AsLongLongAndOverflow(args[i], &overflow);
        plain = plain && overflow == 0;
    }
    constexpr int64_t narrow = int64_t{1} << 28;  // wider ranges take 64-bit draws
    if (!plain || bounds[0] < -narrow || bounds[1] > narrow || bounds[1] <= bounds[0] ||
        bounds[1] - bounds[0] >= narrow)
        return call_slow(op, args, nargsf, names);
    PyObject* array = new_array(ndim, shape, DType::int64);
    if (array == nullptr) return nullptr;
    try {
        random::Generator& generator = py::cast<random::Generator&>(py::handle(op->alternate));
        const ArrayView out = view_of(reinterpret_cast<PyArrayObject*>(array));
        ReleaseGil release(out.numel());
        random::integers(generator, out.as<int64_t>(), out.numel(),
                         static_cast<uint64_t>(bounds[1] - bounds[0]), bounds[0], false);
    } catch (const py::cast_error& error) {
        Py_DECREF(array);
        return PyErr_Format(PyExc_TypeError, "randint: %s", error.what());
    }
    return finish_leaf(array, false);
}

// zeros_like(x), ones_like(x), empty_like(x): params as in call_sizes
PyObject* call_like(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Options options;
    if (count != 1 || !is_tensor(args[0]) || !PyArray_CheckExact(as_tensor(args[0])->array) ||
        !read_options(args + count, names, &options))
        return call_slow(op, args, nargsf, names);
    const ArrayView like = view_of(array_of(as_tensor(args[0])));
    const DType dtype = given_or(options, like.dtype);
    if (!pointwise::castable(dtype) || !pointwise::castable(like.dtype) ||
        (options.requires_grad && !is_float(dtype)))
        return call_slow(op, args, nargsf, names);
    PyObject* array = new_result(&like, 1, like.ndim, like.shape, dtype);
    if (array == nullptr) return nullptr;
    if (op->param_count > 0) fill(array, op->params[0]);
    return finish_leaf(array, options.requires_grad);
}

// ---- tensor(numbers) --------------------------------------------------------------------------------------

namespace {

inline bool is_sequence(PyObject* object) { return PyList_CheckExact(object) || PyTuple_CheckExact(object); }
inline PyObject* item_of(PyObject* sequence, Py_ssize_t i) {
    return PyList_CheckExact(sequence) ? PyList_GET_ITEM(sequence, i) : PyTuple_GET_ITEM(sequence, i);
}

// Nested lists and tuples of bools, ints and floats.
struct Numbers {
    int ndim = 0;
    int64_t shape[kMaxDims];
    bool bools = false, ints = false, floats = false;

    bool find_shape(PyObject* data) {
        for (; is_sequence(data); data = item_of(data, 0)) {
            if (ndim == kMaxDims) return false;
            shape[ndim++] = Py_SIZE(data);
            if (shape[ndim - 1] == 0) break;
        }
        return true;
    }
    // Every list as long as the first of its depth, every leaf a number?
    bool check(PyObject* data, int depth) {
        if (depth == ndim) {
            const bool is_float = PyFloat_CheckExact(data), is_int = PyLong_CheckExact(data);
            const bool is_bool = PyBool_Check(data);
            floats |= is_float;
            ints |= is_int;
            bools |= is_bool;
            return is_float || is_int || is_bool;
        }
        if (!is_sequence(data) || Py_SIZE(data) != shape[depth]) return false;
        for (Py_ssize_t i = 0; i < shape[depth]; ++i)
            if (!check(item_of(data, i), depth + 1)) return false;
        return true;
    }
    DType dtype() const {
        if (floats || (!ints && !bools)) return registry.default_dtype;
        return ints ? DType::int64 : DType::boolean;
    }
};

inline double as_double(PyObject* number) {
    return PyFloat_CheckExact(number) ? PyFloat_AS_DOUBLE(number) : PyLong_AsDouble(number);
}
inline void store(float* to, PyObject* number) { *to = static_cast<float>(as_double(number)); }
inline void store(double* to, PyObject* number) { *to = as_double(number); }
inline void store(int64_t* to, PyObject* number) { *to = PyLong_AsLongLong(number); }
inline void store(bool* to, PyObject* number) { *to = number == Py_True; }

template <class T>
T* store_all(PyObject* data, int depth, T* to) {
    if (depth == 0) {
        store(to, data);
        return to + 1;
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(data); ++i) to = store_all(item_of(data, i), depth - 1, to);
    return to;
}

void store_numbers(PyObject* data, int depth, DType dtype, void* to) {
    if (dtype == DType::float32) store_all(data, depth, static_cast<float*>(to));
    if (dtype == DType::float64) store_all(data, depth, static_cast<double*>(to));
    if (dtype == DType::int64) store_all(data, depth, static_cast<int64_t*>(to));
    if (dtype == DType::boolean) store_all(data, depth, static_cast<bool*>(to));
}

}  // namespace

PyObject* call_tensor(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Options options;
    Numbers numbers;
    if (!registry.default_cpu || count != 1 || !read_options(args + count, names, &options) ||
        !numbers.find_shape(args[0]) || !numbers.check(args[0], 0))
        return call_slow(op, args, nargsf, names);
    const DType dtype = given_or(options, numbers.dtype());
    const bool fits = dtype == DType::float32 || dtype == DType::float64 ||
                      (dtype == DType::int64 && !numbers.floats) ||
                      (dtype == DType::boolean && !numbers.floats && !numbers.ints);
    if (!fits || (options.requires_grad && !is_float(dtype))) return call_slow(op, args, nargsf, names);
    PyObject* array = new_array(numbers.ndim, numbers.shape, dtype);
    if (array == nullptr) return nullptr;
    store_numbers(args[0], numbers.ndim, dtype, PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)));
    if (PyErr_Occurred() == nullptr) return finish_leaf(array, options.requires_grad);
    PyErr_Clear();  // an int that does not fit: Python words the error
    Py_DECREF(array);
    return call_slow(op, args, nargsf, names);
}

}  // namespace pt::core
