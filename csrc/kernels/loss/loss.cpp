// The plain versions (sums in double), what follows from the target indices, and the choice of kernel and
// threads.
#include "base/by_type.h"
#include "kernels/loss/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::loss {

namespace plain {

// largest and log_sum of each sample; spread (may be null): sum over c of w[c] * (largest - x_c).
template <class T>
void log_sum_exp(const T* x, const T* weight, int64_t classes, int64_t inner, int64_t begin, int64_t end,
                 T* largest, T* log_sum, T* spread) {
    for (int64_t i = begin; i < end; ++i) {
        const T* line = x + (inner == 1 ? i * classes : i);
        T best = -std::numeric_limits<T>::infinity();
        for (int64_t c = 0; c < classes; ++c) best = std::max(best, line[c * inner]);
        double sum = 0, below = 0;
        for (int64_t c = 0; c < classes; ++c) {
            sum += std::exp(line[c * inner] - best);
            below += (weight == nullptr ? 1 : weight[c]) * (best - line[c * inner]);
        }
        largest[i] = best;
        log_sum[i] = static_cast<T>(std::log(sum));
        if (spread != nullptr) spread[i] = static_cast<T>(below);
    }
}

// grad_x = share_i * softmax - smooth_i * w[c]; smooth may be null (0).
template <class T>
void cross_entropy_grad(const T* x, const T* weight, const T* largest, const T* log_sum, const T* share,
                        const T* smooth, int64_t classes, int64_t inner, int64_t begin, int64_t end,
                        T* grad_x) {
    for (int64_t i = begin; i < end; ++i) {
        const int64_t first = inner == 1 ? i * classes : i;
        for (int64_t c = 0; c < classes; ++c) {
            const int64_t at = first + c * inner;
            grad_x[at] = share[i] * std::exp(x[at] - largest[i] - log_sum[i]);
            if (smooth != nullptr) grad_x[at] -= smooth[i] * (weight == nullptr ? 1 : weight[c]);
        }
    }
}

template <class T>
T softplus(T x) {
    return (x < 0 ? T(0) : x) + std::log1p(std::exp(-std::abs(x)));
}

template <class T>
T pair_value(PairLoss kind, T param, T x, T t) {
    const T d = x - t, size = std::abs(d);
    switch (kind) {
        case PairLoss::mse:
            return d * d;
        case PairLoss::l1:
            return size;
        case PairLoss::smooth_l1:
            return size < param ? T(0.5) * d * d / param : size - T(0.5) * param;
        case PairLoss::huber:
            return size <= param ? T(0.5) * d * d : param * (size - T(0.5) * param);
        case PairLoss::bce: {
            const T hit = std::log(x), miss = std::log1p(-x);  // cut off, as log(0) times 0 is NaN
            return (t - 1) * (miss < -100 ? T(-100) : miss) - t * (hit < -100 ? T(-100) : hit);
        }
        case PairLoss::bce_with_logits:
            return (1 - t) * x + std::log1p(std::exp(-std::abs(x))) + (x < 0 ? -x : T(0));
        case PairLoss::soft_margin:
            return std::log1p(std::exp(-x * t));
        case PairLoss::kl:
            return (t == 0 ? T(0) : t * std::log(t)) - t * x;
        case PairLoss::kl_log:
            return std::exp(t) * (t - x);
        case PairLoss::hinge: {
            const T short_by = param - x * t;
            return short_by < 0 ? T(0) : short_by;
        }
        case PairLoss::bce_pos_weight:
            return (1 - t) * x + (1 + (param - 1) * t) * softplus(-x);
        case PairLoss::gaussian:
            return T(0.5) * (std::log(param) + d * d / param);
        default:
            return 0;
    }
}

template <class T>
T pair_slope(PairLoss kind, T param, T x, T t) {
    const T d = x - t;
    switch (kind) {
        case PairLoss::mse:
            return 2 * d;
        case PairLoss::l1:
            return static_cast<T>((d > 0) - (d < 0));
        case PairLoss::smooth_l1:
            return d <= -param ? T(-1) : d >= param ? T(1) : d / param;
        case PairLoss::huber:
            return d <= -param ? -param : d >= param ? param : d;
        case PairLoss::bce: {
            const T spread = (1 - x) * x;
            return d / (spread < T(1e-12) ? T(1e-12) : spread);
        }
        case PairLoss::bce_with_logits:
            return 1 / (1 + std::exp(-x)) - t;
        case PairLoss::soft_margin:
            return -t / (1 + std::exp(x * t));
        case PairLoss::kl:
            return -t;
        case PairLoss::kl_log:
            return -std::exp(t);
        case PairLoss::hinge:
            return param - x * t >= 0 ? -t : T(0);
        case PairLoss::bce_pos_weight:
            return (param * t + 1 - t) / (1 + std::exp(-x)) - param * t;
        case PairLoss::gaussian:
            return d / param;
        case PairLoss::kl_by_target:
            return std::log(t) + t / t - x;  // NaN for 0
        case PairLoss::kl_log_by_target:
            return std::exp(t) * (t - x + 1);
        case PairLoss::gaussian_by_variance:
            return T(0.5) * (1 - d * d / param) / param;
    }
    return 0;
}

// Adds the losses to *sum.
template <class T>
void pair_loss(PairLoss kind, const T* param, const T* x, const T* target, int64_t n, T* losses,
               double* sum) {
    const int64_t step = is_ternary(kind) ? 1 : 0;
    for (int64_t i = 0; i < n; ++i) {
        const T loss = pair_value(kind, param[i * step], x[i], target[i]);
        if (losses != nullptr) losses[i] = loss;
        *sum += loss;
    }
}

template <class T>
void pair_grad(PairLoss kind, const T* param, const T* x, const T* target, const T* grad, int64_t grad_step,
               T factor, int64_t n, T* grad_x) {
    const int64_t step = is_ternary(kind) ? 1 : 0;
    for (int64_t i = 0; i < n; ++i)
        grad_x[i] = grad[i * grad_step] * factor * pair_slope(kind, param[i * step], x[i], target[i]);
}

template <class T>
void ctc_step(const T* row, const T* skip, const T* emitted, int64_t n, T* next) {
    for (int64_t s = 0; s < n; ++s) {
        const T a = row[s], b = row[s - 1], c = row[s - 2] + skip[s];
        T most = std::max(std::max(a, b), c);
        if (std::isinf(most)) most = 0;
        next[s] = std::log(std::exp(a - most) + std::exp(b - most) + std::exp(c - most)) + most + emitted[s];
    }
}

template <class T>
void ctc_occupancy(const T* alpha, const T* beta, const T* emitted, T loss, int64_t n, T* share) {
    for (int64_t s = 0; s < n; ++s) {
        const T both = alpha[s] + beta[s];
        share[s] = std::isinf(both) ? T(0) : std::exp(both - emitted[s] + loss);
    }
}

template <class T>
void scaled_exp(const T* x, T scale, int64_t n, T* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = scale * std::exp(x[i]);
}

template <class T>
constexpr Table<T> table() {
    return {
#define PT_KERNEL(name, ...) &name<T>,
#include "kernels/loss/kernels.inc"
#undef PT_KERNEL
    };
}
const Kernels kernels = {table<float>(), table<double>()};

}  // namespace plain

