#include "kernels/optim/optim.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::optim {

namespace {

// Cuts lie at multiples of this within an item: only an item's end is a partial vector, on any number of
// threads. (The compiler may fuse multiplications and additions of partial vectors in another order.)
constexpr int64_t kCut = 64;

int64_t cut(int64_t place, int64_t numel) {
    return place <= 0 ? 0 : place >= numel ? numel : place - place % kCut;
}

// range(item, begin, end) over all elements of all items, each of which moves `bytes`, shared by the threads.
template <class Item, class Range>
void for_all_elements(const Item* items, int64_t count, int64_t bytes, const Range& range) {
    constexpr double kCallNs = 15;
    int64_t total = 0;
    for (int64_t i = 0; i < count; ++i) total += items[i].numel;
    if (total == 0) return;
    const double calls_ns = kCallNs * static_cast<double>(count) / static_cast<double>(total);
    parallel_for(0, total, Work{static_cast<double>(bytes) / 100 + calls_ns, 1024},
                 [&](int64_t begin, int64_t end) {
                     int64_t first = 0;  // of item i, in the concatenation of all items
                     for (int64_t i = 0; i < count && first < end; ++i) {
                         const int64_t from = cut(begin - first, items[i].numel);
                         const int64_t to = cut(end - first, items[i].numel);
                         if (from < to) range(items[i], from, to);
                         first += items[i].numel;
                     }
                 });
}

double count_step(const Scalar& step) { return step.set(step.get() + 1); }

void no_factors(const Scalar*, const Rule&, double*) {}

void only_count(const Scalar* scalars, const Rule&, double*) { count_step(scalars[0]); }

void prepare_adam(const Scalar* scalars, const Rule& rule, double* factor) {
    const double t = count_step(scalars[0]);
    factor[0] = rule.lr / (1 - std::pow(rule.beta1, t));
    factor[1] = 1 / std::sqrt(1 - std::pow(rule.beta2, t));
}

void prepare_adagrad(const Scalar* scalars, const Rule& rule, double* factor) {
    factor[0] = rule.lr / (1 + (count_step(scalars[0]) - 1) * rule.lr_decay);
}

void prepare_adamax(const Scalar* scalars, const Rule& rule, double* factor) {
    factor[0] = rule.lr / (1 - std::pow(rule.beta1, count_step(scalars[0])));
}

// scalars: step, the product of all mu so far. mu, the weight of the momentum, grows with the steps.
void prepare_nadam(const Scalar* scalars, const Rule& rule, double* factor) {
    const double t = count_step(scalars[0]);
    const auto mu_at = [&](double step) {
        return rule.beta1 * (1 - 0.5 * std::pow(0.96, step * rule.momentum_decay));
    };
    const double mu = mu_at(t), next = mu_at(t + 1);
    const double product = scalars[1].scale(mu);
    factor[0] = rule.lr * (1 - mu) / (1 - product);
    factor[1] = rule.lr * next / (1 - product * next);
    factor[2] = 1 / std::sqrt(1 - std::pow(rule.beta2, t));
}

// Until the running average of squares is long enough for its variance to be known, the step is momentum's.
void prepare_radam(const Scalar* scalars, const Rule& rule, double* factor) {
    const double t = count_step(scalars[0]);
    const double power = std::pow(rule.beta2, t);
    const double longest = 2 / (1 - rule.beta2) - 1;
    const double length = longest - 2 * t * power / (1 - power);
    factor[0] = rule.lr / (1 - std::pow(rule.beta1, t));
    factor[2] = length > 5;
    if (length > 5) {
        const double rectified =
            (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length);
        factor[1] = std::sqrt(rectified * (1 - power));
    }
}

// scalars: step, eta (the learning rate of this step), mu (the weight of this step in the average).
void prepare_asgd(const Scalar* scalars, const Rule& rule, double* factor) {
    const double t = count_step(scalars[0]);
    const double eta = scalars[1].get();
    factor[0] = 1 - rule.lambd * eta;
    factor[1] = eta;
    factor[2] = scalars[2].get();
    scalars[1].set(rule.lr / std::pow(1 + rule.lambd * rule.lr * t, rule.alpha));
    scalars[2].set(1 / std::max(1.0, t - rule.t0));
}

constexpr Algorithm kAlgorithms[] = {
    {"sgd", 1, 0, &Kernels::sgd_f32, &Kernels::sgd_f64, no_factors},
    {"adam", 3, 1, &Kernels::adam_f32, &Kernels::adam_f64, prepare_adam},
    {"rmsprop", 3, 1, &Kernels::rmsprop_f32, &Kernels::rmsprop_f64, only_count},
    {"adagrad", 1, 1, &Kernels::adagrad_f32, &Kernels::adagrad_f64, prepare_adagrad},
    {"adadelta", 2, 1, &Kernels::adadelta_f32, &Kernels::adadelta_f64, only_count},
    {"adamax", 2, 1, &Kernels::adamax_f32, &Kernels::adamax_f64, prepare_adamax},
    {"nadam", 2, 2, &Kernels::nadam_f32, &Kernels::nadam_f64, prepare_nadam},
    {"radam", 2, 1, &Kernels::radam_f32, &Kernels::radam_f64, prepare_radam},
    {"rprop", 2, 1, &Kernels::rprop_f32, &Kernels::rprop_f64, only_count},
    {"asgd", 1, 3, &Kernels::asgd_f32, &Kernels::asgd_f64, prepare_asgd},
};

void change(ChangeKernel kernel, const Span* spans, int64_t count, DType dtype, double value) {
    for_all_elements(spans, count, 2 * item_size(dtype), [&](const Span& span, int64_t begin, int64_t end) {
        kernel(static_cast<char*>(span.data) + begin * item_size(dtype), end - begin, value);
    });
}

}  // namespace

