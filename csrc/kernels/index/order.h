// Rows in the order of where they go: a counting sort. Shared by index.cpp and bags.cpp.
#pragma once

#include "base/pool.h"

namespace pt::index {

// The numbers of n rows, first come first: those that go to slice i are order[start[i]] up to
// order[start[i + 1] - 1]. Rows whose index is `left_out` go nowhere.
struct Order {
    pool::Scratch room;
    int64_t* start;
    int64_t* order;

    Order(const int64_t* index, int64_t n, int64_t size, int64_t left_out = -1)
        : room(static_cast<size_t>(size + 1 + n) * sizeof(int64_t)),
          start(room.as<int64_t>()),
          order(start + size + 1) {
        for (int64_t i = 0; i <= size; ++i) start[i] = 0;
        for (int64_t k = 0; k < n; ++k) ++start[index[k]];
        if (left_out >= 0) start[left_out] = 0;
        for (int64_t i = 1; i <= size; ++i) start[i] += start[i - 1];
        for (int64_t k = n - 1; k >= 0; --k)
            if (index[k] != left_out) order[--start[index[k]]] = k;
    }
};

}  // namespace pt::index
