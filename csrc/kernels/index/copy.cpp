#include "kernels/index/copy.h"

#include <cstring>
#include <utility>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/bags_plain.h"
#include "kernels/index/kernels.h"

namespace pt::index {

namespace plain {
namespace {

template <class T>
void transpose(const char* from, int64_t from_row, int64_t rows, int64_t columns, char* to, int64_t to_row) {
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
            reinterpret_cast<T*>(to)[j * to_row + i] = reinterpret_cast<const T*>(from)[i * from_row + j];
}

template <class T>
void reverse(const char* from, int64_t n, char* to) {
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<T*>(to)[i] = reinterpret_cast<const T*>(from)[n - 1 - i];
}

void copy_lines(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t bytes,
                int64_t count) {
    for (int64_t k = 0; k < count; ++k)
        std::memcpy(to + k * to_step, from + k * from_step, static_cast<size_t>(bytes));
}

void join_pieces(const Piece* pieces, int64_t count, int64_t row, int64_t begin, int64_t end, char* to) {
    for (int64_t r = begin / row; r * row < end; ++r) {
        int64_t at = r * row;
        for (int64_t i = 0; i < count; ++i)
            for (int64_t b = 0; b < pieces[i].bytes; ++b, ++at)
                if (at >= begin && at < end) to[at] = pieces[i].from[r * pieces[i].step + b];
    }
}

void pad_lines(const PadLine& line, const char* from, int64_t count, char* to) {
    const size_t item = static_cast<size_t>(line.item);
    for (int64_t k = 0; k < count; ++k, from += line.step) {
        const int64_t* place = line.places;
        const auto border = [&](int64_t bytes) {
            for (const char* end = to + bytes; to < end; to += item)
                std::memcpy(to, line.fill != nullptr ? line.fill : from + *place++ * line.item, item);
        };
        border(line.before);
        std::memcpy(to, from, static_cast<size_t>(line.inside));
        to += line.inside;
        border(line.after);
    }
}

template <class T>
void add_rows(const RowSums& sums, int64_t first, int64_t last, char* out) {
    const int64_t n = sums.columns;
    for (int64_t i = first; i < last; ++i)
        for (int64_t j = 0; j < n; ++j) {
            T sum = sums.start != nullptr ? reinterpret_cast<const T*>(sums.start)[i * n + j] : T{};
            for (int64_t k = sums.bounds[i]; k < sums.bounds[i + 1]; ++k)
                sum += reinterpret_cast<const T*>(sums.source)[sums.order[k] * n + j];
            reinterpret_cast<T*>(out)[i * n + j] = sum;
        }
}

void take_rows(const char* from, int64_t bytes, const int64_t* index, int64_t n, char* to) {
    for (int64_t k = 0; k < n; ++k)
        std::memcpy(to + k * bytes, from + index[k] * bytes, static_cast<size_t>(bytes));
}

bool in_bounds(const int64_t* index, int64_t n, int64_t size) {
    for (int64_t i = 0; i < n; ++i)
        if (index[i] < 0 || index[i] >= size) return false;
    return true;
}

template <class T>
int64_t compress(const uint8_t* mask, const char* x, int64_t n, char* to) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; ++i)
        if (mask[i] != 0) reinterpret_cast<T*>(to)[kept++] = reinterpret_cast<const T*>(x)[i];
    return kept;
}

}  // namespace

#include "kernels/index/table.inc"

}  // namespace plain

namespace {

constexpr double kNsPerByte = 0.02;  // of the result
constexpr double kTurnedNs = 0.06;   // the same where lines become columns
constexpr double kClearNs = 0.01;

// The axes of a copy without those of size 1, in the order of out's strides, neighbours merged.
struct CopyAxes {
    int count = 0;
    int64_t size[kMaxDims];
    int64_t in[kMaxDims];
    int64_t out[kMaxDims];

