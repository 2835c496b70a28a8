// Gradients of pooling over Vec, by gathering: every row of inputs is written once, as the sum of what the
// windows that cover it give. Nothing is cleared first and nothing is scattered.
//
// Along a row with stride S (1 or 2) the inputs fall into S phases. Input S * m + r gets from tap c of output
// j = (S * m + r + padding - c) / S, for every c that makes this whole: in phase r these are c = first,
// first + S ..., and j = m + lead, m + lead - 1 .... So a vector of inputs of one phase reads whole vectors
// of outputs, and rows of outputs with room for the windows' reach on both sides need no edge cases.
#pragma once

#include <type_traits>

#include "kernels/pool/taps.h"

namespace pt::pooling::PT_ISA {

// The output rows whose windows cover an input row.
struct Cover {
    int64_t row;    // od * out[1] + oh
    int32_t first;  // the number of the first tap of the window's row that lies on the input row
};

// Writes what covers input row (d, h), at most kernel[0] * kernel[1] of them, and gives their number.
static inline int covering(const Window& w, int64_t d, int64_t h, Cover* covers) {
    int count = 0;
    for (int64_t a = 0; a < w.kernel[0]; ++a) {
        const int64_t from_d = d + w.padding[0] - a * w.dilation[0], od = from_d / w.stride[0];
        if (from_d < 0 || od * w.stride[0] != from_d || od >= w.out[0]) continue;
        for (int64_t b = 0; b < w.kernel[1]; ++b) {
            const int64_t from_h = h + w.padding[1] - b * w.dilation[1], oh = from_h / w.stride[1];
            if (from_h < 0 || oh * w.stride[1] != from_h || oh >= w.out[1]) continue;
            covers[count++] = {od * w.out[1] + oh, static_cast<int32_t>((a * w.kernel[1] + b) * w.kernel[2])};
        }
    }
    return count;
}

// The cover of every input row of a plane, found once for all planes.
class Covers {
  public:
    explicit Covers(const Window& w)
        : width_(w.kernel[0] * w.kernel[1]),
          scratch_(static_cast<size_t>(w.in[0] * w.in[1] * (width_ + 1)) * sizeof(Cover)),
          covers_(scratch_.template as<Cover>()),
          counts_(covers_ + w.in[0] * w.in[1] * width_) {
        for (int64_t d = 0; d < w.in[0]; ++d)
            for (int64_t h = 0; h < w.in[1]; ++h) {
                const int64_t row = d * w.in[1] + h;
                counts_[row].row = covering(w, d, h, covers_ + row * width_);
            }
    }
    __attribute__((always_inline)) const Cover* of(int64_t row) const { return covers_ + row * width_; }
    __attribute__((always_inline)) int count(int64_t row) const { return static_cast<int>(counts_[row].row); }

  private:
    int64_t width_;
    pool::Scratch scratch_;
    Cover *covers_, *counts_;  // counts_ uses `row` only
};

// Where the outputs of each phase of a row of inputs are.
template <int S>
struct Phases {
    int64_t lead[S], first[S];
    int64_t reach, pitch;  // zeros before, and room of a padded row of outputs

