// What the levels of the index family share: the loops that gain from vectors.
#pragma once

#include <cstdint>

#include "base/cpu_level.h"
#include "base/dtype.h"
#include "kernels/index/bags.h"

namespace pt::index {

// The work of bags.h on bags [first, last); spread on rows [first, last) of the table, which it clears first.
template <class T>
struct BagKernels {
    void (*sum)(const Bags& bags, const T* table, const T* weights, bool mean, int64_t first, int64_t last,
                T* out);
    void (*max)(const Bags& bags, const T* table, int64_t first, int64_t last, T* out, int64_t* places);
    void (*spread)(const Bags& bags, const T* grad, const T* weights, bool mean, int64_t first, int64_t last,
                   T* out);
    void (*dot)(const Bags& bags, const T* grad, const T* table, int64_t first, int64_t last, T* out);
};

// A stretch of `bytes` bytes in every row of a result, and the distance from row to row where it comes from.
struct Piece {
    const char* from;
    int64_t step;
    int64_t bytes;
};

// How a line of a padded array is made of a line of the source: bytes of it, and of what is around it.
struct PadLine {
    int64_t step;  // bytes from line to line of the source
    int64_t before, inside, after;
    int64_t item;
    const char* fill;       // 64 bytes of the constant, null where borders are elements of the line:
    const int64_t* places;  // which, for each element of the borders, counted from the first that is inside
};

// Row i is start[i] and source[order[k]] for k from bounds[i] up to bounds[i + 1].
struct RowSums {
    const char* start;
    const char* source;
    const int64_t* order;
    const int64_t* bounds;
    int64_t columns;
};

// transpose: to[j][i] = from[i][j], i < rows, j < columns; the distances between rows are in elements.
// reverse: to[i] = from[n - 1 - i].
// copy_lines: `count` lines of `bytes` bytes, `step` bytes from line to line.
// join_pieces: bytes [begin, end) of a result whose rows, `row` bytes each, are made of `count` pieces.
// pad_lines: `count` lines of a padded array; `from` is what comes first inside of the first of them.
// add_rows: rows [first, last) of out = those of start (null: zeros) + the rows of source that belong to
// them,
//   as RowSums says, of the type that sum_of() says.
// take_rows: n rows of `bytes` bytes, by their numbers.
// in_bounds: are all of n indices in [0, size)?
// compress: the elements of x whose mask byte is not 0, one after the other; how many. Writes nothing else.
struct Kernels {
    void (*transpose4)(const char* from, int64_t from_row, int64_t rows, int64_t columns, char* to,
                       int64_t to_row);
    void (*transpose8)(const char* from, int64_t from_row, int64_t rows, int64_t columns, char* to,
                       int64_t to_row);
    void (*reverse4)(const char* from, int64_t n, char* to);
    void (*reverse8)(const char* from, int64_t n, char* to);
    void (*copy_lines)(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t bytes,
                       int64_t count);
    void (*join_pieces)(const Piece* pieces, int64_t count, int64_t row, int64_t begin, int64_t end,
                        char* to);
    void (*pad_lines)(const PadLine& line, const char* from, int64_t count, char* to);
    void (*add_rows[4])(const RowSums& sums, int64_t first, int64_t last, char* out);
    void (*take_rows)(const char* from, int64_t bytes, const int64_t* index, int64_t n, char* to);
    bool (*in_bounds)(const int64_t* index, int64_t n, int64_t size);
    int64_t (*compress4)(const uint8_t* mask, const char* x, int64_t n, char* to);
    int64_t (*compress8)(const uint8_t* mask, const char* x, int64_t n, char* to);
    BagKernels<float> bags4;
    BagKernels<double> bags8;
};

// float32, float64, and 4 and 8 bytes whose sums wrap.
constexpr int sum_of(DType dtype) {
    return dtype == DType::float32 ? 0 : dtype == DType::float64 ? 1 : dtype == DType::int32 ? 2 : 3;
}

PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::index
