// Between NumPy arrays and ArrayView. Included by bindings and core only: kernels know no Python.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define PY_ARRAY_UNIQUE_SYMBOL pytensor_numpy_api
#ifndef PT_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "base/array_view.h"

namespace pt {

namespace py = pybind11;

static_assert(sizeof(npy_intp) == sizeof(int64_t), "sizes are 64-bit");

void import_numpy();  // once, when the module is loaded

// NumPy type number <-> DType. ml_dtypes' bfloat16 has a type number only once that package is imported
// (register_bfloat16); before that, arrays of it cannot exist.
DType dtype_of_type(int type_number);
DType dtype_of_array(PyArrayObject* array);  // unsupported for other types and swapped byte order
int numpy_type(DType dtype);                 // throws for bfloat16 when ml_dtypes was not imported
void register_bfloat16(int type_number);

inline ArrayView view_of(PyArrayObject* array) {
    ArrayView view;
    view.data = static_cast<char*>(PyArray_DATA(array));
    view.dtype = dtype_of_array(array);
    view.ndim = PyArray_NDIM(array);
    view.shape = reinterpret_cast<const int64_t*>(PyArray_DIMS(array));
    view.strides = reinterpret_cast<const int64_t*>(PyArray_STRIDES(array));
    return view;
}

// A new uninitialised array whose memory comes from the buffer pool: C-contiguous, or dense with the given
// byte strides. New reference, or null with a Python error set.
PyObject* new_array(int ndim, const int64_t* shape, DType dtype, const int64_t* strides = nullptr);

// The same in the layout that an element-by-element result of `inputs` has (base/layout.h).
PyObject* new_result(const ArrayView* inputs, int count, int ndim, const int64_t* shape, DType dtype);

// For pybind11 functions: the argument must be a NumPy array of a dtype we know (TypeError otherwise).
inline ArrayView view(py::handle object, const char* argument) {
    if (!PyArray_Check(object.ptr()))
        throw py::type_error(std::string(argument) + ": expected a numpy.ndarray, got " +
                             Py_TYPE(object.ptr())->tp_name);
    PyArrayObject* array = reinterpret_cast<PyArrayObject*>(object.ptr());
    ArrayView v = view_of(array);
    if (v.dtype == DType::unsupported)
        throw py::type_error(
            std::string(argument) + ": unsupported dtype " +
            py::str(py::handle(reinterpret_cast<PyObject*>(PyArray_DESCR(array)))).cast<std::string>());
    return v;
}
// The same for an array that will be written.
inline ArrayView writable_view(py::handle object, const char* argument) {
    ArrayView v = view(object, argument);
    if (!PyArray_ISWRITEABLE(reinterpret_cast<PyArrayObject*>(object.ptr())))
        throw py::value_error(std::string(argument) + ": the array is read-only");
    return v;
}
inline py::object make_array(int ndim, const int64_t* shape, DType dtype) {
    PyObject* array = new_array(ndim, shape, dtype);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(array);
}
inline py::object make_array(const std::vector<int64_t>& shape, DType dtype) {
    return make_array(static_cast<int>(shape.size()), shape.data(), dtype);
}
inline ArrayView view_of(const py::object& array) {
    return view_of(reinterpret_cast<PyArrayObject*>(array.ptr()));
}

// Releases the GIL while kernels run on more than a little data: taking it back costs more than small work.
class ReleaseGil {
  public:
    explicit ReleaseGil(int64_t elements) : state_(elements >= 32768 ? PyEval_SaveThread() : nullptr) {}
    ~ReleaseGil() {
        if (state_ != nullptr) PyEval_RestoreThread(state_);
    }
    ReleaseGil(const ReleaseGil&) = delete;
    ReleaseGil& operator=(const ReleaseGil&) = delete;

  private:
    PyThreadState* state_;
};

}  // namespace pt
