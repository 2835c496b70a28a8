// The optimizer steps an element at a time: what the vector versions are held against.
#include <cmath>

#include "kernels/optim/optim.h"

namespace pt::optim::plain {
namespace {

// body(param[i], d, i) for elements [begin, end), d being the gradient with sign and weight decay applied.
template <class T, class Body>
void each(const Item& item, int64_t begin, int64_t end, const Rule& rule, const Body& body) {
    T* param = static_cast<T*>(item.param);
    const T* grad = static_cast<const T*>(item.grad);
    const T decay = static_cast<T>(rule.weight_decay), keep = static_cast<T>(1 - rule.lr * rule.weight_decay);
    for (int64_t i = begin; i < end; ++i) {
        T d = rule.maximize ? -grad[i] : grad[i];
        if (decay != 0 && rule.decoupled) param[i] *= keep;
        if (decay != 0 && !rule.decoupled) d += decay * param[i];
        body(param[i], d, i);
    }
}

template <class T>
T* state(const Item& item, int k) {
    return static_cast<T*>(item.state[k]);
}

template <class T>
void lerp(T& average, double weight, T value) {
    average += static_cast<T>(weight) * (value - average);
}

template <class T>
void mix_square(T& average, double stays, T value) {
    average = static_cast<T>(stays) * average + static_cast<T>(1 - stays) * value * value;
}

// maximum(): a NaN on either side stays.
template <class T>
T larger(T a, T b) {
    return a >= b || std::isnan(a) ? a : b;
}

template <class T>
void sgd(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T* buffer = state<T>(item, 0);
    const T momentum = static_cast<T>(rule.momentum), damp = static_cast<T>(1 - rule.dampening);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        if (buffer != nullptr) {
            buffer[i] = momentum * buffer[i] + damp * d;
            d = rule.nesterov ? d + momentum * buffer[i] : buffer[i];
        }
        p -= static_cast<T>(rule.lr) * d;
    });
}

template <class T>
void adam(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *m = state<T>(item, 0), *v = state<T>(item, 1), *largest = state<T>(item, 2);
    const T step_size = static_cast<T>(item.factor[0]), scale = static_cast<T>(item.factor[1]);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        lerp(m[i], 1 - rule.beta1, d);
        mix_square(v[i], rule.beta2, d);
        if (largest != nullptr) largest[i] = larger(largest[i], v[i]);
        const T second = largest != nullptr ? largest[i] : v[i];
        p -= step_size * (m[i] / (std::sqrt(second) * scale + static_cast<T>(rule.eps)));
    });
}

template <class T>
void rmsprop(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *v = state<T>(item, 0), *buffer = state<T>(item, 1), *average = state<T>(item, 2);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        mix_square(v[i], rule.beta2, d);
        T second = v[i];
        if (average != nullptr) {
            lerp(average[i], 1 - rule.beta2, d);
            second -= average[i] * average[i];
        }
        T u = d / (std::sqrt(second) + static_cast<T>(rule.eps));
        if (buffer != nullptr) u = buffer[i] = static_cast<T>(rule.momentum) * buffer[i] + u;
        p -= static_cast<T>(rule.lr) * u;
    });
}

template <class T>
void adagrad(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T* sum = state<T>(item, 0);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        sum[i] += d * d;
        p -= static_cast<T>(item.factor[0]) * (d / (std::sqrt(sum[i]) + static_cast<T>(rule.eps)));
    });
}

template <class T>
void adadelta(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *v = state<T>(item, 0), *acc = state<T>(item, 1);
    const T eps = static_cast<T>(rule.eps);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        mix_square(v[i], rule.beta2, d);
        const T u = std::sqrt(acc[i] + eps) / std::sqrt(v[i] + eps) * d;
        mix_square(acc[i], rule.beta2, u);
        p -= static_cast<T>(rule.lr) * u;
    });
}

template <class T>
void adamax(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *m = state<T>(item, 0), *norm = state<T>(item, 1);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        lerp(m[i], 1 - rule.beta1, d);
        norm[i] = larger(static_cast<T>(rule.beta2) * norm[i], std::abs(d) + static_cast<T>(rule.eps));
        p -= static_cast<T>(item.factor[0]) * (m[i] / norm[i]);
    });
}

template <class T>
void nadam(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *m = state<T>(item, 0), *v = state<T>(item, 1);
    const T of_grad = static_cast<T>(item.factor[0]), of_first = static_cast<T>(item.factor[1]);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        lerp(m[i], 1 - rule.beta1, d);
        mix_square(v[i], rule.beta2, d);
        const T root = std::sqrt(v[i]) * static_cast<T>(item.factor[2]);
        p -= (of_grad * d + of_first * m[i]) / (root + static_cast<T>(rule.eps));
    });
}

template <class T>
void radam(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *m = state<T>(item, 0), *v = state<T>(item, 1);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        lerp(m[i], 1 - rule.beta1, d);
        mix_square(v[i], rule.beta2, d);
        T u = static_cast<T>(item.factor[0]) * m[i];
        if (item.factor[2] != 0)
            u *= static_cast<T>(item.factor[1]) / (std::sqrt(v[i]) + static_cast<T>(rule.eps));
        p -= u;
    });
}

template <class T>
void rprop(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T *previous = state<T>(item, 0), *size = state<T>(item, 1);
    const T low = static_cast<T>(rule.step_min), high = static_cast<T>(rule.step_max);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        const T product = d * previous[i];
        if (product > 0) size[i] *= static_cast<T>(rule.eta_plus);
        if (product < 0) size[i] *= static_cast<T>(rule.eta_minus);
        if (size[i] < low) size[i] = low;
        if (size[i] > high) size[i] = high;
        if (product < 0) d = 0;
        if (d > 0) p -= size[i];
        if (d < 0) p += size[i];
        previous[i] = d;
    });
}

template <class T>
void asgd(const Item& item, int64_t begin, int64_t end, const Rule& rule) {
    T* average = state<T>(item, 0);
    each<T>(item, begin, end, rule, [&](T& p, T d, int64_t i) {
        p = static_cast<T>(item.factor[0]) * p - static_cast<T>(item.factor[1]) * d;
        if (item.factor[2] == 1)
            average[i] = p;
        else
            lerp(average[i], item.factor[2], p);
    });
}

template <class T>
double sum_squares(const void* data, int64_t n) {
    const T* x = static_cast<const T*>(data);
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
    return static_cast<double>(sum);
}

template <class T>
void scale(void* data, int64_t n, double value) {
    T* x = static_cast<T*>(data);
    for (int64_t i = 0; i < n; ++i) x[i] *= static_cast<T>(value);
}

template <class T>
void clamp(void* data, int64_t n, double value) {
    T* x = static_cast<T*>(data);
    const T bound = static_cast<T>(value);
    for (int64_t i = 0; i < n; ++i) x[i] = x[i] < -bound ? -bound : x[i] > bound ? bound : x[i];
}

}  // namespace

const Kernels kernels = {
#define PT_KERNEL(name, type, signature, body) body<type>,
#include "kernels/optim/kernels.inc"
#undef PT_KERNEL
};

}  // namespace pt::optim::plain
