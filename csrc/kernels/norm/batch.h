// Batch norm over Vec.
#pragma once

#include "kernels/norm/moments.h"

namespace pt::norm::PT_ISA {

// --- batch norm: channels of contiguous pieces ---

template <class T>
static void batch_forward_planes(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var,
                                 T eps, bool training, T* y, int64_t begin, int64_t end) {
    const int64_t step = s.channels * s.spatial;
    const auto normalise = [&](int64_t b, int64_t c) __attribute__((always_inline)) {
        const T rstd =
            static_cast<T>(1 / square_root(static_cast<double>(var[c]) + static_cast<double>(eps)));
        const T scale = weight == nullptr ? rstd : weight[c] * rstd, shift = bias == nullptr ? T(0) : bias[c];
        const int64_t at = c * s.spatial + b * step;
        apply(x + at, y + at, s.spatial, mean[c], scale, shift);
    };
    if (!training) {  // in the order of memory
        for (int64_t b = 0; b < s.batch; ++b)
            for (int64_t c = begin; c < end; ++c) normalise(b, c);
        return;
    }
    for (int64_t c = begin; c < end; ++c) {
        Moments moments;
        for (int64_t b = 0; b < s.batch; ++b) add_moments(moments, x + c * s.spatial + b * step, s.spatial);
        mean[c] = static_cast<T>(moments.mean);
        var[c] = static_cast<T>(moments.squares / moments.count);
        for (int64_t b = 0; b < s.batch; ++b) normalise(b, c);
    }
}

template <class T>
static void batch_backward_planes(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                                  const T* var, T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias,
                                  int64_t begin, int64_t end) {
    const int64_t step = s.channels * s.spatial;
    const double count = static_cast<double>(s.batch * s.spatial);
    for (int64_t c = begin; c < end; ++c) {
        const int64_t first = c * s.spatial;
        double sum = 0, dot = 0;
        for (int64_t b = 0; b < s.batch; ++b) {
            const int64_t at = first + b * step;
            const Products p = sum_products(grad + at, x + at, mean[c], s.spatial);
            sum += p.grad;
            dot += p.dot;
        }
        const double rstd = 1 / square_root(static_cast<double>(var[c]) + static_cast<double>(eps));
        grad_weight[c] = static_cast<T>(dot * rstd);
        grad_bias[c] = static_cast<T>(sum);
        if (grad_x == nullptr) continue;
        const T scale = static_cast<T>(weight == nullptr ? rstd : static_cast<double>(weight[c]) * rstd);
        const T shift = training ? static_cast<T>(sum / count) : T(0);
        const T slope = training ? static_cast<T>(dot * rstd * rstd / count) : T(0);
        for (int64_t b = 0; b < s.batch; ++b) {
            const int64_t at = first + b * step;
            apply_backward(grad + at, x + at, grad_x + at, s.spatial, mean[c], shift, slope, scale);
        }
    }
}

// --- batch norm of (batch, channels): one lane per channel, whole rows at a time ---

constexpr int64_t kColumns = 1024;

// body(position, column from the first, lanes in use) for all elements of some columns.
template <class T, class Body>
PT_INLINE void each_element(const Batch& s, int64_t first, int64_t columns, const Body& body) {
    for (int64_t b = 0; b < s.batch; ++b)
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            body(b * s.channels + first + j, j, used);
        });
}
template <class T>
PT_INLINE void add_upto(T* to, Vec<T> v, int used) {
    store_upto(to, load_upto(to, used) + v, used);
}
template <class T>
PT_INLINE void clear(T* p, int64_t n) {
    for (int64_t i = 0; i < n; ++i) p[i] = 0;
}

// body(position of the first of `rows` rows, rows, column from the first, lanes in use): four rows at a time,
// so that sums of columns are read and written once for the four.
template <class T, class Body>
PT_INLINE void each_four_rows(const Batch& s, int64_t first, int64_t columns, const Body& body) {
    int64_t b = 0;
    for (; b + 4 <= s.batch; b += 4)
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            body(b * s.channels + first + j, 4, j, used);
        });
    for (; b < s.batch; ++b)
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            body(b * s.channels + first + j, 1, j, used);
        });
}