    template <class T>
    static __attribute__((always_inline)) Phases of(const Window& w) {
        Phases p;
        for (int64_t r = 0; r < S; ++r) {
            p.lead[r] = (r + w.padding[2]) / S;
            p.first[r] = (r + w.padding[2]) % S;
        }
        p.reach = round_up<T>((w.kernel[2] - 1) / S);  // keeps most reads within a cache line
        const int64_t read = p.reach + round_up<T>((w.in[2] + S - 1) / S) + p.lead[S - 1];
        const int64_t held = p.reach + w.out[2];
        p.pitch = round_up<T>(read > held ? read : held);
        return p;
    }
};

// Stores inputs S * m .. of a row of `width`, given a vector of each phase.
template <int S, class T>
PT_INLINE void store_phases(T* row, int64_t m, int64_t width, const Vec<T> (&phase)[S]) {
    const int64_t at = S * m, left = width - at;
    if constexpr (S == 1) {
        if (left >= lanes<T>)
            store(row + at, phase[0]);
        else
            store_n(row + at, phase[0], static_cast<int>(left));
    } else {
        const VecPair<T> pair = interleave<T>(phase[0], phase[1]);
        if (left >= 2 * lanes<T>) {
            store(row + at, pair.first);
            store(row + at + lanes<T>, pair.second);
        } else if (left >= lanes<T>) {
            store(row + at, pair.first);
            store_n(row + at + lanes<T>, pair.second, static_cast<int>(left - lanes<T>));
        } else {
            store_n(row + at, pair.first, static_cast<int>(left));
        }
    }
}

// --- maximum ---

// Padded rows of a plane of outputs: gradients and the numbers of the winning taps.
template <class T>
class Winners {
  public:
    // `rows` rows with room for what Phases reads. Nothing but zeros lies around the outputs, which begin at
    // row `above`.
    Winners(int64_t rows, int64_t above, int64_t reach, int64_t pitch)
        : pitch_(pitch),
          first_(above * pitch + reach),
          held_(rows * pitch + lanes<T>),
          scratch_(static_cast<size_t>(2 * held_) * sizeof(T)) {
        fill(scratch_.template as<T>(), 2 * held_, T(0));
    }

    // The next plane; nothing is read at `end` or beyond.
    __attribute__((always_inline)) void take(const T* grad, const uint8_t* offsets, const uint8_t* end,
                                             int64_t rows, int64_t width) {
        T* to = scratch_.template as<T>() + first_;
        IntOf<T>* marks = reinterpret_cast<IntOf<T>*>(to + held_);
        for (int64_t r = 0; r < rows; ++r, grad += width, offsets += width, to += pitch_, marks += pitch_)
            for (int64_t i = 0; i < width; i += lanes<T>) {
                const int used = static_cast<int>(at_most(width - i, lanes<T>));
                store(to + i, load_upto(grad + i, used));  // zeros beyond the row
                store(marks + i,
                      offsets + i + lanes<T> <= end ? widen<T>(offsets + i) : widen_n<T>(offsets + i, used));
            }
    }

    // sum plus the gradients `at` from output (0, 0) where the tap with this number won.
    __attribute__((always_inline)) Vec<T> add_won(Vec<T> sum, int64_t at, Mask<T> tap) const {
        const T* grads = scratch_.template as<T>() + first_ + at;
        const Mask<T> won = load(reinterpret_cast<const IntOf<T>*>(grads + held_)) == tap;
        return won ? sum + load(grads) : sum;
    }
    int64_t pitch() const { return pitch_; }

