// Forward: a block of queries against blocks of keys. The softmax is kept relative to the largest score seen
// so far; when a later block has a larger one, what was summed up is scaled down (online softmax).
#pragma once

#include "kernels/attention/blocks.h"

namespace pt::attention::PT_ISA {

// Of each query of a block: the largest score so far, the sum of exp(score - largest), and the factor that
// the last block of keys put on what was before.
template <class T>
struct Running {
    T largest[kBlockQueries], sum[kBlockQueries], rescale[kBlockQueries];
};

// Masks the scores of queries [q0, q0 + rows) for keys [k0, k0 + keys) and takes them into the maxima.
template <class T>
static void find_largest(const Head<T>& h, int64_t q0, int64_t rows, int64_t k0, int64_t keys, T* scores,
                         Running<T>& state) {
    constexpr T lowest = -kInfinity<T>;
    for (int64_t r = 0; r < rows; ++r) {
        T* x = scores + r * kScoresRow<T>;
        const int64_t n = at_most(keys, h.keys_of(q0 + r) - k0);
        if (h.added != nullptr || h.kept != nullptr)
            apply_mask(h, (q0 + r) * h.mask_row + k0 * h.mask_column, x, n);
        Vec<T> best = broadcast(lowest), other = best;
        int64_t j = 0;
        for (; j + 2 * lanes<T> <= n; j += 2 * lanes<T>) {
            best = max_hw<T>(load(x + j), best);
            other = max_hw<T>(load(x + j + lanes<T>), other);
        }
        for (; j < n; j += lanes<T>)
            best = max_hw<T>(load_upto(x + j, static_cast<int>(at_most(n - j, lanes<T>)), lowest), best);
        const T largest = max_lanes<T>(max_hw<T>(other, best));
        state.rescale[r] = state.largest[r];
        state.largest[r] = largest > state.largest[r] ? largest : state.largest[r];
    }
    for (int64_t r = 0; r < rows; r += lanes<T>) {  // the arrays are whole vectors long
        const Vec<T> now = load(state.largest + r), before = load(state.rescale + r);
        store(state.rescale + r, select<T>(now == before, broadcast(T(1)), exp_of_difference(before - now)));
    }
}

// Scores become exp(score - largest), with dropout; zeros behind the last key that a query sees.
template <class T>
static void exponentiate(const Head<T>& h, int64_t q0, int64_t rows, int64_t k0, int64_t keys, T* scores,
                         Running<T>& state) {
    const Vec<T> keep_scale = broadcast(h.keep_scale);
    for (int64_t r = 0; r < rows; ++r) {
        T* x = scores + r * kScoresRow<T>;
        const int64_t seen = at_most(keys, h.keys_of(q0 + r) - k0), n = seen > 0 ? seen : 0;
        // A row without any key so far: exp(-infinity - 0) are its zeros.
        const Vec<T> shift = broadcast(state.largest[r] == -kInfinity<T> ? T(0) : state.largest[r]);
        const uint8_t* kept = h.dropout == nullptr ? nullptr : h.dropout + (q0 + r) * h.keys + k0;
        Vec<T> sum{};
        if (kept == nullptr)
            each_vector<T>(n, [&](int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> p = exp_of_difference(load_upto(x + j, used, -kInfinity<T>) - shift);
                sum += p;
                store(x + j, p);  // rows are whole vectors long
            });
        else
            each_vector<T>(n, [&](int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> p = exp_of_difference(load_upto(x + j, used, -kInfinity<T>) - shift);
                sum += p;
                store(x + j, p * keep_factors<T>(kept + j, used, keep_scale));
            });
        state.sum[r] = state.sum[r] * state.rescale[r] + sum_lanes<T>(sum);
        for (int64_t j = whole_vectors<T>(n); j < keys; j += lanes<T>) store(x + j, Vec<T>{});
    }
}

// Results and log-sum-exps of a block from its sums.
template <class T>
static void finish(const Head<T>& h, int64_t q0, int64_t rows, const T* sums, int64_t sums_row,
                   const Running<T>& state) {
    for (int64_t r = 0; r < rows; ++r)
        put(sums + r * sums_row, sums_row, 1, h.width, state.sum[r] == T(0) ? T(0) : T(1) / state.sum[r],
            false, h.out + (q0 + r) * h.out_row, h.out_row, h.out_column);
    T lse[kBlockQueries];
    for (int64_t r = 0; r < rows; r += lanes<T>) {
        const Vec<T> sum = load(state.sum + r);
        store(lse + r,
              select<T>(sum == Vec<T>{}, broadcast(kInfinity<T>), load(state.largest + r) + log(sum)));
    }
    for (int64_t r = 0; r < rows; ++r) h.logsumexp[q0 + r] = lse[r];
}

// Scores of a few queries: products along the rows of the keys, which are read once and not packed. Partial
// sums of as many keys as a vector has lanes are turned, so that adding up the turned rows finishes all of
// them.
template <class T>
static void scores_of_few(const Head<T>& h, const T* queries, int64_t rows, int64_t k0, int64_t keys,
                          T* scores) {
    constexpr int L = lanes<T>;
    T partial[L * L], turned[L * L];
    for (int64_t j = 0; j < keys; j += L) {
        const int count = static_cast<int>(at_most(L, keys - j));
        for (int64_t r = 0; r < rows; ++r) {
            const T *query = queries + r * h.depth, *key = h.k + (k0 + j) * h.k_row;
            for (int i = 0; i < count; ++i, key += h.k_row) {
                Vec<T> sum{};
                each_vector<T>(h.depth, [&](int64_t e, int used) __attribute__((always_inline)) {
                    sum += load_upto(query + e, used) * load_upto(key + e, used);
                });
                store(partial + i * L, sum);
            }
            transpose_block(partial, L, count, L, turned, L, true);
            Vec<T> total{};
            for (int e = 0; e < L; ++e) total += load(turned + e * L);
            store(scores + r * kScoresRow<T> + j, total);
        }
    }
}

template <class T>
static void forward_block(const Head<T>& h, int64_t q0, int64_t rows, const Packed<T>& keys,
                          const Packed<T>& values, T* scratch) {
    const int64_t width = whole_vectors<T>(h.width), seen = h.keys_before(q0 + rows);
    T *queries = scratch, *scores = queries + whole_vectors<T>(kBlockQueries * h.depth),
      *sums = scores + kBlockQueries * kScoresRow<T>;
    gather_rows(h.q + q0 * h.q_row, h.q_row, h.q_column, rows, h.depth, h.scale, queries);
    Running<T> state;
    for (int64_t r = 0; r < kBlockQueries; ++r)
        state.largest[r] = state.rescale[r] = -kInfinity<T>, state.sum[r] = T(0);
    if (seen == 0)
        for (int64_t i = 0; i < rows * width; i += lanes<T>) store(sums + i, Vec<T>{});
    for (int64_t k0 = 0; k0 < seen; k0 += kBlockKeys) {
        const int64_t count = at_most(kBlockKeys, seen - k0);
        if (keys.data == nullptr)
            scores_of_few(h, queries, rows, k0, count, scores);
        else
            multiply(Left<T>{queries, h.depth, 1}, rows, keys, 0, h.depth, k0, k0 + count, scores,
                     kScoresRow<T>, false);
        find_largest(h, q0, rows, k0, count, scores, state);
        exponentiate(h, q0, rows, k0, count, scores, state);
        for (int64_t r = 0; k0 > 0 && r < rows; ++r)
            if (state.rescale[r] != T(1))
                for (int64_t c = 0; c < width; c += lanes<T>)
                    store(sums + r * width + c, load(sums + r * width + c) * broadcast(state.rescale[r]));
        multiply(Left<T>{scores, kScoresRow<T>, 1}, rows, values, k0, k0 + count, 0, h.width, sums, width,
                 k0 > 0);
    }
    finish(h, q0, rows, sums, width, state);
}

// Causal blocks see more keys the later they are: first and last in turns, so that parts of the range are
// equal work.
PT_INLINE int64_t block_at(int64_t position, int64_t count, bool causal) {
    if (!causal) return position;
    return position % 2 == 0 ? position / 2 : count - 1 - position / 2;
}

constexpr int64_t kFewQueries = 4;  // up to which packing the keys costs more than it brings

template <class T>
static void forward(const Head<T>& h, int64_t begin, int64_t end) {
    const int64_t blocks = (h.queries + kBlockQueries - 1) / kBlockQueries;
    // What only one block of queries reads need not be packed.
    const bool keys_lie_well = h.queries <= kFewQueries && h.k_column == 1;
    const bool values_lie_well = blocks == 1 && h.v_row != 0 && has_whole_vectors<T>(h.v_column, h.width);
    const int64_t seen = h.keys_before(h.queries);
    const int64_t keys_size = keys_lie_well ? 0 : Packed<T>::size(h.depth, seen);
    const int64_t values_size = values_lie_well ? 0 : Packed<T>::size(seen, h.width);
    const int64_t block_size = whole_vectors<T>(kBlockQueries * h.depth) + kBlockQueries * kScoresRow<T> +
                               kBlockQueries * whole_vectors<T>(h.width);
    pool::Scratch scratch(sizeof(T) * static_cast<size_t>(keys_size + values_size + block_size));
    T* at = scratch.as<T>();
    Packed<T> keys{nullptr, h.depth, seen}, values{h.v, seen, h.width, h.v_row};
    if (!keys_lie_well) keys = pack(h.k, h.k_column, h.k_row, h.depth, seen, at + block_size);
    if (!values_lie_well) values = pack(h.v, h.v_row, h.v_column, seen, h.width, at + block_size + keys_size);
    for (int64_t position = begin; position < end; ++position) {
        const int64_t q0 = block_at(position, blocks, h.causal) * kBlockQueries;
        forward_block(h, q0, at_most(kBlockQueries, h.queries - q0), keys, values, at);
    }
}

}  // namespace pt::attention::PT_ISA
