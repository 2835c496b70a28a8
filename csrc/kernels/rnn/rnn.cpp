// The rows of the steps, and the choice of the kernel by level and dtype.
#include "base/by_type.h"
#include "kernels/rnn/rnn.h"

#include <type_traits>

#include "base/pool.h"
#include "kernels/rnn/problem.h"

namespace pt::matmul {

// The products of the level in use.
template <class T>
rnn::Products<T> selected_products() {
    const Kernels& kernels = PT_SELECT(Kernels);
    if constexpr (std::is_same_v<T, float>)
        return {kernels.multiply_float32, kernels.multiply_packed_float32, kernels.pack_float32};
    else
        return {kernels.multiply_float64, kernels.multiply_packed_float64, kernels.pack_float64};
}

}  // namespace pt::matmul

namespace pt::rnn {

namespace {

template <class T>
const Table<T>& selected() {
    return by_type<T>(PT_SELECT(Kernels));
}

Walk walk_of(const Shape& s, int64_t* first) {
    first[0] = 0;
    for (int64_t t = 0; t < s.steps; ++t)
        first[t + 1] = first[t] + (s.batch_sizes != nullptr ? s.batch_sizes[t] : s.batch);
    return {first, s.steps, s.reverse};
}

}  // namespace

template <class T>
void forward(const Shape& shape, const Weights<T>& weights, const ForwardArrays<T>& arrays) {
    pool::Scratch first(sizeof(int64_t) * static_cast<size_t>(shape.steps + 1));
    const Walk walk = walk_of(shape, first.as<int64_t>());
    selected<T>().forward({shape, walk, weights, arrays, matmul::selected_products<T>()});
}

template <class T>
void backward(const Shape& shape, const Weights<T>& weights, const BackwardArrays<T>& arrays) {
    pool::Scratch first(sizeof(int64_t) * static_cast<size_t>(shape.steps + 1));
    const Walk walk = walk_of(shape, first.as<int64_t>());
    selected<T>().backward({shape, walk, weights, arrays, matmul::selected_products<T>()});
}

#define PT_INSTANTIATE(T)                                                            \
    template void forward(const Shape&, const Weights<T>&, const ForwardArrays<T>&); \
    template void backward(const Shape&, const Weights<T>&, const BackwardArrays<T>&);
PT_INSTANTIATE(float)
PT_INSTANTIATE(double)
#undef PT_INSTANTIATE

}  // namespace pt::rnn
