#define PT_IMPORTS_NUMPY
#include "bindings/numpy.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/layout.h"
#include "base/pool.h"

namespace pt {

namespace {

int bfloat16_type = -1;

// NumPy's allocator interface (NEP 49) over the pool: an array that owns its data gives it back here.
void* pool_malloc(void*, size_t bytes) {
    try {
        return pool::allocate(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* pool_calloc(void*, size_t count, size_t size) {
    void* block = pool_malloc(nullptr, count * size);
    if (block != nullptr) std::memset(block, 0, count * size);
    return block;
}
void* pool_realloc(void*, void* old, size_t bytes) {
    void* block = pool_malloc(nullptr, bytes);
    if (block != nullptr && old != nullptr) {
        std::memcpy(block, old, std::min(bytes, pool::block_size(old)));
        pool::release(old);
    }
    return block;
}
void pool_free(void*, void* block, size_t) { pool::release(block); }

PyDataMem_Handler pool_handler = {
    "pytensor_pool", 1, {nullptr, pool_malloc, pool_calloc, pool_realloc, pool_free}};

PyObject* handler_capsule() {
    static PyObject* capsule = PyCapsule_New(&pool_handler, "mem_handler", nullptr);
    return capsule;
}

constexpr int kNumpyTypes[] = {NPY_BOOL, NPY_UINT8,  NPY_INT8,    NPY_INT16,   NPY_INT32,     NPY_INT64,
                               NPY_HALF, NPY_NOTYPE, NPY_FLOAT32, NPY_FLOAT64, NPY_COMPLEX64, NPY_COMPLEX128};

}  // namespace

void import_numpy() {
    if (_import_array() < 0) throw py::error_already_set();
}

void register_bfloat16(int type_number) { bfloat16_type = type_number; }

int numpy_type(DType dtype) {
    if (dtype == DType::bfloat16) {
        if (bfloat16_type < 0)
            throw py::import_error("bfloat16 needs the package ml_dtypes: pip install ml_dtypes");
        return bfloat16_type;
    }
    PT_ASSERT(dtype != DType::unsupported);
    return kNumpyTypes[static_cast<int>(dtype)];
}

DType dtype_of_array(PyArrayObject* array) {
    return PyArray_ISNOTSWAPPED(array) ? dtype_of_type(PyArray_TYPE(array)) : DType::unsupported;
}

DType dtype_of_type(int type_number) {
    switch (type_number) {
        case NPY_FLOAT32:
            return DType::float32;
        case NPY_FLOAT64:
            return DType::float64;
        case NPY_BOOL:
            return DType::boolean;
        case NPY_UINT8:
            return DType::uint8;
        case NPY_INT8:
            return DType::int8;
        case NPY_INT16:
            return DType::int16;
        case NPY_INT32:
            return DType::int32;
        case NPY_INT64:
            return DType::int64;
        case NPY_LONGLONG:
            return DType::int64;
        case NPY_HALF:
            return DType::float16;
        case NPY_COMPLEX64:
            return DType::complex64;
        case NPY_COMPLEX128:
            return DType::complex128;
        default:
            return type_number == bfloat16_type && bfloat16_type >= 0 ? DType::bfloat16 : DType::unsupported;
    }
}

PyObject* new_result(const ArrayView* inputs, int count, int ndim, const int64_t* shape, DType dtype) {
    int64_t strides[kMaxDims];
    result_strides(inputs, count, ndim, shape, item_size(dtype), strides);
    return new_array(ndim, shape, dtype, strides);
}

PyObject* new_array(int ndim, const int64_t* shape, DType dtype, const int64_t* strides) {
    int64_t bytes = item_size(dtype);
    for (int i = 0; i < ndim; ++i) {
        if (__builtin_mul_overflow(bytes, shape[i], &bytes)) {
            PyErr_SetString(PyExc_MemoryError, "array is too big: its size in bytes does not fit in 64 bits");
            return nullptr;
        }
    }
    PyArray_Descr* descr = nullptr;
    void* data = nullptr;
    try {
        descr = PyArray_DescrFromType(numpy_type(dtype));
        data = pool::allocate(static_cast<size_t>(bytes));
    } catch (const std::bad_alloc&) {
        Py_XDECREF(descr);
        return PyErr_NoMemory();
    } catch (py::error_already_set& error) {
        error.restore();
        return nullptr;
    }
    PyObject* array =
        PyArray_NewFromDescr(&PyArray_Type, descr, ndim, reinterpret_cast<const npy_intp*>(shape),
                             reinterpret_cast<const npy_intp*>(strides), data, NPY_ARRAY_CARRAY, nullptr);
    if (array == nullptr) {
        pool::release(data);
        return nullptr;
    }
    // Hand the memory over: the array frees it through our handler when it goes.
    PyArrayObject_fields* fields = reinterpret_cast<PyArrayObject_fields*>(array);
    Py_INCREF(handler_capsule());
    fields->mem_handler = handler_capsule();
    PyArray_ENABLEFLAGS(reinterpret_cast<PyArrayObject*>(array), NPY_ARRAY_OWNDATA);
    return array;
}

}  // namespace pt
