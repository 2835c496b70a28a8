// What the levels of the reduce family share: partial results, and the table of kernels. Plain data only: an
// inline function here would be one symbol for all levels.
#pragma once

#include <cstdint>

#include "base/cpu_level.h"
#include "base/dtype.h"

namespace pt::reduce {

// What is known after some of the elements. Floating-point inputs use `f`, integers `i`.
//   sum, sum of squares   f[0] + f[1], the second being what the additions to the first lost; i[0]
//   prod, max, min        f[0]; i[0]
//   argmax, argmin        the same, with the place of the first best element in `index`
//   any, all              i[0]
//   moments               f[0] mean, f[1] sum of squared deviations from it, of `count` elements
struct Partial {
    union {
        double f[2];
        int64_t i[2];
    };
    int64_t index;
    int64_t count;
};

constexpr int kShortRows = 64;
constexpr int kColumns = 512;  // columns reduced side by side

// Partials of up to kColumns neighbouring columns. Kernels add `rows` to count; count == 0 means: nothing
// yet.
struct ColumnState {
    union {
        double f[2][kColumns];
        int64_t i[2][kColumns];
    };
    int64_t index[kColumns];  // row of the best element, counted from the first row of the state
    int64_t count;
};

// row: `result` becomes the partial of the n >= 1 contiguous elements at x; index counts from x.
// columns: folds `rows` rows, `stride` bytes apart and `cols` contiguous elements long, into `state`.
// short_rows (null where there is none): one result of the element type for each row of a batch, the same
// bits that `row` gives.
struct RowBatch {
    const char* x;
    int64_t rows, stride;  // at most kShortRows, so many bytes apart
    int64_t n;             // contiguous elements of a row, 1 to Kernel::longest
    int64_t ahead;         // so many bytes beyond each row are fetched, 0 for none
    bool means, roots;     // instead of sums; instead of sums of squares
};
struct Kernel {
    void (*row)(const char* x, int64_t n, Partial* result);
    void (*columns)(const char* x, int64_t rows, int64_t stride, int64_t cols, ColumnState* state);
    void (*short_rows)(const RowBatch& batch, void* out) = nullptr;
    int64_t longest = 0;
};

enum Kind : int8_t { kSum, kProd, kMax, kMin, kArgmax, kArgmin, kAny, kAll, kMoments, kSumSquares, kNanSum };
constexpr int kKinds = 11;
constexpr int kTypes = 5;  // float32, float64, uint8 (and bool), int32, int64

constexpr int kScanLines = 64;

// `lines` lines of n elements, `step` bytes from one element to the next, `line` bytes from line to line.
// place: int64 indices, of scans that have them.
struct ScanBlock {
    const char* in;
    char* out;
    char* place;
    int64_t n, step_in, step_out, step_place;
    int64_t lines, line_in, line_out, line_place;  // lines <= kScanLines
};
using ScanKernel = void (*)(const ScanBlock& block);

struct Kernels {
    Kernel at[kKinds][kTypes];
    ScanKernel scan[2][3];           // sum, product of float32, float64, int64
    ScanKernel extremes[2][kTypes];  // least, greatest so far
};

PT_DECLARE_LEVELS(Kernels)

}  // namespace pt::reduce