    CopyAxes(const ArrayView& x, const ArrayView& y) {
        for (int i = 0; i < x.ndim; ++i) {
            if (x.shape[i] == 1) continue;
            int at = count++;
            for (; at > 0 && out[at - 1] < y.strides[i]; --at) set(at, size[at - 1], in[at - 1], out[at - 1]);
            set(at, x.shape[i], x.strides[i], y.strides[i]);
        }
        int last = 0;
        for (int i = 1; i < count; ++i) {
            if (in[last] == size[i] * in[i] && out[last] == size[i] * out[i])
                set(last, size[last] * size[i], in[i], out[i]);
            else
                set(++last, size[i], in[i], out[i]);
        }
        if (count > 0) count = last + 1;
    }
    void set(int at, int64_t n, int64_t from, int64_t to) {
        size[at] = n;
        in[at] = from;
        out[at] = to;
    }
    void drop(int axis) {
        for (int i = axis; i + 1 < count; ++i) set(i, size[i + 1], in[i + 1], out[i + 1]);
        --count;
    }
    int64_t numel() const {
        int64_t n = 1;
        for (int i = 0; i < count; ++i) n *= size[i];
        return n;
    }
    void offsets(int64_t number, int64_t& from, int64_t& to) const {
        from = to = 0;
        for (int i = count - 1; i >= 0; --i) {
            const int64_t k = number % size[i];
            number /= size[i];
            from += k * in[i];
            to += k * out[i];
        }
    }
};

struct Item16 {
    int64_t a, b;
};

template <class T>
void copy_line(const char* x, int64_t step_x, char* y, int64_t step_y, int64_t n) {
    if (step_y == static_cast<int64_t>(sizeof(T)) && step_x == 0) {
        const T value = *reinterpret_cast<const T*>(x);
        T* to = reinterpret_cast<T*>(y);
        for (int64_t i = 0; i < n; ++i) to[i] = value;
    } else {
        for (int64_t i = 0; i < n; ++i)
            *reinterpret_cast<T*>(y + i * step_y) = *reinterpret_cast<const T*>(x + i * step_x);
    }
}

void copy_any_line(int64_t item, const char* x, int64_t step_x, char* y, int64_t step_y, int64_t n) {
    if (step_x == item && step_y == item)
        PT_SELECT(Kernels).copy_lines(x, 0, y, 0, n * item, 1);
    else if (step_x == -item && step_y == item && item == 4)
        PT_SELECT(Kernels).reverse4(x - (n - 1) * item, n, y);
    else if (step_x == -item && step_y == item && item == 8)
        PT_SELECT(Kernels).reverse8(x - (n - 1) * item, n, y);
    else if (item == 1)
        copy_line<uint8_t>(x, step_x, y, step_y, n);
    else if (item == 2)
        copy_line<uint16_t>(x, step_x, y, step_y, n);
    else if (item == 4)
        copy_line<uint32_t>(x, step_x, y, step_y, n);
    else if (item == 8)
        copy_line<uint64_t>(x, step_x, y, step_y, n);
    else
        copy_line<Item16>(x, step_x, y, step_y, n);
}

// `in` is contiguous along another axis than `out`: planes of those two axes are transposed.
void copy_planes(CopyAxes axes, int axis, int64_t item, const char* x, char* y) {
    const int last = axes.count - 1;
    const int64_t rows = axes.size[last];
    const int64_t columns = axes.size[axis];
    const int64_t from_row = axes.in[last] / item;
    const int64_t to_row = axes.out[axis] / item;
    axes.drop(last);
    axes.drop(axis);
    const Kernels& kernels = PT_SELECT(Kernels);
    const auto transpose = item == 4 ? kernels.transpose4 : kernels.transpose8;
    constexpr int64_t kStrip = 64;  // columns of a plane that are one piece of work
    const int64_t strips = (columns + kStrip - 1) / kStrip;
    const Work work = {static_cast<double>(rows * kStrip * item) * kTurnedNs};
    parallel_for(0, axes.numel() * strips, work, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
            int64_t from, to;
            axes.offsets(t / strips, from, to);
            const int64_t j = t % strips * kStrip;
            transpose(x + from + j * item, from_row, rows, columns - j < kStrip ? columns - j : kStrip,
                      y + to + j * to_row * item, to_row);
        }
    });
}

}  // namespace

void copy(const ArrayView& in, const ArrayView& out) {
    if (in.numel() == 0) return;
    const int64_t item = item_size(in.dtype);
    CopyAxes axes(in, out);
    if (axes.count == 0) axes.set(axes.count++, 1, item, item);
    const int last = axes.count - 1;
    if (axes.in[last] != item && axes.out[last] == item && (item == 4 || item == 8))
        for (int i = 0; i < last; ++i)
            if (axes.in[i] == item && axes.in[last] % item == 0 && axes.out[i] % item == 0 &&
                axes.in[last] > 0)
                return copy_planes(axes, i, item, in.data, out.data);
    const int64_t n = axes.size[last];
    const int64_t step_in = axes.in[last];
    const int64_t step_out = axes.out[last];
    axes.drop(last);
    if (axes.count == 0) {  // one line, in parts
        parallel_for(0, n, Work{static_cast<double>(item) * kNsPerByte, 64}, [&](int64_t begin, int64_t end) {
            copy_any_line(item, in.data + begin * step_in, step_in, out.data + begin * step_out, step_out,
                          end - begin);
        });
        return;
    }
    const Kernels& kernels = PT_SELECT(Kernels);
    const Work work = {static_cast<double>(n * item) * kNsPerByte + 1};
    parallel_for(0, axes.numel(), work, [&](int64_t begin, int64_t end) {
        const int inner = axes.count - 1;
        for (int64_t t = begin; t < end;) {
            int64_t from, to;
            axes.offsets(t, from, to);
            const int64_t rest = axes.size[inner] - t % axes.size[inner];
            const int64_t some = end - t < rest ? end - t : rest;
            if (step_in == item && step_out == item)
                kernels.copy_lines(in.data + from, axes.in[inner], out.data + to, axes.out[inner], n * item,
                                   some);
            else
                for (int64_t k = 0; k < some; ++k)
                    copy_any_line(item, in.data + from + k * axes.in[inner], step_in,
                                  out.data + to + k * axes.out[inner], step_out, n);
            t += some;
        }
    });
}

void clear(const ArrayView& out) {
    parallel_for(0, out.nbytes(), Work{kClearNs, 64}, [&](int64_t begin, int64_t end) {
        std::memset(out.data + begin, 0, static_cast<size_t>(end - begin));
    });
}

void triangle(const ArrayView& in, bool upper, int64_t diagonal, const ArrayView& out) {
    const int64_t total = in.numel();
    if (total == 0) return;
    const int64_t item = item_size(in.dtype);
    const int64_t rows = in.shape[in.ndim - 2];
    const int64_t n = in.shape[in.ndim - 1];
    parallel_for(
        0, total / n, Work{static_cast<double>(n * item) * kNsPerByte + 2}, [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r) {
                const int64_t edge = r % rows + diagonal + (upper ? 0 : 1);  // where the zeros end or begin
                const size_t cut = static_cast<size_t>((edge < 0 ? 0 : edge < n ? edge : n) * item);
                const size_t whole = static_cast<size_t>(n * item);
                const char* from = in.data + r * n * item;
                char* to = out.data + r * n * item;
                if (upper) {
                    std::memset(to, 0, cut);
                    std::memcpy(to + cut, from + cut, whole - cut);
                } else {
                    std::memcpy(to, from, cut);
                    std::memset(to + cut, 0, whole - cut);
                }
            }
        });
}

}  // namespace pt::index
