// The plain version: the sums of the definition, in double, one output element at a time.
#include "base/parallel.h"
#include "kernels/conv/problem.h"

namespace pt::conv {

namespace {

struct Index3 {
    int64_t at[3];
};

// The i-th index of a row-major box.
Index3 unravel(int64_t i, const int64_t* sizes) {
    return {{i / (sizes[1] * sizes[2]), i / sizes[2] % sizes[1], i % sizes[2]}};
}
int64_t count(const int64_t* sizes) { return sizes[0] * sizes[1] * sizes[2]; }

template <class T>
const T& element(const Operand& x, int64_t i, int64_t j, const Index3& s) {
    return static_cast<const T*>(x.data)[i * x.strides[0] + j * x.strides[1] + s.at[0] * x.strides[2] +
                                         s.at[1] * x.strides[3] + s.at[2] * x.strides[4]];
}

// The input position that output position `o` sees through tap `k`; false when it lies in the padding.
bool source_of(const Problem& p, const Index3& o, const Index3& k, Index3& i) {
    for (int a = 0; a < 3; ++a) {
        i.at[a] = o.at[a] * p.stride[a] - p.padding[a] + k.at[a] * p.dilation[a];
        if (i.at[a] < 0 || i.at[a] >= p.in[a]) return false;
    }
    return true;
}

// The output position that sees input position `i` through tap `k`; false when there is none.
bool target_of(const Problem& p, const Index3& i, const Index3& k, Index3& o) {
    for (int a = 0; a < 3; ++a) {
        const int64_t reach = i.at[a] + p.padding[a] - k.at[a] * p.dilation[a];
        if (reach < 0 || reach % p.stride[a] != 0 || reach / p.stride[a] >= p.out[a]) return false;
        o.at[a] = reach / p.stride[a];
    }
    return true;
}

template <class T>
double bias_at(const Operand& bias, int64_t channel) {
    return bias.data != nullptr ? static_cast<const T*>(bias.data)[channel * bias.strides[0]] : 0.0;
}

template <class T>
void forward(const Problem& p, const Operand& input, const Operand& weight, const Operand& bias,
             void* output) {
    const int64_t channels = p.in_channels / p.groups, per_group = p.out_channels / p.groups;
    const int64_t positions = count(p.out), taps = count(p.kernel);
    parallel_for(0, p.batch * p.out_channels, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t n = row / p.out_channels, oc = row % p.out_channels,
                          first = oc / per_group * channels;
            for (int64_t at = 0; at < positions; ++at) {
                double sum = bias_at<T>(bias, oc);
                Index3 i;
                for (int64_t tap = 0; tap < taps; ++tap) {
                    const Index3 k = unravel(tap, p.kernel);
                    if (!source_of(p, unravel(at, p.out), k, i)) continue;
                    for (int64_t c = 0; c < channels; ++c)
                        sum += static_cast<double>(element<T>(input, n, first + c, i)) *
                               element<T>(weight, oc, c, k);
                }
                static_cast<T*>(output)[row * positions + at] = static_cast<T>(sum);
            }
        }
    });
}

template <class T>
void grad_input(const Problem& p, const Operand& grad_output, const Operand& weight, const Operand& bias,
                void* grad_input) {
    const int64_t channels = p.in_channels / p.groups, per_group = p.out_channels / p.groups;
    const int64_t positions = count(p.in), taps = count(p.kernel);
    parallel_for(0, p.batch * p.in_channels, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t n = row / p.in_channels, ic = row % p.in_channels,
                          first = ic / channels * per_group;
            for (int64_t at = 0; at < positions; ++at) {
                double sum = bias_at<T>(bias, ic);
                Index3 o;
                for (int64_t tap = 0; tap < taps; ++tap) {
                    const Index3 k = unravel(tap, p.kernel);
                    if (!target_of(p, unravel(at, p.in), k, o)) continue;
                    for (int64_t oc = first; oc < first + per_group; ++oc)
                        sum += static_cast<double>(element<T>(grad_output, n, oc, o)) *
                               element<T>(weight, oc, ic % channels, k);
                }
                static_cast<T*>(grad_input)[row * positions + at] = static_cast<T>(sum);
            }
        }
    });
}

template <class T>
void grad_weight(const Problem& p, const Operand& grad_output, const Operand& input, void* grad_weight,
                 void* grad_bias) {
    const int64_t channels = p.in_channels / p.groups, per_group = p.out_channels / p.groups;
    const int64_t positions = count(p.out), taps = count(p.kernel);
    parallel_for(0, p.out_channels, 1, [&](int64_t begin, int64_t end) {
        for (int64_t oc = begin; oc < end; ++oc) {
            const int64_t first = oc / per_group * channels;
            for (int64_t row = 0; row < channels * taps; ++row) {
                const Index3 k = unravel(row % taps, p.kernel);
                double sum = 0.0;
                Index3 i;
                for (int64_t n = 0; n < p.batch; ++n)
                    for (int64_t at = 0; at < positions; ++at) {
                        const Index3 o = unravel(at, p.out);
                        if (source_of(p, o, k, i))
                            sum += static_cast<double>(element<T>(grad_output, n, oc, o)) *
                                   element<T>(input, n, first + row / taps, i);
                    }
                static_cast<T*>(grad_weight)[oc * channels * taps + row] = static_cast<T>(sum);
            }
            if (grad_bias == nullptr) continue;
            double sum = 0.0;
            for (int64_t n = 0; n < p.batch; ++n)
                for (int64_t at = 0; at < positions; ++at)
                    sum += element<T>(grad_output, n, oc, unravel(at, p.out));
            static_cast<T*>(grad_bias)[oc] = static_cast<T>(sum);
        }
    });
}

}  // namespace

namespace plain {
const Kernels kernels = {
#define PT_CONV_KERNEL(name, arguments) &conv::name<float>, &conv::name<double>,
#include "kernels/conv/kernels.inc"
#undef PT_CONV_KERNEL
};
}  // namespace plain

}  // namespace pt::conv
