#include "bindings/bindings.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/check.h"
#include "kernels/pool/pool.h"

namespace pt {

namespace {

using Sizes = std::vector<int64_t>;

// Everything a call needs: the trailing axes that are pooled as a Window, and the shapes of both sides.
struct Problem {
    pooling::Window window{};
    int64_t planes = 1;
    Sizes in_shape, out_shape;

    int64_t numel() const { return planes * window.in_size(); }
    bool empty() const { return planes == 0 || window.out_size() == 0; }
};

Problem make_problem(const Sizes& in_shape, const Sizes& out_size) {
    const size_t axes = out_size.size(), ndim = in_shape.size();
    PT_CHECK(axes >= 1 && axes <= 3 && axes <= ndim, "pool: expected 1 to 3 pooled axes");
    Problem p;
    p.in_shape = p.out_shape = in_shape;
    for (size_t i = 0; i < ndim - axes; ++i) p.planes *= in_shape[i];
    for (size_t i = 0; i < 3; ++i) {
        p.window.in[i] = p.window.out[i] = 1;
        p.window.kernel[i] = p.window.stride[i] = p.window.dilation[i] = 1;
    }
    for (size_t i = 0; i < axes; ++i) {
        p.window.in[3 - axes + i] = in_shape[ndim - axes + i];
        p.window.out[3 - axes + i] = p.out_shape[ndim - axes + i] = out_size[i];
        PT_CHECK(out_size[i] >= 0, "pool: negative output size");
    }
    return p;
}

// The axes of kernel, stride, padding and dilation.
struct Taps {
    Sizes kernel, stride, padding, dilation;
};
void set_taps(Problem& p, const Taps& taps) {
    const size_t axes = taps.kernel.size(), first = 3 - axes;
    PT_CHECK(axes <= 3 && taps.stride.size() == axes && taps.padding.size() == axes &&
                 taps.dilation.size() == axes && p.in_shape.size() >= axes,
             "pool: kernel, stride, padding and dilation need one number per pooled axis");
    for (size_t i = 0; i < axes; ++i) {
        PT_CHECK(taps.kernel[i] > 0 && taps.stride[i] > 0 && taps.padding[i] >= 0 && taps.dilation[i] > 0,
                 "pool: kernel, stride and dilation must be positive, padding not negative");
        p.window.kernel[first + i] = taps.kernel[i];
        p.window.stride[first + i] = taps.stride[i];
        p.window.padding[first + i] = taps.padding[i];
        p.window.dilation[first + i] = taps.dilation[i];
    }
}

Sizes shape_of(const ArrayView& v) { return Sizes(v.shape, v.shape + v.ndim); }

void check_input(const ArrayView& v, const char* name) {
    PT_CHECK(v.dtype == DType::float32 || v.dtype == DType::float64,
             std::string(name) + ": expected float32 or float64");
    PT_CHECK(v.is_contiguous(), std::string(name) + ": expected a contiguous array");
}
void check_grad(const ArrayView& grad, const Problem& p) {
    check_input(grad, "grad");
    PT_CHECK(shape_of(grad) == p.out_shape, "grad: expected the shape of the output");
}
// An array beside `like`: same shape, contiguous.
void check_beside(const ArrayView& v, const ArrayView& like, DType dtype, const char* name) {
    PT_CHECK(v.dtype == dtype && v.is_contiguous() && shape_of(v) == shape_of(like),
             std::string(name) + ": wrong dtype, shape or layout");
}

template <class Body>
void for_dtype(DType dtype, const Body& body) {
    if (dtype == DType::float32)
        body(float{});
    else
        body(double{});
}

// body(T{}) without the interpreter's lock; nothing where there are no outputs.
template <class Body>
void compute(const Problem& p, DType dtype, const Body& body) {
    if (p.empty()) return;
    ReleaseGil release(p.numel());
    for_dtype(dtype, body);
}

// An array that body(result's pointer) fills; zeros where there are no outputs.
template <class Body>
py::object filled(const Problem& p, const Sizes& shape, DType dtype, const Body& body) {
    py::object result = make_array(shape, dtype);
    const ArrayView out = view_of(result);
    if (p.empty()) std::memset(out.data, 0, static_cast<size_t>(out.nbytes()));
    compute(p, dtype, [&](auto t) { body(out.as<decltype(t)>()); });
    return result;
}

// Maxima of the given shape and what is kept of the winners: "none" gives values, "offsets" (values, winning
// taps as bytes), "indices" (values, flat positions). body(values, offsets, indices) fills them.
template <class Body>
py::object maxima(const Problem& p, const Sizes& shape, DType dtype, const std::string& keep,
                  const Body& body) {
    py::object values = make_array(shape, dtype), kept;
    uint8_t* offsets = nullptr;
    int64_t* indices = nullptr;
    if (keep == "offsets") {
        PT_CHECK(p.window.taps() <= 256, "max_forward: offsets need a window of at most 256 taps");
        kept = make_array(shape, DType::uint8);
        offsets = view_of(kept).as<uint8_t>();
    } else if (keep == "indices") {
        kept = make_array(shape, DType::int64);
        indices = view_of(kept).as<int64_t>();
    }
    const ArrayView out = view_of(values);
    compute(p, dtype, [&](auto t) { body(out.as<decltype(t)>(), offsets, indices); });
    return kept ? py::object(py::make_tuple(values, kept)) : values;
}

// The trailing axes of `grad`, as many as are pooled.
Sizes pooled_axes(const ArrayView& grad, size_t axes) {
    PT_CHECK(grad.ndim >= static_cast<int>(axes), "grad: too few axes");
    return Sizes(grad.shape + grad.ndim - axes, grad.shape + grad.ndim);
}

py::object max_forward(const py::object& x, const Sizes& out_size, const Taps& taps,
                       const std::string& keep) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    Problem p = make_problem(shape_of(in), out_size);
    set_taps(p, taps);
    return maxima(p, p.out_shape, in.dtype, keep,
                  [&]<class T>(T* values, uint8_t* offsets, int64_t* indices) {
                      pooling::max_forward<T>(in.as<T>(), values, offsets, indices, p.planes, p.window);
                  });
}

py::object max_backward(const py::object& grad, const py::object& offsets, const Sizes& in_shape,
                        const Taps& taps) {
    const ArrayView g = view(grad, "grad"), won = view(offsets, "offsets");
    Problem p = make_problem(in_shape, pooled_axes(g, taps.kernel.size()));
    set_taps(p, taps);
    check_grad(g, p);
    check_beside(won, g, DType::uint8, "offsets");
    return filled(p, in_shape, g.dtype, [&]<class T>(T* out) {
        pooling::max_backward<T>(g.as<T>(), won.as<uint8_t>(), out, p.planes, p.window);
    });
}

// (images, pooled axes, channels) as (images, channels, pooled axes), and back.
Sizes channels_first(Sizes shape) {
    std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
    return shape;
}
Sizes channels_last(Sizes shape) {
    std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
    return shape;
}

// max_forward of (images, pooled axes, channels).
py::object max_forward_last(const py::object& x, const Sizes& out_size, const Taps& taps,
                            const std::string& keep) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    PT_CHECK(in.ndim == static_cast<int>(out_size.size()) + 2, "x: expected images, pooled axes, channels");
    Problem p = make_problem(channels_first(shape_of(in)), out_size);
    set_taps(p, taps);
    const auto body = [&]<class T>(T* values, uint8_t* offsets, int64_t* indices) {
        pooling::max_forward_last<T>(in.as<T>(), values, offsets, indices, p.in_shape[0], p.in_shape[1],
                                     p.window);
    };
    return maxima(p, channels_last(p.out_shape), in.dtype, keep, body);
}

