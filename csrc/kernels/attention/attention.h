// Scaled dot-product attention in tiles: softmax(scale * Q K^T + mask) V without the matrix of all scores.
//
// Contract: query [..., L, E], key [..., S, E], value [..., S, Ev], out [..., L, Ev]: one dtype (float32 or
// float64), the same leading axes, any strides (0 for broadcast ones) on all of them; out overlaps nothing.
// `mask` is [..., L, S], boolean (false: not attended to) or of the inputs' dtype (added to the scores);
// `dropout` is a boolean, contiguous [..., L, S]: which probabilities stay; those are multiplied by
// `keep_scale`. `causal`: query i sees keys 0 .. i. A row that sees no key is zero, and so are its gradients.
// `logsumexp`, contiguous [..., L], is what backward needs besides the inputs and the result: of each row of
// scores, and +infinity for a row that sees no key.
//
// backward() writes the gradients of query, key and value; those of key and value may have size 1 where the
// last leading axis of the query is larger (grouped heads): they are summed over it. `grad_mask`, contiguous
// [..., L, S] or null, takes the gradient of the scores. Results do not depend on the number of threads.
//
// Source: T. Dao, FlashAttention-2, https://arxiv.org/abs/2307.08691
#pragma once

#include "base/array_view.h"
#include "base/cpu_level.h"

namespace pt::attention {

// One head, strides in elements. Null where there is no mask or dropout.
template <class T>
struct Head {
    int64_t queries, keys, depth, width;
    const T* q;
    int64_t q_row, q_column;
    const T* k;
    int64_t k_row, k_column;
    const T* v;
    int64_t v_row, v_column;
    T* out;
    int64_t out_row, out_column;
    T* logsumexp;
    const T* added;
    const uint8_t* kept;  // of a boolean mask
    int64_t mask_row, mask_column;
    const uint8_t* dropout;
    T keep_scale, scale;
    bool causal;

    // The number of keys that the queries before `end` see, and that query i sees.
    int64_t keys_before(int64_t end) const { return causal && end < keys ? end : keys; }
    int64_t keys_of(int64_t i) const { return keys_before(i + 1); }
};

template <class T>
struct Gradient {
    const T* out;  // of the result
    int64_t out_row, out_column;
    T* q;
    int64_t q_row, q_column;
    T* k;
    int64_t k_row, k_column;
    T* v;
    int64_t v_row, v_column;
    T* scores;       // null: not asked for
    bool add_to_kv;  // k and v hold a part of their gradients already
};

constexpr int64_t kBlockQueries = 48;

template <class T>
struct Table {
    // Blocks [begin, end) of kBlockQueries queries.
    void (*forward)(const Head<T>& head, int64_t begin, int64_t end);
    // Queries [begin, end): their own gradients, and their part of those of all keys and values.
    void (*backward)(const Head<T>& head, const Gradient<T>& gradient, int64_t begin, int64_t end);
};
struct Kernels {
    Table<float> f32;
    Table<double> f64;
};
PT_DECLARE_LEVELS(Kernels)

struct Options {
    double scale, keep_scale;
    bool causal;
};
struct Inputs {
    ArrayView query, key, value;
    const ArrayView* mask;     // or null
    const ArrayView* dropout;  // or null
};
struct Gradients {
    ArrayView query, key, value;
    const ArrayView* mask;  // or null
};

void forward(const Inputs& inputs, const Options& options, const ArrayView& out, const ArrayView& logsumexp);
void backward(const ArrayView& grad, const Inputs& inputs, const Options& options, const ArrayView& out,
              const ArrayView& logsumexp, const Gradients& gradients);

}  // namespace pt::attention
