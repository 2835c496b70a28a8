// im2col and col2im: moves of memory, the same at every level.
#include "base/check.h"
#include "base/parallel.h"
#include "kernels/conv/conv.h"

namespace pt::conv {

namespace {

struct Unfold {
    int64_t batch, channels, taps;
    int64_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
};

Unfold unfold_of(const ArrayView& image, const ArrayView& columns, const int64_t* kernel, const int64_t* out,
                 const Params& params) {
    PT_CHECK(image.ndim >= 3 && image.ndim <= 5 && columns.ndim == 3 && image.dtype == columns.dtype &&
                 supports(image.dtype),
             "unfold: expected an image of 3 to 5 axes and columns of 3, both float32 or float64");
    Unfold u{image.shape[0], image.shape[1], 1, {}, {}, {}, {}, {}, {}};
    const int missing = 5 - image.ndim;
    for (int a = 0; a < 3; ++a) {
        const int from = a - missing;
        u.in[a] = from < 0 ? 1 : image.shape[2 + from];
        u.out[a] = from < 0 ? 1 : out[from];
        u.kernel[a] = from < 0 ? 1 : kernel[from];
        u.stride[a] = from < 0 ? 1 : params.stride[from];
        u.padding[a] = from < 0 ? 0 : params.padding[from];
        u.dilation[a] = from < 0 ? 1 : params.dilation[from];
        u.taps *= u.kernel[a];
    }
    PT_CHECK(columns.shape[0] == u.batch && columns.shape[1] == u.channels * u.taps &&
                 columns.shape[2] == u.out[0] * u.out[1] * u.out[2],
             "unfold: the columns do not fit the image");
    return u;
}

// Positions t of an axis whose coordinate offset + t * stride lies in [0, size): a range.
struct Range {
    int64_t begin, end;
};
Range inside(int64_t offset, int64_t stride, int64_t size, int64_t count) {
    int64_t begin = offset < 0 ? (-offset + stride - 1) / stride : 0;
    int64_t end = offset < size ? (size - offset + stride - 1) / stride : 0;
    if (end > count) end = count;
    if (begin > end) begin = end;
    return {begin, end};
}

struct Tap {
    int64_t offset[3];
};
Tap tap_at(const Unfold& u, int64_t tap) {
    const int64_t at[3] = {tap / (u.kernel[1] * u.kernel[2]), tap / u.kernel[2] % u.kernel[1],
                           tap % u.kernel[2]};
    Tap result;
    for (int a = 0; a < 3; ++a) result.offset[a] = at[a] * u.dilation[a] - u.padding[a];
    return result;
}

template <class T>
void im2col_row(const Unfold& u, const Tap& tap, const char* image, const int64_t* strides, T* to) {
    const Range w = inside(tap.offset[2], u.stride[2], u.in[2], u.out[2]);
    for (int64_t i = 0; i < u.out[0]; ++i)
        for (int64_t j = 0; j < u.out[1]; ++j, to += u.out[2]) {
            const int64_t d = tap.offset[0] + i * u.stride[0], h = tap.offset[1] + j * u.stride[1];
            const bool none = d < 0 || d >= u.in[0] || h < 0 || h >= u.in[1] || w.begin == w.end;
            const int64_t begin = none ? u.out[2] : w.begin, end = none ? u.out[2] : w.end;
            for (int64_t k = 0; k < begin; ++k) to[k] = T(0);
            const char* row =
                image + (none ? 0 : d * strides[0] + h * strides[1] + tap.offset[2] * strides[2]);
            const int64_t step = u.stride[2] * strides[2];
            if (step == static_cast<int64_t>(sizeof(T)))
                for (int64_t k = begin; k < end; ++k) to[k] = reinterpret_cast<const T*>(row)[k];
            else
                for (int64_t k = begin; k < end; ++k) to[k] = *reinterpret_cast<const T*>(row + k * step);
            for (int64_t k = end; k < u.out[2]; ++k) to[k] = T(0);
        }
}

template <class T>
void col2im_row(const Unfold& u, const Tap& tap, const char* column, int64_t step, T* image) {
    const Range w = inside(tap.offset[2], u.stride[2], u.in[2], u.out[2]);
    for (int64_t i = 0; i < u.out[0]; ++i)
        for (int64_t j = 0; j < u.out[1]; ++j, column += u.out[2] * step) {
            const int64_t d = tap.offset[0] + i * u.stride[0], h = tap.offset[1] + j * u.stride[1];
            if (d < 0 || d >= u.in[0] || h < 0 || h >= u.in[1]) continue;
            T* row = image + (d * u.in[1] + h) * u.in[2] + tap.offset[2];
            for (int64_t k = w.begin; k < w.end; ++k)
                row[k * u.stride[2]] += *reinterpret_cast<const T*>(column + k * step);
        }
}

// The spatial strides of an image brought to three axes.
void spatial_strides(const ArrayView& image, int64_t* strides) {
    const int missing = 5 - image.ndim;
    for (int a = 0; a < 3; ++a) strides[a] = a < missing ? 0 : image.strides[2 + a - missing];
}

template <class T>
void im2col_typed(const Unfold& u, const ArrayView& image, T* columns) {
    int64_t strides[3];
    spatial_strides(image, strides);
    const int64_t length = u.out[0] * u.out[1] * u.out[2], rows = u.batch * u.channels * u.taps;
    parallel_for(0, rows, Work{0.3 * static_cast<double>(length)}, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t c = row / u.taps % u.channels, n = row / (u.taps * u.channels);
            const char* from = image.data + n * image.strides[0] + c * image.strides[1];
            im2col_row(u, tap_at(u, row % u.taps), from, strides, columns + row * length);
        }
    });
}

template <class T>
void col2im_typed(const Unfold& u, const ArrayView& columns, T* image) {
    const int64_t length = u.out[0] * u.out[1] * u.out[2], size = u.in[0] * u.in[1] * u.in[2];
    parallel_for(
        0, u.batch * u.channels, Work{0.3 * static_cast<double>(length * u.taps)},
        [&](int64_t begin, int64_t end) {
            for (int64_t at = begin; at < end; ++at) {
                const int64_t n = at / u.channels, c = at % u.channels;
                T* to = image + at * size;
                for (int64_t i = 0; i < size; ++i) to[i] = T(0);
                const char* from = columns.data + n * columns.strides[0] + c * u.taps * columns.strides[1];
                for (int64_t tap = 0; tap < u.taps; ++tap)
                    col2im_row(u, tap_at(u, tap), from + tap * columns.strides[1], columns.strides[2], to);
            }
        });
}

}  // namespace

void im2col(const ArrayView& image, const ArrayView& columns, const int64_t* kernel, const int64_t* out,
            const Params& params) {
    const Unfold u = unfold_of(image, columns, kernel, out, params);
    if (image.dtype == DType::float32)
        im2col_typed<float>(u, image, columns.as<float>());
    else
        im2col_typed<double>(u, image, columns.as<double>());
}

void col2im(const ArrayView& columns, const ArrayView& image, const int64_t* kernel, const int64_t* out,
            const Params& params) {
    const Unfold u = unfold_of(image, columns, kernel, out, params);
    if (image.dtype == DType::float32)
        col2im_typed<float>(u, columns, image.as<float>());
    else
        col2im_typed<double>(u, columns, image.as<double>());
}

}  // namespace pt::conv
