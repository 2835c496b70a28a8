#include "kernels/index/lines.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/index/copy.h"
#include "kernels/index/kernels.h"

namespace pt::index {
namespace {

constexpr int64_t kNear = 1 << 18;  // bytes of x that stay in the second-level cache while indices go by
constexpr int64_t kStripUnit = 16;  // columns
constexpr int64_t kAhead = 12;      // rows that are fetched before they are needed
constexpr int64_t kFetched = 512;   // bytes of each

// A line, and the way to the next one.
struct Cursor {
    const Lines& lines;
    char* x;
    char* y;
    const char* index;
    int64_t other = 0;  // its number when the indexed axis does not count
    int64_t at[kMaxDims];
    int64_t step[kMaxDims];  // of that number

    Cursor(const Lines& lines, int64_t line)
        : lines(lines), x(lines.x.data), y(lines.y.data), index(lines.index.data) {
        int64_t others = 1;
        for (int i = lines.last - 1; i >= 0; --i) {
            const int64_t n = lines.index.shape[i];
            step[i] = i == lines.axis ? 0 : others;
            if (i != lines.axis) others *= n;
            at[i] = line % n;
            line /= n;
            move(i, at[i]);
        }
    }
    void next() {
        for (int i = lines.last - 1; i >= 0; --i) {
            if (++at[i] < lines.index.shape[i]) return move(i, 1);
            at[i] = 0;
            move(i, 1 - lines.index.shape[i]);
        }
    }
    int64_t place() const { return *reinterpret_cast<const int64_t*>(index); }
    Stretch stretch(int64_t begin, int64_t end) const { return {lines, x, y, index, begin, end}; }

    bool is_inside(int64_t begin, int64_t end) const {
        const int64_t step = lines.step_index;
        const char* from = index + begin * step;
        if (step == static_cast<int64_t>(sizeof(int64_t)))
            return in_bounds(reinterpret_cast<const int64_t*>(from), end - begin, lines.size);
        int64_t signs = 0;
        for (int64_t i = begin; i < (step == 0 ? begin + 1 : end); ++i, from += step) {
            const int64_t number = *reinterpret_cast<const int64_t*>(from);
            signs |= number | (lines.size - 1 - number);
        }
        return signs >= 0;
    }

