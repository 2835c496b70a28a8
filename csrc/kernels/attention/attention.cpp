// The choice of kernels, and the division of the work: heads and blocks of queries forward, heads (and parts
// of their queries, where heads are few) backward.
#include "kernels/attention/attention.h"

#include <algorithm>

#include "base/parallel.h"
#include "base/pool.h"

namespace pt::attention {

namespace {

const Table<float>& table(float) { return PT_SELECT(Kernels).f32; }
const Table<double>& table(double) { return PT_SELECT(Kernels).f64; }

// Where element (0, 0) of matrix `item` lies, in bytes; `lead` leading axes.
int64_t offset(const ArrayView& view, int lead, const int64_t* sizes, int64_t item) {
    int64_t bytes = 0;
    for (int axis = lead - 1; axis >= 0; --axis) {
        if (view.shape[axis] != 1) bytes += item % sizes[axis] * view.strides[axis];
        item /= sizes[axis];
    }
    return bytes;
}

template <class T>
struct Place {
    T* data;
    int64_t row, column;
};
template <class T>
Place<T> place(const ArrayView& view, int lead, const int64_t* sizes, int64_t item) {
    constexpr auto size = static_cast<int64_t>(sizeof(T));
    return {reinterpret_cast<T*>(view.data + offset(view, lead, sizes, item)), view.strides[lead] / size,
            view.strides[lead + 1] / size};
}

template <class T>
Head<T> head_of(const Inputs& in, const Options& options, const ArrayView& out, const ArrayView& logsumexp,
                int64_t item) {
    const int lead = in.query.ndim - 2;
    const int64_t* sizes = in.query.shape;
    const auto q = place<T>(in.query, lead, sizes, item), k = place<T>(in.key, lead, sizes, item),
               v = place<T>(in.value, lead, sizes, item), o = place<T>(out, lead, sizes, item);
    Head<T> h{};
    h.queries = sizes[lead], h.depth = sizes[lead + 1];
    h.keys = in.key.shape[lead], h.width = in.value.shape[lead + 1];
    h.q = q.data, h.q_row = q.row, h.q_column = q.column;
    h.k = k.data, h.k_row = k.row, h.k_column = k.column;
    h.v = v.data, h.v_row = v.row, h.v_column = v.column;
    h.out = o.data, h.out_row = o.row, h.out_column = o.column;
    h.logsumexp = logsumexp.as<T>() + item * h.queries;
    if (in.mask != nullptr && in.mask->dtype == DType::boolean) {
        const auto mask = place<uint8_t>(*in.mask, lead, sizes, item);
        h.kept = mask.data, h.mask_row = mask.row, h.mask_column = mask.column;
    } else if (in.mask != nullptr) {
        const auto mask = place<T>(*in.mask, lead, sizes, item);
        h.added = mask.data, h.mask_row = mask.row, h.mask_column = mask.column;
    }
    if (in.dropout != nullptr) h.dropout = in.dropout->as<uint8_t>() + item * h.queries * h.keys;
    h.scale = static_cast<T>(options.scale), h.keep_scale = static_cast<T>(options.keep_scale);
    h.causal = options.causal;
    return h;
}

int64_t heads_of(const ArrayView& query) {
    int64_t n = 1;
    for (int axis = 0; axis < query.ndim - 2; ++axis) n *= query.shape[axis];
    return n;
}

// A piece of so many multiplications: measured, 45 in a nanosecond.
template <class T>
Work work_of(int64_t multiplications, int64_t unit = 1) {
    return {static_cast<double>(multiplications) * sizeof(T) / 180, unit};
}

template <class T>
void forward_heads(const Inputs& in, const Options& options, const ArrayView& out,
                   const ArrayView& logsumexp) {
    const int64_t heads = heads_of(in.query);
    if (heads == 0) return;
    const Head<T> first = head_of<T>(in, options, out, logsumexp, 0);
    const int64_t blocks = (first.queries + kBlockQueries - 1) / kBlockQueries;
    // A few queries take as long as some more: the keys have to be read.
    const int64_t work =
        std::clamp<int64_t>(first.queries, 8, kBlockQueries) * first.keys * (first.depth + first.width);
    const int64_t unit = heads >= 4 * num_threads() ? blocks : 1;  // whole heads where there are enough
    parallel_for(0, heads * blocks, work_of<T>(work, unit), [&](int64_t begin, int64_t end) {
        while (begin < end) {
            const int64_t item = begin / blocks, last = std::min(end, (item + 1) * blocks);
            table(T{}).forward(head_of<T>(in, options, out, logsumexp, item), begin - item * blocks,
                               last - item * blocks);
            begin = last;
        }
    });
}

// Heads that share their keys (a group), times parts of their queries: what adds up to the gradient of one
// matrix of keys. The parts depend on the sizes only, and are added in order: so results do not depend on the
// number of threads.
struct Division {
    int64_t groups, members, splits;
    int64_t parts() const { return members * splits; }
};

Division divide(const Inputs& in, const Gradients& gradients) {
    constexpr int64_t kPieces = 8, kLeastQueries = 192;
    const int lead = in.query.ndim - 2;
    const int64_t heads = heads_of(in.query), queries = in.query.shape[lead];
    const bool shared = lead > 0 && gradients.key.shape[lead - 1] != in.query.shape[lead - 1];
    const int64_t members = shared ? in.query.shape[lead - 1] : 1;
    const int64_t splits =
        std::clamp<int64_t>(std::min(kPieces / heads, queries / kLeastQueries), 1, kPieces);
    return {heads / members, members, splits};
}

template <class T>
Gradient<T> gradient_of(const ArrayView& grad, const Inputs& in, const Gradients& to, int64_t item) {
    const int lead = in.query.ndim - 2;
    const int64_t* sizes = in.query.shape;
    const auto out = place<T>(grad, lead, sizes, item), q = place<T>(to.query, lead, sizes, item),
               k = place<T>(to.key, lead, sizes, item), v = place<T>(to.value, lead, sizes, item);
    T* scores = to.mask == nullptr ? nullptr : to.mask->as<T>() + item * sizes[lead] * in.key.shape[lead];
    return {out.data, out.row,  out.column, q.data, q.row,    q.column, k.data,
            k.row,    k.column, v.data,     v.row,  v.column, scores,   false};
}

// Parts [begin, end) of all groups, each into its own gradients of keys and values: those of part 0 of a
// group are the results, the others lie in `spare`; or, where one call does all parts of a group, all in the
// results.
template <class T>
struct BackwardWork {
    const ArrayView& grad;
    const Inputs& in;
    const Options& options;
    const ArrayView &out, &logsumexp;
    const Gradients& to;
    Division division;
    T* spare;

