#include "kernels/reduce/partial.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace pt::reduce {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

void add(Partial& a, const Partial& b) {
    const double total = a.f[0] + b.f[0];
    const double back = total - a.f[0];
    a.f[1] += b.f[1] + ((a.f[0] - (total - back)) + (b.f[0] - back));
    a.f[0] = total;
}

void merge_moments(Partial& a, const Partial& b) {
    const double na = static_cast<double>(a.count);
    const double nb = static_cast<double>(b.count);
    const double delta = b.f[0] - a.f[0];
    a.f[0] += delta * (nb / (na + nb));
    a.f[1] += b.f[1] + delta * delta * (na * nb / (na + nb));
    a.count += b.count;
}

template <class T>
bool better(Kind kind, T x, T than) {
    if (x != x) return than == than;
    return kind == kMax || kind == kArgmax ? x > than : x < than;
}

template <class T>
void put(char* out, T value) {
    std::memcpy(out, &value, sizeof(T));
}

bool adds(Kind kind) { return kind == kSum || kind == kSumSquares || kind == kNanSum; }

double real_result(const Plan& plan, const Partial& p) {
    const double n = static_cast<double>(plan.elements);
    const bool sums = adds(plan.kind);
    // What was lost is NaN once the sum has overflowed or met an infinity.
    const double value = sums && std::isfinite(p.f[0]) ? p.f[0] + p.f[1] : p.f[0];
    switch (plan.finish) {
        case kMean:
            return value / n;
        case kVariance:
        case kDeviation: {
            const double rest = n - plan.correction;
            const double variance = p.f[1] / (rest > 0 ? rest : 0.0);
            return plan.finish == kVariance ? variance : std::sqrt(variance);
        }
        case kRoot:
            return std::sqrt(value);
        default:
            return value;
    }
}

}  // namespace

int type_slot(DType dtype) {
    switch (dtype) {
        case DType::float32:
            return 0;
        case DType::float64:
            return 1;
        case DType::boolean:
        case DType::uint8:
            return 2;
        case DType::int32:
            return 3;
        case DType::int64:
            return 4;
        default:
            return -1;
    }
}

void set_identity(const Plan& plan, Partial& p) {
    PT_CHECK(plan.kind != kMax && plan.kind != kMin && plan.kind != kArgmax && plan.kind != kArgmin,
             "reduction of no elements has no identity");
    const int one = plan.kind == kProd || plan.kind == kAll;
    if (plan.floating) {
        p.f[0] = one;
        p.f[1] = 0;
    } else {
        p.i[0] = one;
    }
    p.index = 0;
    p.count = 0;
}

void merge(const Plan& plan, Partial& into, const Partial& from) {
    switch (plan.kind) {
        case kSum:
        case kSumSquares:
        case kNanSum:
            if (plan.floating)
                add(into, from);
            else
                into.i[0] =
                    static_cast<int64_t>(static_cast<uint64_t>(into.i[0]) + static_cast<uint64_t>(from.i[0]));
            break;
        case kProd:
            if (plan.floating)
                into.f[0] *= from.f[0];
            else
                into.i[0] =
                    static_cast<int64_t>(static_cast<uint64_t>(into.i[0]) * static_cast<uint64_t>(from.i[0]));
            break;
        case kMax:
        case kMin:
        case kArgmax:
        case kArgmin:
            if (plan.floating ? better(plan.kind, from.f[0], into.f[0])
                              : better(plan.kind, from.i[0], into.i[0])) {
                into.i[0] = from.i[0];
                into.index = from.index;
            }
            break;
        case kAny:
        case kAll: {
            const bool a = plan.floating ? into.f[0] != 0 : into.i[0] != 0;
            const bool b = plan.floating ? from.f[0] != 0 : from.i[0] != 0;
            const bool both = plan.kind == kAny ? a || b : a && b;
            if (plan.floating)
                into.f[0] = both;
            else
                into.i[0] = both;
            break;
        }
        case kMoments:
            merge_moments(into, from);
            break;
    }
}

void write(const Plan& plan, const Partial& p, char* out, char* index) {
    if (index != nullptr) put(index, p.index);
    if (plan.finish == kIndex) return put(out, p.index);
    switch (plan.output) {
        case DType::float32:
            return put(out, static_cast<float>(real_result(plan, p)));
        case DType::float64:
            return put(out, real_result(plan, p));
        case DType::boolean:
        case DType::uint8:
            return put(out, static_cast<uint8_t>(plan.floating ? static_cast<int64_t>(p.f[0]) : p.i[0]));
        case DType::int32:
            return put(out, static_cast<int32_t>(p.i[0]));
        default:
            return put(out, p.i[0]);
    }
}

void merge_columns(const Plan& plan, ColumnState& into, const ColumnState& from, int64_t cols, int64_t rows) {
    if (plan.floating && (adds(plan.kind))) {
        for (int64_t j = 0; j < cols; ++j) {
            const double a = into.f[0][j];
            const double b = from.f[0][j];
            const double total = a + b;
            const double back = total - a;
            into.f[1][j] += from.f[1][j] + ((a - (total - back)) + (b - back));
            into.f[0][j] = total;
        }
    } else {
        for (int64_t j = 0; j < cols; ++j) {
            Partial p = column(into, j);
            Partial next = column(from, j);
            next.index += rows;
            merge(plan, p, next);
            into.i[0][j] = p.i[0];
            into.i[1][j] = p.i[1];
            into.index[j] = p.index;
        }
    }
    into.count += from.count;
}

namespace {

// Sums, extremes, products and moments of floats into floats without gaps: loops that compilers vectorise.
template <class T>
void write_floats(const Plan& plan, const ColumnState& state, int64_t cols, T* out) {
    const double n = static_cast<double>(plan.elements);
    const double rest = n - plan.correction > 0 ? n - plan.correction : 0.0;
    const bool sums = adds(plan.kind);
    const double* const f = state.f[0];
    const double* const g = state.f[1];
    const auto value = [&](int64_t j) { return std::abs(f[j]) <= kLargest ? f[j] + g[j] : f[j]; };
    switch (plan.finish) {
        case kMean:
            for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(value(j) / n);
            break;
        case kVariance:
            for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(g[j] / rest);
            break;
        case kDeviation:
            for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(std::sqrt(g[j] / rest));
            break;
        case kRoot:
            for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(std::sqrt(value(j)));
            break;
        default:
            if (sums)
                for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(value(j));
            else
                for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(f[j]);
    }
}

}  // namespace

void write_columns(const Plan& plan, const ColumnState& state, int64_t cols, char* out, int64_t step,
                   char* index, int64_t index_step) {
    if (plan.floating && index == nullptr && plan.finish != kIndex) {
        if (plan.output == DType::float32 && step == 4)
            return write_floats(plan, state, cols, reinterpret_cast<float*>(out));
        if (plan.output == DType::float64 && step == 8)
            return write_floats(plan, state, cols, reinterpret_cast<double*>(out));
    }
    if (plan.finish == kIndex && index == nullptr && step == 8) {
        std::memcpy(out, state.index, static_cast<size_t>(cols) * 8);
        return;
    }
    for (int64_t j = 0; j < cols; ++j)
        write(plan, column(state, j), out + j * step, index == nullptr ? nullptr : index + j * index_step);
}

}  // namespace pt::reduce