// Mean and biased variance of some columns. What rounding left in the mean is found again in the sum of the
// deviations from it.
template <class T>
static void column_moments(const Batch& s, const T* x, int64_t first, int64_t columns, T* mean, T* var,
                           T* rest) {
    const Vec<T> count = broadcast(static_cast<T>(s.batch));
    clear(mean, columns);
    clear(var, columns);
    clear(rest, columns);
    each_four_rows<T>(s, first, columns,
                      [&](int64_t at, int rows, int64_t j, int used) __attribute__((always_inline)) {
                          Vec<T> sum = load_upto(x + at, used);
                          for (int r = 1; r < rows; ++r) sum += load_upto(x + at + r * s.channels, used);
                          add_upto(mean + j, sum, used);
                      });
    each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
        store_upto(mean + j, load_upto(mean + j, used) / count, used);
    });
    each_four_rows<T>(s, first, columns,
                      [&](int64_t at, int rows, int64_t j, int used) __attribute__((always_inline)) {
                          const Vec<T> center = load_upto(mean + j, used);
                          Vec<T> sum{}, squares{};
                          for (int r = 0; r < rows; ++r) {
                              const Vec<T> d = load_upto(x + at + r * s.channels, used) - center;
                              sum += d;
                              squares += d * d;
                          }
                          add_upto(rest + j, sum, used);
                          add_upto(var + j, squares, used);
                      });
    each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
        const Vec<T> shift = load_upto(rest + j, used) / count;
        store_upto(mean + j, load_upto(mean + j, used) + shift, used);
        store_upto(var + j, load_upto(var + j, used) / count - shift * shift, used);
    });
}

template <class T>
static void batch_forward_columns(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var,
                                  T eps, bool training, T* y, int64_t begin, int64_t end) {
    pool::Scratch scratch(kColumns * sizeof(T));
    T* scale = scratch.template as<T>();
    const Vec<T> one = broadcast(T(1));
    for (int64_t first = begin; first < end; first += kColumns) {
        const int64_t columns = at_most(end - first, kColumns);
        if (training) column_moments(s, x, first, columns, mean + first, var + first, scale);
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> rstd = one / sqrt(load_upto(var + first + j, used, T(1)) + broadcast(eps));
            store_upto(scale + j, weight == nullptr ? rstd : rstd * load_upto(weight + first + j, used),
                       used);
        });
        each_element<T>(
            s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> d = load_upto(x + at, used) - load_upto(mean + first + j, used);
                const Vec<T> shift = bias == nullptr ? Vec<T>{} : load_upto(bias + first + j, used);
                store_upto(y + at, d * load_upto(scale + j, used) + shift, used);
            });
    }
}

template <class T>
static void batch_backward_columns(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                                   const T* var, T eps, bool training, T* grad_x, T* grad_weight,
                                   T* grad_bias, int64_t begin, int64_t end) {
    pool::Scratch scratch(3 * kColumns * sizeof(T));
    T *shift = scratch.template as<T>(), *slope = shift + kColumns, *scale = slope + kColumns;
    const Vec<T> one = broadcast(T(1)), count = broadcast(static_cast<T>(s.batch));
    for (int64_t first = begin; first < end; first += kColumns) {
        const int64_t columns = at_most(end - first, kColumns);
        const T* center = mean + first;
        T *sum = grad_bias + first, *dot = grad_weight + first;
        clear(sum, columns);
        clear(dot, columns);
        each_four_rows<T>(s, first, columns,
                          [&](int64_t at, int rows, int64_t j, int used) __attribute__((always_inline)) {
                              const Vec<T> m = load_upto(center + j, used);
                              Vec<T> grads{}, products{};
                              for (int r = 0; r < rows; ++r) {
                                  const Vec<T> g = load_upto(grad + at + r * s.channels, used);
                                  grads += g;
                                  products += g * (load_upto(x + at + r * s.channels, used) - m);
                              }
                              add_upto(sum + j, grads, used);
                              add_upto(dot + j, products, used);
                          });
        each_vector<T>(columns, [&](int64_t j, int used) __attribute__((always_inline)) {
            const Vec<T> rstd = one / sqrt(load_upto(var + first + j, used, T(1)) + broadcast(eps));
            const Vec<T> d = load_upto(dot + j, used) * rstd;
            store_upto(dot + j, d, used);
            store_upto(scale + j, weight == nullptr ? rstd : rstd * load_upto(weight + first + j, used),
                       used);
            store_upto(shift + j, training ? load_upto(sum + j, used) / count : Vec<T>{}, used);
            store_upto(slope + j, training ? d * rstd / count : Vec<T>{}, used);
        });
        if (grad_x == nullptr) continue;
        each_element<T>(
            s, first, columns, [&](int64_t at, int64_t j, int used) __attribute__((always_inline)) {
                const Vec<T> d =
                    (load_upto(x + at, used) - load_upto(center + j, used)) * load_upto(slope + j, used);
                const Vec<T> g = load_upto(grad + at, used) - load_upto(shift + j, used) - d;
                store_upto(grad_x + at, g * load_upto(scale + j, used), used);
            });
    }
}

