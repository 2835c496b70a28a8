#include "kernels/optim/optim.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::optim {

namespace plain {
namespace {

template <class T>
void sgd_range(const SgdItem& item, int64_t begin, int64_t end, const SgdRule& rule) {
    T* param = static_cast<T*>(item.param);
    const T* grad = static_cast<const T*>(item.grad);
    T* buffer = static_cast<T*>(item.momentum_buffer);
    const T lr = static_cast<T>(rule.lr), momentum = static_cast<T>(rule.momentum);
    const T damp = static_cast<T>(1 - rule.dampening), decay = static_cast<T>(rule.weight_decay);
    for (int64_t i = begin; i < end; ++i) {
        T d = rule.maximize ? -grad[i] : grad[i];
        if (decay != 0) d += decay * param[i];
        if (buffer != nullptr) {
            buffer[i] = item.fresh ? d : momentum * buffer[i] + damp * d;
            d = rule.nesterov ? d + momentum * buffer[i] : buffer[i];
        }
        param[i] -= lr * d;
    }
}

template <class T>
void adam_range(const AdamItem& item, int64_t begin, int64_t end, const AdamRule& rule) {
    T* param = static_cast<T*>(item.param);
    const T* grad = static_cast<const T*>(item.grad);
    T* m = static_cast<T*>(item.exp_avg);
    T* v = static_cast<T*>(item.exp_avg_sq);
    T* largest = static_cast<T*>(item.max_exp_avg_sq);
    const T weight1 = static_cast<T>(1 - rule.beta1), beta2 = static_cast<T>(rule.beta2);
    const T weight2 = static_cast<T>(1 - rule.beta2), eps = static_cast<T>(rule.eps);
    const T decay = static_cast<T>(rule.weight_decay), keep = static_cast<T>(1 - rule.lr * rule.weight_decay);
    const T step_size = static_cast<T>(item.step_size), scale = static_cast<T>(item.scale);
    for (int64_t i = begin; i < end; ++i) {
        T g = rule.maximize ? -grad[i] : grad[i];
        if (rule.decoupled)
            param[i] *= keep;
        else if (decay != 0)
            g += decay * param[i];
        m[i] += weight1 * (g - m[i]);
        v[i] = beta2 * v[i] + weight2 * g * g;
        T second = v[i];
        if (largest != nullptr) {
            // As maximum(): a NaN on either side stays.
            if (!(largest[i] >= second) && !std::isnan(largest[i])) largest[i] = second;
            second = largest[i];
        }
        param[i] -= step_size * (m[i] / (std::sqrt(second) * scale + eps));
    }
}

template <class T>
double sum_squares(const void* data, int64_t n) {
    const T* x = static_cast<const T*>(data);
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
    return static_cast<double>(sum);
}

}  // namespace

const Kernels kernels = {
#define PT_KERNEL(name, type, signature, body) body<type>,
#include "kernels/optim/kernels.inc"
#undef PT_KERNEL
};

}  // namespace plain

namespace {

constexpr int64_t kGrain = 32768;  // elements per thread that are worth waking it

// Cuts lie at multiples of this within an item: only an item's end is a partial vector, on any number of
// threads. (The compiler may fuse multiplications and additions of partial vectors in another order.)
constexpr int64_t kCut = 64;

int64_t cut(int64_t place, int64_t numel) {
    return place <= 0 ? 0 : place >= numel ? numel : place - place % kCut;
}

// range(item, begin, end) over all elements of all items, cut evenly among the threads.
template <class Item, class Range>
void for_all_elements(const Item* items, int64_t count, const Range& range) {
    int64_t total = 0;
    for (int64_t i = 0; i < count; ++i) total += items[i].numel;
    parallel_for(0, total, kGrain, [&](int64_t begin, int64_t end) {
        int64_t first = 0;  // of item i, in the concatenation of all items
        for (int64_t i = 0; i < count && first < end; ++i) {
            const int64_t from = cut(begin - first, items[i].numel);
            const int64_t to = cut(end - first, items[i].numel);
            if (from < to) range(items[i], from, to);
            first += items[i].numel;
        }
    });
}

}  // namespace

void sgd(const SgdItem* items, int64_t count, DType dtype, const SgdRule& rule) {
    const auto kernel = dtype == DType::float32 ? kernels().sgd_f32 : kernels().sgd_f64;
    for_all_elements(items, count, [&](const SgdItem& item, int64_t begin, int64_t end) {
        kernel(item, begin, end, rule);
    });
}

void adam(const AdamItem* items, int64_t count, DType dtype, const AdamRule& rule) {
    const auto kernel = dtype == DType::float32 ? kernels().adam_f32 : kernels().adam_f64;
    for_all_elements(items, count, [&](const AdamItem& item, int64_t begin, int64_t end) {
        kernel(item, begin, end, rule);
    });
}

double sum_of_squares(const void* data, int64_t numel, DType dtype) {
    const auto kernel = dtype == DType::float32 ? kernels().squares_f32 : kernels().squares_f64;
    const int64_t blocks = (numel + kBlock - 1) / kBlock;
    const auto block = [&](int64_t i) {
        const char* start = static_cast<const char*>(data) + i * kBlock * item_size(dtype);
        return kernel(start, std::min(kBlock, numel - i * kBlock));
    };
    double sum = 0;
    if (numel < 8 * kGrain) {
        for (int64_t i = 0; i < blocks; ++i) sum += block(i);
        return sum;
    }
    // The same additions in the same order, whoever computed the blocks.
    const pool::Scratch scratch(static_cast<size_t>(blocks) * sizeof(double));
    double* sums = scratch.as<double>();
    parallel_for(0, blocks, kGrain / kBlock, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) sums[i] = block(i);
    });
    for (int64_t i = 0; i < blocks; ++i) sum += sums[i];
    return sum;
}

}  // namespace pt::optim
