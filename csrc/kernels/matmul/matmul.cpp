// Checks, batches, and the choice of the kernel by level and dtype.
#include "kernels/matmul/matmul.h"

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/matmul/problem.h"

namespace pt::matmul {

namespace {

const Kernels& kernels() { return PT_SELECT(Kernels); }

template <class T>
struct Selected {
    void (*multiply)(const Problem<T>&);
    bool (*multiply_small)(const Problem<T>&, const BatchSteps&, int64_t) = nullptr;
};

// The batch axes that are left when neighbours that step alike are merged.
struct Batch {
    int ndim = 0;
    int64_t sizes[kMaxDims], a[kMaxDims], b[kMaxDims], out[kMaxDims];

    void add(int64_t size, int64_t a_step, int64_t b_step, int64_t out_step) {
        if (size == 1) return;
        if (ndim > 0) {
            const int last = ndim - 1;
            if (a[last] == size * a_step && b[last] == size * b_step && out[last] == size * out_step) {
                sizes[last] *= size;
                a[last] = a_step;
                b[last] = b_step;
                out[last] = out_step;
                return;
            }
        }
        sizes[ndim] = size;
        a[ndim] = a_step;
        b[ndim] = b_step;
        out[ndim++] = out_step;
    }

    int64_t count() const {
        int64_t n = 1;
        for (int i = 0; i < ndim; ++i) n *= sizes[i];
        return n;
    }