// max_backward of (images, pooled axes, channels); in_shape is in this order too.
py::object max_backward_last(const py::object& grad, const py::object& offsets, const Sizes& in_shape,
                             const Taps& taps) {
    const ArrayView g = view(grad, "grad"), won = view(offsets, "offsets");
    PT_CHECK(g.ndim == static_cast<int>(in_shape.size()) && in_shape.size() == taps.kernel.size() + 2,
             "grad: expected images, pooled axes, channels");
    Problem p = make_problem(channels_first(in_shape), Sizes(g.shape + 1, g.shape + g.ndim - 1));
    set_taps(p, taps);
    p.out_shape = channels_last(p.out_shape);
    check_grad(g, p);
    check_beside(won, g, DType::uint8, "offsets");
    return filled(p, in_shape, g.dtype, [&]<class T>(T* out) {
        pooling::max_backward_last<T>(g.as<T>(), won.as<uint8_t>(), out, p.in_shape[0], p.in_shape[1],
                                      p.window);
    });
}

py::object avg_forward(const py::object& x, const Sizes& out_size, const Sizes& kernel, const Sizes& stride,
                       const Sizes& padding, bool count_include_pad, int64_t divisor) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    Problem p = make_problem(shape_of(in), out_size);
    set_taps(p, {kernel, stride, padding, Sizes(kernel.size(), 1)});
    return filled(p, p.out_shape, in.dtype, [&]<class T>(T* out) {
        pooling::avg_forward<T>(in.as<T>(), out, p.planes, p.window, {divisor, count_include_pad});
    });
}