  private:
    int64_t pitch_, first_, held_;
    pool::Scratch scratch_;
};

// Any window with stride S along the row.
template <class T, int S>
static void max_gather(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    const Phases<S> phases = Phases<S>::template of<T>(w);
    const Covers covers(w);
    const int64_t outs = w.out[2], out_rows = w.out[0] * w.out[1], in_rows = w.in[0] * w.in[1];
    const int64_t taps = w.kernel[2];
    const uint8_t* const end = offsets + planes * out_rows * outs;
    Winners<T> winners(out_rows, 0, phases.reach, phases.pitch);
    for (int64_t p = 0; p < planes; ++p, grad += out_rows * outs, offsets += out_rows * outs) {
        winners.take(grad, offsets, end, out_rows, outs);
        for (int64_t row = 0; row < in_rows; ++row, grad_x += w.in[2]) {
            const Cover* cover = covers.of(row);
            const int count = covers.count(row);
            for (int64_t m = 0; S * m < w.in[2]; m += lanes<T>) {
                Vec<T> phase[S] = {};
                for (int i = 0; i < count; ++i)
#pragma GCC unroll 2
                    for (int r = 0; r < S; ++r) {
                        int64_t at = cover[i].row * phases.pitch + m + phases.lead[r];
                        for (int64_t tap = phases.first[r]; tap < taps; tap += S, --at)
                            phase[r] = winners.add_won(
                                phase[r], at, broadcast(static_cast<IntOf<T>>(cover[i].first + tap)));
                    }
                store_phases<S>(grad_x, m, w.in[2], phase);
            }
        }
    }
}

// Windows of 3x3 with stride S both ways and padding P (P = 0 stands for any where S is 1): both axes fall
// into phases, and all taps and distances are constants. Two rows of inputs at a time share what they read.
template <class T, int S, int P>
static void max_gather_3x3(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes,
                           const Window& w) {
    const Phases<S> phases = Phases<S>::template of<T>(w);
    const int64_t width = w.in[2], height = w.in[1], out_size = w.out[1] * w.out[2];
    const int64_t above = 2 / S, read = (height + 1) / 2 * 2 / S + w.padding[1];
    const int64_t below = read > w.out[1] ? read : w.out[1];
    const uint8_t* const end = offsets + planes * out_size;
    Winners<T> winners(above + below, above, phases.reach, phases.pitch);
    Mask<T> tap[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i)  // not as constants: the compiler would make them anew at every use
        tap[i] = broadcast(static_cast<IntOf<T>>(i / 3 * w.kernel[2] + i % 3));
    const int64_t shift = S == 1 ? w.padding[1] * phases.pitch + w.padding[2] : 0;
    for (int64_t p = 0; p < planes; ++p, grad += out_size, offsets += out_size, grad_x += height * width) {
        winners.take(grad, offsets, end, w.out[1], w.out[2]);
        for (int64_t h = 0; h < height; h += 2)
            for (int64_t m = 0; S * m < width; m += lanes<T>) {
                const int64_t from = h / S * phases.pitch + shift;
                const auto row = [&](auto s) __attribute__((always_inline)) {
                    if (h + s >= height) return;
                    Vec<T> phase[S] = {};
#pragma GCC unroll 2
                    for (int r = 0; r < S; ++r)
#pragma GCC unroll 3
                        for (int b = (s + P) % S; b < 3; b += S)
#pragma GCC unroll 3
                            for (int c = (r + P) % S; c < 3; c += S)
                                phase[r] = winners.add_won(
                                    phase[r],
                                    from + ((s + P) / S - b / S) * phases.pitch + m + (r + P) / S - c / S,
                                    tap[3 * b + c]);
                    store_phases<S>(grad_x + (h + s) * width, m, width, phase);
                };
                row(std::integral_constant<int, 0>());
                row(std::integral_constant<int, 1>());
            }
    }
}

static inline bool is_3x3(const Window& w) {
    for (int axis = 1; axis < 3; ++axis)
        if (w.kernel[axis] != 3 || w.dilation[axis] != 1 || w.stride[axis] > 2) return false;
    return w.kernel[0] == 1 && w.stride[0] == 1 && w.padding[0] == 0 && w.stride[1] == w.stride[2] &&
           w.padding[1] == w.padding[2];
}

// Tiles: every input has at most one window. Each row of outputs writes the input rows below it.
static inline bool are_tiles(const Window& w) {
    for (int axis = 0; axis < 3; ++axis)
        if (w.kernel[axis] != w.stride[axis] || w.padding[axis] != 0 || w.dilation[axis] != 1 ||
            w.out[axis] * w.kernel[axis] > w.in[axis])
            return false;
    return true;
}

// Tiles two wide: one vector of outputs gives two of each input row below it.
template <class T>
static void max_tiles(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    const int64_t outs = w.out[2], below = w.kernel[1], plane_size = w.in[1] * w.in[2];
    const uint8_t* const end = offsets + planes * w.out_size();
    const auto row_of_outputs = [&](T* first) __attribute__((always_inline)) {
        for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
            const int used = static_cast<int>(at_most(outs - ow, lanes<T>));
            const Mask<T> won =
                offsets + ow + lanes<T> <= end ? widen<T>(offsets + ow) : widen_n<T>(offsets + ow, used);
            const Mask<T> g = (Mask<T>)load_upto(grad + ow, used);
            Mask<T> tap{};
            for (int64_t a = 0; a < w.kernel[0]; ++a)
                for (int64_t b = 0; b < below; ++b, tap += 2) {
                    const Vec<T> phase[2] = {(Vec<T>)((won == tap) & g), (Vec<T>)((won == tap + 1) & g)};
                    store_phases<2>(first + a * plane_size + b * w.in[2], ow, 2 * outs, phase);
                }
        }
        grad += outs;
        offsets += outs;
    };
    const bool rest = w.out_size() * w.taps() != w.in_size();
    for (int64_t p = 0; p < planes; ++p, grad_x += w.in_size()) {
        if (rest) fill(grad_x, w.in_size(), T(0));
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh)
                row_of_outputs(grad_x + od * w.kernel[0] * plane_size + oh * below * w.in[2]);
    }
}