    // One matrix b for a whole axis of the batch, whose matrices a and out lie behind each other: one tall
    // product.
    template <class T>
    void fold_into_rows(Problem<T>& p) {
        while (ndim > 0) {
            const int last = ndim - 1;
            if (b[last] != 0 || a[last] != p.m * p.a_row || out[last] != p.m * p.c_row || (p.bias_row != 0))
                return;
            p.m *= sizes[last];
            --ndim;
        }
    }
};

// Products [begin, end) of a batch, those along its last axis in one go.
template <class T>
void run_range(const Selected<T>& kernels, const Batch& batch, const Problem<T>& first, int64_t begin,
               int64_t end) {
    const int last = batch.ndim - 1;
    const BatchSteps steps{batch.a[last], batch.b[last], batch.out[last]};
    for (int64_t at = begin; at < end;) {
        Problem<T> p = first;
        int64_t rest = at;
        for (int i = last; i >= 0; --i) {
            const int64_t index = rest % batch.sizes[i];
            rest /= batch.sizes[i];
            p.a += index * batch.a[i];
            p.b += index * batch.b[i];
            p.c += index * batch.out[i];
        }
        const int64_t left = batch.sizes[last] - at % batch.sizes[last];
        const int64_t count = left < end - at ? left : end - at;
        at += count;
        if (kernels.multiply_small != nullptr && kernels.multiply_small(p, steps, count)) continue;
        for (int64_t i = 0; i < count; ++i, p.a += steps.a, p.b += steps.b, p.c += steps.out)
            kernels.multiply(p);
    }
}

template <class T>
void run(const ArrayView& a, const ArrayView& b, const ArrayView& out, const ArrayView* bias,
         Activation activation, const Selected<T>& kernels) {
    constexpr int64_t item = sizeof(T);
    const int row = out.ndim - 2, col = out.ndim - 1;
    Problem<T> p{out.shape[row],
                 out.shape[col],
                 a.shape[col],
                 a.as<const T>(),
                 a.strides[row] / item,
                 a.strides[col] / item,
                 b.as<const T>(),
                 b.strides[row] / item,
                 b.strides[col] / item,
                 out.as<T>(),
                 out.strides[row] / item,
                 out.strides[col] / item,
                 nullptr,
                 0,
                 0,
                 activation};
    // The stride of an axis of size 1 says nothing.
    if (p.k == 1) p.a_k = p.b_k = 1;
    if (p.n == 1) p.b_col = p.c_col = 1;
    if (bias != nullptr) {
        p.bias = bias->as<const T>();
        p.bias_col = bias->strides[0] / item;
    }
    Batch batch;
    for (int i = 0; i < row; ++i)
        batch.add(out.shape[i], a.shape[i] == 1 ? 0 : a.strides[i] / item,
                  b.shape[i] == 1 ? 0 : b.strides[i] / item, out.strides[i] / item);
    batch.fold_into_rows(p);
    const int64_t count = batch.count(), work = p.m * p.n * (p.k + 1);
    if (count == 0 || p.m == 0 || p.n == 0) return;
    if (batch.ndim == 0) return kernels.multiply(p);
    // Small products go one to a thread; of large ones, each takes all threads.
    if (work >= int64_t{1} << 21 && count % num_threads() != 0) return run_range(kernels, batch, p, 0, count);
    const Work each{15 + 0.01 * static_cast<double>(work)};  // 15 ns: a call
    parallel_for(0, count, each,
                 [&](int64_t begin, int64_t end) { run_range(kernels, batch, p, begin, end); });
}

void check(const ArrayView& a, const ArrayView& b, const ArrayView& out, const ArrayView* bias,
           Activation activation) {
    PT_CHECK(out.ndim >= 2 && a.ndim == out.ndim && b.ndim == out.ndim,
             "matmul: expected the same number of axes, at least 2");
    PT_CHECK(supports(out.dtype) && a.dtype == out.dtype && b.dtype == out.dtype,
             "matmul: expected one dtype, a real one");
    PT_CHECK(out.dtype >= DType::float16 || activation == Activation::none,
             "matmul: integers have no activation");
    const int row = out.ndim - 2, col = out.ndim - 1;
    PT_CHECK(a.shape[col] == b.shape[row] && a.shape[row] == out.shape[row] && b.shape[col] == out.shape[col],
             "matmul: sizes do not fit together");
    for (int i = 0; i < row; ++i)
        PT_CHECK((a.shape[i] == out.shape[i] || a.shape[i] == 1) &&
                     (b.shape[i] == out.shape[i] || b.shape[i] == 1),
                 "matmul: batch sizes do not fit together");
    PT_CHECK(
        bias == nullptr || (bias->ndim == 1 && bias->shape[0] == out.shape[col] && bias->dtype == out.dtype),
        "matmul: bias must have one element per column, of the same dtype");
}

}  // namespace

bool supports(DType dtype) { return dtype >= DType::uint8 && dtype <= DType::float64; }

void matmul(const ArrayView& a, const ArrayView& b, const ArrayView& out, const ArrayView* bias,
            Activation activation) {
    check(a, b, out, bias, activation);
    switch (out.dtype) {
        case DType::float32:
            return run<float>(a, b, out, bias, activation,
                              {kernels().multiply_float32, kernels().multiply_small_float32});
        case DType::float64:
            return run<double>(a, b, out, bias, activation,
                               {kernels().multiply_float64, kernels().multiply_small_float64});
        case DType::float16:
            return run<uint16_t>(a, b, out, bias, activation, {kernels().multiply_float16});
        case DType::bfloat16:
            return run<uint16_t>(a, b, out, bias, activation, {kernels().multiply_bfloat16});
        case DType::int64:
            return run<uint64_t>(a, b, out, bias, activation, {kernels().multiply_bits64});
        case DType::int32:
            return run<uint32_t>(a, b, out, bias, activation, {kernels().multiply_bits32});
        case DType::int16:
            return run<uint16_t>(a, b, out, bias, activation, {kernels().multiply_bits16});
        default:
            return run<uint8_t>(a, b, out, bias, activation, {kernels().multiply_bits8});
    }
}

size_t packed_bytes(DType dtype, int64_t k, int64_t n) {
    constexpr int64_t widest = 256;  // bytes of a row of a strip, at the widest level
    return static_cast<size_t>(k * ((n * item_size(dtype) + widest - 1) / widest * widest));
}

PackedB pack(const ArrayView& b, void* memory) {
    PT_CHECK(b.ndim == 2 && (b.dtype == DType::float32 || b.dtype == DType::float64),
             "pack: expected a matrix of float32 or float64");
    const PackedB packed{b.shape[0], b.shape[1], memory, b.dtype, cpu_level()};
    const int64_t item = item_size(b.dtype), b_k = b.strides[0] / item, b_col = b.strides[1] / item;
    if (b.dtype == DType::float32)
        kernels().pack_float32(packed.k, packed.n, b.as<const float>(), b_k, b_col,
                               static_cast<float*>(memory));
    else
        kernels().pack_float64(packed.k, packed.n, b.as<const double>(), b_k, b_col,
                               static_cast<double*>(memory));
    return packed;
}

namespace {
template <class T>
auto packed_kernel(const Kernels& table) {
    if constexpr (sizeof(T) == 4)
        return table.multiply_packed_float32;
    else
        return table.multiply_packed_float64;
}
}  // namespace

template <class T>
void multiply(const RowsTimesPacked<T>& x, const PackedB& b) {
    PT_ASSERT(b.dtype == dtype_of<T>::value);
    if (x.m <= 0 || b.n == 0) return;
    packed_kernel<T>(PT_SELECT_AT(Kernels, b.level))({x.m, b.n, b.k, x.a, x.a_row, x.a_k,
                                                      static_cast<const T*>(b.data), x.c, x.c_row, x.bias,
                                                      x.activation, x.add});
}
template void multiply(const RowsTimesPacked<float>&, const PackedB&);
template void multiply(const RowsTimesPacked<double>&, const PackedB&);

}  // namespace pt::matmul
