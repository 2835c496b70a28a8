#include "kernels/reduce/reduce.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/reduce/layout.h"
#include "kernels/reduce/partial.h"

namespace pt::reduce {
namespace {

struct OpInfo {
    const char* name;
    Kind kind;
    Finish finish;
    bool floats_only;
    bool indices = false;  // gives them when asked
};
constexpr OpInfo kOps[] = {
    {"sum", kSum, kValue, false},        {"mean", kSum, kMean, true},
    {"prod", kProd, kValue, false},      {"max", kMax, kValue, false, true},
    {"min", kMin, kValue, false, true},  {"amax", kMax, kValue, false},
    {"amin", kMin, kValue, false},       {"argmax", kArgmax, kIndex, false},
    {"argmin", kArgmin, kIndex, false},  {"any", kAny, kValue, false},
    {"all", kAll, kValue, false},        {"var", kMoments, kVariance, true},
    {"std", kMoments, kDeviation, true}, {"sum_squares", kSumSquares, kValue, false},
    {"norm2", kSumSquares, kRoot, true}, {"nansum", kNanSum, kValue, true},
};
constexpr int kOpCount = sizeof(kOps) / sizeof(kOps[0]);

// The unit of work that results are cut into, whatever the number of threads.
constexpr int64_t kBlock = 65536;
constexpr double kResultNs = 10;         // of writing a result
constexpr double kRunNs = 10;            // of beginning with a run of elements
constexpr int64_t kRowChunk = 1 << 20;   // rows that a column kernel gets at once (its places are int32)
constexpr int64_t kFarBytes = 16 << 20;  // more do not stay in the last cache
constexpr int kTogether = 64;            // results that are walked through side by side
constexpr int kGather = 1024;            // elements gathered at a time when nothing is contiguous

// What an element costs, for the pool.
double element_ns(const Plan& plan, int64_t item) {
    if (item == 1) return 0.06;
    const bool twice = plan.kind == kMoments;
    const bool places = plan.kind == kArgmax || plan.kind == kArgmin;
    return static_cast<double>(item) * (twice ? 0.02 : places ? 0.014 : 0.011);
}

void fold_row(const Plan& plan, const char* x, int64_t n, Partial& result) {
    if (n == 0) return set_identity(plan, result);
    plan.kernel.row(x, n, &result);
}

// A long contiguous row: blocks of fixed size, merged in order.
void fold_blocks(const Plan& plan, const char* x, int64_t n, int64_t item, Partial& result) {
    if (n <= kBlock) return fold_row(plan, x, n, result);
    const int64_t blocks = (n + kBlock - 1) / kBlock;
    pool::Scratch scratch(static_cast<size_t>(blocks) * sizeof(Partial));
    Partial* partials = scratch.as<Partial>();
    parallel_for(0, blocks, Work{element_ns(plan, item) * kBlock}, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
            const int64_t start = b * kBlock;
            plan.kernel.row(x + start * item, n - start < kBlock ? n - start : kBlock, &partials[b]);
            partials[b].index += start;
        }
    });
    result = partials[0];
    for (int64_t b = 1; b < blocks; ++b) merge(plan, result, partials[b]);
}

// ---- the three ways through a general layout ----
// Each folds a span of the reduced elements of one result (or of neighbouring results) into a partial.

// Reduced elements are runs of `run` contiguous ones.
struct Rows {
    const Plan& plan;
    const Layout& layout;
    int64_t item;
    Axes outer;  // reduced axes but the run
    int64_t run;

    int64_t units() const { return outer.numel(); }
    int64_t unit_elements() const { return run; }
    // Results whose runs lie between those of one of them, the channels of (batch, channels, plane): one
    // after the other they would be read at large strides.
    int64_t results_together() const {
        const Axes& kept = layout.kept;
        if (kept.count == 0 || outer.count == 0) return 1;
        const int last = kept.count - 1;
        if (kept.in[last] > outer.in[outer.count - 1]) return 1;
        return kept.size[last] < kTogether ? kept.size[last] : kTogether;
    }

