#include "kernels/index/pad.h"

#include <cstdlib>
#include <cstring>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/kernels.h"

namespace pt::index {
namespace {

constexpr double kNsPerByte = 0.02;  // of the result
constexpr double kNsPerLine = 1;
constexpr int64_t kFill = 64;  // bytes: the longest vector

struct Axis {
    int64_t size, padded, before, stride;  // of the source, of the result; bytes
    Border mode;

    int64_t begin() const { return before > 0 ? before : 0; }  // of what comes from its own place
    int64_t end() const { return before + size < padded ? before + size : padded; }
    // Where element `o` of the result comes from; -1: the constant.
    int64_t source(int64_t o) const {
        const int64_t at = o - before;
        if (o >= begin() && o < end()) return at;
        const int64_t last = size - 1;
        switch (mode) {
            case Border::constant:
                return -1;
            case Border::reflect:
                return last - std::abs(last - std::abs(at));
            case Border::replicate:
                return at < 0 ? 0 : at > last ? last : at;
            default: {  // circular: what is not cropped goes round
                const int64_t first = before < 0 ? -before : 0;
                const int64_t kept = end() - begin();
                const int64_t k = (at - first) % kept;
                return first + (k < 0 ? k + kept : k);
            }
        }
    }
};

struct Axes {
    int count = 0;  // at least 2
    Axis at[kMaxDims + 2];

    Axes(const ArrayView& in, const int64_t* before, Border mode, const ArrayView& out) {
        for (int i = in.ndim; i < 2; ++i) at[count++] = {1, 1, 0, 0, mode};
        for (int i = 0; i < in.ndim; ++i)
            at[count++] = {in.shape[i], out.shape[i], before[i], in.strides[i], mode};
    }
    // The offset in the source of a plane of the last two axes; -1: the constant.
    int64_t plane(int64_t number) const {
        int64_t offset = 0;
        for (int i = count - 3; i >= 0; --i) {
            const int64_t k = at[i].source(number % at[i].padded);
            number /= at[i].padded;
            if (k < 0) return -1;
            offset += k * at[i].stride;
        }
        return offset;
    }
};

struct Padding {
    const char* in;
    Axes axes;
    PadLine line;
    int64_t first;  // bytes from the beginning of a line of the source to what is inside
    int64_t bytes;  // of a line of the result

    const Axis& row() const { return axes.at[axes.count - 2]; }

    // Rows [begin, end) of the plane of the result at `to`; `plane`: see Axes::plane().
    void rows(int64_t plane, int64_t begin, int64_t end, char* to) const {
        const auto pad_lines = PT_SELECT(Kernels).pad_lines;
        const PadLine constant = {0, bytes, 0, 0, line.item, line.fill, nullptr};
        const Axis& row = this->row();
        for (int64_t j = begin; j < end;) {
            const int64_t k = plane < 0 ? -1 : row.source(j);
            int64_t count = 1;  // rows that lie one after the other in the source too
            if (j >= row.begin() && j < row.end()) count = (end < row.end() ? end : row.end()) - j;
            if (k < 0)
                pad_lines(constant, line.fill, count, to + j * bytes);
            else
                pad_lines(line, in + plane + k * row.stride + first, count, to + j * bytes);
            j += count;
        }
    }
};

void spread_value(const void* value, int64_t item, char* fill) {
    for (int64_t b = 0; b < kFill; b += item) std::memcpy(fill + b, value, static_cast<size_t>(item));
}

}  // namespace

void pad(const ArrayView& in, const int64_t* before, Border mode, const void* value, const ArrayView& out) {
    if (out.numel() == 0) return;
    const int64_t item = item_size(in.dtype);
    Padding padding{in.data, Axes(in, before, mode, out), {}, 0, 0};
    const Axis& column = padding.axes.at[padding.axes.count - 1];
    alignas(kFill) char fill[kFill];
    spread_value(value, item, fill);
    const bool constant = mode == Border::constant;
    // A line without anything inside is all border.
    const int64_t begin = column.begin() < column.end() ? column.begin() : column.padded;
    const int64_t end = column.begin() < column.end() ? column.end() : column.padded;
    pool::Scratch room(constant ? 0 : static_cast<size_t>(column.padded) * sizeof(int64_t));
    if (!constant) {
        int64_t* place = room.as<int64_t>();
        for (int64_t o = 0; o < begin; ++o) *place++ = column.source(o) - (begin - column.before);
        for (int64_t o = end; o < column.padded; ++o) *place++ = column.source(o) - (begin - column.before);
    }
    padding.line = {padding.row().stride,
                    begin * item,
                    (end - begin) * item,
                    (column.padded - end) * item,
                    item,
                    constant ? fill : nullptr,
                    room.as<int64_t>()};
    padding.first = (begin - column.before) * item;
    padding.bytes = column.padded * item;
    const int64_t rows = padding.row().padded;
    const Work work = {static_cast<double>(padding.bytes) * kNsPerByte + kNsPerLine};
    parallel_for(0, out.numel() / column.padded, work, [&](int64_t first, int64_t last) {
        for (int64_t r = first; r < last;) {
            const int64_t p = r / rows;
            const int64_t stop = last < (p + 1) * rows ? last : (p + 1) * rows;
            padding.rows(padding.axes.plane(p), r - p * rows, stop - p * rows,
                         out.data + p * rows * padding.bytes);
            r = stop;
        }
    });
}

}  // namespace pt::index
