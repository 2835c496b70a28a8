#include "base/by_type.h"
#include "kernels/loss/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/loss/loss.h"

namespace pt::loss {

namespace {

template <class T>
const Table<T>& selected() {
    return by_type<T>(PT_SELECT(Kernels));
}

template <class T>
constexpr T kNever = -std::numeric_limits<T>::infinity();

// The recursion over one sample, forwards (alpha) or backwards (beta: the same over the reversed labels and
// steps).
template <class T>
class Walk {
  public:
    Walk(const Ctc<T>& c, int64_t sample, bool backwards)
        : c_(c),
          sample_(sample),
          states_(2 * c.target_lengths[sample] + 1),
          scratch_(static_cast<size_t>(c.states()) * (4 * sizeof(T) + sizeof(int64_t)) + 4 * sizeof(T)) {
        labels_ = scratch_.template as<int64_t>();
        skip_ = reinterpret_cast<T*>(labels_ + c.states());
        emitted_ = skip_ + c.states();
        for (int i = 0; i < 2; ++i) {  // two states that are never reached lie before each row
            rows_[i] = emitted_ + c.states() + i * (c.states() + 2) + 2;
            rows_[i][-1] = rows_[i][-2] = kNever<T>;
        }
        const int64_t* target = c.targets + sample * c.longest;
        for (int64_t s = 0; s < states_; ++s) {
            const int64_t at = backwards ? states_ - 1 - s : s;
            labels_[s] = at % 2 == 0 ? c.blank : target[at / 2];
            skip_[s] = s % 2 == 1 && s > 1 && labels_[s] != labels_[s - 2] ? T(0) : kNever<T>;
        }
    }

    // The row of the first step.
    const T* start(int64_t t) {
        emit(t);
        std::fill_n(rows_[0], states_, kNever<T>);
        std::copy_n(emitted_, std::min<int64_t>(states_, 2), rows_[0]);
        return rows_[0];
    }
    // The row of the next step.
    const T* next(int64_t t) {
        emit(t);
        selected<T>().ctc_step(rows_[0], skip_, emitted_, states_, rows_[1]);
        std::swap(rows_[0], rows_[1]);
        return rows_[0];
    }
    int64_t states() const { return states_; }
    const T* emitted() const { return emitted_; }  // log-probability of each state's label at the last step
    const int64_t* labels() const { return labels_; }

  private:
    void emit(int64_t t) {
        const T* probs = c_.log_probs + (t * c_.batch + sample_) * c_.classes;
        for (int64_t s = 0; s < states_; ++s) emitted_[s] = probs[labels_[s]];
    }

    const Ctc<T>& c_;
    int64_t sample_, states_;
    pool::Scratch scratch_;
    int64_t* labels_;
    T *skip_, *emitted_, *rows_[2];
};

template <class T>
T log_add(T a, T b) {
    const T most = std::max(a, b);
    return most == kNever<T> ? most : most + std::log(std::exp(a - most) + std::exp(b - most));
}

template <class T>
T sample_loss(const Ctc<T>& c, int64_t n, T* alpha) {
    const int64_t steps = c.input_lengths[n], length = c.target_lengths[n];
    if (steps == 0) return length == 0 ? T(0) : -kNever<T>;
    Walk<T> walk(c, n, false);
    const T* row = walk.start(0);
    std::copy_n(row, walk.states(), alpha);
    for (int64_t t = 1; t < steps; ++t) {
        row = walk.next(t);
        std::copy_n(row, walk.states(), alpha + t * c.states());
    }
    return -(length == 0 ? row[0] : log_add(row[2 * length], row[2 * length - 1]));
}

template <class T>
void sample_gradient(const Ctc<T>& c, int64_t n, T grad, T loss, const T* alpha, T* grad_x) {
    const Table<T>& kernels = selected<T>();
    Walk<T> walk(c, n, true);
    const int64_t states = walk.states(), steps = c.input_lengths[n];
    pool::Scratch scratch(static_cast<size_t>(2 * states) * sizeof(T));
    T *forward = scratch.as<T>(), *share = forward + states;
    for (int64_t t = steps - 1; t >= 0; --t) {
        const T* row = t == steps - 1 ? walk.start(t) : walk.next(t);
        std::reverse_copy(alpha + t * c.states(), alpha + t * c.states() + states, forward);
        kernels.ctc_occupancy(forward, row, walk.emitted(), loss, states, share);
        const int64_t at = (t * c.batch + n) * c.classes;
        kernels.scaled_exp(c.log_probs + at, grad, c.classes, grad_x + at);
        for (int64_t s = 0; s < states; ++s) grad_x[at + walk.labels()[s]] -= grad * share[s];
    }
}

// body(n) for every sample.
template <class T, class Body>
void each_sample(const Ctc<T>& c, const Body& body) {
    const Work work{8.0 * static_cast<double>(c.steps * (c.states() + c.classes / 8))};
    parallel_for(0, c.batch, work, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) body(n);
    });
}

}  // namespace

template <class T>
void ctc_loss(const Ctc<T>& c, T* losses, T* alpha) {
    each_sample(c, [&](int64_t n) { losses[n] = sample_loss(c, n, alpha + n * c.steps * c.states()); });
}

template <class T>
void ctc_loss_backward(const Ctc<T>& c, const T* grad, int64_t grad_step, bool zero_infinity, const T* losses,
                       const T* alpha, T* grad_x) {
    each_sample(c, [&](int64_t n) {
        const bool infinite = losses[n] == -kNever<T>;
        for (int64_t t = 0; t < c.steps; ++t) {
            T* row = grad_x + (t * c.batch + n) * c.classes;
            if (t >= c.input_lengths[n] || (infinite && zero_infinity))
                std::fill_n(row, c.classes, T(0));
            else if (infinite)
                std::fill_n(row, c.classes, std::numeric_limits<T>::quiet_NaN());
        }
        if (!infinite)
            sample_gradient(c, n, grad[n * grad_step], losses[n], alpha + n * c.steps * c.states(), grad_x);
    });
}

#define PT_INSTANTIATE(T)                          \
    template void ctc_loss(const Ctc<T>&, T*, T*); \
    template void ctc_loss_backward(const Ctc<T>&, const T*, int64_t, bool, const T*, const T*, T*);
PT_INSTANTIATE(float)
PT_INSTANTIATE(double)
#undef PT_INSTANTIATE

}  // namespace pt::loss
