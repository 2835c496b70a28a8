#include <algorithm>

#include "base/check.h"
#include "bindings/bindings.h"
#include "kernels/attention/attention.h"

namespace pt {

namespace {

// A new array whose axes lie in memory in the order of those of `like`, where those are neither broadcast nor
// in an order that tears rows apart.
py::object array_in_order_of(const ArrayView& like, const int64_t* shape) {
    int order[kMaxDims];
    int64_t sorted[kMaxDims];
    bool rows_whole = like.strides[like.ndim - 1] == item_size(like.dtype);
    for (int i = 0; i < like.ndim; ++i)
        rows_whole = rows_whole && (like.strides[i] != 0 || like.shape[i] == 1);
    for (int i = 0; i < like.ndim; ++i) {  // insertion: axes of size 1, whose strides mean nothing, stay put
        int at = i;
        const auto follows = [&](int other) {
            return rows_whole && like.shape[other] > 1 &&
                   std::abs(like.strides[other]) < std::abs(like.strides[i]);
        };
        for (; at > 0 && like.shape[i] > 1 && follows(order[at - 1]); --at) order[at] = order[at - 1];
        order[at] = i;
    }
    for (int i = 0; i < like.ndim; ++i) sorted[i] = shape[order[i]];
    const py::object array = make_array(like.ndim, sorted, like.dtype);
    npy_intp axes[kMaxDims];
    for (int i = 0; i < like.ndim; ++i) axes[order[i]] = i;
    PyArray_Dims permutation{axes, like.ndim};
    PyObject* turned = PyArray_Transpose(reinterpret_cast<PyArrayObject*>(array.ptr()), &permutation);
    if (turned == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(turned);
}

struct Arguments {
    attention::Inputs inputs;
    ArrayView mask, dropout;
    attention::Options options;
    int lead;

    int64_t work() const {
        int64_t n = 1;
        for (int i = 0; i <= lead; ++i) n *= inputs.query.shape[i];
        return n * inputs.key.shape[lead] * (inputs.query.shape[lead + 1] + inputs.value.shape[lead + 1]);
    }
};

ArrayView operand(const py::object& array, const ArrayView* like, const char* name) {
    const ArrayView v = view(array, name);
    PT_CHECK(v.dtype == DType::float32 || v.dtype == DType::float64,
             std::string(name) + ": expected float32 or float64");
    PT_CHECK(v.ndim >= 2, std::string(name) + ": expected two axes or more");
    PT_CHECK(like == nullptr || (v.dtype == like->dtype && v.ndim == like->ndim),
             std::string(name) + ": wrong dtype or number of axes");
    for (int i = 0; like != nullptr && i < v.ndim - 2; ++i)
        PT_CHECK(v.shape[i] == like->shape[i] || v.shape[i] == 1, std::string(name) + ": wrong leading axes");
    return v;
}

void check_scores(const ArrayView& v, const attention::Inputs& in, bool contiguous, const char* name) {
    const int lead = in.query.ndim - 2;
    bool right = v.ndim == in.query.ndim && (!contiguous || v.is_contiguous());
    for (int i = 0; right && i <= lead; ++i)
        right = v.shape[i] == in.query.shape[i] || (i < lead && !contiguous && v.shape[i] == 1);
    PT_CHECK(right && v.shape[lead + 1] == in.key.shape[lead], std::string(name) + ": wrong shape");
}

// Fills `a`, in place: the inputs point to its masks.
void parse(const py::object& query, const py::object& key, const py::object& value, const py::object& mask,
           const py::object& dropout, double keep_scale, double scale, bool causal, Arguments& a) {
    a.inputs.query = operand(query, nullptr, "query");
    a.inputs.key = operand(key, &a.inputs.query, "key");
    a.inputs.value = operand(value, &a.inputs.query, "value");
    a.lead = a.inputs.query.ndim - 2;
    PT_CHECK(a.inputs.key.shape[a.lead + 1] == a.inputs.query.shape[a.lead + 1], "key: wrong depth");
    PT_CHECK(a.inputs.key.shape[a.lead] == a.inputs.value.shape[a.lead], "value: wrong number of keys");
    a.inputs.mask = a.inputs.dropout = nullptr;
    if (!mask.is_none()) {
        a.mask = view(mask, "mask");
        PT_CHECK(a.mask.dtype == DType::boolean || a.mask.dtype == a.inputs.query.dtype, "mask: wrong dtype");
        check_scores(a.mask, a.inputs, false, "mask");
        a.inputs.mask = &a.mask;
    }
    if (!dropout.is_none()) {
        a.dropout = view(dropout, "dropout");
        PT_CHECK(a.dropout.dtype == DType::boolean, "dropout: expected bool");
        check_scores(a.dropout, a.inputs, true, "dropout");
        a.inputs.dropout = &a.dropout;
    }
    a.options = {scale, keep_scale, causal};
}

// (out, logsumexp); the result is stored in `into` or, if that is None, lies in memory as the query does.
py::tuple attention_forward(const py::object& query, const py::object& key, const py::object& value,
                            const py::object& mask, const py::object& dropout, double keep_scale,
                            double scale, bool causal, const py::object& into) {
    Arguments a;
    parse(query, key, value, mask, dropout, keep_scale, scale, causal, a);
    int64_t shape[kMaxDims];
    std::copy_n(a.inputs.query.shape, a.lead + 1, shape);
    shape[a.lead + 1] = a.inputs.value.shape[a.lead + 1];
    py::object out = into.is_none() ? array_in_order_of(a.inputs.query, shape) : into;
    const ArrayView result = writable_view(out, "into");
    PT_CHECK(result.dtype == a.inputs.query.dtype && result.ndim == a.lead + 2 &&
                 std::equal(shape, shape + result.ndim, result.shape),
             "into: wrong dtype or shape");
    py::object logsumexp = make_array(a.lead + 1, shape, a.inputs.query.dtype);
    {
        ReleaseGil release(a.work());
        attention::forward(a.inputs, a.options, result, view_of(logsumexp));
    }
    return py::make_tuple(out, logsumexp);
}

// (grad_query, grad_key, grad_value, grad_mask or None). `groups`: the last leading axis of the query is one
// of heads that share key and value, whose gradients have size 1 there.
py::tuple attention_backward(const py::object& grad_array, const py::object& query, const py::object& key,
                             const py::object& value, const py::object& mask, const py::object& dropout,
                             double keep_scale, double scale, bool causal, const py::object& out_array,
                             const py::object& logsumexp_array, bool groups, bool need_mask,
                             const py::object& into) {
    Arguments a;
    parse(query, key, value, mask, dropout, keep_scale, scale, causal, a);
    const attention::Inputs& in = a.inputs;
    const ArrayView grad = operand(grad_array, &in.query, "grad"), out = operand(out_array, &in.query, "out");
    const ArrayView logsumexp = view(logsumexp_array, "logsumexp");
    PT_CHECK(logsumexp.dtype == in.query.dtype && logsumexp.is_contiguous() && logsumexp.ndim == a.lead + 1 &&
                 std::equal(logsumexp.shape, logsumexp.shape + a.lead + 1, in.query.shape),
             "logsumexp: wrong dtype, layout or shape");
    for (const ArrayView* v : {&grad, &out})
        PT_CHECK(
            v->shape[a.lead] == in.query.shape[a.lead] && v->shape[a.lead + 1] == in.value.shape[a.lead + 1],
            "grad, out: wrong shape");
    int64_t shape[kMaxDims];
    py::object found[3];
    const ArrayView* operands[3] = {&in.query, &in.key, &in.value};
    for (int i = 0; i < 3; ++i) {
        std::copy_n(in.query.shape, a.lead, shape);
        if (groups && i > 0) shape[a.lead - 1] = 1;
        std::copy_n(operands[i]->shape + a.lead, 2, shape + a.lead);
        found[i] = into.is_none() ? array_in_order_of(*operands[i], shape) : py::object(py::tuple(into)[i]);
        const ArrayView v = writable_view(found[i], "into");
        PT_CHECK(
            v.dtype == in.query.dtype && v.ndim == a.lead + 2 && std::equal(shape, shape + v.ndim, v.shape),
            "into: wrong dtype or shape");
    }
    py::object grad_mask = py::none();
    ArrayView grad_mask_view;
    if (need_mask) {
        std::copy_n(in.query.shape, a.lead + 1, shape);
        shape[a.lead + 1] = in.key.shape[a.lead];
        grad_mask = make_array(a.lead + 2, shape, in.query.dtype);
        grad_mask_view = view_of(grad_mask);
    }
    const attention::Gradients to{view_of(found[0]), view_of(found[1]), view_of(found[2]),
                                  need_mask ? &grad_mask_view : nullptr};
    {
        ReleaseGil release(a.work());
        attention::backward(grad, in, a.options, out, logsumexp, to);
    }
    return py::make_tuple(found[0], found[1], found[2], grad_mask);
}

}  // namespace

void bind_attention(py::module_& m) {
    m.def("attention_forward", &attention_forward);
    m.def("attention_backward", &attention_backward);
}

}  // namespace pt
