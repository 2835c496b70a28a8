// Several index arrays at once, and masks, for index.cpp.
#include <vector>

#include "base/check.h"
#include "base/pool.h"
#include "bindings/bindings.h"
#include "kernels/index/index.h"
#include "kernels/index/mask.h"
#include "kernels/index/pick.h"

namespace pt {
namespace {

// Index arrays along axes of x, as they come from Python.
struct Key {
    std::vector<int> axes;
    std::vector<ArrayView> indices;
    std::vector<int64_t> shape;   // that the indices broadcast to
    std::vector<int64_t> result;  // of what is addressed
    int index_axis;               // of it, the first of the indices

    Key(const ArrayView& x, const py::tuple& which, const py::tuple& arrays) {
        PT_CHECK(which.size() == arrays.size() && which.size() > 0, "index: an array for each axis");
        for (size_t k = 0; k < which.size(); ++k) {
            axes.push_back(which[k].cast<int>());
            PT_CHECK(axes[k] >= 0 && axes[k] < x.ndim && (k == 0 || axes[k] > axes[k - 1]),
                     "axes: ascending, of the array");
            indices.push_back(view(py::object(arrays[k]), "index"));
            PT_CHECK(indices[k].dtype == DType::int64, "index: expected int64");
            broadcast(indices[k]);
        }
        // Together where they stand next to each other, else in front.
        const bool together = axes.back() - axes.front() + 1 == static_cast<int>(axes.size());
        index_axis = together ? axes.front() : 0;
        result.assign(x.shape, x.shape + x.ndim);
        for (size_t k = axes.size(); k-- > 0;) result.erase(result.begin() + axes[k]);
        result.insert(result.begin() + index_axis, shape.begin(), shape.end());
    }
    index::Picked picked(const ArrayView& x, const ArrayView& y, const int64_t* places) const {
        return {x,
                y,
                axes.data(),
                places,
                static_cast<int>(axes.size()),
                index_axis,
                static_cast<int>(shape.size())};
    }
    int64_t numbers() const {
        int64_t n = 1;
        for (const int64_t size : shape) n *= size;
        return n;
    }
    bool find(const ArrayView& x, int64_t* places) const {
        return index::find_places(x, axes.data(), indices.data(), static_cast<int>(axes.size()),
                                  static_cast<int>(shape.size()), shape.data(), places);
    }

  private:
    void broadcast(const ArrayView& index) {
        const size_t ndim = static_cast<size_t>(index.ndim);
        if (ndim > shape.size()) shape.insert(shape.begin(), ndim - shape.size(), 1);
        for (size_t i = 0; i < ndim; ++i) {
            int64_t& size = shape[shape.size() - ndim + i];
            const int64_t own = index.shape[i];
            PT_CHECK(size == own || size == 1 || own == 1, "index: arrays that broadcast");
            if (size == 1) size = own;
        }
    }
};

// None when an index is outside.
py::object index_pick(const py::object& input, const py::tuple& axes, const py::tuple& indices) {
    const ArrayView x = view(input, "input");
    const Key key(x, axes, indices);
    PT_CHECK(index::can_move(x.dtype), "index: no kernel for this dtype");
    const py::object result = make_array(key.result, x.dtype);
    const ArrayView y = view_of(result);
    pool::Scratch places(static_cast<size_t>(key.numbers()) * sizeof(int64_t));
    if (!key.find(x, places.as<int64_t>())) return py::none();
    ReleaseGil nogil(y.numel());
    index::pick(key.picked(x, y, places.as<int64_t>()));
    return result;
}

// False, and nothing written, when an index is outside. `source` broadcasts to what is addressed.
bool index_put(const py::object& target, const py::tuple& axes, const py::tuple& indices,
               const py::object& source, bool add) {
    const ArrayView x = writable_view(target, "out");
    const ArrayView values = view(source, "source");
    const Key key(x, axes, indices);
    PT_CHECK(values.dtype == x.dtype && (add ? index::can_put_add(x.dtype) : index::can_move(x.dtype)),
             "index: no kernel for these dtypes");
    const int ndim = static_cast<int>(key.result.size());
    bool fits = values.ndim <= ndim;
    for (int i = 0; fits && i < values.ndim; ++i) {
        const int64_t own = values.shape[i];
        fits = own == 1 || own == key.result[static_cast<size_t>(ndim - values.ndim + i)];
    }
    PT_CHECK(fits, "source: broadcasts to what is addressed");
    const OwnedView y = OwnedView::broadcast(values, ndim, key.result.data());
    pool::Scratch places(static_cast<size_t>(key.numbers()) * sizeof(int64_t));
    if (!key.find(x, places.as<int64_t>())) return false;
    ReleaseGil nogil(y.numel());
    (add ? index::put_add : index::put)(key.picked(x, y, places.as<int64_t>()));
    return true;
}

void check_mask(const ArrayView& mask) {
    PT_CHECK(mask.dtype == DType::boolean && mask.is_contiguous(), "mask: expected contiguous booleans");
}

py::object index_compress(const py::object& input, const py::object& where) {
    const ArrayView in = view(input, "input");
    const ArrayView mask = view(where, "mask");
    check_mask(mask);
    PT_CHECK(in.is_contiguous() && in.numel() == mask.numel(), "input: contiguous, of the mask's size");
    const int64_t count = index::count_set(mask.as<uint8_t>(), mask.numel());
    const py::object result = make_array(1, &count, in.dtype);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(in.numel());
    index::compress(in, mask, out);
    return result;
}

// False, and nothing written, when `source` has neither one element nor one for each that is set.
bool index_expand(const py::object& target, const py::object& where, const py::object& source) {
    const ArrayView out = writable_view(target, "out");
    const ArrayView mask = view(where, "mask");
    const ArrayView values = view(source, "source");
    check_mask(mask);
    PT_CHECK(out.is_contiguous() && out.numel() == mask.numel(), "out: contiguous, of the mask's size");
    PT_CHECK(values.dtype == out.dtype && values.is_contiguous(), "source: contiguous, of out's dtype");
    if (values.numel() != 1 && values.numel() != index::count_set(mask.as<uint8_t>(), mask.numel()))
        return false;
    ReleaseGil nogil(out.numel());
    index::expand(out, mask, values);
    return true;
}

int64_t index_count_set(const py::object& where) {
    const ArrayView mask = view(where, "mask");
    check_mask(mask);
    return index::count_set(mask.as<uint8_t>(), mask.numel());
}

py::object index_places(const py::object& where) {
    const ArrayView mask = view(where, "mask");
    check_mask(mask);
    const int64_t shape[2] = {mask.ndim, index::count_set(mask.as<uint8_t>(), mask.numel())};
    const py::object result = make_array(2, shape, DType::int64);
    const ArrayView out = view_of(result);
    ReleaseGil nogil(mask.numel());
    index::places(mask, out);
    return result;
}

}  // namespace

void bind_index_pick(py::module_& m) {
    m.def("index_pick", &index_pick, py::arg("input"), py::arg("axes"), py::arg("indices"));
    m.def("index_put", &index_put, py::arg("out"), py::arg("axes"), py::arg("indices"), py::arg("source"),
          py::arg("add"));
    m.def("index_compress", &index_compress, py::arg("input"), py::arg("mask"));
    m.def("index_expand", &index_expand, py::arg("out"), py::arg("mask"), py::arg("source"));
    m.def("index_count_set", &index_count_set, py::arg("mask"));
    m.def("index_places", &index_places, py::arg("mask"));
}

}  // namespace pt
