// Which loop runs over which pieces of memory. A call whose operands are all contiguous, or single values,
// goes straight to its loop; everything else is walked by a Walk (walk.h).
#include "kernels/pointwise/pointwise.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/layout.h"
#include "base/parallel.h"
#include "base/pool.h"
#include "kernels/pointwise/sweep.h"
#include "kernels/pointwise/table.h"
#include "kernels/pointwise/walk.h"

namespace pt::pointwise {

namespace {

enum class Group : int8_t { FLOAT, LIBM, POW, NUMBER, BITS, COMPARE, PREDICATE, SELECT };

struct OpInfo {
    const char* name;
    Group group;
    int8_t arity;
    int8_t params;
    int16_t cost;
};

#define PT_OP(name, group, arity, params, cost) {#name, Group::group, arity, params, cost},
constexpr OpInfo ops[] = {
#include "kernels/pointwise/kernels.inc"
};
#undef PT_OP

int slot_of(DType dtype) {
    switch (dtype) {
        case DType::boolean:
            return kBool;
        case DType::uint8:
            return kUint8;
        case DType::int32:
            return kInt32;
        case DType::int64:
            return kInt64;
        case DType::float32:
            return kFloat32;
        case DType::float64:
            return kFloat64;
        default:
            return -1;
    }
}

Loop loop_of(int op, int slot) {
    const Loop loop = PT_SELECT(Kernels).loops[op][slot];
    return loop != nullptr ? loop : plain::kernels.loops[op][slot];
}

Loop cast_of(DType from, DType to) {
    return PT_SELECT(Kernels).casts[static_cast<int>(from)][static_cast<int>(to)];
}

bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }

// The type that a kernel computes in for operands of `dtype`; unsupported when there is none.
DType computed_in(int op, DType dtype) {
    const auto has = [op](DType d) { return plain::kernels.loops[op][slot_of(d)] != nullptr; };
    if (slot_of(dtype) >= 0) return has(dtype) ? dtype : DType::unsupported;
    if (is_half(dtype) && has(DType::float32)) return DType::float32;
    // Sums and products of wider integers wrap around to the same; bounds and the like are checked elsewhere.
    const bool small = dtype == DType::int8 || dtype == DType::int16;
    if (small && has(DType::int32) && (ops[op].params == 0 || op == k_add_scaled)) return DType::int32;
    return DType::unsupported;
}

bool same_shape(const ArrayView& a, const ArrayView& b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; ++i)
        if (a.shape[i] != b.shape[i]) return false;
    return true;
}

// The loop on float16 or bfloat16 themselves, if there is one and all operands have that type.
Loop half_loop_of(int op, const ArrayView* inputs, const ArrayView& out, DType dtype) {
    if (!is_half(dtype)) return nullptr;
    bool same = out.dtype == dtype;
    for (int k = 0; k < ops[op].arity; ++k) same = same && inputs[k].dtype == dtype;
    return same ? PT_SELECT(Kernels).halves[op][dtype == DType::bfloat16] : nullptr;
}

// A call: the op's loop, and for operands of another type than it computes in, casts around it.
struct Call {
    Loop loop;
    Loop load[kMaxArity] = {};
    Loop store = nullptr;
    DType dtypes[kMaxArity + 1];  // what the loop takes and, last, gives
    int arity;
    double ns;  // of an element
    const double* params;

    bool casts() const {
        return store != nullptr || load[0] != nullptr || load[1] != nullptr || load[2] != nullptr;
    }
};

// What an element costs: the larger of memory and arithmetic. Measured on 16384 float32 elements: 0.05 to
// 0.07 ns for cost 1, 0.12 to 0.25 for 4, 0.3 for 8.
double element_ns(int cost, const ArrayView* inputs, int arity, const ArrayView& out) {
    const int64_t item = item_size(out.dtype);
    int64_t bytes = item;
    for (int k = 0; k < arity; ++k) bytes += item_size(inputs[k].dtype);
    const double arithmetic = cost == 1 ? 0 : item > 4 ? 0.1 * cost : 0.05 * cost;
    return std::max(arithmetic, 0.01 + 0.006 * static_cast<double>(bytes));
}

