#include "kernels/index/join.h"

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/copy.h"
#include "kernels/index/kernels.h"

namespace pt::index {
namespace {

constexpr int64_t kSmall = 1 << 17;  // bytes that are joined piece by piece, however short the pieces
constexpr Work kOfLine = {1.3};      // a line of the cache read and written
constexpr int64_t kLine = 64;        // bytes
constexpr int64_t kFewPieces = 16;
constexpr int64_t kShortPiece = 16;  // bytes below which walking the result costs more than walking the parts

// A row of the result is what `axis` and the axes behind it hold: a piece of every part, one after the other.
// False when the part does not have its pieces in one stretch each, at one distance from each other.
bool as_pieces(const ArrayView& part, int axis, Piece* piece) {
    int64_t bytes = item_size(part.dtype);
    for (int i = part.ndim - 1; i >= axis; --i) {
        if (part.shape[i] == 1) continue;
        if (part.strides[i] != bytes) return false;
        bytes *= part.shape[i];
    }
    int64_t step = 0;
    int64_t span = 0;  // of the axes that are seen to, 0 while there are none
    for (int i = axis - 1; i >= 0; --i) {
        if (part.shape[i] == 1) continue;
        if (span == 0)
            step = part.strides[i];
        else if (part.strides[i] != span)
            return false;
        span = part.strides[i] * part.shape[i];
        if (span == 0) return false;
    }
    *piece = {part.data, step, bytes};
    return true;
}

}  // namespace

void join(const ArrayView* parts, int64_t count, int axis, const ArrayView& out) {
    const int64_t total = out.nbytes();
    if (total == 0) return;
    Piece few[kFewPieces];
    pool::Scratch many(count > kFewPieces ? static_cast<size_t>(count) * sizeof(Piece) : 0);
    Piece* const pieces = count > kFewPieces ? many.as<Piece>() : few;
    bool whole = true;
    for (int64_t i = 0; i < count && whole; ++i) whole = as_pieces(parts[i], axis, pieces + i);
    int64_t row = item_size(out.dtype);
    for (int i = axis; i < out.ndim; ++i) row *= out.shape[i];
    if (whole && (row >= count * kShortPiece || total <= kSmall)) {
        const auto join_pieces = PT_SELECT(Kernels).join_pieces;
        parallel_for(0, (total + kLine - 1) / kLine, kOfLine, [&](int64_t begin, int64_t end) {
            const int64_t stop = end * kLine < total ? end * kLine : total;
            join_pieces(pieces, count, row, begin * kLine, stop, out.data);
        });
        return;
    }
    ArrayView slot = out;
    for (int64_t i = 0; i < count; ++i) {
        slot.shape = parts[i].shape;
        copy(parts[i], slot);
        slot.data += parts[i].shape[axis] * out.strides[axis];
    }
}

}  // namespace pt::index
