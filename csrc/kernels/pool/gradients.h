// Gradients of pooling over Vec, by gathering: every row of inputs is written once, as the sum of what the
// windows that cover it give. Nothing is cleared first and nothing is scattered.
//
// Along a row with stride S (1 or 2) the inputs fall into S phases. Input S * m + r gets from tap c of output
// j = (S * m + r + padding - c) / S, for every c that makes this whole: in phase r these are c = first,
// first + S ..., and j = m + lead, m + lead - 1 .... So a vector of inputs of one phase reads whole vectors
// of outputs, and rows of outputs with room for the windows' reach on both sides need no edge cases.
#pragma once

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

// A vector of gradients and the numbers of the winning taps.
template <class T>
struct Outputs {
    Vec<T> grad;
    Mask<T> mark;

    // sum plus the gradients where the tap with this number won
    __attribute__((always_inline)) Vec<T> add_won(Vec<T> sum, Mask<T> tap) const {
        return mark == tap ? sum + grad : sum;
    }
    __attribute__((always_inline)) Vec<T> won(Mask<T> tap) const {
        return (Vec<T>)((mark == tap) & (Mask<T>)grad);
    }
};

// Padded rows of a plane of outputs: gradients and the numbers of the winning taps.
template <class T>
class Winners {
  public:
    // Room for what Phases reads: nothing but zeros lies around the outputs.
    template <int S>
    Winners(const Window& w, const Phases<S>& phases)
        : pitch_(phases.pitch),
          first_(phases.reach),
          held_(w.out[0] * w.out[1] * phases.pitch + lanes<T>),
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

    // A vector of outputs, `at` from output (0, 0).
    __attribute__((always_inline)) Outputs<T> outputs(int64_t at) const {
        const T* grads = scratch_.template as<T>() + first_ + at;
        return {load(grads), load(reinterpret_cast<const IntOf<T>*>(grads + held_))};
    }

    // Columns first ... of all rows, a vector wide.
    struct Strip {
        const T* grads;
        int64_t pitch, held;
        __attribute__((always_inline)) Outputs<T> row(int64_t q) const {
            const T* from = grads + q * pitch;
            return {load(from), load(reinterpret_cast<const IntOf<T>*>(from + held))};
        }
    };
    __attribute__((always_inline)) Strip strip(int64_t first) const {
        return {scratch_.template as<T>() + first_ + first, pitch_, held_};
    }

  private:
    int64_t pitch_, first_, held_;
    pool::Scratch scratch_;
};

// How far ahead of a strip is fetched: where the next plane will be, or far down a large one.
PT_INLINE int64_t rows_ahead(int64_t rows) { return at_most(rows, 128); }

#if defined(__AVX512VL__)
// The same read in place: lanes without an output are masked.
template <class T>
class OutputsInPlace {
  public:
    template <int S>
    OutputsInPlace(const Window& w, const Phases<S>&)
        : width_(w.out[2]), ahead_(rows_ahead(w.out[1]) * w.out[2]) {}
    __attribute__((always_inline)) void take(const T* grad, const uint8_t* offsets, const uint8_t*, int64_t,
                                             int64_t) {
        grad_ = grad;
        offsets_ = offsets;
    }
    struct Strip {
        const T* grads;
        const uint8_t* marks;
        int64_t pitch, ahead;
        unsigned used;
        __attribute__((always_inline)) Outputs<T> row(int64_t q) const {
            const T* g = grads + q * pitch;
            const uint8_t* m = marks + q * pitch;
            fetch_ahead<T, 1, false>(g + ahead);
            fetch_ahead<uint8_t, 1, false>(m + ahead);
            if constexpr (sizeof(T) == 4) {
                const auto k = static_cast<__mmask16>(used);
                return {(Vec<T>)_mm512_maskz_loadu_epi32(k, g),
                        (Mask<T>)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_maskz_loadu_epi8(k, m))};
            } else {
                const auto k = static_cast<__mmask8>(used);
                return {(Vec<T>)_mm512_maskz_loadu_epi64(k, g),
                        (Mask<T>)_mm512_maskz_cvtepu8_epi64(0xff, _mm_maskz_loadu_epi8(k, m))};
            }
        }
    };
    __attribute__((always_inline)) Strip strip(int64_t first) const {
        const int64_t left = width_ - first;
        const unsigned before = first < 0 ? (1u << -first) - 1u : 0u;
        const unsigned upto = left <= 0 ? 0u : (1u << at_most(left, lanes<T>)) - 1u;
        return {grad_ + first, offsets_ + first, width_, ahead_, upto & ~before};
    }

  private:
    int64_t width_, ahead_;
    const T* grad_;
    const uint8_t* offsets_;
};
template <class T>
using PlaneOfOutputs = OutputsInPlace<T>;
#else
template <class T>
using PlaneOfOutputs = Winners<T>;
#endif