Call plan(int op, const ArrayView* inputs, const ArrayView& out, const double* params, DType dtype) {
    const OpInfo& info = ops[op];
    const DType computed = computed_in(op, dtype);
    PT_ASSERT(computed != DType::unsupported);
    PT_ASSERT(info.params == 0 || params != nullptr);
    Call call;
    call.loop = loop_of(op, slot_of(computed));
    call.arity = info.arity;
    call.ns = element_ns(info.cost, inputs, info.arity, out);
    call.params = params;
    if (const Loop half = half_loop_of(op, inputs, out, dtype)) {
        call.loop = half;
        std::fill_n(call.dtypes, info.arity + 1, dtype);
        return call;
    }
    for (int k = 0; k < info.arity; ++k) {
        call.dtypes[k] = info.group == Group::SELECT && k == 0 ? DType::boolean : computed;
        if (inputs[k].dtype != call.dtypes[k]) call.load[k] = cast_of(inputs[k].dtype, call.dtypes[k]);
    }
    const DType result = result_dtype(op, computed);
    call.dtypes[info.arity] = result;
    if (out.dtype != result) call.store = cast_of(result, out.dtype);
    return call;
}

// Where the elements of a call without walking lie. steps: 0 for one value, repeated.
struct Lines {
    alignas(64) char repeated[kMaxArity][kRepeatBytes];
    const char* in[kMaxArity];
    int64_t steps[kMaxArity];
    int64_t in_bytes[kMaxArity];
};

// out contiguous, each input contiguous in out's shape or one value. False for other layouts.
bool find_lines(const Call& call, const ArrayView* inputs, const ArrayView& out, Lines& lines) {
    if (!out.is_contiguous()) return false;
    for (int k = 0; k < call.arity; ++k) {
        const int64_t item = item_size(inputs[k].dtype);
        if (same_shape(inputs[k], out) && inputs[k].is_contiguous()) {
            lines.in[k] = inputs[k].data;
            lines.steps[k] = 1;
            lines.in_bytes[k] = item;
        } else if (inputs[k].numel() == 1) {
            repeat_value(lines.repeated[k], inputs[k].data, item);
            lines.in[k] = lines.repeated[k];
            lines.steps[k] = 0;
            lines.in_bytes[k] = 0;
        } else {
            return false;
        }
    }
    return true;
}

void run_lines(const Call& call, const Lines& lines, const ArrayView& out) {
    const int64_t n = out.numel();
    if (static_cast<double>(n) * call.ns < kLeastWork)
        return call.loop(out.data, lines.in, lines.steps, n, call.params);
    const int64_t out_bytes = item_size(out.dtype);
    const bool down = next_sweep_down();
    parallel_for(0, n, Work{call.ns, 1024}, [&](int64_t first, int64_t last) {
        sweep(down, first, last, [&](int64_t begin, int64_t end) {
            const char* from[kMaxArity];
            for (int k = 0; k < call.arity; ++k) from[k] = lines.in[k] + begin * lines.in_bytes[k];
            call.loop(out.data + begin * out_bytes, from, lines.steps, end - begin, call.params);
        });
    });
}

// The same with casts, a piece that stays in the first-level cache at a time.
void run_lines_cast(const Call& call, const Lines& lines, const ArrayView& out) {
    constexpr int64_t kPiece = 512;
    const int64_t out_bytes = item_size(out.dtype);
    parallel_for(0, out.numel(), Work{2 * call.ns, kPiece}, [&](int64_t begin, int64_t end) {
        alignas(64) char buffer[kMaxArity + 1][kPiece * 8];
        const char* from[kMaxArity];
        for (int k = 0; k < call.arity; ++k) {
            from[k] = lines.in[k];
            if (call.load[k] == nullptr || lines.steps[k] != 0) continue;
            const int64_t item = item_size(call.dtypes[k]);
            call.load[k](buffer[k], &lines.in[k], &lines.steps[k], kRepeatBytes / item, nullptr);
            from[k] = buffer[k];
        }
        for (; begin < end; begin += kPiece) {
            const int64_t n = end - begin < kPiece ? end - begin : kPiece;
            for (int k = 0; k < call.arity; ++k) {
                if (lines.steps[k] == 0) continue;
                from[k] = lines.in[k] + begin * lines.in_bytes[k];
                if (call.load[k] == nullptr) continue;
                call.load[k](buffer[k], &from[k], &lines.steps[k], n, nullptr);
                from[k] = buffer[k];
            }
            char* const to = out.data + begin * out_bytes;
            if (call.store == nullptr) {
                call.loop(to, from, lines.steps, n, call.params);
            } else {
                constexpr int64_t one = 1;
                char* const result = buffer[kMaxArity];
                call.loop(result, from, lines.steps, n, call.params);
                call.store(to, &result, &one, n, nullptr);
            }
        }
    });
}

