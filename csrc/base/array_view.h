// A borrowed view of an array: pointer, element type, sizes and strides. Strides are in bytes, signed, and
// may be 0 (broadcast). The sizes and strides are borrowed too: a view made from a NumPy array points into
// it.
#pragma once

#include "base/dtype.h"

namespace pt {

constexpr int kMaxDims = 64;  // NumPy's own limit

struct ArrayView {
    char* data = nullptr;
    DType dtype = DType::unsupported;
    int ndim = 0;
    const int64_t* shape = nullptr;
    const int64_t* strides = nullptr;

    int64_t numel() const {
        int64_t n = 1;
        for (int i = 0; i < ndim; ++i) n *= shape[i];
        return n;
    }
    int64_t nbytes() const { return numel() * item_size(dtype); }

    // Row-major without gaps. Axes of size 1 do not count; an empty array is contiguous.
    bool is_contiguous() const {
        int64_t expected = item_size(dtype);
        bool dense = true;
        for (int i = ndim - 1; i >= 0; --i) {
            if (shape[i] == 0) return true;
            if (shape[i] == 1) continue;
            if (strides[i] != expected) dense = false;
            expected *= shape[i];
        }
        return dense;
    }

    template <class T>
    T* as() const {
        return reinterpret_cast<T*>(data);
    }
};

// A view that owns its sizes and strides, for kernels that need a reshaped or broadcast copy of one.
struct OwnedView : ArrayView {
    int64_t sizes[kMaxDims];
    int64_t steps[kMaxDims];

    OwnedView() = default;
    OwnedView(const OwnedView& other) { *this = other; }
    OwnedView& operator=(const OwnedView& other) {
        set(other);
        return *this;
    }
    explicit OwnedView(const ArrayView& other) { set(other); }

    // `other` stretched to `ndim` axes of `target`: missing and size-1 axes get stride 0.
    static OwnedView broadcast(const ArrayView& other, int ndim, const int64_t* target) {
        OwnedView v;
        v.data = other.data;
        v.dtype = other.dtype;
        v.ndim = ndim;
        const int missing = ndim - other.ndim;
        for (int i = 0; i < ndim; ++i) {
            const bool stretched = i < missing || (other.shape[i - missing] == 1 && target[i] != 1);
            v.sizes[i] = target[i];
            v.steps[i] = stretched ? 0 : other.strides[i - missing];
        }
        v.shape = v.sizes;
        v.strides = v.steps;
        return v;
    }

  private:
    void set(const ArrayView& other) {
        data = other.data;
        dtype = other.dtype;
        ndim = other.ndim;
        for (int i = 0; i < ndim; ++i) {
            sizes[i] = other.shape[i];
            steps[i] = other.strides[i];
        }
        shape = sizes;
        strides = steps;
    }
};

}  // namespace pt