// Wide strides: few outputs for many inputs, so each goes to its winner.
template <class T>
static void max_scatter(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    // Where each tap is, from tap 0. A winner outside the plane exists only where a window misses the input.
    int64_t at[256];
    int64_t tap = 0;
    for (int64_t a = 0; a < w.kernel[0]; ++a)
        for (int64_t b = 0; b < w.kernel[1]; ++b)
            for (int64_t c = 0; c < w.kernel[2]; ++c)
                at[tap++] = (a * w.dilation[0] * w.in[1] + b * w.dilation[1]) * w.in[2] + c * w.dilation[2];
    for (int64_t p = 0; p < planes; ++p, grad_x += w.in_size()) {
        fill(grad_x, w.in_size(), T(0));
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                T* to =
                    grad_x - w.padding[2] +
                    ((od * w.stride[0] - w.padding[0]) * w.in[1] + oh * w.stride[1] - w.padding[1]) * w.in[2];
                for (int64_t ow = 0; ow < w.out[2]; ++ow, to += w.stride[2]) to[at[*offsets++]] += *grad++;
            }
    }
}

template <class T>
static void max_backward(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    if (w.kernel[2] == 2 && are_tiles(w)) return max_tiles(grad, offsets, grad_x, planes, w);
    if (is_3x3(w)) {
        planes *= w.in[0];
        if (w.stride[2] == 1) return max_gather_3x3<T, 1, 0>(grad, offsets, grad_x, planes, w);
        if (w.padding[2] == 0) return max_gather_3x3<T, 2, 0>(grad, offsets, grad_x, planes, w);
        return max_gather_3x3<T, 2, 1>(grad, offsets, grad_x, planes, w);
    }
    if (w.dilation[2] == 1 && w.stride[2] == 1) return max_gather<T, 1>(grad, offsets, grad_x, planes, w);
    if (w.dilation[2] == 1 && w.stride[2] == 2) return max_gather<T, 2>(grad, offsets, grad_x, planes, w);
    bool misses = false;
    for (int axis = 0; axis < 3; ++axis)
        for (int64_t o = 0; o < w.out[axis]; ++o) misses |= valid_taps(w, axis, o).size() == 0;
    if (!misses) return max_scatter(grad, offsets, grad_x, planes, w);
    if constexpr (sizeof(T) == 4)
        plain::kernels.f32.max_backward(grad, offsets, grad_x, planes, w);
    else
        plain::kernels.f64.max_backward(grad, offsets, grad_x, planes, w);
}

// --- average ---

// spread[i] = the sum of share[j] over the outputs j of a padded row that cover input i.
template <class T, int S, int Taps>
PT_INLINE void spread_row(const T* share, const Phases<S>& phases, const Window& w, T* spread) {
    const int64_t taps = Taps == 0 ? w.kernel[2] : Taps;
    for (int64_t m = 0; S * m < w.in[2]; m += lanes<T>) {
        Vec<T> phase[S] = {};
#pragma GCC unroll 2
        for (int r = 0; r < S; ++r) {
            const T* from = share + phases.reach + m + phases.lead[r];
            for (int64_t k = 0, tap = phases.first[r]; tap < taps; ++k, tap += S) phase[r] += load(from - k);
        }
        store_phases<S>(spread, m, w.in[2], phase);
    }
}
// The same with any other stride.
template <class T>
PT_INLINE void spread_row_apart(const T* share, const Window& w, T* spread) {
    fill(spread, w.in[2], T(0));
    for (int64_t ow = 0; ow < w.out[2]; ++ow) {
        const int64_t start = ow * w.stride[2] - w.padding[2];
        const int64_t begin = start < 0 ? 0 : start, end = at_most(start + w.kernel[2], w.in[2]);
        for (int64_t i = begin; i < end; ++i) spread[i] += share[ow];
    }
}