namespace {

template <class T>
const Table<T>& selected() {
    return by_type<T>(PT_SELECT(Kernels));
}

// body(offset into x, offset into the per-sample arrays, begin, end) covers all samples: ranges of rows when
// inner is 1, else pieces of one batch entry's inner axis.
template <class T, class Body>
void over_samples(const Samples& s, const Body& body) {
    const double ns = 0.25 * static_cast<double>(s.classes) * (sizeof(T) / sizeof(float));
    if (s.inner == 1) {
        parallel_for(0, s.batch, Work{ns},
                     [&](int64_t begin, int64_t end) { body(int64_t{0}, int64_t{0}, begin, end); });
        return;
    }
    const int64_t pieces = (s.inner + kInnerPiece - 1) / kInnerPiece;
    const Work work{ns * static_cast<double>(std::min(s.inner, kInnerPiece))};
    parallel_for(0, s.batch * pieces, work, [&](int64_t first, int64_t last) {
        for (int64_t item = first; item < last; ++item) {
            const int64_t b = item / pieces, begin = item % pieces * kInnerPiece;
            body(b * s.classes * s.inner, b * s.inner, begin, std::min(begin + kInnerPiece, s.inner));
        }
    });
}

// Position in x of class c of sample i.
int64_t logit_at(const Samples& s, int64_t i, int64_t c) {
    return (i / s.inner * s.classes + c) * s.inner + i % s.inner;
}

template <class T>
double weight_sum(const CrossEntropy<T>& ce) {
    double sum = 0;
    for (int64_t c = 0; c < ce.shape.classes; ++c) sum += ce.weight == nullptr ? 1 : ce.weight[c];
    return sum;
}

}  // namespace

