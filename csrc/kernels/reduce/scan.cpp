#include "kernels/reduce/scan.h"

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/reduce/partial.h"

namespace pt::reduce {
namespace {

// The arrays of a scan: input, result, places (null where there are none).
struct Arrays {
    const ArrayView& in;
    const ArrayView& out;
    const ArrayView* places;
    int axis;
    bool reverse;

    static constexpr int kCount = 3;
    const ArrayView* at(int k) const { return k == 0 ? &in : k == 1 ? &out : places; }
};

// Walks the lines along an axis, the last other axis innermost, handing neighbouring lines out together.
struct Lines {
    int count = 0;  // of the other axes
    int64_t size[kMaxDims];
    int64_t stride[Arrays::kCount][kMaxDims] = {};
    int64_t step[Arrays::kCount] = {};
    char* first[Arrays::kCount] = {};

    explicit Lines(const Arrays& a) {
        for (int i = 0; i < a.in.ndim; ++i) {
            if (i == a.axis || a.in.shape[i] == 1) continue;
            size[count] = a.in.shape[i];
            for (int k = 0; k < Arrays::kCount; ++k)
                if (a.at(k) != nullptr) stride[k][count] = a.at(k)->strides[i];
            ++count;
        }
        if (count == 0) size[count++] = 1;
        const int64_t n = a.in.shape[a.axis];
        for (int k = 0; k < Arrays::kCount; ++k) {
            if (a.at(k) == nullptr) continue;
            const int64_t forward = a.at(k)->strides[a.axis];
            step[k] = a.reverse ? -forward : forward;
            first[k] = a.at(k)->data + (a.reverse ? (n - 1) * forward : 0);
        }
    }
    int64_t groups() const {  // of lines that differ in the innermost axis only
        int64_t n = 1;
        for (int i = 0; i + 1 < count; ++i) n *= size[i];
        return n;
    }
    char* start(int k, int64_t group, int64_t line) const {
        if (first[k] == nullptr) return nullptr;
        char* at = first[k] + line * stride[k][count - 1];
        for (int i = count - 2; i >= 0; --i) {
            at += group % size[i] * stride[k][i];
            group /= size[i];
        }
        return at;
    }
};

// ns: of an element of lines that lie side by side, and of those that do not.
struct Cost {
    double side_by_side, apart;
};

void run(const Arrays& arrays, ScanKernel kernel, const Cost& cost) {
    const Lines lines(arrays);
    const int64_t n = arrays.in.shape[arrays.axis];
    const int inner = lines.count - 1;
    const int64_t parts = (lines.size[inner] + kScanLines - 1) / kScanLines;
    const int64_t width = lines.size[inner] < kScanLines ? lines.size[inner] : kScanLines;
    const bool neighbours = lines.stride[0][inner] == item_size(arrays.in.dtype) && width > 4;
    const double ns = neighbours ? cost.side_by_side : cost.apart;
    parallel_for(0, lines.groups() * parts, Work{ns * static_cast<double>(n * width)},
                 [&](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t) {
                         const int64_t group = t / parts;
                         const int64_t line = t % parts * kScanLines;
                         const int64_t rest = lines.size[inner] - line;
                         const auto start = [&](int k) { return lines.start(k, group, line); };
                         kernel({start(0), start(1), start(2), n, lines.step[0], lines.step[1], lines.step[2],
                                 rest < kScanLines ? rest : kScanLines, lines.stride[0][inner],
                                 lines.stride[1][inner], lines.stride[2][inner]});
                     }
                 });
}

}  // namespace

bool can_scan(DType dtype) {
    return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::int64;
}

void scan(Scan op, const ArrayView& in, int axis, const ArrayView& out, bool reverse) {
    PT_ASSERT(can_scan(in.dtype));
    if (in.numel() == 0) return;
    const int type = in.dtype == DType::int64 ? 2 : in.dtype == DType::float64 ? 1 : 0;
    const ScanKernel kernel = PT_SELECT(Kernels).scan[static_cast<int>(op)][type];
    run({in, out, nullptr, axis, reverse}, kernel, {0.15, 0.3});
}

bool can_scan_extremes(DType dtype) { return type_slot(dtype) >= 0; }

void scan_extremes(bool greatest, const ArrayView& in, int axis, const ArrayView& values,
                   const ArrayView& indices) {
    if (in.numel() == 0) return;
    const ScanKernel kernel = PT_SELECT(Kernels).extremes[greatest ? 1 : 0][type_slot(in.dtype)];
    run({in, values, &indices, axis, false}, kernel, {0.3, 0.3});
}

}  // namespace pt::reduce