    void fold(const char* x, int64_t begin, int64_t end, Partial& result) const {
        for (int64_t u = begin; u < end; ++u) {
            Partial p;
            const char* row = x + outer.offset(outer.in, u);
            if (run > kBlock)
                fold_blocks(plan, row, run, item, p);
            else
                plan.kernel.row(row, run, &p);
            if (u == begin)
                result = p;
            else
                merge(plan, result, p);
        }
    }
};

// Nothing is contiguous, or places must be counted through several axes: elements are gathered.
template <class T>
void gather(T* to, const char* from, const Axes& axes, int64_t begin, int64_t count) {
    const int last = axes.count - 1;
    const int64_t n = last >= 0 ? axes.size[last] : 1;
    const int64_t step = last >= 0 ? axes.in[last] : 0;
    for (int64_t done = 0; done < count;) {
        const int64_t at = (begin + done) % n;
        const int64_t part = count - done < n - at ? count - done : n - at;
        const char* x = from + axes.offset(axes.in, begin + done);
        for (int64_t k = 0; k < part; ++k) to[done + k] = *reinterpret_cast<const T*>(x + k * step);
        done += part;
    }
}

struct Gathered {
    const Plan& plan;
    const Layout& layout;
    int64_t item;

    int64_t results_together() const { return 1; }
    int64_t units() const { return (layout.reduced.numel() + kGather - 1) / kGather; }
    int64_t unit_elements() const {
        const int64_t n = layout.reduced.numel();
        return n < kGather ? n : kGather;
    }

    void fold(const char* x, int64_t begin, int64_t end, Partial& result) const {
        alignas(64) char buffer[kGather * 8];
        const int64_t total = layout.reduced.numel();
        for (int64_t u = begin; u < end; ++u) {
            const int64_t start = u * kGather;
            const int64_t n = total - start < kGather ? total - start : kGather;
            if (item == 4)
                gather(reinterpret_cast<uint32_t*>(buffer), x, layout.reduced, start, n);
            else if (item == 8)
                gather(reinterpret_cast<uint64_t*>(buffer), x, layout.reduced, start, n);
            else
                gather(reinterpret_cast<uint8_t*>(buffer), x, layout.reduced, start, n);
            Partial p;
            plan.kernel.row(buffer, n, &p);
            p.index += start;
            if (u == begin)
                result = p;
            else
                merge(plan, result, p);
        }
    }
};

// The partials of the results begin .. end. More than one: unit by unit, as they follow each other in memory.
template <class Way>
void fold_together(const Plan& plan, const Layout& layout, const Way& way, int64_t begin, int64_t end,
                   Partial* partials) {
    const Axes& kept = layout.kept;
    if (end - begin == 1) return way.fold(layout.in + kept.offset(kept.in, begin), 0, way.units(), *partials);
    const char* starts[kTogether];
    for (int64_t k = 0; k < end - begin; ++k) starts[k] = layout.in + kept.offset(kept.in, begin + k);
    for (int64_t k = 0; k < end - begin; ++k) way.fold(starts[k], 0, 1, partials[k]);
    for (int64_t u = 1; u < way.units(); ++u)
        for (int64_t k = 0; k < end - begin; ++k) {
            Partial p;
            way.fold(starts[k], u, u + 1, p);
            merge(plan, partials[k], p);
        }
}