template <class T>
double cross_entropy(const CrossEntropy<T>& ce, T* losses, T* largest, T* log_sum) {
    const Samples& s = ce.shape;
    const bool smoothed = ce.smoothing != 0;
    pool::Scratch scratch(smoothed ? static_cast<size_t>(s.count()) * sizeof(T) : 0);
    T* spread = smoothed ? scratch.as<T>() : nullptr;
    over_samples<T>(s, [&](int64_t at, int64_t i, int64_t begin, int64_t end) {
        selected<T>().log_sum_exp(ce.x + at, ce.weight, s.classes, s.inner, begin, end, largest + i,
                                  log_sum + i, smoothed ? spread + i : nullptr);
    });
    const T all_weights = static_cast<T>(smoothed ? weight_sum(ce) : 0);
    const T per_class = ce.smoothing / static_cast<T>(s.classes);
    double counted = 0;
    for (int64_t i = 0; i < s.count(); ++i) {
        const int64_t t = ce.target[i];
        if (t == ce.ignore_index) {
            losses[i] = 0;
            continue;
        }
        const T w = ce.weight == nullptr ? T(1) : ce.weight[t];
        losses[i] = w * ((largest[i] - ce.x[logit_at(s, i, t)]) + log_sum[i]);
        if (smoothed)
            losses[i] = (1 - ce.smoothing) * losses[i] + per_class * (spread[i] + log_sum[i] * all_weights);
        counted += w;
    }
    return counted;
}

template <class T>
void cross_entropy_backward(const CrossEntropy<T>& ce, const T* largest, const T* log_sum, const T* grad,
                            int64_t grad_step, T factor, T* grad_x) {
    // d loss_i / d x_c = share_i * softmax_c - smooth_i * w[c] - hit_i * [c = t]
    const Samples& s = ce.shape;
    const bool smoothed = ce.smoothing != 0;
    pool::Scratch scratch(static_cast<size_t>(3 * s.count()) * sizeof(T));
    T *hit = scratch.as<T>(), *share = hit + s.count(), *smooth = share + s.count();
    const T all_weights = static_cast<T>(weight_sum(ce));
    for (int64_t i = 0; i < s.count(); ++i) {
        const int64_t t = ce.target[i];
        const T g = t == ce.ignore_index ? T(0) : grad[i * grad_step] * factor;
        const T w = t == ce.ignore_index || ce.weight == nullptr ? T(1) : ce.weight[t];
        hit[i] = g * (1 - ce.smoothing) * w;
        smooth[i] = g * ce.smoothing / static_cast<T>(s.classes);
        share[i] = hit[i] + smooth[i] * all_weights;
    }
    over_samples<T>(s, [&](int64_t at, int64_t i, int64_t begin, int64_t end) {
        selected<T>().cross_entropy_grad(ce.x + at, ce.weight, largest + i, log_sum + i, share + i,
                                         smoothed ? smooth + i : nullptr, s.classes, s.inner, begin, end,
                                         grad_x + at);
    });
    for (int64_t i = 0; i < s.count(); ++i)
        if (ce.target[i] != ce.ignore_index) grad_x[logit_at(s, i, ce.target[i])] -= hit[i];
}

