#include "kernels/reduce/scan.h"

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/reduce/kernels.h"

namespace pt::reduce {
namespace {

// Walks the lines along `axis`, the last other axis innermost, handing neighbouring lines out together.
struct Lines {
    int count = 0;  // of the other axes
    int64_t size[kMaxDims];
    int64_t in[kMaxDims];
    int64_t out[kMaxDims];

    Lines(const ArrayView& x, const ArrayView& y, int axis) {
        for (int i = 0; i < x.ndim; ++i) {
            if (i == axis || x.shape[i] == 1) continue;
            size[count] = x.shape[i];
            in[count] = x.strides[i];
            out[count] = y.strides[i];
            ++count;
        }
        if (count == 0) {
            size[0] = 1;
            in[0] = out[0] = 0;
            count = 1;
        }
    }
    int64_t groups() const {  // of lines that differ in the innermost axis only
        int64_t n = 1;
        for (int i = 0; i + 1 < count; ++i) n *= size[i];
        return n;
    }
    void offsets(int64_t group, int64_t& x, int64_t& y) const {
        x = y = 0;
        for (int i = count - 2; i >= 0; --i) {
            x += group % size[i] * in[i];
            y += group % size[i] * out[i];
            group /= size[i];
        }
    }
};

}  // namespace

void scan(Scan op, const ArrayView& in, int axis, const ArrayView& out, bool reverse) {
    PT_ASSERT(in.dtype == DType::float32 || in.dtype == DType::float64);
    if (in.numel() == 0) return;
    const ScanKernel kernel =
        PT_SELECT(Kernels).scan[static_cast<int>(op)][in.dtype == DType::float64 ? 1 : 0];
    const Lines lines(in, out, axis);
    const int64_t n = in.shape[axis];
    const int64_t direction = reverse ? -1 : 1;
    const char* const first_in = in.data + (reverse ? (n - 1) * in.strides[axis] : 0);
    char* const first_out = out.data + (reverse ? (n - 1) * out.strides[axis] : 0);
    const int inner = lines.count - 1;
    constexpr int64_t kWidth = 64;  // lines that are scanned side by side
    const int64_t parts = (lines.size[inner] + kWidth - 1) / kWidth;
    // 0.15 ns an element where lines lie side by side, 0.4 where they are walked four at a time.
    const int64_t width = lines.size[inner] < kWidth ? lines.size[inner] : kWidth;
    const bool neighbours = lines.in[inner] == item_size(in.dtype) && width > 4;
    const Work work{(neighbours ? 0.15 : width < 4 ? 0.9 : 0.4) * static_cast<double>(n * width)};
    parallel_for(0, lines.groups() * parts, work, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
            int64_t x, y;
            lines.offsets(t / parts, x, y);
            const int64_t first = t % parts * kWidth;
            const int64_t rest = lines.size[inner] - first;
            const ScanBlock block{first_in + x + first * lines.in[inner],
                                  first_out + y + first * lines.out[inner],
                                  n,
                                  direction * in.strides[axis],
                                  direction * out.strides[axis],
                                  rest < kWidth ? rest : kWidth,
                                  lines.in[inner],
                                  lines.out[inner]};
            kernel(block);
        }
    });
}

}  // namespace pt::reduce