// One partial per result. Few results of many elements are cut into spans of units, merged in order; where
// they are cut depends on the shape alone.
template <class Way>
void reduce_each(const Plan& plan, const Layout& layout, const Way& way) {
    const Axes& kept = layout.kept;
    const int64_t results = kept.numel();
    const int64_t units = way.units();
    const auto place = [&](char* base, const int64_t* strides, int64_t i) {
        return base != nullptr ? base + kept.offset(strides, i) : nullptr;
    };
    const double unit_ns = element_ns(plan, way.item) * static_cast<double>(way.unit_elements()) + kRunNs;
    const int64_t span_units = kBlock / way.unit_elements() + 1;
    const int64_t spans = (units + span_units - 1) / span_units;
    if (results >= 16 || spans == 1) {
        const int64_t together = way.results_together();
        const Work work{unit_ns * static_cast<double>(units) + kResultNs, (together + 3) / 4};
        parallel_for(0, results, work, [&](int64_t begin, int64_t end) {
            Partial partials[kTogether];
            for (int64_t i = begin; i < end; i += together) {
                const int64_t last = end - i < together ? end : i + together;
                fold_together(plan, layout, way, i, last, partials);
                for (int64_t k = i; k < last; ++k)
                    write(plan, partials[k - i], place(layout.out, kept.out, k),
                          place(layout.index, kept.index, k));
            }
        });
        return;
    }
    pool::Scratch scratch(static_cast<size_t>(results * spans) * sizeof(Partial));
    Partial* partials = scratch.as<Partial>();
    const double span_ns = unit_ns * static_cast<double>(span_units < units ? span_units : units);
    parallel_for(0, results * spans, Work{span_ns}, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t first = i % spans * span_units;
            const int64_t last = first + span_units < units ? first + span_units : units;
            way.fold(layout.in + kept.offset(kept.in, i / spans), first, last, partials[i]);
        }
    });
    for (int64_t i = 0; i < results; ++i) {
        Partial& p = partials[i * spans];
        for (int64_t s = 1; s < spans; ++s) merge(plan, p, partials[i * spans + s]);
        write(plan, p, place(layout.out, kept.out, i), place(layout.index, kept.index, i));
    }
}

// Many rows that one leaf holds: their results come by the batch, without partials.
bool rows_are_short(const Plan& plan, const Layout& layout) {
    return layout.kept.count == 1 && layout.reduced.count == 1 &&
           layout.reduced.size[0] <= plan.kernel.longest && layout.kept.size[0] >= 4 && plan.kind != kAny &&
           plan.kind != kAll;
}

// store(values of the rows `first` .. `first + rows`, first, rows) for all rows, in batches.
template <class Value, class Store>
void each_short_rows(const Plan& plan, const Layout& layout, int64_t item, const Store& store) {
    const Axes& kept = layout.kept;
    const int64_t n = layout.reduced.size[0];
    // Memory must not wait while lanes are joined: more than a few MB are fetched ahead. Longer rows the
    // hardware sees coming, as long as they lie in the cache.
    const int64_t ahead = kept.size[0] * n * item > (n * item < 2048 ? kFarBytes / 2 : kFarBytes) ? 8192 : 0;
    const Work work{element_ns(plan, item) * static_cast<double>(n) + 1, kShortRows};
    parallel_for(0, kept.size[0], work, [&](int64_t begin, int64_t end) {
        Value values[kShortRows];
        for (int64_t i = begin; i < end; i += kShortRows) {
            const int64_t rows = end - i < kShortRows ? end - i : kShortRows;
            plan.kernel.short_rows({layout.in + i * kept.in[0], rows, kept.in[0], n, ahead,
                                    plan.finish == kMean, plan.finish == kRoot},
                                   values);
            store(values, i, rows);
        }
    });
}

template <class T>
void reduce_short_rows(const Plan& plan, const Layout& layout) {
    const Axes& kept = layout.kept;
    each_short_rows<T>(plan, layout, sizeof(T), [&](T* values, int64_t first, int64_t rows) {
        for (int64_t k = 0; k < rows; ++k)
            *reinterpret_cast<T*>(layout.out + (first + k) * kept.out[0]) = values[k];
    });
}

// Of argmax and argmin.
void find_in_short_rows(const Plan& plan, const Layout& layout, int64_t item) {
    const Axes& kept = layout.kept;
    each_short_rows<Partial>(plan, layout, item, [&](const Partial* found, int64_t first, int64_t rows) {
        for (int64_t k = 0; k < rows; ++k)
            write(plan, found[k], layout.out + (first + k) * kept.out[0],
                  layout.index == nullptr ? nullptr : layout.index + (first + k) * kept.index[0]);
    });
}

// The innermost kept axis is contiguous: blocks of up to kColumns neighbouring results at a time. `rows` is
// the innermost reduced axis, `outer_reduced` and `outer_kept` are the others.
struct Columns {
    const Plan& plan;
    const Layout& layout;
    int64_t item;
    Axes outer_kept;
    Axes outer_reduced;
    int64_t cols, rows, row_stride, col_out, col_index;