namespace {

// Samples whose sums are taken together; a short piece is not worth another thread.
constexpr int64_t kNllPiece = 4096;
constexpr double kNllNs = 1.5;  // of one: a load from somewhere

// n samples, `step` elements of x apart; classes are `class_step` apart. Four sums side by side: one alone
// would wait for each of its additions.
template <class T>
void nll_run(const CrossEntropy<T>& p, const T* x, int64_t step, int64_t class_step, const int64_t* target,
             int64_t n, T* losses, NllSums& sums) {
    const uint64_t classes = static_cast<uint64_t>(p.shape.classes);
    double total[4] = {}, weights[4] = {};
    const auto add = [&](int64_t i, int k) {
        const int64_t t = target[i];
        if (losses != nullptr) losses[i] = 0;
        if (t == p.ignore_index) return;
        if (static_cast<uint64_t>(t) >= classes) {
            sums.wrong = true;
            return;
        }
        const T w = p.weight == nullptr ? T(1) : p.weight[t], loss = -w * x[t * class_step + i * step];
        if (losses != nullptr) losses[i] = loss;
        total[k] += loss;
        weights[k] += w;
    };
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; ++k) add(i + k, k);
    for (; i < n; ++i) add(i, 0);
    sums.losses += (total[0] + total[1]) + (total[2] + total[3]);
    sums.weights += (weights[0] + weights[1]) + (weights[2] + weights[3]);
}

// Samples begin .. end, in runs within one batch entry.
template <class T>
NllSums nll_piece(const CrossEntropy<T>& p, int64_t begin, int64_t end, T* losses) {
    const int64_t inner = p.shape.inner, classes = p.shape.classes;
    NllSums sums;
    const auto run = [&](const T* x, int64_t step, int64_t from, int64_t to) {
        nll_run(p, x, step, inner, p.target + from, to - from, losses == nullptr ? nullptr : losses + from,
                sums);
    };
    if (inner == 1) {
        run(p.x + begin * classes, classes, begin, end);
        return sums;
    }
    for (int64_t i = begin; i < end;) {
        const int64_t batch = i / inner, last = std::min((batch + 1) * inner, end);
        run(p.x + batch * classes * inner + (i - batch * inner), 1, i, last);
        i = last;
    }
    return sums;
}

}  // namespace

template <class T>
NllSums nll(const CrossEntropy<T>& p, T* losses) {
    const int64_t n = p.shape.count(), pieces = (n + kNllPiece - 1) / kNllPiece;
    if (pieces <= 1) return nll_piece(p, 0, n, losses);
    pool::Scratch scratch(static_cast<size_t>(pieces) * sizeof(NllSums));
    NllSums* parts = scratch.as<NllSums>();
    parallel_for(0, pieces, Work{kNllNs * kNllPiece}, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k)
            parts[k] = nll_piece(p, k * kNllPiece, std::min((k + 1) * kNllPiece, n), losses);
    });
    NllSums sums;
    for (int64_t k = 0; k < pieces; ++k) {
        sums.losses += parts[k].losses;
        sums.weights += parts[k].weights;
        sums.wrong |= parts[k].wrong;
    }
    return sums;
}

template <class T>
void nll_backward(const CrossEntropy<T>& p, const T* grad, int64_t grad_step, T factor, T* grad_x) {
    const int64_t inner = p.shape.inner, block = p.shape.classes * inner;
    const double ns = 0.04 * sizeof(T) / sizeof(float) * static_cast<double>(block);
    parallel_for(0, p.shape.batch, Work{ns + static_cast<double>(inner)}, [&](int64_t begin, int64_t end) {
        std::fill_n(grad_x + begin * block, (end - begin) * block, T(0));
        for (int64_t b = begin; b < end; ++b)
            for (int64_t j = 0; j < inner; ++j) {
                const int64_t i = b * inner + j, t = p.target[i];
                if (t == p.ignore_index) continue;
                const T w = p.weight == nullptr ? T(1) : p.weight[t];
                grad_x[b * block + t * inner + j] = -w * factor * grad[i * grad_step];
            }
    });
}

