// The plain version: the definition, one row of scores at a time, in double.
#include <cmath>
#include <limits>

#include "base/pool.h"
#include "kernels/attention/attention.h"

namespace pt::attention {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// scores[j] of query i for all keys that it sees; returns how many those are.
template <class T>
int64_t row_of_scores(const Head<T>& h, int64_t i, double* scores) {
    const int64_t keys = h.keys_of(i);
    for (int64_t j = 0; j < keys; ++j) {
        double sum = 0.0;
        for (int64_t e = 0; e < h.depth; ++e)
            sum += static_cast<double>(h.q[i * h.q_row + e * h.q_column]) * h.k[j * h.k_row + e * h.k_column];
        const int64_t at = i * h.mask_row + j * h.mask_column;
        scores[j] = sum * h.scale;
        if (h.added != nullptr) scores[j] += h.added[at];
        if (h.kept != nullptr && h.kept[at] == 0) scores[j] = -kInfinity;
    }
    return keys;
}

template <class T>
double keep_factor(const Head<T>& h, int64_t i, int64_t j) {
    return h.dropout == nullptr ? 1.0 : h.dropout[i * h.keys + j] != 0 ? h.keep_scale : 0.0;
}

template <class T>
void forward(const Head<T>& h, int64_t begin, int64_t end) {
    pool::Scratch scratch(sizeof(double) * static_cast<size_t>(h.keys + 1));
    double* p = scratch.as<double>();
    const int64_t last = end * kBlockQueries < h.queries ? end * kBlockQueries : h.queries;
    for (int64_t i = begin * kBlockQueries; i < last; ++i) {
        const int64_t keys = row_of_scores(h, i, p);
        double largest = -kInfinity, sum = 0.0;
        for (int64_t j = 0; j < keys; ++j) largest = p[j] > largest ? p[j] : largest;
        if (largest == -kInfinity) largest = 0.0;
        for (int64_t j = 0; j < keys; ++j) sum += p[j] = std::exp(p[j] - largest);
        for (int64_t c = 0; c < h.width; ++c) {
            double total = 0.0;
            for (int64_t j = 0; j < keys; ++j)
                total += p[j] * keep_factor(h, i, j) * h.v[j * h.v_row + c * h.v_column];
            h.out[i * h.out_row + c * h.out_column] = static_cast<T>(sum == 0.0 ? 0.0 : total / sum);
        }
        h.logsumexp[i] = static_cast<T>(sum == 0.0 ? kInfinity : largest + std::log(sum));
    }
}

// p: scores of a row become its probabilities; grad_p: their gradients. Returns rowsum(P * dP).
template <class T>
double find_probabilities(const Head<T>& h, const Gradient<T>& g, int64_t i, int64_t keys, double* p,
                          double* grad_p) {
    double sum = 0.0, dot = 0.0;
    for (int64_t j = 0; j < keys; ++j) {
        sum += p[j] = std::exp(p[j] - h.logsumexp[i]);
        grad_p[j] = 0.0;
        for (int64_t c = 0; c < h.width; ++c)
            grad_p[j] += static_cast<double>(g.out[i * g.out_row + c * g.out_column]) *
                         h.v[j * h.v_row + c * h.v_column];
        grad_p[j] *= keep_factor(h, i, j);
    }
    for (int64_t j = 0; j < keys; ++j) {
        if (sum != 0.0) p[j] /= sum;  // the log-sum-exp was rounded
        dot += p[j] * grad_p[j];
    }
    return dot;
}

// The gradients of one row: of its query, and its part of those of keys and values.
template <class T>
void backward_row(const Head<T>& h, const Gradient<T>& g, int64_t i, double* p, double* grad_p) {
    const int64_t keys = row_of_scores(h, i, p);
    const double dot = find_probabilities(h, g, i, keys, p, grad_p);
    for (int64_t e = 0; e < h.depth; ++e) g.q[i * g.q_row + e * g.q_column] = T(0);
    for (int64_t j = 0; j < keys; ++j) {
        const double kept = p[j] * keep_factor(h, i, j), grad_s = p[j] * (grad_p[j] - dot);
        for (int64_t c = 0; c < h.width; ++c)
            g.v[j * g.v_row + c * g.v_column] +=
                static_cast<T>(kept * g.out[i * g.out_row + c * g.out_column]);
        if (g.scores != nullptr) g.scores[i * h.keys + j] = static_cast<T>(grad_s);
        for (int64_t e = 0; e < h.depth; ++e) {
            g.q[i * g.q_row + e * g.q_column] +=
                static_cast<T>(grad_s * h.scale * h.k[j * h.k_row + e * h.k_column]);
            g.k[j * g.k_row + e * g.k_column] +=
                static_cast<T>(grad_s * h.scale * h.q[i * h.q_row + e * h.q_column]);
        }
    }
    for (int64_t j = keys; g.scores != nullptr && j < h.keys; ++j) g.scores[i * h.keys + j] = T(0);
}

template <class T>
void backward(const Head<T>& h, const Gradient<T>& g, int64_t begin, int64_t end) {
    pool::Scratch scratch(sizeof(double) * static_cast<size_t>(2 * h.keys + 1));
    for (int64_t j = 0; j < h.keys && !g.add_to_kv; ++j) {
        for (int64_t e = 0; e < h.depth; ++e) g.k[j * g.k_row + e * g.k_column] = T(0);
        for (int64_t c = 0; c < h.width; ++c) g.v[j * g.v_row + c * g.v_column] = T(0);
    }
    double* p = scratch.as<double>();
    for (int64_t i = begin; i < end; ++i) backward_row(h, g, i, p, p + h.keys);
}

}  // namespace

namespace plain {
const Kernels kernels = {{&forward<float>, &backward<float>}, {&forward<double>, &backward<double>}};
}  // namespace plain

}  // namespace pt::attention