  private:
    void move(int i, int64_t steps) {
        if (i != lines.axis) x += steps * lines.x.strides[i];
        y += steps * lines.y.strides[i];
        index += steps * lines.index.strides[i];
        other += steps * step[i];
    }
};

void fetch(const char* from, int64_t bytes) {
    for (int64_t b = 0; b < bytes && b < kFetched; b += 64) __builtin_prefetch(from + b);
}

// Whether the index has every line of x: so each of them can be begun when it is come to.
bool has_all_lines(const Lines& l) {
    for (int i = 0; i < l.last; ++i)
        if (l.index.shape[i] != l.x.shape[i]) return false;
    return true;
}

// Along the indexed axis of an x that is only read: anything may be cut.
bool walk_read(const Lines& lines, const Errand& errand) {
    std::atomic<bool> inside{true};
    parallel_for(0, lines.count * lines.length, Work{errand.ns}, [&](int64_t first, int64_t last) {
        Cursor at(lines, first / lines.length);
        for (int64_t i = first; i < last; at.next()) {
            const int64_t begin = i % lines.length;
            const int64_t end = std::min(begin + last - i, lines.length);
            if (!at.is_inside(begin, end)) return inside.store(false, std::memory_order_relaxed);
            errand.along(at.stretch(begin, end));
            i += end - begin;
        }
    });
    return inside.load(std::memory_order_relaxed);
}

// Along the indexed axis: an index stays in its line of x.
bool walk_along(const Lines& lines, const Errand& errand) {
    const int64_t bytes = lines.size * item_size(lines.x.dtype);
    const char* start = errand.start != nullptr ? errand.start->data : nullptr;
    if (start != nullptr && !has_all_lines(lines)) {
        copy(*errand.start, lines.x);
        start = nullptr;
    }
    const auto copy_lines = PT_SELECT(Kernels).copy_lines;
    std::atomic<bool> inside{true};
    const Work work{errand.ns * static_cast<double>(lines.length)};
    parallel_for(0, lines.count, work, [&](int64_t begin, int64_t end) {
        Cursor at(lines, begin);
        for (int64_t i = begin; i < end; ++i, at.next()) {
            if (!at.is_inside(0, lines.length)) return inside.store(false, std::memory_order_relaxed);
            if (start != nullptr) copy_lines(start + (at.x - lines.x.data), 0, at.x, 0, bytes, 1);
            if (errand.fill != nullptr) errand.fill(at.stretch(0, lines.length));
            errand.along(at.stretch(0, lines.length));
        }
    });
    return inside.load(std::memory_order_relaxed);
}

bool walk_lines(const Lines& lines, Along along, int64_t begin, int64_t end) {
    Cursor at(lines, 0);
    for (int64_t i = 0; i < lines.count; ++i, at.next()) {
        if (!at.is_inside(begin, end)) return false;
        along(at.stretch(begin, end));
    }
    return true;
}

bool walk_filled(const Lines& lines, const Errand& errand, int64_t begin, int64_t end) {
    return (errand.fill == nullptr || walk_lines(lines, errand.fill, begin, end)) &&
           walk_lines(lines, errand.along, begin, end);
}

// What goes to one row of x.
struct Visit {
    char* x;
    char* y;
};

// An index moves a whole row. Put in the order of the rows where they go, first come first, threads share the
// rows of x, and each is near while all that belongs to it comes by.
bool walk_rows(const Lines& lines, const Errand& errand) {
    if (errand.start != nullptr) copy(*errand.start, lines.x);
    int64_t rows = lines.size;
    for (int i = 0; i < lines.last; ++i) rows *= i == lines.axis ? 1 : lines.index.shape[i];
    if (rows > 4 * lines.count) return walk_filled(lines, errand, 0, lines.length);
    const int64_t n = lines.count;
    pool::Scratch room(static_cast<size_t>(rows + 1 + n) * sizeof(int64_t));
    pool::Scratch ordered(static_cast<size_t>(n) * sizeof(Visit));
    int64_t* const end = room.as<int64_t>();
    int64_t* const row = end + rows + 1;  // of each line
    Visit* const visits = ordered.as<Visit>();
    std::memset(end, 0, static_cast<size_t>(rows + 1) * sizeof(int64_t));
    Cursor at(lines, 0);
    for (int64_t i = 0; i < n; ++i, at.next()) {
        const int64_t place = at.place();
        if (place < 0 || place >= lines.size) return false;
        row[i] = at.other * lines.size + place;
        ++end[row[i] + 1];
    }
    for (int64_t r = 0; r < rows; ++r) end[r + 1] += end[r];
    Cursor again(lines, 0);
    for (int64_t i = 0; i < n; ++i, again.next())
        visits[end[row[i]]++] = {again.x + again.place() * lines.jump, again.y};
    const int64_t bytes = lines.length * item_size(lines.x.dtype);
    const Along begin_row = errand.first != nullptr ? errand.first : errand.along;
    const double each = static_cast<double>(n) / static_cast<double>(rows);
    const Work work{each * (static_cast<double>(bytes) * 0.03 + 2) + 1};
    const int64_t zero = 0;
    parallel_for(0, rows, work, [&](int64_t first, int64_t last) {
        const int64_t stop = end[last - 1];
        for (int64_t r = first, k = r > 0 ? end[r - 1] : 0; r < last; ++r)
            for (Along now = begin_row; k < end[r]; ++k, now = errand.along) {
                if (k + kAhead < stop) fetch(visits[k + kAhead].y, bytes);
                now({lines, visits[k].x, visits[k].y, reinterpret_cast<const char*>(&zero), 0, lines.length});
            }
    });
    return true;
}

// Columns [begin, end) of an array along its last axis.
OwnedView columns_of(const ArrayView& x, int64_t begin, int64_t end) {
    OwnedView part(x);
    part.data += begin * x.strides[x.ndim - 1];
    part.sizes[x.ndim - 1] = end - begin;
    return part;
}

// How many columns of x are walked at a time in a copy that stays near while all indices go by; 0: x is
// walked where it is, because it is small, or too high for that, or met too seldom.
int64_t strip_of(const Lines& l) {
    int64_t rows = 1;
    for (int i = 0; i < l.last; ++i) {
        rows *= l.x.shape[i];
        if (i < l.axis && l.x.shape[i] > 1) return 0;
    }
    const int64_t item = item_size(l.x.dtype);
    if (rows * l.length * item <= 2 * kNear || l.length != l.x.shape[l.last] || l.count < rows) return 0;
    const int64_t strip = kNear / (rows * item) / kStripUnit * kStripUnit;
    return strip;
}

// Threads share the columns.
bool walk_columns(const Lines& lines, const Errand& errand) {
    std::atomic<bool> inside{true};
    const int64_t strip = strip_of(lines);
    const ArrayView& start = errand.start != nullptr ? *errand.start : lines.x;
    if (strip == 0 && errand.start != nullptr) copy(start, lines.x);
    const Work work{errand.ns * static_cast<double>(lines.count), kStripUnit};
    parallel_for(0, lines.length, work, [&](int64_t first, int64_t last) {
        if (strip == 0 && !walk_filled(lines, errand, first, last))
            inside.store(false, std::memory_order_relaxed);
        if (strip == 0) return;
        pool::Scratch room(static_cast<size_t>(kNear));
        for (int64_t begin = first; begin < last; begin += strip) {
            const int64_t end = std::min(begin + strip, last);
            OwnedView near = columns_of(start, begin, end);
            near.data = room.as<char>();
            int64_t step = item_size(near.dtype);
            for (int i = near.ndim - 1; i >= 0; step *= near.sizes[i--]) near.steps[i] = step;
            copy(columns_of(start, begin, end), near);
            const OwnedView y = columns_of(lines.y, begin, end), index = columns_of(lines.index, begin, end);
            if (!walk_filled(Lines(index, near, y, lines.axis), errand, 0, end - begin))
                return inside.store(false, std::memory_order_relaxed);
            if (errand.writes_x) copy(near, columns_of(lines.x, begin, end));
        }
    });
    return inside.load(std::memory_order_relaxed);
}

}  // namespace

bool walk(const Lines& lines, const Errand& errand) {
    if (lines.axis == lines.last) return (errand.writes_x ? walk_along : walk_read)(lines, errand);
    return errand.writes_x && lines.step_index == 0 ? walk_rows(lines, errand) : walk_columns(lines, errand);
}

}  // namespace pt::index
