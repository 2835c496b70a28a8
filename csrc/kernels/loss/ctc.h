// Connectionist temporal classification [Graves et al. 2006]: minus the log-probability that a target comes
// out of `steps` distributions over classes, added up over all ways to place it, blanks in between.
//
// A target of length L has 2 L + 1 states: blank, first label, blank, second label ... blank. alpha[t][s] is
// the log-probability of all ways that end in state s at step t; beta, of all that go on from there.
#pragma once

#include <cstdint>

namespace pt::loss {

template <class T>
struct Ctc {
    int64_t steps, batch, classes, longest;  // longest: the width of `targets`
    const T* log_probs;                      // (steps, batch, classes), contiguous
    const int64_t* targets;                  // (batch, longest), classes
    const int64_t *input_lengths, *target_lengths;
    int64_t blank;

    int64_t states() const { return 2 * longest + 1; }
};

// One loss per sample (infinite where the target does not fit), and alpha (batch, steps, states), of which
// the steps and states beyond a sample's lengths are not written.
template <class T>
void ctc_loss(const Ctc<T>&, T* losses, T* alpha);

// grad_x (steps, batch, classes), given d / d loss_n = grad[n * grad_step]: the gradient with respect to
// logits whose log-softmax the log_probs are. 0 beyond a sample's input length; for an infinite loss NaN, or
// 0 with zero_infinity.
template <class T>
void ctc_loss_backward(const Ctc<T>&, const T* grad, int64_t grad_step, bool zero_infinity, const T* losses,
                       const T* alpha, T* grad_x);

}  // namespace pt::loss