// --- batch norm of short planes: several neighbouring channels at a time ---

// The planes of one channel lie far apart; those of neighbouring channels make up runs that are read in
// order. A block is small enough for the later passes to find it in the second-level cache.
constexpr int64_t kBlockBytes = 1 << 18, kBlockChannels = 64, kShortPlane = 256;

// Vectors of partial sums per channel, which are added to the totals before they have grown long.
template <class T>
class ChannelSums {
  public:
    explicit ChannelSums(const Batch& s)
        : every_(1 + 2048 / (s.spatial + 1)),
          scratch_(kBlockChannels * 2 * (sizeof(Vec<T>) + sizeof(double))) {
        totals_ = scratch_.template as<double>();
        parts_ = reinterpret_cast<T*>(totals_ + 2 * kBlockChannels);
    }

    // add(plane's position, channel - first, its two vectors) for every plane; then first(c) and second(c)
    // are the sums.
    template <class Add>
    __attribute__((always_inline)) void run(const Batch& s, int64_t first, int64_t channels, const Add& add) {
        for (int64_t i = 0; i < 2 * channels; ++i) totals_[i] = 0;
        for (int64_t i = 0; i < 2 * channels * lanes<T>; ++i) parts_[i] = 0;
        for (int64_t b = 0; b < s.batch; ++b) {
            for (int64_t c = 0; c < channels; ++c) {
                T* part = parts_ + 2 * c * lanes<T>;
                Vec<T> one = load(part), two = load(part + lanes<T>);
                add((b * s.channels + first + c) * s.spatial, c, one, two);
                store(part, one);
                store(part + lanes<T>, two);
            }
            if ((b + 1) % every_ != 0 && b + 1 != s.batch) continue;
            for (int64_t i = 0; i < 2 * channels; ++i) {
                totals_[i] += static_cast<double>(sum_lanes<T>(load(parts_ + i * lanes<T>)));
                store(parts_ + i * lanes<T>, Vec<T>{});
            }
        }
    }
    __attribute__((always_inline)) double first(int64_t c) const { return totals_[2 * c]; }
    __attribute__((always_inline)) double second(int64_t c) const { return totals_[2 * c + 1]; }

  private:
    int64_t every_;
    pool::Scratch scratch_;
    double* totals_;
    T* parts_;
};

// body(position, channel - first) for every plane of a block.
template <class Body>
PT_INLINE void each_plane(const Batch& s, int64_t first, int64_t channels, const Body& body) {
    for (int64_t b = 0; b < s.batch; ++b)
        for (int64_t c = 0; c < channels; ++c) body((b * s.channels + first + c) * s.spatial, c);
}

// block(first channel, number) over the channels begin .. end; an element of a block costs `bytes`.
template <class Block>
PT_INLINE void each_block(const Batch& s, int64_t bytes, int64_t begin, int64_t end, const Block& block) {
    int64_t size = kBlockBytes / (s.batch * s.spatial * bytes + 1);
    size = size < 8 ? 8 : at_most(size, kBlockChannels);
    for (int64_t first = begin; first < end; first += size) block(first, at_most(end - first, size));
}

