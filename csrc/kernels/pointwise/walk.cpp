#include "kernels/pointwise/walk.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "kernels/pointwise/sweep.h"

namespace pt::pointwise {

namespace {

constexpr int64_t kChunk = 512;        // elements that pass through a buffer at a time
constexpr int64_t kShortRow = 32;      // rows shorter than this are walked flat
constexpr int64_t kTileRows = 32;      // along the axis that the strided input is contiguous in
constexpr int64_t kTileColumns = 128;  // along out's contiguous axis
constexpr int64_t kMaxItem = 8;

template <class T>
void copy_strided(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t n) {
    constexpr int64_t item = sizeof(T);
    T* const packed = reinterpret_cast<T*>(to);
    const T* const source = reinterpret_cast<const T*>(from);
    if (to_step == item && from_step == 2 * item) {  // constant steps: the compiler finds vector shuffles
        for (int64_t i = 0; i < n; ++i) packed[i] = source[2 * i];
    } else if (to_step == item && from_step == -item) {
        for (int64_t i = 0; i < n; ++i) packed[i] = source[-i];
    } else {
        for (int64_t i = 0; i < n; ++i)
            *reinterpret_cast<T*>(to + i * to_step) = *reinterpret_cast<const T*>(from + i * from_step);
    }
}
void copy_items(int64_t item, char* to, int64_t to_step, const char* from, int64_t from_step, int64_t n) {
    switch (item) {
        case 1:
            copy_strided<uint8_t>(to, to_step, from, from_step, n);
            break;
        case 2:
            copy_strided<uint16_t>(to, to_step, from, from_step, n);
            break;
        case 4:
            copy_strided<uint32_t>(to, to_step, from, from_step, n);
            break;
        default:
            copy_strided<uint64_t>(to, to_step, from, from_step, n);
            break;
    }
}

template <class T>
void transpose_tile(char* to, int64_t to_row, const char* from, int64_t column_step, int64_t rows,
                    int64_t columns) {
    constexpr int64_t strip = 8;  // rows written at a time, so that their cache lines stay open
    for (int64_t r0 = 0; r0 < rows; r0 += strip) {
        const int64_t r1 = std::min(rows, r0 + strip);
        for (int64_t c = 0; c < columns; ++c) {
            const T* source = reinterpret_cast<const T*>(from + c * column_step);
            for (int64_t r = r0; r < r1; ++r)
                *reinterpret_cast<T*>(to + r * to_row + c * sizeof(T)) = source[r];
        }
    }
}

}  // namespace

void repeat_value(char* block, const char* value, int64_t item) {
    switch (item) {
        case 1:
            std::memset(block, *value, kRepeatBytes);
            break;
        case 2: {
            uint16_t v;
            std::memcpy(&v, value, 2);
            for (int i = 0; i < kRepeatBytes / 2; ++i) std::memcpy(block + 2 * i, &v, 2);
            break;
        }
        case 4: {
            uint32_t v;
            std::memcpy(&v, value, 4);
            for (int i = 0; i < kRepeatBytes / 4; ++i) std::memcpy(block + 4 * i, &v, 4);
            break;
        }
        default: {
            uint64_t v;
            std::memcpy(&v, value, 8);
            for (int i = 0; i < kRepeatBytes / 8; ++i) std::memcpy(block + 8 * i, &v, 8);
        }
    }
}

// Where every operand stands at an index of the outer axes, and how to go on from there.
struct Walk::Position {
    char* data[kOperands];
    int64_t index[kMaxDims];