// row = the sum of the spread rows that cover it.
template <class T>
PT_INLINE void sum_rows(T* row, int64_t width, const T* spread, int64_t pitch, const Cover* cover,
                        int count) {
    if (count == 0) return fill(row, width, T(0));
    if (count == 1) return copy_row(spread + cover[0].row * pitch, row, width);
    for (int64_t i = 0; i < width; i += lanes<T>) {  // spread rows have room for whole vectors
        Vec<T> sum = load(spread + cover[0].row * pitch + i);
        for (int c = 1; c < count; ++c) sum += load(spread + cover[c].row * pitch + i);
        if (i + lanes<T> <= width)
            store(row + i, sum);
        else
            store_n(row + i, sum, static_cast<int>(width - i));
    }
}

// The gradient of each row of outputs spreads along it first; rows of inputs then add up what covers them.
template <class T, int S>
static void avg_backward_planes(const T* grad, T* grad_x, int64_t planes, const Window& w,
                                const Divisor& divisor) {
    constexpr int Step = S == 0 ? 1 : S;
    const Phases<Step> phases = Phases<Step>::template of<T>(w);
    const Covers covers(w);
    const Divisors<T> divisors(w, divisor);
    const int64_t outs = w.out[2], out_rows = w.out[0] * w.out[1], in_rows = w.in[0] * w.in[1];
    const int64_t reach = S == 0 ? 0 : phases.reach;
    const int64_t room = S == 0 ? round_up<T>(outs) : phases.pitch + lanes<T>, pitch = round_up<T>(w.in[2]);
    pool::Scratch scratch(static_cast<size_t>(room + out_rows * pitch) * sizeof(T));
    T *share = scratch.template as<T>(), *spread = share + room;
    fill(share, room + out_rows * pitch, T(0));
    for (int64_t p = 0; p < planes; ++p, grad_x += in_rows * w.in[2]) {
        for (int64_t r = 0; r < out_rows; ++r, grad += outs) {
            const T count = divisors.row(r / w.out[1], r % w.out[1]);
            for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
                const int used = static_cast<int>(at_most(outs - ow, lanes<T>));
                const Vec<T> g = used == lanes<T> ? load(grad + ow) : load_n(grad + ow, used);
                store(share + reach + ow, g / divisors.at(count, ow));
            }
            if constexpr (S == 0)
                spread_row_apart(share, w, spread + r * pitch);
            else if (w.kernel[2] == 2)
                spread_row<T, S, 2>(share, phases, w, spread + r * pitch);
            else if (w.kernel[2] == 3)
                spread_row<T, S, 3>(share, phases, w, spread + r * pitch);
            else
                spread_row<T, S, 0>(share, phases, w, spread + r * pitch);
        }
        for (int64_t row = 0; row < in_rows; ++row)
            sum_rows(grad_x + row * w.in[2], w.in[2], spread, pitch, covers.of(row), covers.count(row));
    }
}

template <class T>
static void avg_backward(const T* grad, T* grad_x, int64_t planes, const Window& w, const Divisor& divisor) {
    if (w.stride[2] == 1) return avg_backward_planes<T, 1>(grad, grad_x, planes, w, divisor);
    if (w.stride[2] == 2) return avg_backward_planes<T, 2>(grad, grad_x, planes, w, divisor);
    avg_backward_planes<T, 0>(grad, grad_x, planes, w, divisor);
}

}  // namespace pt::pooling::PT_ISA