// A copy of the input as `dtype` in scratch memory, its axes in the input's own order; one element for each
// that the input has in memory, so that broadcast axes stay broadcast.
class CastCopy {
  public:
    CastCopy(const ArrayView& in, DType dtype) : scratch_(elements(in) * item_size(dtype)), copy_(in) {
        OwnedView distinct(in);
        for (int i = 0; i < in.ndim; ++i)
            if (in.strides[i] == 0) distinct.sizes[i] = 1;
        result_strides(&distinct, 1, distinct.ndim, distinct.sizes, item_size(dtype), copy_.steps);
        copy_.data = scratch_.as<char>();
        copy_.dtype = dtype;
        OwnedView target(copy_);
        for (int i = 0; i < in.ndim; ++i) {
            target.sizes[i] = distinct.sizes[i];
            if (in.strides[i] == 0) copy_.steps[i] = 0;
        }
        cast(distinct, target);
    }
    const ArrayView& view() const { return copy_; }

  private:
    static int64_t elements(const ArrayView& in) {
        int64_t n = 1;
        for (int i = 0; i < in.ndim; ++i) n *= in.strides[i] == 0 && in.shape[i] > 1 ? 1 : in.shape[i];
        return n;
    }
    pool::Scratch scratch_;
    OwnedView copy_;
};

void run_walk(const Call& call, const ArrayView* inputs, const ArrayView& out) {
    if (out.numel() == 0) return;
    if (!call.casts()) return Walk(inputs, call.arity, out).run(call.loop, call.ns, call.params);
    std::optional<CastCopy> copies[kMaxArity];
    ArrayView views[kMaxArity];
    for (int k = 0; k < call.arity; ++k) {
        if (call.load[k] != nullptr) copies[k].emplace(inputs[k], call.dtypes[k]);
        views[k] = copies[k] ? copies[k]->view() : inputs[k];
    }
    if (call.store == nullptr) return Walk(views, call.arity, out).run(call.loop, call.ns, call.params);
    const DType dtype = call.dtypes[call.arity];
    const pool::Scratch scratch(out.numel() * item_size(dtype));
    OwnedView result(out);
    result_strides(&out, 1, out.ndim, out.shape, item_size(dtype), result.steps);
    result.data = scratch.as<char>();
    result.dtype = dtype;
    Walk(views, call.arity, result).run(call.loop, call.ns, call.params);
    cast(result, out);
}

void run_same(int op, const ArrayView* inputs, const ArrayView& out, const double* params, DType dtype) {
    const Call call = plan(op, inputs, out, params, dtype);
    Lines lines;
    if (!find_lines(call, inputs, out, lines)) {
        run_walk(call, inputs, out);
    } else if (call.casts()) {
        run_lines_cast(call, lines, out);
    } else {
        run_lines(call, lines, out);
    }
}

bool rounds_params(int op) {
    return op == k_add_scaled || op == k_hardshrink || op == k_hardshrink_backward || op == k_clamp ||
           op == k_clamp_min || op == k_clamp_max;
}