// avg_forward of (images, pooled axes, channels); without kernel, stride and padding of adaptive windows.
py::object avg_forward_last(const py::object& x, const Sizes& out_size, const Sizes& kernel,
                            const Sizes& stride, const Sizes& padding, bool count_include_pad,
                            int64_t divisor) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    PT_CHECK(in.ndim == static_cast<int>(out_size.size()) + 2, "x: expected images, pooled axes, channels");
    Problem p = make_problem(channels_first(shape_of(in)), out_size);
    set_taps(p, {kernel, stride, padding, Sizes(kernel.size(), 1)});
    const pooling::Divisor by{divisor, count_include_pad};
    return filled(p, channels_last(p.out_shape), in.dtype, [&]<class T>(T* out) {
        pooling::avg_forward_last<T>(in.as<T>(), out, p.in_shape[0], p.in_shape[1], p.window,
                                     kernel.empty() ? nullptr : &by);
    });
}

py::object avg_backward(const py::object& grad, const Sizes& in_shape, const Sizes& kernel,
                        const Sizes& stride, const Sizes& padding, bool count_include_pad, int64_t divisor) {
    const ArrayView g = view(grad, "grad");
    Problem p = make_problem(in_shape, pooled_axes(g, kernel.size()));
    set_taps(p, {kernel, stride, padding, Sizes(kernel.size(), 1)});
    check_grad(g, p);
    return filled(p, in_shape, g.dtype, [&]<class T>(T* out) {
        pooling::avg_backward<T>(g.as<T>(), out, p.planes, p.window, {divisor, count_include_pad});
    });
}

py::object adaptive_avg_forward(const py::object& x, const Sizes& out_size) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    const Problem p = make_problem(shape_of(in), out_size);
    return filled(p, p.out_shape, in.dtype, [&]<class T>(T* out) {
        pooling::adaptive_avg_forward<T>(in.as<T>(), out, p.planes, p.window);
    });
}

py::object adaptive_avg_backward(const py::object& grad, const Sizes& in_shape, const Sizes& out_size) {
    const ArrayView g = view(grad, "grad");
    const Problem p = make_problem(in_shape, out_size);
    check_grad(g, p);
    return filled(p, in_shape, g.dtype, [&]<class T>(T* out) {
        pooling::adaptive_avg_backward<T>(g.as<T>(), out, p.planes, p.window);
    });
}

py::object adaptive_max_forward(const py::object& x, const Sizes& out_size) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    const Problem p = make_problem(shape_of(in), out_size);
    return maxima(p, p.out_shape, in.dtype, "indices", [&]<class T>(T* values, uint8_t*, int64_t* indices) {
        pooling::adaptive_max_forward<T>(in.as<T>(), values, indices, p.planes, p.window);
    });
}

// Windows anywhere; `starts` has one int64 array (planes, outputs) for each pooled axis.
py::object max_forward_at(const py::object& x, const std::vector<py::object>& starts, const Sizes& kernel) {
    const ArrayView in = view(x, "x");
    check_input(in, "x");
    Sizes out_size;
    std::vector<ArrayView> places;
    for (const py::object& s : starts) {
        places.push_back(view(s, "starts"));
        PT_CHECK(
            places.back().ndim == 2 && places.back().dtype == DType::int64 && places.back().is_contiguous(),
            "starts: expected contiguous int64 (planes, outputs)");
        out_size.push_back(places.back().shape[1]);
    }
    Problem p = make_problem(shape_of(in), out_size);
    const size_t axes = out_size.size();
    set_taps(p, {kernel, Sizes(axes, 1), Sizes(axes, 0), Sizes(axes, 1)});
    const Sizes first(static_cast<size_t>(p.planes), 0);  // of the axes that there are not
    const int64_t* at[3] = {first.data(), first.data(), first.data()};
    for (size_t i = 0; i < axes; ++i) {
        const size_t axis = 3 - axes + i;
        at[axis] = places[i].as<int64_t>();
        PT_CHECK(places[i].shape[0] == p.planes, "starts: expected one row per plane");
        for (int64_t j = 0; j < places[i].numel(); ++j)
            PT_CHECK(at[axis][j] >= 0 && at[axis][j] + p.window.kernel[axis] <= p.window.in[axis],
                     "starts: found a window that leaves the input");
    }
    return maxima(p, p.out_shape, in.dtype, "indices", [&]<class T>(T* values, uint8_t*, int64_t* indices) {
        pooling::max_forward_at<T>(in.as<T>(), at, values, indices, p.planes, p.window);
    });
}

