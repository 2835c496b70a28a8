// Backward: the probabilities are computed again, block by block, from the saved log-sum-exps.
//
//     P = exp(S - logsumexp)    dP = dO V^T    dS = P * (dP - rowsum(P * dP))    rowsum(P * dP) = rowsum(dO *
//     O) dV = P^T dO    dQ = scale * dS K    dK = scale * dS^T Q
//
// Keys are the outer loop: the gradients of a block of keys and values stay in the cache while all queries
// pass by.
#pragma once

#include "kernels/attention/blocks.h"

namespace pt::attention::PT_ISA {

// Packed operands and sums of one call; queries are counted from its first one.
template <class T>
struct BackwardState {
    T* queries;  // times scale, row after row
    Packed<T> queries_across, grads_across, keys_down, keys_across, values_down;
    T *dots, *grad_q;  // rowsum(dO * O); sums of dS K, padded rows
    T *scores, *grad_scores;
    T *grad_k, *grad_v;  // of the block of keys, padded rows
};

// A row of scores, all of whose keys are in the block, becomes P (with dropout) and dS. Its own sums serve as
// norm and as rowsum(P * dP): what rounding has done to log-sum-exp and result cancels out, where
// differences of gradients are small beside them.
template <class T, class Factor>
PT_INLINE void whole_row_to_gradients(T* x, T* d, int64_t n, Vec<T> shift, const Factor& factor) {
    Vec<T> sums{}, products{};
    each_vector<T>(n, [&](int64_t j, int used) __attribute__((always_inline)) {
        const Vec<T> p = exp_of_difference(load_upto(x + j, used, -kInfinity<T>) - shift);
        const Vec<T> grad = factor(load_upto(d + j, used), j, used);
        sums += p;
        products += p * grad;
        store(x + j, p);
        store(d + j, grad);
    });
    const T sum = sum_lanes<T>(sums), norm = sum == T(0) ? T(0) : T(1) / sum;
    const Vec<T> dot = broadcast(sum_lanes<T>(products) * norm), norms = broadcast(norm);
    for (int64_t j = 0; j < n; j += lanes<T>) {  // rows are whole vectors long
        const Vec<T> p = load(x + j) * norms;
        const int used = static_cast<int>(at_most(n - j, lanes<T>));
        store(x + j, factor(p, j, used));
        store(d + j, p * (load(d + j) - dot));
    }
}

// The same for a part of a row, from what forward saved.
template <class T, class Factor>
PT_INLINE void part_to_gradients(T* x, T* d, int64_t n, Vec<T> shift, Vec<T> dot, const Factor& factor) {
    each_vector<T>(n, [&](int64_t j, int used) __attribute__((always_inline)) {
        const Vec<T> p = exp_of_difference(load_upto(x + j, used, -kInfinity<T>) - shift);
        store(x + j, factor(p, j, used));
        store(d + j, p * (factor(load_upto(d + j, used), j, used) - dot));
    });
}

// Scores and gradients of the probabilities of a block become P (with dropout) and dS.
template <class T>
static void to_gradients(const Head<T>& h, const Gradient<T>& g, int64_t q0, int64_t rows, int64_t k0,
                         int64_t keys, const T* dots, T* scores, T* grad_scores) {
    const Vec<T> keep_scale = broadcast(h.keep_scale);
    for (int64_t r = 0; r < rows; ++r) {
        T *x = scores + r * kScoresRow<T>, *d = grad_scores + r * kScoresRow<T>;
        const int64_t q = q0 + r, seen = at_most(keys, h.keys_of(q) - k0), n = seen > 0 ? seen : 0;
        if (h.added != nullptr || h.kept != nullptr) apply_mask(h, q * h.mask_row + k0 * h.mask_column, x, n);
        const Vec<T> shift = broadcast(h.logsumexp[q]), dot = broadcast(dots[r]);
        const uint8_t* kept = h.dropout == nullptr ? nullptr : h.dropout + q * h.keys + k0;
        const auto run = [&](const auto& factor) __attribute__((always_inline)) {
            if (n == h.keys_of(q))
                whole_row_to_gradients<T>(x, d, n, shift, factor);
            else
                part_to_gradients<T>(x, d, n, shift, dot, factor);
        };
        if (kept == nullptr)
            run([](Vec<T> v, int64_t, int) __attribute__((always_inline)) { return v; });
        else
            run([&](Vec<T> v, int64_t j, int used) __attribute__((always_inline)) {
                return v * keep_factors<T>(kept + j, used, keep_scale);
            });
        for (int64_t j = whole_vectors<T>(n); j < keys; j += lanes<T>)
            store(x + j, Vec<T>{}), store(d + j, Vec<T>{});
        if (g.scores != nullptr)
            put(d, kScoresRow<T>, 1, keys, T(1), false, g.scores + q * h.keys + k0, 0, 1);
    }
}

template <class T>
static void find_dots(const Head<T>& h, const Gradient<T>& g, int64_t begin, int64_t end, T* dots) {
    for (int64_t i = begin; i < end; ++i) {
        const T *a = g.out + i * g.out_row, *b = h.out + i * h.out_row;
        T sum = T(0);
        if (g.out_column == 1 && h.out_column == 1) {
            Vec<T> sums{};
            each_vector<T>(h.width, [&](int64_t c, int used) __attribute__((always_inline)) {
                sums += load_upto(a + c, used) * load_upto(b + c, used);
            });
            sum = sum_lanes<T>(sums);
        } else {
            for (int64_t c = 0; c < h.width; ++c) sum += a[c * g.out_column] * b[c * h.out_column];
        }
        dots[i - begin] = sum;
    }
}

// Queries [q0, q0 + rows) of the call, whose first is `begin`, against the block of keys.
template <class T>
static void backward_block(const Head<T>& h, const Gradient<T>& g, const BackwardState<T>& s, int64_t begin,
                           int64_t q0, int64_t rows, int64_t k0, int64_t keys, bool first) {
    const int64_t depth = whole_vectors<T>(h.depth), width = whole_vectors<T>(h.width);
    const int64_t row = kScoresRow<T>, q = begin + q0;
    multiply(Left<T>{s.queries + q0 * h.depth, h.depth, 1}, rows, s.keys_down, 0, h.depth, k0, k0 + keys,
             s.scores, row, false);
    multiply(Left<T>{g.out + q * g.out_row, g.out_row, g.out_column}, rows, s.values_down, 0, h.width, k0,
             k0 + keys, s.grad_scores, row, false);
    to_gradients(h, g, q, rows, k0, keys, s.dots + q0, s.scores, s.grad_scores);
    multiply(Left<T>{s.scores, 1, row}, keys, s.grads_across, q0, q0 + rows, 0, h.width, s.grad_v, width,
             !first);
    multiply(Left<T>{s.grad_scores, 1, row}, keys, s.queries_across, q0, q0 + rows, 0, h.depth, s.grad_k,
             depth, !first);
    multiply(Left<T>{s.grad_scores, row, 1}, rows, s.keys_across, k0, k0 + keys, 0, h.depth,
             s.grad_q + q0 * depth, depth, k0 > 0);
}

// The operands of queries [begin, end), in scratch memory of backward_size elements.
template <class T>
static BackwardState<T> prepare(const Head<T>& h, const Gradient<T>& g, int64_t begin, int64_t end, T* at) {
    const int64_t queries = end - begin, depth = whole_vectors<T>(h.depth), width = whole_vectors<T>(h.width);
    const auto take = [&](int64_t elements) {
        T* here = at;
        at += whole_vectors<T>(elements);
        return here;
    };
    BackwardState<T> s;
    s.queries = take(queries * h.depth);
    gather_rows(h.q + begin * h.q_row, h.q_row, h.q_column, queries, h.depth, h.scale, s.queries);
    s.queries_across = pack(s.queries, h.depth, 1, queries, h.depth, take(queries * depth));
    s.grads_across =
        pack(g.out + begin * g.out_row, g.out_row, g.out_column, queries, h.width, take(queries * width));
    const int64_t padded_keys = whole_vectors<T>(h.keys);
    s.keys_down = pack(h.k, h.k_column, h.k_row, h.depth, h.keys, take(h.depth * padded_keys));
    s.keys_across = pack(h.k, h.k_row, h.k_column, h.keys, h.depth, take(h.keys * depth));
    s.values_down = pack(h.v, h.v_column, h.v_row, h.width, h.keys, take(h.width * padded_keys));
    s.dots = take(queries);
    if (h.keys > kBlockKeys) find_dots(h, g, begin, end, s.dots);  // else rows are whole
    s.grad_q = take(queries * depth);
    s.scores = take(kBlockQueries * kScoresRow<T>);
    s.grad_scores = take(kBlockQueries * kScoresRow<T>);
    s.grad_k = take(kBlockKeys * depth);
    s.grad_v = take(kBlockKeys * width);
    return s;
}
template <class T>
static int64_t backward_size(const Head<T>& h, int64_t queries) {
    const int64_t depth = whole_vectors<T>(h.depth), width = whole_vectors<T>(h.width);
    const int64_t keys = whole_vectors<T>(h.keys);
    return whole_vectors<T>(queries * h.depth) + whole_vectors<T>(queries) + queries * (2 * depth + width) +
           keys * (2 * depth + width) + 2 * kBlockQueries * kScoresRow<T> + kBlockKeys * (depth + width);
}

template <class T>
PT_INLINE void clear(T* x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) x[i] = T(0);
}

