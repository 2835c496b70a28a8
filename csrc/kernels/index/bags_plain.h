// Bags one element after the other: what bag_loops.h does.
#pragma once

#include "kernels/index/kernels.h"

namespace pt::index::plain {

// fn(k, number) for each number of a bag that counts; how many there were.
template <class Fn>
int64_t each_number(const Bags& bags, int64_t bag, const Fn& fn) {
    int64_t count = 0;
    for (int64_t k = bags.begin(bag); k < bags.end(bag); ++k) {
        if (bags.numbers[k] == bags.padding) continue;
        fn(k, bags.numbers[k]);
        ++count;
    }
    return count;
}

template <class T>
T bag_factor(const Bags& bags, int64_t bag, bool mean) {
    const int64_t n = mean ? each_number(bags, bag, [](int64_t, int64_t) {}) : 1;
    return T(1) / static_cast<T>(n > 0 ? n : 1);
}

template <class T>
void bag_sum(const Bags& bags, const T* table, const T* weights, bool mean, int64_t first, int64_t last,
             T* out) {
    const int64_t n = bags.columns;
    for (int64_t b = first; b < last; ++b) {
        T* to = out + b * n;
        for (int64_t j = 0; j < n; ++j) to[j] = 0;
        each_number(bags, b, [&](int64_t k, int64_t number) {
            const T weight = weights != nullptr ? weights[k] : T(1);
            for (int64_t j = 0; j < n; ++j) to[j] += weight * table[number * n + j];
        });
        const T factor = bag_factor<T>(bags, b, mean);
        for (int64_t j = 0; j < n; ++j) to[j] *= factor;
    }
}

template <class T>
void bag_max(const Bags& bags, const T* table, int64_t first, int64_t last, T* out, int64_t* places) {
    const int64_t n = bags.columns;
    for (int64_t i = first * n; i < last * n; ++i) {
        bool empty = true;
        int64_t place = 0;
        T best = 0;
        each_number(bags, i / n, [&](int64_t, int64_t number) {
            const T x = table[number * n + i % n];
            if (!empty && !(x > best)) return;
            empty = false;
            best = x;
            place = number;
        });
        out[i] = best;
        if (places != nullptr) places[i] = place;
    }
}

template <class T>
void bag_spread(const Bags& bags, const T* grad, const T* weights, bool mean, int64_t first, int64_t last,
                T* out) {
    const int64_t n = bags.columns;
    for (int64_t i = first * n; i < last * n; ++i) out[i] = 0;
    for (int64_t b = 0; b < bags.count; ++b) {
        const T factor = bag_factor<T>(bags, b, mean);
        each_number(bags, b, [&](int64_t k, int64_t number) {
            if (number < first || number >= last) return;
            const T weight = weights != nullptr ? weights[k] * factor : factor;
            for (int64_t j = 0; j < n; ++j) out[number * n + j] += weight * grad[b * n + j];
        });
    }
}

template <class T>
void bag_dot(const Bags& bags, const T* grad, const T* table, int64_t first, int64_t last, T* out) {
    const int64_t n = bags.columns;
    for (int64_t b = first; b < last; ++b)
        each_number(bags, b, [&](int64_t k, int64_t number) {
            for (int64_t j = 0; j < n; ++j) out[k] += grad[b * n + j] * table[number * n + j];
        });
}

template <class T>
constexpr BagKernels<T> kBagKernels = {bag_sum<T>, bag_max<T>, bag_spread<T>, bag_dot<T>};

}  // namespace pt::index::plain