    void fold(const char* x, int64_t width, int64_t first_row, int64_t last_row, ColumnState& state) const {
        state.count = 0;
        for (int64_t u = 0; u < outer_reduced.numel(); ++u) {
            const char* base = x + outer_reduced.offset(outer_reduced.in, u);
            for (int64_t r = first_row; r < last_row; r += kRowChunk) {
                const int64_t n = last_row - r < kRowChunk ? last_row - r : kRowChunk;
                plan.kernel.columns(base + r * row_stride, n, row_stride, width, &state);
            }
        }
    }

    void put(const ColumnState& state, int64_t outer, int64_t block) const {
        const int64_t col = block * kColumns;
        char* out = layout.out + outer_kept.offset(outer_kept.out, outer) + col * col_out;
        char* index = layout.index == nullptr
                          ? nullptr
                          : layout.index + outer_kept.offset(outer_kept.index, outer) + col * col_index;
        write_columns(plan, state, width_of(block), out, col_out, index, col_index);
    }

    void run() const {
        const int64_t blocks = (cols + kColumns - 1) / kColumns;
        const int64_t outer = outer_kept.numel();
        const int64_t width = cols < kColumns ? cols : kColumns;
        const int64_t others = outer_reduced.numel() * width;
        const int64_t span = kBlock / others < 64 ? 64 : kBlock / others;
        const int64_t spans = blocks * outer >= 16 ? 1 : (rows + span - 1) / span;
        if (spans == 1)
            whole(blocks, outer);
        else
            in_spans(blocks, outer, spans, span);
    }

  private:
    const char* start(int64_t outer, int64_t block) const {
        return layout.in + outer_kept.offset(outer_kept.in, outer) + block * kColumns * item;
    }
    int64_t width_of(int64_t block) const {
        const int64_t rest = cols - block * kColumns;
        return rest < kColumns ? rest : kColumns;
    }

    // Of one block of columns, so many of its rows.
    Work work(int64_t some) const {
        const int64_t width = cols < kColumns ? cols : kColumns;
        const int64_t elements = outer_reduced.numel() * some * width;
        return {element_ns(plan, item) * static_cast<double>(elements) + kRunNs};
    }

    void whole(int64_t blocks, int64_t outer) const {
        parallel_for(0, outer * blocks, work(rows), [&](int64_t begin, int64_t end) {
            ColumnState state;
            for (int64_t t = begin; t < end; ++t) {
                const int64_t o = t / blocks;
                const int64_t b = t % blocks;
                fold(start(o, b), width_of(b), 0, rows, state);
                put(state, o, b);
            }
        });
    }

    void in_spans(int64_t blocks, int64_t outer, int64_t spans, int64_t span) const {
        pool::Scratch scratch(static_cast<size_t>(outer * blocks * spans) * sizeof(ColumnState));
        ColumnState* states = scratch.as<ColumnState>();
        parallel_for(0, outer * blocks * spans, work(span), [&](int64_t begin, int64_t end) {
            for (int64_t t = begin; t < end; ++t) {
                const int64_t first = t % spans * span;
                const int64_t last = first + span < rows ? first + span : rows;
                const int64_t b = t / spans % blocks;
                fold(start(t / spans / blocks, b), width_of(b), first, last, states[t]);
            }
        });
        for (int64_t t = 0; t < outer * blocks; ++t) {
            const int64_t b = t % blocks;
            for (int64_t s = 1; s < spans; ++s)
                merge_columns(plan, states[t * spans], states[t * spans + s], width_of(b), s * span);
            put(states[t * spans], t / blocks, b);
        }
    }
};

Axes without_last(const Axes& axes) {
    Axes rest = axes;
    --rest.count;
    return rest;
}

