// Checks, views brought to three spatial axes, and the choice of the kernel by level and dtype.
#include "kernels/conv/conv.h"

#include "base/check.h"
#include "base/pool.h"
#include "kernels/conv/problem.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace pt::conv {

namespace {

std::atomic<Winograd> winograd_mode = [] {
    const char* value = std::getenv("PYTENSOR_WINOGRAD");
    return value != nullptr && std::strcmp(value, "0") == 0 ? Winograd::off : Winograd::automatic;
}();

Operand operand_of(const ArrayView& view) {
    const int64_t item = item_size(view.dtype);
    const int spatial = view.ndim - 2;
    Operand x;
    x.data = view.data;
    for (int i = 0; i < 2; ++i) x.strides[i] = view.strides[i] / item;
    for (int i = 0; i < spatial; ++i) x.strides[5 - spatial + i] = view.strides[2 + i] / item;
    return x;
}

Operand bias_of(const ArrayView* view) {
    Operand x;
    if (view == nullptr) return x;
    x.data = view->data;
    x.strides[0] = view->strides[0] / item_size(view->dtype);
    return x;
}

Problem problem_of(const ArrayView& input, const ArrayView& weight, const ArrayView& output,
                   const Params& params) {
    PT_CHECK(input.ndim >= 3 && input.ndim <= 5 && weight.ndim == input.ndim && output.ndim == input.ndim,
             "conv: input, weight and output must have 3 to 5 axes, the same number each");
    PT_CHECK(input.dtype == weight.dtype && input.dtype == output.dtype && supports(input.dtype),
             "conv: expected one dtype, float32 or float64");
    PT_CHECK(params.groups > 0 && input.shape[1] == weight.shape[1] * params.groups &&
                 weight.shape[0] % params.groups == 0 && output.shape[1] == weight.shape[0] &&
                 output.shape[0] == input.shape[0],
             "conv: batch, channels and groups do not fit together");
    Problem p{input.shape[0], params.groups, input.shape[1], weight.shape[0], {}, {}, {}, {}, {}, {},
              winograd()};
    const int missing = 5 - input.ndim;
    for (int a = 0; a < 3; ++a) {
        const bool given = a >= missing;
        const int from = a - missing;
        p.in[a] = given ? input.shape[2 + from] : 1;
        p.out[a] = given ? output.shape[2 + from] : 1;
        p.kernel[a] = given ? weight.shape[2 + from] : 1;
        p.stride[a] = given ? params.stride[from] : 1;
        p.padding[a] = given ? params.padding[from] : 0;
        p.dilation[a] = given ? params.dilation[from] : 1;
        PT_CHECK(p.stride[a] > 0 && p.dilation[a] > 0 && p.padding[a] >= 0,
                 "conv: stride and dilation must be positive, padding not negative");
        PT_CHECK(p.kernel[a] > 0, "conv: kernel sizes must be positive");
    }
    return p;
}

// Merges neighbouring axes that no window spans into the last: a 1x1 convolution then runs over whole images
// instead of rows. `x` is the operand that is read.
void flatten(Problem& p, Operand& x) {
    const auto untouched = [&](int a) {
        return p.kernel[a] == 1 && p.stride[a] == 1 && p.padding[a] == 0 && p.in[a] == p.out[a];
    };
    if (!untouched(2)) return;
    for (int a = 1; a >= 0; --a) {
        if (!untouched(a)) return;
        if (p.in[2] == 1)
            x.strides[4] = x.strides[2 + a];
        else if (p.in[a] != 1 && x.strides[2 + a] != x.strides[4] * p.in[2])
            return;
        p.in[2] *= p.in[a];
        p.out[2] = p.in[2];
        p.in[a] = p.out[a] = 1;
    }
}

// Along an axis with one tap and no padding only every stride-th element is read: the others are left out of
// the view `x` of the input.
void subsample(Problem& p, Operand& x) {
    for (int a = 0; a < 3; ++a) {
        if (p.kernel[a] != 1 || p.padding[a] != 0 || p.stride[a] == 1) continue;
        x.strides[2 + a] *= p.stride[a];
        p.in[a] = p.out[a];
        p.stride[a] = 1;
    }
}

// A C-contiguous copy of a strided operand, in scratch memory.
template <class T>
void copy_dense(const Operand& x, const int64_t* sizes, T* to) {
    for (int64_t n = 0; n < sizes[0]; ++n)
        for (int64_t c = 0; c < sizes[1]; ++c)
            for (int64_t i = 0; i < sizes[2]; ++i)
                for (int64_t j = 0; j < sizes[3]; ++j) {
                    const T* row = static_cast<const T*>(x.data) + n * x.strides[0] + c * x.strides[1] +
                                   i * x.strides[2] + j * x.strides[3];
                    for (int64_t k = 0; k < sizes[4]; ++k) *to++ = row[k * x.strides[4]];
                }
}

const Kernels& kernels() { return PT_SELECT(Kernels); }

}  // namespace

Winograd winograd() { return winograd_mode; }
void set_winograd(Winograd mode) { winograd_mode = mode; }

bool supports(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

void forward(const ArrayView& input, const ArrayView& weight, const ArrayView* bias, const ArrayView& output,
             const Params& params) {
    Problem p = problem_of(input, weight, output, params);
    Operand x = operand_of(input);
    subsample(p, x);
    flatten(p, x);
    const auto run = input.dtype == DType::float32 ? kernels().forward_float32 : kernels().forward_float64;
    run(p, x, operand_of(weight), bias_of(bias), output.data);
}

void grad_input(const ArrayView& grad_output, const ArrayView& weight, const ArrayView* bias,
                const ArrayView& grad_input, const Params& params) {
    Problem p = problem_of(grad_input, weight, grad_output, params);
    Operand g = operand_of(grad_output);
    flatten(p, g);
    const auto run =
        grad_output.dtype == DType::float32 ? kernels().grad_input_float32 : kernels().grad_input_float64;
    run(p, g, operand_of(weight), bias_of(bias), grad_input.data);
}

void grad_weight(const ArrayView& grad_output, const ArrayView& input, const ArrayView& grad_weight,
                 const ArrayView* grad_bias, const Params& params) {
    Problem p = problem_of(input, grad_weight, grad_output, params);
    Operand x = operand_of(input), g = operand_of(grad_output);
    const bool dense = grad_output.is_contiguous();
    pool::Scratch copy(dense ? 0 : grad_output.nbytes());
    if (!dense) {
        const int64_t sizes[5] = {p.batch, p.out_channels, p.out[0], p.out[1], p.out[2]};
        if (grad_output.dtype == DType::float32)
            copy_dense<float>(g, sizes, copy.as<float>());
        else
            copy_dense<double>(g, sizes, copy.as<double>());
        g.data = copy.as<void>();
        g.strides[4] = 1;
        for (int i = 3; i >= 0; --i) g.strides[i] = g.strides[i + 1] * sizes[i + 1];
    }
    subsample(p, x);
    flatten(p, x);
    const auto run =
        grad_output.dtype == DType::float32 ? kernels().grad_weight_float32 : kernels().grad_weight_float64;
    run(p, g, x, grad_weight.data, grad_bias != nullptr ? grad_bias->data : nullptr);
}

}  // namespace pt::conv