const Algorithm* find(std::string_view name) {
    for (const Algorithm& algorithm : kAlgorithms)
        if (algorithm.name == name) return &algorithm;
    return nullptr;
}

void step(const Algorithm& algorithm, const Item* items, int64_t count, DType dtype, const Rule& rule) {
    const Kernels& table = kernels();
    const StepKernel kernel = dtype == DType::float32 ? table.*algorithm.float32 : table.*algorithm.float64;
    for_all_elements(items, count, (3 + 2 * algorithm.states) * item_size(dtype),
                     [&](const Item& item, int64_t begin, int64_t end) { kernel(item, begin, end, rule); });
}

void scale(const Span* spans, int64_t count, DType dtype, double factor) {
    change(dtype == DType::float32 ? kernels().scale_f32 : kernels().scale_f64, spans, count, dtype, factor);
}

void clamp(const Span* spans, int64_t count, DType dtype, double bound) {
    change(dtype == DType::float32 ? kernels().clamp_f32 : kernels().clamp_f64, spans, count, dtype, bound);
}

double sum_of_squares(const void* data, int64_t numel, DType dtype) {
    const auto kernel = dtype == DType::float32 ? kernels().squares_f32 : kernels().squares_f64;
    const int64_t blocks = (numel + kBlock - 1) / kBlock;
    const auto block = [&](int64_t i) {
        const char* start = static_cast<const char*>(data) + i * kBlock * item_size(dtype);
        return kernel(start, std::min(kBlock, numel - i * kBlock));
    };
    double sum = 0;
    const double block_ns = static_cast<double>(kBlock * item_size(dtype)) / 100;
    if (static_cast<double>(blocks) * block_ns < kLeastWork) {
        for (int64_t i = 0; i < blocks; ++i) sum += block(i);
        return sum;
    }
    // The same additions in the same order, whoever computed the blocks.
    const pool::Scratch scratch(static_cast<size_t>(blocks) * sizeof(double));
    double* sums = scratch.as<double>();
    parallel_for(0, blocks, Work{block_ns}, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) sums[i] = block(i);
    });
    for (int64_t i = 0; i < blocks; ++i) sum += sums[i];
    return sum;
}

}  // namespace pt::optim