// Planes by flat indices, None when one lies outside its plane: `large` is the shape whose planes, its `axes`
// trailing axes, the indices point into.
template <class Body>
py::object by_indices(const py::object& from, const py::object& indices, const Sizes& large, int axes,
                      const Sizes& shape, const Body& body) {
    const ArrayView in = view(from, "x"), at = view(indices, "indices");
    check_input(in, "x");
    PT_CHECK(at.dtype == DType::int64 && at.is_contiguous(), "indices: expected contiguous int64");
    const Problem p = make_problem(large, pooled_axes(at, static_cast<size_t>(axes)));
    PT_CHECK(shape_of(at) == p.out_shape, "indices: wrong shape");
    PT_CHECK(shape_of(in) == (shape == large ? p.out_shape : large), "x: wrong shape");
    bool inside = true;
    py::object result = filled(p, shape, in.dtype, [&]<class T>(T* out) {
        inside = body(in.as<T>(), at.as<int64_t>(), out, p.planes, p.window.out_size(), p.window.in_size());
    });
    return inside ? result : py::object(py::none());
}

py::object scatter(const py::object& x, const py::object& indices, const Sizes& shape, int axes, bool add) {
    return by_indices(
        x, indices, shape, axes, shape,
        [&](auto* from, const int64_t* at, auto* to, int64_t planes, int64_t outs, int64_t ins) {
            return (add ? pooling::scatter_backward<std::remove_pointer_t<decltype(to)>>
                        : pooling::unpool<std::remove_pointer_t<decltype(to)>>)(from, at, to, planes, outs,
                                                                                ins);
        });
}

py::object gather(const py::object& x, const py::object& indices, int axes) {
    const ArrayView in = view(x, "x"), at = view(indices, "indices");
    return by_indices(x, indices, shape_of(in), axes, shape_of(at),
                      [](auto* from, const int64_t* at, auto* to, int64_t planes, int64_t outs, int64_t ins) {
                          return pooling::gather(from, at, to, planes, outs, ins);
                      });
}

}  // namespace

void bind_pool(py::module_& m) {
    const auto forward = [](auto run) {
        return [run](const py::object& x, const Sizes& out_size, const Sizes& kernel, const Sizes& stride,
                     const Sizes& padding, const Sizes& dilation, const std::string& keep) {
            return run(x, out_size, Taps{kernel, stride, padding, dilation}, keep);
        };
    };
    const auto backward = [](auto run) {
        return [run](const py::object& grad, const py::object& offsets, const Sizes& in_shape,
                     const Sizes& kernel, const Sizes& stride, const Sizes& padding, const Sizes& dilation) {
            return run(grad, offsets, in_shape, Taps{kernel, stride, padding, dilation});
        };
    };
    m.def("pool_max_forward", forward(&max_forward));
    m.def("pool_max_backward", backward(&max_backward));
    m.def("pool_max_forward_last", forward(&max_forward_last));
    m.def("pool_max_backward_last", backward(&max_backward_last));
    m.def("pool_max_at", &max_forward_at);
    m.def("pool_avg_forward", &avg_forward);
    m.def("pool_avg_forward_last", &avg_forward_last);
    m.def("pool_avg_backward", &avg_backward);
    m.def("pool_adaptive_avg_forward", &adaptive_avg_forward);
    m.def("pool_adaptive_avg_backward", &adaptive_avg_backward);
    m.def("pool_adaptive_max_forward", &adaptive_max_forward);
    m.def("pool_scatter", &scatter);
    m.def("pool_gather", &gather);
}

}  // namespace pt
