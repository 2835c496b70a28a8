// Walks operands of any strides in pieces that the inner loops (table.h) can take.
//
// Axes of size 1 are dropped, the others sorted by out's strides and merged where every operand allows it.
// Along the last axis an operand is then contiguous (used in place), constant (repeated) or strided (copied
// through a buffer of a few KiB). Two layouts are walked otherwise because their rows would cost too much: a
// short last axis is walked across rows, every operand through a buffer; and where an input is contiguous
// along another axis than out, the two axes are walked in tiles.
#pragma once

#include "base/array_view.h"
#include "kernels/pointwise/table.h"

namespace pt::pointwise {

void repeat_value(char* block, const char* value, int64_t item);  // fills kRepeatBytes

class Walk {
  public:
    Walk(const ArrayView* inputs, int arity, const ArrayView& out);
    void run(Loop loop, double ns, const double* params) const;  // ns: what an element costs

  private:
    static constexpr int kOperands = kMaxArity + 1;
    struct Position;

    void merge_axes();
    int tile_axis() const;  // the axis that some strided input is contiguous along, -1 for none
    bool is_packed(int operand) const;
    void rows(Loop loop, int64_t begin, int64_t end, const double* params) const;
    void flat(Loop loop, int64_t begin, int64_t end, const double* params) const;
    void tiles(Loop loop, int64_t begin, int64_t end, const double* params) const;
    Position locate(int64_t index, int axes) const;

    int arity_;
    int ndim_ = 0;
    int64_t numel_ = 1;
    int64_t sizes_[kMaxDims];
    // Operand arity_ is out.
    char* data_[kOperands];
    int64_t item_[kOperands];
    int64_t strides_[kOperands][kMaxDims];
};

}  // namespace pt::pointwise