template <class T>
static void backward(const Head<T>& h, const Gradient<T>& g, int64_t begin, int64_t end) {
    const int64_t depth = whole_vectors<T>(h.depth), width = whole_vectors<T>(h.width), queries = end - begin;
    pool::Scratch scratch(sizeof(T) * static_cast<size_t>(backward_size(h, queries)));
    const BackwardState<T> s = prepare(h, g, begin, end, scratch.as<T>());
    if (h.keys == 0) clear(s.grad_q, queries * depth);
    if (g.scores != nullptr && h.causal)  // blocks that no query sees are passed over
        for (int64_t i = begin; i < end; ++i) clear(g.scores + i * h.keys, h.keys);
    for (int64_t k0 = 0; k0 < h.keys; k0 += kBlockKeys) {
        const int64_t keys = at_most(kBlockKeys, h.keys - k0);
        bool first = true;
        for (int64_t q0 = 0; q0 < queries; q0 += kBlockQueries) {
            const int64_t rows = at_most(kBlockQueries, queries - q0);
            const int64_t seen = at_most(keys, h.keys_before(begin + q0 + rows) - k0);
            if (seen <= 0) continue;
            // The first block of queries to come by defines the sums of all keys.
            if (first && seen < keys) {
                clear(s.grad_k, keys * depth);
                clear(s.grad_v, keys * width);
                first = false;
            }
            backward_block(h, g, s, begin, q0, rows, k0, seen, first);
            first = false;
        }
        if (first) {
            clear(s.grad_k, keys * depth);
            clear(s.grad_v, keys * width);
        }
        put(s.grad_k, depth, keys, h.depth, T(1), g.add_to_kv, g.k + k0 * g.k_row, g.k_row, g.k_column);
        put(s.grad_v, width, keys, h.width, T(1), g.add_to_kv, g.v + k0 * g.v_row, g.v_row, g.v_column);
    }
    put(s.grad_q, depth, queries, h.depth, h.scale, false, g.q + begin * g.q_row, g.q_row, g.q_column);
}

}  // namespace pt::attention::PT_ISA
