// Counting into tables, one or several for each thread. Shared by count.cpp and unique.cpp.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::index {

constexpr int64_t kCountGrain = 1 << 16;  // elements below which a second thread does not pay
constexpr double kCountNs = 0.6;          // of an element
constexpr int64_t kTables = 4;            // a table that was just written is not read at once again
constexpr int64_t kFewBins = 1 << 13;     // bins of which that many tables stay in the nearest caches

// out[b] += how many elements are in bin b. bins(begin, end, put) calls put(b) for the bin of each element of
// a range, in order; -1 is no bin.
template <class Bins>
void count_bins(int64_t n, int64_t bins, int64_t* out, const Bins& each) {
    if (n < 4 * bins || bins > kFewBins) {
        each(0, n, [&](int64_t, int64_t b) {
            if (b >= 0) ++out[b];
        });
        return;
    }
    const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(num_threads(), n / kCountGrain));
    const int64_t width = bins + 1;  // bin 0 of a table: elements in no bin
    const size_t room = static_cast<size_t>(parts * kTables * width) * sizeof(int64_t);
    pool::Scratch scratch(room);
    int64_t* const tables = scratch.as<int64_t>();
    std::memset(tables, 0, room);
    const Work work = {static_cast<double>(n / parts) * kCountNs};
    parallel_for(0, parts, work, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
            int64_t* const own = tables + p * kTables * width + 1;
            each(n * p / parts, n * (p + 1) / parts,
                 [&](int64_t i, int64_t b) { ++own[i % kTables * width + b]; });
        }
    });
    for (int64_t t = 0; t < parts * kTables; ++t)
        for (int64_t b = 0; b < bins; ++b) out[b] += tables[t * width + 1 + b];
}

// The same where bin(i) gives the bin of element i.
template <class Bin>
void count_each(int64_t n, int64_t bins, int64_t* out, const Bin& bin) {
    count_bins(n, bins, out, [&](int64_t begin, int64_t end, const auto& put) {
        int64_t i = begin;
        for (; i + kTables <= end; i += kTables)
            for (int64_t t = 0; t < kTables; ++t) put(t, bin(i + t));
        for (; i < end; ++i) put(0, bin(i));
    });
}

}  // namespace pt::index