    void next(const Walk& walk, int axes) {
        for (int i = axes - 1; i >= 0; --i) {
            for (int k = 0; k <= walk.arity_; ++k) data[k] += walk.strides_[k][i];
            if (++index[i] < walk.sizes_[i]) return;
            for (int k = 0; k <= walk.arity_; ++k) data[k] -= walk.strides_[k][i] * walk.sizes_[i];
            index[i] = 0;
        }
    }
};

Walk::Walk(const ArrayView* inputs, int arity, const ArrayView& out) : arity_(arity) {
    int order[kMaxDims];
    for (int i = 0; i < out.ndim; ++i) {
        numel_ *= out.shape[i];
        if (out.shape[i] == 1) continue;
        const int64_t step = std::abs(out.strides[i]);
        int at = ndim_++;
        for (; at > 0 && std::abs(out.strides[order[at - 1]]) < step; --at) order[at] = order[at - 1];
        order[at] = i;
    }
    for (int i = 0; i < ndim_; ++i) sizes_[i] = out.shape[order[i]];
    for (int k = 0; k <= arity; ++k) {
        const ArrayView& view = k < arity ? inputs[k] : out;
        const int missing = out.ndim - view.ndim;
        data_[k] = view.data;
        item_[k] = item_size(view.dtype);
        for (int i = 0; i < ndim_; ++i) {
            const int axis = order[i] - missing;
            strides_[k][i] = axis < 0 || view.shape[axis] == 1 ? 0 : view.strides[axis];
        }
    }
    merge_axes();
}

void Walk::merge_axes() {
    if (ndim_ == 0) {  // one element: one row of it
        ndim_ = 1;
        sizes_[0] = 1;
        for (int k = 0; k <= arity_; ++k) strides_[k][0] = item_[k];
        return;
    }
    int last = 0;
    for (int i = 1; i < ndim_; ++i) {
        bool mergeable = true;
        for (int k = 0; k <= arity_; ++k) mergeable &= strides_[k][last] == strides_[k][i] * sizes_[i];
        if (mergeable) {
            sizes_[last] *= sizes_[i];
        } else {
            sizes_[++last] = sizes_[i];
        }
        for (int k = 0; k <= arity_; ++k) strides_[k][last] = strides_[k][i];
    }
    ndim_ = last + 1;
}

int Walk::tile_axis() const {
    const int inner = ndim_ - 1;
    if (strides_[arity_][inner] != item_[arity_] || sizes_[inner] < kShortRow) return -1;
    for (int k = 0; k < arity_; ++k) {
        if (strides_[k][inner] == 0 || strides_[k][inner] == item_[k]) continue;
        for (int i = 0; i < inner; ++i)
            if (strides_[k][i] == item_[k] && sizes_[i] >= 8) return i;
    }
    return -1;
}

bool Walk::is_packed(int operand) const {
    int64_t expected = item_[operand];
    for (int i = ndim_ - 1; i >= 0; --i) {
        if (strides_[operand][i] != expected) return false;
        expected *= sizes_[i];
    }
    return true;
}

Walk::Position Walk::locate(int64_t index, int axes) const {
    Position position;
    for (int k = 0; k <= arity_; ++k) position.data[k] = data_[k];
    for (int i = axes - 1; i >= 0; --i) {
        position.index[i] = index % sizes_[i];
        index /= sizes_[i];
        for (int k = 0; k <= arity_; ++k) position.data[k] += position.index[i] * strides_[k][i];
    }
    return position;
}

void Walk::run(Loop loop, double ns, const double* params) const {
    if (numel_ == 0) return;
    const int axis = tile_axis();
    if (axis >= 0) {
        const int64_t tiles_of_axis = (sizes_[axis] + kTileRows - 1) / kTileRows;
        const int64_t units = numel_ / sizes_[axis] / sizes_[ndim_ - 1] * tiles_of_axis;
        const double tile_ns = 2 * ns * static_cast<double>(kTileRows * sizes_[ndim_ - 1]);
        parallel_for(0, units, Work{tile_ns},
                     [&](int64_t begin, int64_t end) { tiles(loop, begin, end, params); });
    } else if (ndim_ > 1 && sizes_[ndim_ - 1] < kShortRow) {
        parallel_for(0, numel_, Work{4 * ns, 64},
                     [&](int64_t begin, int64_t end) { flat(loop, begin, end, params); });
    } else {
        const bool down = static_cast<double>(numel_) * ns > kLeastWork && next_sweep_down();
        parallel_for(0, numel_, Work{ns, 1024}, [&](int64_t first, int64_t last) {
            sweep(down, first, last, [&](int64_t begin, int64_t end) { rows(loop, begin, end, params); });
        });
    }
}

// Elements [begin, end) in row-major order, row by row.
void Walk::rows(Loop loop, int64_t begin, int64_t end, const double* params) const {
    alignas(64) char buffer[kOperands][kChunk * kMaxItem];
    alignas(64) char repeated[2][kMaxArity][kRepeatBytes];
    const int inner = ndim_ - 1;
    const int64_t size = sizes_[inner];
    int64_t step[kOperands], loop_steps[kOperands];
    bool direct = true;
    for (int k = 0; k <= arity_; ++k) {
        step[k] = strides_[k][inner];
        loop_steps[k] = step[k] == 0 && k < arity_ ? 0 : 1;
        direct &= step[k] == item_[k] || loop_steps[k] == 0;
    }
    Position at = locate(begin / size, inner);
    const auto repeat = [&](int block) {
        for (int k = 0; k < arity_; ++k)
            if (loop_steps[k] == 0) repeat_value(repeated[block][k], at.data[k], item_[k]);
    };
    int block = 0;
    repeat(block);
    int64_t column = begin % size;
    while (begin < end) {
        const int64_t row_end = std::min(size, column + (end - begin));
        begin += row_end - column;
        char* row[kOperands];
        std::copy_n(at.data, arity_ + 1, row);
        const char* in[kOperands];
        for (int k = 0; k < arity_; ++k) in[k] = repeated[block][k];
        // The next row's values are stored a row before they are read: a vector that is loaded right after
        // several narrow stores to its place waits for all of them.
        at.next(*this, inner);
        block = 1 - block;
        if (begin < end) repeat(block);
        while (column < row_end) {
            const int64_t n = direct ? row_end - column : std::min(kChunk, row_end - column);
            for (int k = 0; k < arity_; ++k) {
                if (loop_steps[k] == 0) continue;
                in[k] = row[k] + column * step[k];
                if (step[k] == item_[k]) continue;
                copy_items(item_[k], buffer[k], item_[k], in[k], step[k], n);
                in[k] = buffer[k];
            }
            char* out = row[arity_] + column * step[arity_];
            if (step[arity_] == item_[arity_]) {
                loop(out, in, loop_steps, n, params);
            } else {
                loop(buffer[arity_], in, loop_steps, n, params);
                copy_items(item_[arity_], out, step[arity_], buffer[arity_], item_[arity_], n);
            }
            column += n;
        }
        column = 0;
    }
}

// Elements [begin, end) in row-major order, in chunks across rows: for short rows.
void Walk::flat(Loop loop, int64_t begin, int64_t end, const double* params) const {
    alignas(64) char buffer[kOperands][kChunk * kMaxItem];
    const int inner = ndim_ - 1;
    const int64_t size = sizes_[inner];
    bool packed[kOperands];
    int64_t loop_steps[kOperands];
    for (int k = 0; k <= arity_; ++k) {
        packed[k] = is_packed(k);
        loop_steps[k] = 1;
    }
    Position at = locate(begin / size, inner);
    int64_t column = begin % size;
    while (begin < end) {
        const int64_t n = std::min(kChunk, end - begin);
        const char* in[kOperands];
        for (int k = 0; k < arity_; ++k) in[k] = packed[k] ? data_[k] + begin * item_[k] : buffer[k];
        char* out = packed[arity_] ? data_[arity_] + begin * item_[arity_] : buffer[arity_];
        const Position start = at;
        const int64_t start_column = column;
        const auto each_row = [&](const auto& body) {
            at = start;
            column = start_column;
            for (int64_t done = 0; done < n;) {
                const int64_t count = std::min(size - column, n - done);
                body(done, count);
                done += count;
                column += count;
                if (column == size) {
                    column = 0;
                    at.next(*this, inner);
                }
            }
        };
        each_row([&](int64_t done, int64_t count) {
            for (int k = 0; k < arity_; ++k)
                if (!packed[k])
                    copy_items(item_[k], buffer[k] + done * item_[k], item_[k],
                               at.data[k] + column * strides_[k][inner], strides_[k][inner], count);
        });
        loop(out, in, loop_steps, n, params);
        if (!packed[arity_])
            each_row([&](int64_t done, int64_t count) {
                copy_items(item_[arity_], at.data[arity_] + column * strides_[arity_][inner],
                           strides_[arity_][inner], out + done * item_[arity_], item_[arity_], count);
            });
        begin += n;
    }
}

// Units [begin, end): each is up to kTileRows indices of the tile axis times the whole last axis.
void Walk::tiles(Loop loop, int64_t begin, int64_t end, const double* params) const {
    const int axis = tile_axis(), inner = ndim_ - 1;
    // A row of the buffer is a cache line longer than the tile: powers of two would share cache sets.
    constexpr int64_t row_bytes = kTileColumns * kMaxItem + 64;
    alignas(64) char buffer[kMaxArity][kTileRows * row_bytes];
    const int64_t tiles_of_axis = (sizes_[axis] + kTileRows - 1) / kTileRows;
    enum Access { in_place, repeated, transposed, strided };
    Access access[kMaxArity];
    int64_t loop_steps[kMaxArity];
    for (int k = 0; k < arity_; ++k) {
        const int64_t step = strides_[k][inner];
        access[k] = step == item_[k]                ? in_place
                    : step == 0                     ? repeated
                    : strides_[k][axis] == item_[k] ? transposed
                                                    : strided;
        loop_steps[k] = access[k] == repeated ? 0 : 1;
    }
    for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t first_row = unit % tiles_of_axis * kTileRows;
        const int64_t rows = std::min(kTileRows, sizes_[axis] - first_row);
        char* base[kOperands];
        int64_t rest = unit / tiles_of_axis;
        for (int k = 0; k <= arity_; ++k) base[k] = data_[k] + first_row * strides_[k][axis];
        for (int i = inner - 1; i >= 0; --i) {
            if (i == axis) continue;
            const int64_t index = rest % sizes_[i];
            rest /= sizes_[i];
            for (int k = 0; k <= arity_; ++k) base[k] += index * strides_[k][i];
        }
        for (int64_t c = 0; c < sizes_[inner]; c += kTileColumns) {
            const int64_t columns = std::min(kTileColumns, sizes_[inner] - c);
            for (int k = 0; k < arity_; ++k) {
                if (access[k] != transposed) continue;
                const char* from = base[k] + c * strides_[k][inner];
                switch (item_[k]) {
                    case 1:
                        transpose_tile<uint8_t>(buffer[k], row_bytes, from, strides_[k][inner], rows,
                                                columns);
                        break;
                    case 2:
                        transpose_tile<uint16_t>(buffer[k], row_bytes, from, strides_[k][inner], rows,
                                                 columns);
                        break;
                    case 4:
                        transpose_tile<uint32_t>(buffer[k], row_bytes, from, strides_[k][inner], rows,
                                                 columns);
                        break;
                    default:
                        transpose_tile<uint64_t>(buffer[k], row_bytes, from, strides_[k][inner], rows,
                                                 columns);
                }
            }
            for (int64_t r = 0; r < rows; ++r) {
                const char* in[kMaxArity];
                for (int k = 0; k < arity_; ++k) {
                    char* line = buffer[k] + r * row_bytes;
                    const char* from = base[k] + r * strides_[k][axis] + c * strides_[k][inner];
                    if (access[k] == repeated) repeat_value(line, from, item_[k]);
                    if (access[k] == strided)
                        copy_items(item_[k], line, item_[k], from, strides_[k][inner], columns);
                    in[k] = access[k] == in_place ? from : line;
                }
                loop(base[arity_] + r * strides_[arity_][axis] + c * item_[arity_], in, loop_steps, columns,
                     params);
            }
        }
    }
}

}  // namespace pt::pointwise
