#include "kernels/index/index.h"

#include "base/parallel.h"
#include "kernels/index/copy.h"
#include "kernels/index/kernels.h"
#include "kernels/index/lines.h"
#include "kernels/index/order.h"
#include "kernels/index/types.h"

namespace pt::index {
namespace {

constexpr double kNsPerByte = 0.01;  // read or written
constexpr double kAddNs = 0.2;       // of an element of a row

struct Load {
    template <class T>
    static void run(const T& x, T& y) {
        y = x;
    }
};

// A C-contiguous array seen as (outer, size of the axis, inner).
struct Slabs {
    int64_t outer = 1;
    int64_t size;
    int64_t inner = 1;

    Slabs(const ArrayView& x, int axis) : size(x.shape[axis]) {
        for (int i = 0; i < axis; ++i) outer *= x.shape[i];
        for (int i = axis + 1; i < x.ndim; ++i) inner *= x.shape[i];
    }
};

}  // namespace

bool in_bounds(const int64_t* index, int64_t n, int64_t size) {
    return PT_SELECT(Kernels).in_bounds(index, n, size);
}

bool can_move(DType dtype) { return dtype != DType::unsupported; }
bool can_add(DType dtype) {
    return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::int32 ||
           dtype == DType::int64;
}

bool gather(const ArrayView& in, int axis, const ArrayView& index, const ArrayView& out) {
    if (index.numel() == 0) return true;
    Errand errand;
    errand.ns = 0.7;
    with_size(item_size(in.dtype), [&](auto t) { errand.along = along<decltype(t), Load>; });
    return walk(Lines(index, in, out, axis), errand);
}

namespace {

// body(first, lines) over `outer` lines, up to four of them at a time: what walks them loads an index once.
template <class Body>
void for_four(int64_t outer, double ns_of_line, const Body& body) {
    parallel_for(0, (outer + 3) / 4, Work{4 * ns_of_line}, [&](int64_t begin, int64_t end) {
        for (int64_t o = 4 * begin; o < 4 * end && o < outer; o += 4) body(o, outer - o < 4 ? outer - o : 4);
    });
}

}  // namespace

void take_rows(const ArrayView& in, int axis, const int64_t* index, int64_t n, const ArrayView& out) {
    if (out.numel() == 0) return;
    const Slabs slabs(in, axis);
    const int64_t item = item_size(in.dtype);
    const int64_t bytes = slabs.inner * item;
    const Kernels& kernels = PT_SELECT(Kernels);
    if (slabs.inner > 1) {
        const Work work = {2 * kNsPerByte * static_cast<double>(bytes) + 2};
        parallel_for(0, slabs.outer * n, work, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end;) {
                const int64_t o = i / n;
                const int64_t k = i % n;
                const int64_t some = end - i < n - k ? end - i : n - k;
                kernels.take_rows(in.data + o * slabs.size * bytes, bytes, index + k, some,
                                  out.data + i * bytes);
                i += some;
            }
        });
        return;
    }
    with_size(item, [&](auto t) {
        using T = decltype(t);
        for_four(slabs.outer, static_cast<double>(n) / 4, [&](int64_t o, int64_t lines) {
            const T* from = in.as<T>() + o * slabs.size;
            T* to = out.as<T>() + o * n;
            if (lines < 4) {
                for (int64_t l = 0; l < lines; ++l)
                    for (int64_t k = 0; k < n; ++k) to[l * n + k] = from[l * slabs.size + index[k]];
                return;
            }
            const int64_t size = slabs.size;
            for (int64_t k = 0; k < n; ++k) {
                const T* x = from + index[k];
                const T a = x[0], b = x[size], c = x[2 * size], d = x[3 * size];
                to[k] = a;
                to[n + k] = b;
                to[2 * n + k] = c;
                to[3 * n + k] = d;
            }
        });
    });
}

namespace {

template <class T>
void add_to_lines(const ArrayView& out, const Slabs& slabs, const int64_t* index, int64_t n,
                  const ArrayView& source) {
    for_four(slabs.outer, static_cast<double>(n) / 2, [&](int64_t o, int64_t lines) {
        T* to = out.as<T>() + o * slabs.size;
        const T* from = source.as<T>() + o * n;
        if (lines < 4) {
            for (int64_t l = 0; l < lines; ++l)
                for (int64_t k = 0; k < n; ++k) to[l * slabs.size + index[k]] += from[l * n + k];
            return;
        }
        const int64_t size = slabs.size;
        for (int64_t k = 0; k < n; ++k) {
            T* y = to + index[k];
            y[0] += from[k];
            y[size] += from[n + k];
            y[2 * size] += from[2 * n + k];
            y[3 * size] += from[3 * n + k];
        }
    });
}

}  // namespace

namespace {

void add_rows(const ArrayView& out, int axis, const int64_t* index, int64_t n, const ArrayView& source) {
    if (source.numel() == 0) return;
    const Slabs slabs(out, axis);
    with_number(out.dtype, [&](auto t) {
        using T = decltype(t);
        if (slabs.inner == 1) return add_to_lines<T>(out, slabs, index, n, source);
        const auto add = [&](int64_t o, int64_t begin, int64_t end) {
            for (int64_t k = 0; k < n; ++k) {
                T* __restrict to = out.as<T>() + (o * slabs.size + index[k]) * slabs.inner;
                const T* from = source.as<T>() + (o * n + k) * slabs.inner;
                for (int64_t j = begin; j < end; ++j) to[j] += from[j];
            }
        };
        if (slabs.outer > 1)
            parallel_for(0, slabs.outer, Work{kAddNs * static_cast<double>(n * slabs.inner)},
                         [&](int64_t begin, int64_t end) {
                             for (int64_t o = begin; o < end; ++o) add(o, 0, slabs.inner);
                         });
        else
            parallel_for(0, slabs.inner, Work{kAddNs * static_cast<double>(n), 16},
                         [&](int64_t begin, int64_t end) { add(0, begin, end); });
    });
}

constexpr int64_t kLongRow = 64;  // bytes from which putting the rows in order pays

}  // namespace

void plus_rows(const ArrayView& in, int axis, const int64_t* index, int64_t n, const ArrayView& source,
               const ArrayView& out) {
    const Slabs slabs(in, axis);
    const int64_t bytes = slabs.inner * item_size(in.dtype);
    if (slabs.outer > 1 || bytes < kLongRow || n == 0 || slabs.size > 4 * n) {
        if (in.data != out.data) copy(in, out);
        return add_rows(out, axis, index, n, source);
    }
    // Every slice is written once, with all that belongs to it.
    const Order rows(index, n, slabs.size);
    const auto add = PT_SELECT(Kernels).add_rows[sum_of(in.dtype)];
    const RowSums sums{in.data, source.data, rows.order, rows.start, slabs.inner};
    const double each = static_cast<double>(n) / static_cast<double>(slabs.size);
    const Work work = {static_cast<double>(bytes) * kNsPerByte * (2 + 2 * each) + 2};
    parallel_for(0, slabs.size, work, [&](int64_t begin, int64_t end) { add(sums, begin, end, out.data); });
}

}  // namespace pt::index
