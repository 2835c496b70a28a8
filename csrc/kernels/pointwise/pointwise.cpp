// Which loop runs over which pieces of memory. A call whose operands are all contiguous, or single values,
// goes straight to its loop; everything else is walked by a Walk (walk.h).
#include "kernels/pointwise/pointwise.h"

#include <cstring>

#include "base/check.h"
#include "base/parallel.h"
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

bool same_shape(const ArrayView& a, const ArrayView& b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; ++i)
        if (a.shape[i] != b.shape[i]) return false;
    return true;
}

// The call without any walking: out contiguous, each input contiguous in out's shape or one value.
bool run_contiguous(Loop loop, const OpInfo& info, const ArrayView* inputs, const ArrayView& out,
                    int64_t grain, const double* params) {
    if (!out.is_contiguous()) return false;
    const int64_t n = out.numel();
    alignas(64) char repeated[kMaxArity][kRepeatBytes];
    const char* in[kMaxArity];
    int64_t steps[kMaxArity];
    int64_t in_bytes[kMaxArity];
    for (int k = 0; k < info.arity; ++k) {
        const int64_t item = item_size(inputs[k].dtype);
        if (same_shape(inputs[k], out) && inputs[k].is_contiguous()) {
            in[k] = inputs[k].data;
            steps[k] = 1;
            in_bytes[k] = item;
        } else if (inputs[k].numel() == 1) {
            repeat_value(repeated[k], inputs[k].data, item);
            in[k] = repeated[k];
            steps[k] = 0;
            in_bytes[k] = 0;
        } else {
            return false;
        }
    }
    if (n <= grain) {
        loop(out.data, in, steps, n, params);
        return true;
    }
    const int64_t out_bytes = item_size(out.dtype);
    parallel_for(0, n, grain, [&](int64_t begin, int64_t end) {
        const char* from[kMaxArity];
        for (int k = 0; k < info.arity; ++k) from[k] = in[k] + begin * in_bytes[k];
        loop(out.data + begin * out_bytes, from, steps, end - begin, params);
    });
    return true;
}

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

bool supports(int op, DType input) {
    const int slot = slot_of(input);
    return slot >= 0 && plain::kernels.loops[op][slot] != nullptr;
}

DType result_dtype(int op, DType input) {
    const Group group = ops[op].group;
    return group == Group::COMPARE || group == Group::PREDICATE ? DType::boolean : input;
}

void run(int op, const ArrayView* inputs, const ArrayView& out, const double* params) {
    const OpInfo& info = ops[op];
    const int slot = slot_of(inputs[info.arity - 1].dtype);
    PT_ASSERT(slot >= 0);
    const Loop loop = loop_of(op, slot);
    PT_ASSERT(loop != nullptr && (info.params == 0 || params != nullptr));
    const int64_t grain = 32768 / info.cost;
    if (run_contiguous(loop, info, inputs, out, grain, params)) return;
    Walk walk(inputs, info.arity, out);
    walk.run(loop, grain, params);
}

}  // namespace pt::pointwise