template <class T>
static void batch_forward_short(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var,
                                T eps, bool training, T* y, int64_t begin, int64_t end) {
    ChannelSums<T> sums(s);
    const double count = static_cast<double>(s.batch * s.spatial);
    each_block(s, sizeof(T), begin, end, [&](int64_t first, int64_t channels) {
        if (training) {
            sums.run(s, first, channels,
                     [&](int64_t at, int64_t, Vec<T>& one, Vec<T>& two) __attribute__((always_inline)) {
                         each_vector<T>(s.spatial, [&](int64_t i, int used) __attribute__((always_inline)) {
                             (i / lanes<T> % 2 == 0 ? one : two) += load_upto(x + at + i, used);
                         });
                     });
            for (int64_t c = 0; c < channels; ++c)
                mean[first + c] = static_cast<T>((sums.first(c) + sums.second(c)) / count);
            sums.run(s, first, channels,
                     [&](int64_t at, int64_t c, Vec<T>& one, Vec<T>& two) __attribute__((always_inline)) {
                         const T center = mean[first + c];
                         each_vector<T>(s.spatial, [&](int64_t i, int used) __attribute__((always_inline)) {
                             const Vec<T> d = load_upto(x + at + i, used, center) - broadcast(center);
                             one += d;
                             two += d * d;
                         });
                     });
            for (int64_t c = 0; c < channels; ++c) {  // what rounding left in the mean
                const double shift = sums.first(c) / count;
                mean[first + c] = static_cast<T>(static_cast<double>(mean[first + c]) + shift);
                var[first + c] = static_cast<T>(sums.second(c) / count - shift * shift);
            }
        }
        T scale[kBlockChannels];
        for (int64_t c = 0; c < channels; ++c) {
            const double v = static_cast<double>(var[first + c]) + static_cast<double>(eps);
            scale[c] = static_cast<T>(1 / square_root(v));
            if (weight != nullptr) scale[c] *= weight[first + c];
        }
        each_plane(s, first, channels, [&](int64_t at, int64_t c) __attribute__((always_inline)) {
            const T shift = bias == nullptr ? T(0) : bias[first + c];
            apply(x + at, y + at, s.spatial, mean[first + c], scale[c], shift);
        });
    });
}

template <class T>
static void batch_backward_short(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                                 const T* var, T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias,
                                 int64_t begin, int64_t end) {
    ChannelSums<T> sums(s);
    const double count = static_cast<double>(s.batch * s.spatial);
    each_block(s, 2 * sizeof(T), begin, end, [&](int64_t first, int64_t channels) {
        sums.run(s, first, channels,
                 [&](int64_t at, int64_t c, Vec<T>& one, Vec<T>& two) __attribute__((always_inline)) {
                     const T center = mean[first + c];
                     each_vector<T>(s.spatial, [&](int64_t i, int used) __attribute__((always_inline)) {
                         const Vec<T> g = load_upto(grad + at + i, used);
                         one += g;
                         two += g * (load_upto(x + at + i, used, center) - broadcast(center));
                     });
                 });
        T scale[kBlockChannels], shift[kBlockChannels] = {}, slope[kBlockChannels] = {};
        for (int64_t c = 0; c < channels; ++c) {
            const double v = static_cast<double>(var[first + c]) + static_cast<double>(eps);
            const double rstd = 1 / square_root(v);
            grad_weight[first + c] = static_cast<T>(sums.second(c) * rstd);
            grad_bias[first + c] = static_cast<T>(sums.first(c));
            scale[c] =
                static_cast<T>(weight == nullptr ? rstd : static_cast<double>(weight[first + c]) * rstd);
            if (!training) continue;
            shift[c] = static_cast<T>(sums.first(c) / count);
            slope[c] = static_cast<T>(sums.second(c) * rstd * rstd / count);
        }
        if (grad_x == nullptr) return;
        each_plane(s, first, channels, [&](int64_t at, int64_t c) __attribute__((always_inline)) {
            apply_backward(grad + at, x + at, grad_x + at, s.spatial, mean[first + c], shift[c], slope[c],
                           scale[c]);
        });
    });
}

template <class T>
static void batch_forward(const Batch& s, const T* x, const T* weight, const T* bias, T* mean, T* var, T eps,
                          bool training, T* y, int64_t begin, int64_t end) {
    const auto kernel = s.spatial == 1             ? batch_forward_columns<T>
                        : s.spatial <= kShortPlane ? batch_forward_short<T>
                                                   : batch_forward_planes<T>;
    kernel(s, x, weight, bias, mean, var, eps, training, y, begin, end);
}
template <class T>
static void batch_backward(const Batch& s, const T* grad, const T* x, const T* weight, const T* mean,
                           const T* var, T eps, bool training, T* grad_x, T* grad_weight, T* grad_bias,
                           int64_t begin, int64_t end) {
    const auto kernel = s.spatial == 1             ? batch_backward_columns<T>
                        : s.spatial <= kShortPlane ? batch_backward_short<T>
                                                   : batch_backward_planes<T>;
    kernel(s, grad, x, weight, mean, var, eps, training, grad_x, grad_weight, grad_bias, begin, end);
}

}  // namespace pt::norm::PT_ISA