// Any window with stride S along the row.
template <class T, int S>
static void max_gather(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w) {
    const Phases<S> phases = Phases<S>::template of<T>(w);
    const Covers covers(w);
    const int64_t outs = w.out[2], out_rows = w.out[0] * w.out[1], in_rows = w.in[0] * w.in[1];
    const int64_t taps = w.kernel[2];
    const uint8_t* const end = offsets + planes * out_rows * outs;
    Winners<T> winners(w, phases);
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
                            phase[r] = winners.outputs(at).add_won(
                                phase[r], broadcast(static_cast<IntOf<T>>(cover[i].first + tap)));
                    }
                store_phases<S>(grad_x, m, w.in[2], phase);
            }
        }
    }
}

// Windows of 3x3 with stride S and padding p = 0 or 1 both ways: all taps and distances are constants. A row
// of outputs gives to three rows of inputs; a sweep down a strip of columns reads it once, finishes what the
// rows above have left for the inputs that no later row covers, and carries the rest on.
template <class T, int S>
static void max_gather_3x3(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes,
                           const Window& w) {
    const Phases<S> phases = Phases<S>::template of<T>(w);
    const int64_t width = w.in[2], height = w.in[1], out_size = w.out[1] * w.out[2], p = w.padding[1];
    const int64_t swept = (height - 1 + p) / S + 1, rows = at_most(swept, w.out[1]);
    const uint8_t* const end = offsets + planes * out_size;
    PlaneOfOutputs<T> outputs(w, phases);
    const int64_t ahead = rows_ahead(height) * width;
    Mask<T> tap[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i)  // not as constants: the compiler would make them anew at every use
        tap[i] = broadcast(static_cast<IntOf<T>>(i));
    for (; planes > 0; --planes, grad += out_size, offsets += out_size, grad_x += height * width) {
        outputs.take(grad, offsets, end, w.out[1], w.out[2]);
        for (int64_t m = 0; S * m < width; m += lanes<T>) {
            const auto put = [&](int64_t h, const Vec<T>(&phase)[S]) __attribute__((always_inline)) {
                if (h < 0 || h >= height) return;
                T* const row = grad_x + h * width;
                store_phases<S>(row, m, width, phase);
                fetch_ahead<T, S, true>(row + ahead + S * m);
            };
            int64_t q = 0;
            if constexpr (S == 1) {
                const auto first = outputs.strip(m + p), second = outputs.strip(m + p - 1),
                           third = outputs.strip(m + p - 2);
                Vec<T> row{}, next{};
                for (; q < rows; ++q) {
                    // read once: the compiler would read again after every row that is put
                    const auto one = first.row(q), two = second.row(q), three = third.row(q);
                    const auto add = [&](Vec<T> sum, int b) __attribute__((always_inline)) {
                        sum = two.add_won(one.add_won(sum, tap[3 * b]), tap[3 * b + 1]);
                        return three.add_won(sum, tap[3 * b + 2]);
                    };
                    put(q - p, {add(row, 0)});
                    row = add(next, 1);
                    next = add(Vec<T>{}, 2);
                }
                for (; q < swept; ++q, row = next, next = Vec<T>{}) put(q - p, {row});
            } else {
                // Columns 2j - p get from taps 0 of output j and 2 of j - 1, columns 2j - p + 1 from tap 1.
                const auto even = outputs.strip(m + p), odd = outputs.strip(m + p - 1);
                Vec<T> outer{}, inner{};
                const auto put_row = [&](int64_t h) __attribute__((always_inline)) {
                    if (p == 0)
                        put(h, {outer, inner});
                    else
                        put(h, {inner, outer});
                };
                for (; q < rows; ++q) {
                    const auto next = even.row(q), last = odd.row(q), here = p == 0 ? next : last;
                    outer = last.add_won(next.add_won(outer, tap[0]), tap[2]);
                    inner = here.add_won(inner, tap[1]);
                    put_row(2 * q - p);
                    outer = last.add_won(next.won(tap[3]), tap[5]);
                    inner = here.won(tap[4]);
                    put_row(2 * q - p + 1);
                    outer = last.add_won(next.won(tap[6]), tap[8]);
                    inner = here.won(tap[7]);
                }
                for (; q < swept; ++q) {
                    put_row(2 * q - p);
                    outer = inner = Vec<T>{};
                    put_row(2 * q - p + 1);
                }
            }
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

// to = from, past the caches: what is written so must not be read before it is far away.
template <class T>
PT_INLINE void stream_row(const T* from, T* to, int64_t n) {
#if defined(__AVX512F__)
    int64_t i = 0;
    while (i < n && reinterpret_cast<uintptr_t>(to + i) % 64 != 0) to[i] = from[i], ++i;
    for (; i + lanes<T> <= n; i += lanes<T>)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), (__m512i)load(from + i));
    from += i, to += i, n -= i;
#endif
    copy_row(from, to, n);
}

// Tiles two wide: one vector of outputs gives two of each input row below it. Where the whole gradient is
// larger than the caches, a few rows at a time are made in the first-level cache and written past the others:
// else every line is read from memory before it is written there.
constexpr int64_t kFetched = int64_t{4} << 20, kStreamed = int64_t{20} << 20;  // bytes
template <class T>
static void max_tiles(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w,
                      int64_t bytes) {
    const bool fetched = bytes >= kFetched && bytes < kStreamed, large = bytes >= kStreamed;
    const int64_t outs = w.out[2], below = w.kernel[1], row = below * w.in[2];
    const uint8_t* const end = offsets + planes * w.out_size();
    const auto row_of_outputs = [&](T* first, int64_t apart) __attribute__((always_inline)) {
        for (int64_t ow = 0; ow < outs; ow += lanes<T>) {
            const int used = static_cast<int>(at_most(outs - ow, lanes<T>));
            const Mask<T> won =
                offsets + ow + lanes<T> <= end ? widen<T>(offsets + ow) : widen_n<T>(offsets + ow, used);
            const Mask<T> g = (Mask<T>)load_upto(grad + ow, used);
            Mask<T> tap{};
            for (int64_t a = 0; a < w.kernel[0]; ++a)
                for (int64_t b = 0; b < below; ++b, tap += 2) {
                    const Vec<T> phase[2] = {(Vec<T>)((won == tap) & g), (Vec<T>)((won == tap + 1) & g)};
                    T* const to = first + a * apart + b * w.in[2] + 2 * ow;
                    store_phases<2>(to, 0, 2 * (outs - ow), phase);
                    if (fetched) fetch_ahead<T, 2, true>(to + kAhead);
                }
        }
        grad += outs;
        offsets += outs;
    };
    const bool rest = w.out_size() * w.taps() != w.in_size();
    const int64_t group =
        large && !rest ? at_most(8192 / (row * static_cast<int64_t>(sizeof(T))) + 1, w.out[1]) : 1;
    pool::Scratch scratch(static_cast<size_t>(large ? w.kernel[0] * group * row : 0) * sizeof(T));
    T* const made = scratch.template as<T>();
    for (int64_t p = 0; p < planes; ++p, grad_x += w.in_size()) {
        if (rest) fill(grad_x, w.in_size(), T(0));
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; oh += group) {
                T* to = grad_x + (od * w.kernel[0] * w.in[1] + oh * below) * w.in[2];
                const int64_t apart = w.in[1] * w.in[2], count = at_most(group, w.out[1] - oh);
                if (!large || rest) {
                    row_of_outputs(to, apart);
                    continue;
                }
                for (int64_t i = 0; i < count; ++i) row_of_outputs(made + i * row, group * row);
                for (int64_t a = 0; a < w.kernel[0]; ++a)
                    stream_row(made + a * group * row, to + a * apart, count * row);
            }
    }
#if defined(__AVX512F__)
    if (large) _mm_sfence();
#endif
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
    // Two planes in turn: neighbouring windows often have the same winner, and an addition waits for the
    // last.
    const int64_t ins = w.in_size(), outs = w.out_size();
    for (int64_t turns; planes > 0;
         planes -= turns, grad += turns * outs, offsets += turns * outs, grad_x += turns * ins) {
        turns = at_most(planes, 2);
        fill(grad_x, turns * ins, T(0));
        int64_t o = 0;
        for (int64_t od = 0; od < w.out[0]; ++od)
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
                T* to =
                    grad_x - w.padding[2] +
                    ((od * w.stride[0] - w.padding[0]) * w.in[1] + oh * w.stride[1] - w.padding[1]) * w.in[2];
                for (int64_t ow = 0; ow < w.out[2]; ++ow, ++o, to += w.stride[2]) {
                    to[at[offsets[o]]] += grad[o];
                    if (turns == 2) to[ins + at[offsets[outs + o]]] += grad[outs + o];
                }
            }
    }
}