namespace {

// Sums are taken per piece of this size and added in order.
constexpr int64_t kPairPiece = 4096;

// What an element costs: bytes, or the logarithms and exponentials.
template <class T>
double pair_ns(PairLoss kind, bool backward) {
    const bool slow = kind >= PairLoss::bce && kind != PairLoss::hinge;
    const double ns = backward ? (slow ? 0.25 : 0.15) : (slow ? 0.4 : 0.1);
    return ns * sizeof(T) / sizeof(float);
}

// body(first pair, number of pairs, parameters) for every piece. Parameters that repeat are laid out for the
// piece: `room` has kPairPiece elements.
template <class T, class Body>
void each_pair_piece(PairLoss kind, const Pairs<T>& p, bool backward, const Body& body) {
    const int64_t pieces = (p.n + kPairPiece - 1) / kPairPiece;
    const double ns = pair_ns<T>(kind, backward) * static_cast<double>(std::min(p.n, kPairPiece));
    const bool repeats = is_ternary(kind) && p.period < p.n;
    parallel_for(0, pieces, Work{ns}, [&](int64_t first, int64_t last) {
        pool::Scratch scratch(repeats ? kPairPiece * sizeof(T) : 0);
        for (int64_t piece = first; piece < last; ++piece) {
            const int64_t at = piece * kPairPiece, n = std::min(kPairPiece, p.n - at);
            const T* param = is_ternary(kind) ? p.param + at : p.param;
            if (repeats) {
                T* room = scratch.as<T>();
                const int64_t from = at % p.period, head = std::min(p.period - from, n);
                int64_t filled = std::copy_n(p.param + from, head, room) - room;
                filled = std::copy_n(p.param, std::min(from, n - filled), room + filled) - room;
                while (filled < n)
                    filled = std::copy_n(room, std::min(filled, n - filled), room + filled) - room;
                param = room;
            }
            body(at, n, param);
        }
    });
}

}  // namespace

template <class T>
double pair_loss(PairLoss kind, const Pairs<T>& p, T* losses) {
    const int64_t pieces = (p.n + kPairPiece - 1) / kPairPiece;
    pool::Scratch scratch(static_cast<size_t>(pieces) * sizeof(double));
    double* sums = scratch.as<double>();
    each_pair_piece(kind, p, false, [&](int64_t at, int64_t n, const T* param) {
        double* sum = sums + at / kPairPiece;
        *sum = 0;
        selected<T>().pair_loss(kind, param, p.x + at, p.target + at, n,
                                losses == nullptr ? nullptr : losses + at, sum);
    });
    double total = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) total += sums[piece];
    return total;
}

template <class T>
void pair_loss_backward(PairLoss kind, const Pairs<T>& p, const T* grad, int64_t grad_step, T factor,
                        T* grad_x) {
    each_pair_piece(kind, p, true, [&](int64_t at, int64_t n, const T* param) {
        selected<T>().pair_grad(kind, param, p.x + at, p.target + at, grad + at * grad_step, grad_step,
                                factor, n, grad_x + at);
    });
}

#define PT_INSTANTIATE(T)                                                                                  \
    template NllSums nll(const CrossEntropy<T>&, T*);                                                      \
    template void nll_backward(const CrossEntropy<T>&, const T*, int64_t, T, T*);                          \
    template double pair_loss(PairLoss, const Pairs<T>&, T*);                                              \
    template void pair_loss_backward(PairLoss, const Pairs<T>&, const T*, int64_t, T, T*);                 \
    template double cross_entropy(const CrossEntropy<T>&, T*, T*, T*);                                     \
    template void cross_entropy_backward(const CrossEntropy<T>&, const T*, const T*, const T*, int64_t, T, \
                                         T*);
PT_INSTANTIATE(float)
PT_INSTANTIATE(double)
#undef PT_INSTANTIATE

}  // namespace pt::loss