    void run(int64_t part) const {
        const int64_t parts = division.parts(), group = part / parts, member = part % parts / division.splits;
        const int64_t split = part % division.splits, item = group * division.members + member;
        const Head<T> h = head_of<T>(in, options, out, logsumexp, item);
        Gradient<T> g = gradient_of<T>(grad, in, to, item);
        const int64_t own = part % parts;
        if (own > 0 && spare == nullptr) g.add_to_kv = true;
        if (own > 0 && spare != nullptr) {
            T* at = spare + (group * (parts - 1) + own - 1) * h.keys * (h.depth + h.width);
            g.k = at, g.k_row = h.depth, g.k_column = 1;
            g.v = at + h.keys * h.depth, g.v_row = h.width, g.v_column = 1;
        }
        // Whole blocks, so that only the last split has a smaller one.
        const int64_t blocks = (h.queries + kBlockQueries - 1) / kBlockQueries;
        const auto from = [&](int64_t s) {
            return std::min(blocks * s / division.splits * kBlockQueries, h.queries);
        };
        table(T{}).backward(h, g, from(split), from(split + 1));
    }

    void add_spare(int64_t group) const {
        const int64_t parts = division.parts(), item = group * division.members;
        const Gradient<T> g = gradient_of<T>(grad, in, to, item);
        const int lead = in.query.ndim - 2;
        const int64_t keys = in.key.shape[lead], depth = in.query.shape[lead + 1];
        const int64_t width = in.value.shape[lead + 1];
        for (int64_t own = 1; own < parts; ++own) {
            const T* at = spare + (group * (parts - 1) + own - 1) * keys * (depth + width);
            for (int64_t j = 0; j < keys; ++j)
                for (int64_t e = 0; e < depth; ++e) g.k[j * g.k_row + e * g.k_column] += *at++;
            for (int64_t j = 0; j < keys; ++j)
                for (int64_t c = 0; c < width; ++c) g.v[j * g.v_row + c * g.v_column] += *at++;
        }
    }
};

template <class T>
void backward_heads(const ArrayView& grad, const Inputs& in, const Options& options, const ArrayView& out,
                    const ArrayView& logsumexp, const Gradients& to) {
    if (heads_of(in.query) == 0) return;
    const Division division = divide(in, to);
    const int lead = in.query.ndim - 2;
    const int64_t queries = in.query.shape[lead], keys = in.key.shape[lead];
    const int64_t sizes = in.query.shape[lead + 1] + in.value.shape[lead + 1];
    const int64_t parts = division.parts(), work = queries / division.splits * keys * sizes * 2;
    const bool few = parts > 1 && num_threads() > 1 && division.groups < 2 * num_threads();
    pool::Scratch spare(few ? sizeof(T) * static_cast<size_t>(division.groups * (parts - 1) * keys * sizes)
                            : 0);
    const BackwardWork<T> todo{grad, in, options, out, logsumexp, to, division, spare.as<T>()};
    if (!few) {
        parallel_for(0, division.groups, work_of<T>(work * parts), [&](int64_t begin, int64_t end) {
            for (int64_t part = begin * parts; part < end * parts; ++part) todo.run(part);
        });
        return;
    }
    parallel_for(0, division.groups * parts, work_of<T>(work), [&](int64_t begin, int64_t end) {
        for (int64_t part = begin; part < end; ++part) todo.run(part);
    });
    for (int64_t group = 0; group < division.groups; ++group) todo.add_spare(group);
}

}  // namespace

void forward(const Inputs& inputs, const Options& options, const ArrayView& out, const ArrayView& logsumexp) {
    if (out.dtype == DType::float32)
        forward_heads<float>(inputs, options, out, logsumexp);
    else
        forward_heads<double>(inputs, options, out, logsumexp);
}

void backward(const ArrayView& grad, const Inputs& inputs, const Options& options, const ArrayView& out,
              const ArrayView& logsumexp, const Gradients& gradients) {
    if (out.dtype == DType::float32)
        backward_heads<float>(grad, inputs, options, out, logsumexp, gradients);
    else
        backward_heads<double>(grad, inputs, options, out, logsumexp, gradients);
}

}  // namespace pt::attention