// What PyTorch computes with beside float16 and bfloat16: operands of other types are rounded to theirs
// first, and so are some ops' scalars, but one number to multiply with or to divide by counts as a float32.
struct HalfCall {
    HalfCall(int op_of_call, const ArrayView* given, const double* given_params, DType dtype)
        : op(op_of_call), inputs(given), params(given_params) {
        if (rounds_params(op)) {
            for (int i = 0; i < ops[op].params; ++i) numbers_[i] = rounded(given_params[i], dtype);
            params = numbers_;
        }
        const int arity = ops[op].arity, first = ops[op].group == Group::SELECT ? 1 : 0;
        bool exact = true;
        for (int k = first; k < arity; ++k) exact &= given[k].dtype == dtype;
        if (exact) return;
        const bool scales = op == k_mul || op == k_div;
        const bool by_number = arity > 1 && given[1].dtype != dtype && given[1].numel() == 1;
        if (scales && by_number) {
            float number;
            convert(given[1], DType::float32, &number);
            numbers_[0] = number;
            params = numbers_;
            op = op == k_mul ? k_mul_number : k_div_number;
        }
        for (int k = 0; k < arity; ++k) views_[k] = given[k];
        const bool divides = op == k_floor_divide || op == k_trunc_divide;
        for (int k = first; k < ops[op].arity; ++k)
            if (k != 1 || !divides || !by_number) round_operand(k, dtype);
        inputs = views_;
    }

    int op;
    const ArrayView* inputs;
    const double* params;

  private:
    static void convert(const ArrayView& number, DType dtype, void* to) {
        const char* from = number.data;
        constexpr int64_t one = 1;
        cast_of(number.dtype, dtype)(static_cast<char*>(to), &from, &one, 1, nullptr);
    }
    static double rounded(double number, DType dtype) {
        const ArrayView view{reinterpret_cast<char*>(&number), DType::float64, 0, nullptr, nullptr};
        uint16_t half;
        convert(view, dtype, &half);
        float value;
        convert({reinterpret_cast<char*>(&half), dtype, 0, nullptr, nullptr}, DType::float32, &value);
        return value;
    }
    void round_operand(int k, DType dtype) {
        const DType own = views_[k].dtype;
        if (own == dtype || own <= DType::int8) return;  // exact in either
        if (views_[k].numel() == 1) {
            convert(views_[k], dtype, &rounded_[k]);
            views_[k].data = reinterpret_cast<char*>(&rounded_[k]);
            views_[k].dtype = dtype;
        } else {
            copies_[k].emplace(views_[k], dtype);
            views_[k] = copies_[k]->view();
        }
    }

    double numbers_[2];  // scalars
    uint16_t rounded_[kMaxArity];
    ArrayView views_[kMaxArity];
    std::optional<CastCopy> copies_[kMaxArity];
};

}  // namespace

int find(const char* name) {
    for (int i = 0; i < kOps; ++i)
        if (std::strcmp(ops[i].name, name) == 0) return i;
    return -1;
}

const char* name(int op) { return ops[op].name; }
int arity(int op) { return ops[op].arity; }
int num_params(int op) { return ops[op].params; }
int num_ops() { return kOps; }

bool supports(int op, DType dtype) { return computed_in(op, dtype) != DType::unsupported; }

DType result_dtype(int op, DType dtype) {
    const Group group = ops[op].group;
    return group == Group::COMPARE || group == Group::PREDICATE ? DType::boolean : dtype;
}

void run(int op, const ArrayView* inputs, const ArrayView& out, const double* params, DType dtype) {
    if (is_half(dtype)) {
        const HalfCall half(op, inputs, params, dtype);
        return run_same(half.op, half.inputs, out, half.params, dtype);
    }
    run_same(op, inputs, out, params, dtype);
}

void cast(const ArrayView& in, const ArrayView& out) {
    Call call;
    call.loop = cast_of(in.dtype, out.dtype);
    call.arity = 1;
    call.ns = element_ns(1, &in, 1, out);
    call.params = nullptr;
    Lines lines;
    if (find_lines(call, &in, out, lines)) {
        run_lines(call, lines, out);
    } else {
        Walk(&in, 1, out).run(call.loop, call.ns, nullptr);
    }
}

}  // namespace pt::pointwise
