// What the pooling kernels over Vec share: one lane per output along the contiguous axis.
//
// Rows are made wide enough (by a padded copy of the plane where need be) that every access of a whole vector
// is in range: no tap needs an edge case. A stride of 2 reads two vectors and keeps the even or odd lanes.
#pragma once

#include "base/pool.h"
#include "kernels/pool/adaptive.h"
#include "kernels/pool/pool.h"
#include "simd/partial.h"
#include "simd/shuffle.h"

namespace pt::pooling::PT_ISA {

using namespace pt::PT_ISA;

template <class T>
using IntOf = typename int_of<sizeof(T)>::type;

template <class T>
PT_INLINE int64_t round_up(int64_t n) {
    return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// lanes<T> bytes, or n of them and zeros, as integers of T's size.
template <class T>
PT_INLINE Mask<T> widen(const uint8_t* p) {
#if defined(__AVX512VL__)
    if constexpr (sizeof(T) == 4)
        return (Mask<T>)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p));
    else
        return (Mask<T>)_mm512_maskz_cvtepu8_epi64(0xff, _mm_loadl_epi64((const __m128i*)p));
#else
    IntOf<T> wide[lanes<T>];  // a loop becomes one widening load, __builtin_convertvector goes lane by lane
    for (int i = 0; i < lanes<T>; ++i) wide[i] = p[i];
    return load(wide);
#endif
}
template <class T>
PT_INLINE Mask<T> widen_n(const uint8_t* p, int n) {
    IntOf<T> wide[lanes<T>] = {};
    for (int i = 0; i < n; ++i) wide[i] = p[i];
    return load(wide);
}

// How far a padded row is touched, from column -padding on, by whole vectors of outputs.
template <class T>
PT_INLINE int64_t row_reach(const Window& w) {
    return w.stride[2] * round_up<T>(w.out[2]) + (w.kernel[2] - 1) * w.dilation[2];
}
template <class T>
PT_INLINE int64_t padded_row(const Window& w) {
    const int64_t reach = row_reach<T>(w), data = w.padding[2] + w.in[2];
    return reach > data ? reach : data;
}

// Rows `pitch` apart.
template <class T>
struct Rows {
    T* first;
    int64_t pitch;
};

// The rows of an input from column -padding on: in place where no window leaves the row and reading whole
// vectors stays inside the array, else copied, up to `held` of them, to where there is `pad` around.
template <class T>
class InputRows {
  public:
    InputRows(const T* end, int64_t held, const Window& w, T pad)
        : end_(end),
          w_(w),
          inside_(w.padding[2] == 0 &&
                  (w.out[2] - 1) * w.stride[2] + (w.kernel[2] - 1) * w.dilation[2] < w.in[2]),
          reach_(row_reach<T>(w)),
          pitch_(padded_row<T>(w)),
          scratch_(static_cast<size_t>(held * pitch_) * sizeof(T)) {
        fill(scratch_.template as<T>(), held * pitch_, pad);
    }
    bool in_place(const T* first, int64_t count) const {
        return inside_ && first + (count - 1) * w_.in[2] + reach_ <= end_;
    }
    Rows<const T> rows(const T* first, int64_t count) const {
        if (in_place(first, count)) return {first, w_.in[2]};
        T* padded = scratch_.template as<T>();
        for (int64_t r = 0; r < count; ++r)
            copy_row(first + r * w_.in[2], padded + r * pitch_ + w_.padding[2], w_.in[2]);
        return {padded, pitch_};
    }

  private:
    const T* end_;
    const Window& w_;
    bool inside_;
    int64_t reach_, pitch_;
    pool::Scratch scratch_;
};

// The input rows that output row (od, oh) covers.
struct WindowRows {
    Span kd, kh;
    int64_t d, h;  // of tap 0; may lie outside

    WindowRows(const Window& w, int64_t od, int64_t oh)
        : kd(valid_taps(w, 0, od)),
          kh(valid_taps(w, 1, oh)),
          d(od * w.stride[0] - w.padding[0]),
          h(oh * w.stride[1] - w.padding[1]) {}
};

// use(inputs of one vector of outputs, kw) for the taps kw of a row; `src` is at the first output's tap 0.
// S is the stride: 1, 2 or 0 for any other. Taps is kernel[2] where the dilation is 1, or 0 for any.
template <class T, int S, int Taps, class Use>
PT_INLINE void each_tap(const T* src, const Window& w, const Use& use) {
    const int64_t taps = Taps == 0 ? w.kernel[2] : Taps, dilation = Taps == 0 ? w.dilation[2] : 1;
    const int64_t stride = w.stride[2];
    int64_t kw = 0;
    if constexpr (S == 2) {
        if (dilation == 1)
#pragma GCC unroll 2
            for (; kw + 1 < taps; kw += 2) {
                const VecPair<T> pair = load_deinterleaved(src + kw);
                use(pair.first, kw);
                use(pair.second, kw + 1);
            }
    }
#pragma GCC unroll 3
    for (; kw < taps; ++kw) {
        const T* p = src + kw * dilation;
        if constexpr (S == 1) {
            use(load(p), kw);
        } else if constexpr (S == 2) {
            use(load_deinterleaved(p).first, kw);
        } else {
            Vec<T> v;
            for (int i = 0; i < lanes<T>; ++i) v[i] = p[i * stride];
            use(v, kw);
        }
    }
}

// The divisors of a row of outputs are scale * column[ow].
template <class T>
class Divisors {
  public:
    Divisors(const Window& w, const Divisor& divisor)
        : w_(w),
          divisor_(divisor),
          scratch_(static_cast<size_t>(round_up<T>(w.out[2])) * sizeof(T)),
          column_(scratch_.template as<T>()) {
        fill(column_, round_up<T>(w.out[2]), T(1));
        if (divisor.fixed != 0) return;
        for (int64_t ow = 0; ow < w.out[2]; ++ow) column_[ow] = static_cast<T>(axis_count(w, divisor, 2, ow));
    }
    __attribute__((always_inline)) T row(int64_t od, int64_t oh) const {
        if (divisor_.fixed != 0) return static_cast<T>(divisor_.fixed);
        return static_cast<T>(axis_count(w_, divisor_, 0, od) * axis_count(w_, divisor_, 1, oh));
    }
    __attribute__((always_inline)) Vec<T> at(T row, int64_t ow) const {
        return broadcast(row) * load(column_ + ow);
    }

  private:
    const Window& w_;
    const Divisor& divisor_;
    pool::Scratch scratch_;
    T* column_;
};

}  // namespace pt::pooling::PT_ISA
