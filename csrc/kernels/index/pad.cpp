#include "kernels/index/pad.h"

#include <cstdlib>
#include <cstring>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/kernels.h"

namespace pt::index {
namespace {

constexpr int64_t kPadGrain = 1 << 17;  // bytes below which a second thread does not pay
constexpr int64_t kRows = 16;  // rows whose inside and borders are written while in the nearest cache

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

template <class T>
struct Padding {
    const char* in;
    char* out;
    Axis row, column;
    T value;
    const int64_t* places;  // in a line of the source, for each element of its borders

    void borders(const T* from, T* to) const {
        const int64_t* place = places;
        if (column.mode == Border::constant) {
            for (int64_t o = 0; o < column.begin(); ++o) to[o] = value;
            for (int64_t o = column.end(); o < column.padded; ++o) to[o] = value;
        } else {
            for (int64_t o = 0; o < column.begin(); ++o) to[o] = from[*place++];
            for (int64_t o = column.end(); o < column.padded; ++o) to[o] = from[*place++];
        }
    }

    // Rows [begin, end) of the plane of the result at `to`; `plane`: see Axes::plane().
    void rows(int64_t plane, int64_t begin, int64_t end, T* to) const {
        const auto copy_lines = PT_SELECT(Kernels).copy_lines;
        constexpr int64_t item = sizeof(T);
        for (int64_t j = begin; j < end;) {
            const int64_t k = plane < 0 ? -1 : row.source(j);
            T* line = to + j * column.padded;
            if (k < 0) {
                for (int64_t o = 0; o < column.padded; ++o) line[o] = value;
                ++j;
                continue;
            }
            int64_t count = 1;  // rows that lie one after the other in the source too
            if (j >= row.begin() && j < row.end()) {
                const int64_t stop = end < row.end() ? end : row.end();
                count = stop - j < kRows ? stop - j : kRows;
            }
            const char* from = in + plane + k * row.stride;
            const int64_t inside = column.end() - column.begin();
            if (inside > 0)
                copy_lines(from + (column.begin() - column.before) * item, row.stride,
                           reinterpret_cast<char*>(line + column.begin()), column.padded * item,
                           inside * item, count);
            for (int64_t r = 0; r < count; ++r)
                borders(reinterpret_cast<const T*>(from + r * row.stride), line + r * column.padded);
            j += count;
        }
    }
};

template <class T>
void pad_elements(const ArrayView& in, const int64_t* before, Border mode, const void* value,
                  const ArrayView& out) {
    const Axes axes(in, before, mode, out);
    Padding<T> padding{in.data, out.data, axes.at[axes.count - 2], axes.at[axes.count - 1], {}, nullptr};
    std::memcpy(&padding.value, value, sizeof(T));
    const Axis& column = padding.column;
    pool::Scratch room(static_cast<size_t>(column.padded) * sizeof(int64_t));
    padding.places = room.as<int64_t>();
    int64_t* place = room.as<int64_t>();
    for (int64_t o = 0; o < column.begin(); ++o) *place++ = column.source(o);
    for (int64_t o = column.end(); o < column.padded; ++o) *place++ = column.source(o);
    const int64_t rows = padding.row.padded;
    const int64_t plane = rows * column.padded;
    const int64_t line_bytes = column.padded * static_cast<int64_t>(sizeof(T));
    parallel_for(0, out.numel() / column.padded, kPadGrain / line_bytes + 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end;) {
            const int64_t p = r / rows;
            const int64_t stop = end < (p + 1) * rows ? end : (p + 1) * rows;
            padding.rows(axes.plane(p), r - p * rows, stop - p * rows,
                         reinterpret_cast<T*>(out.data) + p * plane);
            r = stop;
        }
    });
}

struct Item16 {
    int64_t a, b;
};

}  // namespace

void pad(const ArrayView& in, const int64_t* before, Border mode, const void* value, const ArrayView& out) {
    if (out.numel() == 0) return;
    switch (item_size(in.dtype)) {
        case 1:
            return pad_elements<uint8_t>(in, before, mode, value, out);
        case 2:
            return pad_elements<uint16_t>(in, before, mode, value, out);
        case 4:
            return pad_elements<uint32_t>(in, before, mode, value, out);
        case 8:
            return pad_elements<uint64_t>(in, before, mode, value, out);
        default:
            return pad_elements<Item16>(in, before, mode, value, out);
    }
}

}  // namespace pt::index