void run_general(const Plan& plan, const Layout& layout, int64_t item) {
    const Axes& kept = layout.kept;
    const Axes& reduced = layout.reduced;
    const bool places = plan.kind == kArgmax || plan.kind == kArgmin;
    const bool one_axis = !places || reduced.count <= 1;
    if (one_axis && reduced.count > 0 && reduced.in[reduced.count - 1] == item) {
        if (rows_are_short(plan, layout) && places) return find_in_short_rows(plan, layout, item);
        if (rows_are_short(plan, layout))
            return !plan.floating ? reduce_short_rows<int64_t>(plan, layout)
                   : item == 4    ? reduce_short_rows<float>(plan, layout)
                                  : reduce_short_rows<double>(plan, layout);
        reduce_each(plan, layout,
                    Rows{plan, layout, item, without_last(reduced), reduced.size[reduced.count - 1]});
    } else if (one_axis && reduced.count > 0 && kept.count > 0 && kept.in[kept.count - 1] == item) {
        const int k = kept.count - 1;
        const int r = reduced.count - 1;
        Columns{plan,         layout,          item,          without_last(kept), without_last(reduced),
                kept.size[k], reduced.size[r], reduced.in[r], kept.out[k],        kept.index[k]}
            .run();
    } else {
        reduce_each(plan, layout, Gathered{plan, layout, item});
    }
}

void fill_identity(const Plan& plan, const Layout& layout) {
    Partial p;
    set_identity(plan, p);
    const int64_t results = layout.kept.numel();
    for (int64_t i = 0; i < results; ++i)
        write(plan, p, layout.out + layout.kept.offset(layout.kept.out, i), nullptr);
}

}  // namespace

int find(const char* name) {
    for (int op = 0; op < kOpCount; ++op)
        if (std::strcmp(kOps[op].name, name) == 0) return op;
    return -1;
}
const char* name(int op) { return kOps[op].name; }
int num_ops() { return kOpCount; }

bool supports(int op, DType input) {
    const int slot = type_slot(input);
    const Kind kind = kOps[op].kind;
    // PyTorch gives bytes for any and all of bytes, and refuses argmax and argmin of booleans.
    if (input == DType::uint8 && (kind == kAny || kind == kAll)) return false;
    if (input == DType::boolean && (kind == kArgmax || kind == kArgmin)) return false;
    return slot >= 0 && (slot < 2 || !kOps[op].floats_only);
}

DType result_dtype(int op, DType input) {
    switch (kOps[op].kind) {
        case kArgmax:
        case kArgmin:
            return DType::int64;
        case kAny:
        case kAll:
            return DType::boolean;
        case kMax:
        case kMin:
            return input;
        default:
            return type_slot(input) < 2 ? input : DType::int64;
    }
}

bool needs_elements(int op) {
    const Kind kind = kOps[op].kind;
    return kind == kMax || kind == kMin || kind == kArgmax || kind == kArgmin;
}
bool has_indices(int op) { return kOps[op].indices; }

void run(int op, const ArrayView& in, uint64_t axes, const ArrayView& out, const ArrayView* indices,
         double param) {
    const OpInfo& info = kOps[op];
    Kind kind = info.kind;
    if (indices != nullptr) kind = kind == kMax ? kArgmax : kArgmin;
    const int slot = type_slot(in.dtype);
    Plan plan{PT_SELECT(Kernels).at[kind][slot], kind, info.finish, slot < 2,
              result_dtype(op, in.dtype),        1,    param};
    bool all = true;
    for (int i = 0; i < in.ndim; ++i) {
        if ((axes >> i & 1) != 0)
            plan.elements *= in.shape[i];
        else if (in.shape[i] != 1)
            all = false;
    }
    const int64_t item = item_size(in.dtype);
    if (all && plan.elements > 0 && in.is_contiguous()) {
        Partial p;
        fold_blocks(plan, in.data, plan.elements, item, p);
        return write(plan, p, out.data, indices != nullptr ? indices->data : nullptr);
    }
    const bool places = kind == kArgmax || kind == kArgmin;
    Layout layout;
    sort_out(in, axes, out, indices, places, layout);
    if (layout.kept.numel() == 0) return;
    if (plan.elements == 0) return fill_identity(plan, layout);
    run_general(plan, layout, item);
}

}  // namespace pt::reduce