template <class T>
static void max_backward(const T* grad, const uint8_t* offsets, T* grad_x, int64_t planes, const Window& w,
                         int64_t bytes) {
    if (w.kernel[2] == 2 && are_tiles(w)) return max_tiles(grad, offsets, grad_x, planes, w, bytes);
    if (is_3x3(w)) {
        planes *= w.in[0];
        if (w.stride[2] == 1) return max_gather_3x3<T, 1>(grad, offsets, grad_x, planes, w);
        return max_gather_3x3<T, 2>(grad, offsets, grad_x, planes, w);
    }
    bool misses = false;
    for (int axis = 0; axis < 3; ++axis)
        for (int64_t o = 0; o < w.out[axis]; ++o) misses |= valid_taps(w, axis, o).size() == 0;
    // Gathering takes time with every tap, scattering with every output.
    const int64_t covers = w.taps() / (w.stride[0] * w.stride[1] * w.stride[2]);
    const bool few = misses || covers <= 9;
    if (few && w.dilation[2] == 1 && w.stride[2] == 1)
        return max_gather<T, 1>(grad, offsets, grad_x, planes, w);
    if (few && w.dilation[2] == 1 && w.stride[2] == 2)
        return max_gather<T, 2>(grad, offsets, grad_x, planes, w);
    if (!misses) return max_scatter(grad, offsets, grad_x, planes, w);
    if constexpr (sizeof(T) == 4)
        plain::kernels.f32.max_backward(grad, offsets, grad_x, planes, w, bytes);
    else
        plain::kernels.f64.max_backward(grad, offsets, grad_x, planes, w, bytes);
}

}  // namespace pt::pooling::PT_ISA
