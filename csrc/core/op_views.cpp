// Ops that give views, on the quick road: the geometry of the result from that of the input. Everything else,
// errors too, is in pytensor/ops/views.py, parts.py and join.py.
#include "core/index_key.h"

#include <algorithm>
#include <cstring>

namespace pt::core {

namespace {

// What the node remembers.
enum class Context : uint8_t { none, shape, numbers, shape_and_numbers };

// A call: f(input, args...) or with names.
struct ViewCall {
    const OpObject* op;
    ArrayView in;
    PyObject* const* args;  // after the input
    Py_ssize_t count;
    PyObject* given[kMaxOpParams];  // the same by name, null where not given; for ops with names
    OwnedView out;
    bool itself = false;  // the result is the input
    PyTypeObject* node;
    Context context = Context::none;
    int number_count = 0;
    int64_t numbers[kMaxDims];

    void add(int64_t size, int64_t stride) {
        out.sizes[out.ndim] = size;
        out.steps[out.ndim++] = stride;
    }
    void keep(int axis) { add(in.shape[axis], in.strides[axis]); }
    void add_number(int64_t number) { numbers[number_count++] = number; }
};

// An axis by number, which may be left out (`otherwise`); in [0, ndim).
bool read_axis(PyObject* object, int ndim, int otherwise, int* axis) {
    int64_t wanted = otherwise;
    if (object != nullptr && !read_int(object, &wanted)) return false;
    if (wanted < -ndim || wanted >= ndim) return false;
    *axis = static_cast<int>(wanted < 0 ? wanted + ndim : wanted);
    return true;
}

// The axes in the order of `numbers`.
bool reorder(ViewCall& call) {
    uint64_t seen = 0;
    for (int i = 0; i < call.in.ndim; ++i) {
        int64_t& axis = call.numbers[i];
        if (axis < -call.in.ndim || axis >= call.in.ndim) return false;
        if (axis < 0) axis += call.in.ndim;
        if ((seen >> axis & 1) != 0) return false;
        seen |= uint64_t{1} << axis;
        call.keep(static_cast<int>(axis));
    }
    call.number_count = call.in.ndim;
    call.context = Context::numbers;
    return true;
}

bool permute(ViewCall& call) {
    int count;
    return read_ints(call.args, call.count, call.numbers, &count) && count == call.in.ndim && reorder(call);
}

bool reversed(ViewCall& call) {
    for (int i = 0; i < call.in.ndim; ++i) call.numbers[i] = call.in.ndim - 1 - i;
    return call.count == 0 && reorder(call);
}

// movedim(source, destination) of one axis
bool move_axis(ViewCall& call) {
    int from, to;
    if (call.in.ndim == 0 || call.given[0] == nullptr || call.given[1] == nullptr ||
        !read_axis(call.given[0], call.in.ndim, 0, &from) || !read_axis(call.given[1], call.in.ndim, 0, &to))
        return false;
    for (int i = 0, next = 0; i < call.in.ndim; ++i) {
        if (next == from) ++next;
        call.numbers[i] = i == to ? from : next++;
    }
    return reorder(call);
}

bool swap_axes(ViewCall& call, int a, int b) {
    for (int i = 0; i < call.in.ndim; ++i) call.keep(i == a ? b : i == b ? a : i);
    return true;
}

bool transpose(ViewCall& call) {
    int a, b;
    if (call.in.ndim == 0 || call.given[0] == nullptr || call.given[1] == nullptr ||
        !read_axis(call.given[0], call.in.ndim, 0, &a) || !read_axis(call.given[1], call.in.ndim, 0, &b))
        return false;
    call.add_number(a);
    call.add_number(b);
    call.context = Context::numbers;
    return swap_axes(call, a, b);
}

bool matrix_transpose(ViewCall& call) {
    const int ndim = call.in.ndim;
    if (call.count != 0 || ndim > 2) return false;
    return ndim == 2 ? swap_axes(call, 0, 1) : swap_axes(call, 0, 0);
}

bool unsqueeze(ViewCall& call) {
    int at;
    if (call.given[0] == nullptr || call.in.ndim == kMaxDims ||
        !read_axis(call.given[0], call.in.ndim + 1, 0, &at))
        return false;
    for (int i = 0; i <= call.in.ndim; ++i) {
        if (i == at) call.add(1, 0);
        if (i < call.in.ndim) call.keep(i);
    }
    call.context = Context::shape;
    return true;
}

// squeeze(), and squeeze(dim) whose node is the op's `alternate`
bool squeeze(ViewCall& call) {
    int at = -1;
    if (call.given[0] != nullptr) {
        if (call.in.ndim == 0 || !read_axis(call.given[0], call.in.ndim, 0, &at)) return false;
        call.node = reinterpret_cast<PyTypeObject*>(call.op->alternate);
    }
    for (int i = 0; i < call.in.ndim; ++i)
        if (call.in.shape[i] != 1 || (at >= 0 && i != at)) call.keep(i);
    call.context = Context::shape;
    return true;
}

bool stretch(ViewCall& call, const int64_t* wanted, int ndim) {
    const int missing = ndim - call.in.ndim;
    if (missing < 0) return false;
    for (int i = 0; i < ndim; ++i) {
        const bool present = i >= missing;
        const int64_t have = present ? call.in.shape[i - missing] : 1;
        const int64_t size = present && wanted[i] == -1 ? have : wanted[i];
        if (size < 0 || (have != 1 && have != size)) return false;
        call.add(size, present && have == size ? call.in.strides[i - missing] : 0);
    }
    call.context = Context::shape;
    return true;
}

bool expand(ViewCall& call) {
    int ndim;
    return read_ints(call.args, call.count, call.numbers, &ndim) && stretch(call, call.numbers, ndim);
}

// broadcast_to(input, size)
bool broadcast_to(ViewCall& call) {
    int ndim;
    return call.given[0] != nullptr && !PyLong_CheckExact(call.given[0]) &&
           read_ints(call.given, 1, call.numbers, &ndim) && stretch(call, call.numbers, ndim);
}

// expand_as(input, other)
bool expand_as(ViewCall& call) {
    PyObject* const other = call.given[0];
    if (other == nullptr || !is_tensor(other) || !PyArray_CheckExact(as_tensor(other)->array)) return false;
    const ArrayView like = view_of(array_of(as_tensor(other)));
    return stretch(call, like.shape, like.ndim);
}

// A contiguous array in another shape, whose -1 is filled in.
bool reshaped(ViewCall& call, const int64_t* wanted, int ndim) {
    if (!call.in.is_contiguous()) return false;
    int64_t known = 1;
    int unknown = -1;
    for (int i = 0; i < ndim; ++i) {
        if (wanted[i] == -1 && unknown < 0)
            unknown = i;
        else if (wanted[i] < 0 || __builtin_mul_overflow(known, wanted[i], &known))
            return false;
    }
    const int64_t numel = call.in.numel();
    if (unknown < 0 ? known != numel : known == 0 || numel % known != 0) return false;
    for (int i = 0; i < ndim; ++i) call.add(i == unknown ? numel / known : wanted[i], 0);
    int64_t step = item_size(call.in.dtype);
    for (int i = ndim - 1; i >= 0; --i) {
        call.out.steps[i] = step;
        step *= std::max<int64_t>(call.out.sizes[i], 1);
    }
    call.context = Context::shape;
    return true;
}

bool reshape(ViewCall& call) {
    int ndim;
    return read_ints(call.args, call.count, call.numbers, &ndim) && reshaped(call, call.numbers, ndim);
}

// flatten(input, start_dim=0, end_dim=-1)
bool flatten(ViewCall& call) {
    int first, last;
    if (call.in.ndim == 0 || !read_axis(call.given[0], call.in.ndim, 0, &first) ||
        !read_axis(call.given[1], call.in.ndim, -1, &last) || first > last)
        return false;
    call.itself = first == last;
    if (call.itself) return true;
    int ndim = 0;
    for (int i = 0; i < call.in.ndim; ++i) {
        if (i > first && i <= last)
            call.numbers[ndim - 1] *= call.in.shape[i];
        else
            call.numbers[ndim++] = call.in.shape[i];
    }
    return reshaped(call, call.numbers, ndim);
}

// unflatten(input, dim, sizes)
bool unflatten(ViewCall& call) {
    int at, count;
    int64_t sizes[kMaxDims];
    if (call.given[0] == nullptr || call.given[1] == nullptr || PyLong_CheckExact(call.given[1]) ||
        !read_axis(call.given[0], call.in.ndim, 0, &at) || !read_ints(call.given + 1, 1, sizes, &count) ||
        count == 0 || call.in.ndim + count > kMaxDims)
        return false;
    int ndim = 0;
    for (int i = 0; i < call.in.ndim; ++i) {
        if (i != at) call.numbers[ndim++] = call.in.shape[i];
        for (int k = 0; i == at && k < count; ++k) call.numbers[ndim++] = sizes[k];
    }
    return call.in.numel() > 0 && reshaped(call, call.numbers, ndim);
}

// diagonal(input, offset=0, dim1=0, dim2=1)
bool diagonal(ViewCall& call) {
    int64_t offset = 0;
    int a, b;
    if ((call.given[0] != nullptr && !read_int(call.given[0], &offset)) ||
        !read_axis(call.given[1], call.in.ndim, 0, &a) || !read_axis(call.given[2], call.in.ndim, 1, &b) ||
        a == b)
        return false;
    for (int i = 0; i < call.in.ndim; ++i)
        if (i != a && i != b) call.keep(i);
    const int64_t row = std::max<int64_t>(-offset, 0), column = std::max<int64_t>(offset, 0);
    const int64_t size = std::min(call.in.shape[a] - row, call.in.shape[b] - column);
    if (size <= 0) return false;
    call.out.data += row * call.in.strides[a] + column * call.in.strides[b];
    call.add(size, call.in.strides[a] + call.in.strides[b]);
    call.add_number(offset);
    call.add_number(a);
    call.add_number(b);
    call.context = Context::shape_and_numbers;
    return true;
}

struct NamedView {
    const char* name;
    bool (*find)(ViewCall&);
};
constexpr NamedView kViews[] = {
    {"permute", permute},     {"reversed", reversed},  {"movedim", move_axis},
    {"transpose", transpose}, {"t", matrix_transpose}, {"unsqueeze", unsqueeze},
    {"squeeze", squeeze},     {"expand", expand},      {"broadcast_to", broadcast_to},
    {"expand_as", expand_as}, {"reshape", reshape},    {"flatten", flatten},
    {"unflatten", unflatten}, {"diagonal", diagonal}};

PyObject* context_of(const ViewCall& call) {
    if (call.context == Context::none) return Py_NewRef(Py_None);
    if (call.context == Context::shape) return size_from(call.in.ndim, call.in.shape);
    const int extra = call.context == Context::shape_and_numbers ? 1 : 0;
    PyObject* const ctx = PyTuple_New(call.number_count + extra);
    for (int i = 0; ctx != nullptr && i < call.number_count + extra; ++i) {
        PyObject* const item =
            i < extra ? size_from(call.in.ndim, call.in.shape) : PyLong_FromLongLong(call.numbers[i - extra]);
        if (item == nullptr) {
            Py_DECREF(ctx);
            return nullptr;
        }
        PyTuple_SET_ITEM(ctx, i, item);
    }
    return ctx;
}

PyObject* make_result(TensorObject* source, const ViewCall& call) {
    if (call.itself) return Py_NewRef(as_object(source));
    const int needs = needs_grad(source);
    if (needs < 0) return nullptr;
    PyObject* ctx = nullptr;
    if (needs != 0 && modes.grad && (ctx = context_of(call)) == nullptr) return nullptr;
    PyObject* const view = geometry_view(array_of(source), call.out);
    PyObject* const result =
        view != nullptr ? make_view(source, view, call.node, ctx, ViewKind::differentiable) : nullptr;
    Py_XDECREF(ctx);
    return result;
}

}  // namespace

int find_view(const char* name) {
    for (size_t i = 0; i < std::size(kViews); ++i)
        if (std::strcmp(kViews[i].name, name) == 0) return static_cast<int>(i);
    return -1;
}

PyObject* call_view(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (count < 1 || !is_tensor(args[0]) || !PyArray_CheckExact(as_tensor(args[0])->array))
        return call_slow(op, args, nargsf, names);
    ViewCall call;
    call.op = op;
    call.in = view_of(array_of(as_tensor(args[0])));
    call.args = args + 1;
    call.count = count - 1;
    call.node = op->node;
    call.out.data = call.in.data;
    call.out.dtype = call.in.dtype;
    call.out.shape = call.out.sizes;
    call.out.strides = call.out.steps;
    const bool sorted = op->arguments != nullptr
                            ? sort_arguments(op->arguments, 1, args, count, names, call.given)
                            : names == nullptr;
    if (!sorted || !kViews[op->kernel].find(call)) return call_slow(op, args, nargsf, names);
    return make_result(as_tensor(args[0]), call);
}

// ---- several views ----------------------------------------------------------------------------------------

namespace {

// The sizes of the parts of an axis that split or chunk was asked for; their number, -1 for Python.
int part_sizes(PyObject* wanted, bool chunks, int64_t length, int64_t* sizes) {
    if (!PyLong_CheckExact(wanted)) {
        int count;
        if (chunks || !read_ints(&wanted, 1, sizes, &count)) return -1;
        int64_t total = 0;
        for (int i = 0; i < count; ++i) {
            if (sizes[i] < 0) return -1;
            total += sizes[i];
        }
        return total == length && count > 0 ? count : -1;
    }
    int64_t size;
    if (!read_int(wanted, &size) || size <= 0 || length == 0) return -1;
    if (chunks) size = (length + size - 1) / size;
    const int64_t count = (length + size - 1) / size;
    if (count > kMaxDims) return -1;
    for (int64_t i = 0; i < count; ++i) sizes[i] = std::min(size, length - i * size);
    return static_cast<int>(count);
}

// ([shape of each part], axis)
PyObject* parts_context(PyObject* arrays, int axis) {
    const Py_ssize_t count = PyTuple_GET_SIZE(arrays);
    PyObject* const shapes = PyList_New(count);
    for (Py_ssize_t i = 0; shapes != nullptr && i < count; ++i) {
        PyArrayObject* const array = reinterpret_cast<PyArrayObject*>(PyTuple_GET_ITEM(arrays, i));
        PyObject* const shape = size_from(PyArray_NDIM(array), PyArray_DIMS(array));
        if (shape == nullptr) {
            Py_DECREF(shapes);
            return nullptr;
        }
        PyList_SET_ITEM(shapes, i, shape);
    }
    return shapes != nullptr ? Py_BuildValue("(Ni)", shapes, axis) : nullptr;
}

// The parts of an axis as arrays; without the axis when `sizes` is null.
PyObject* part_arrays(PyArrayObject* array, int axis, int64_t count, const int64_t* sizes) {
    const ArrayView in = view_of(array);
    OwnedView part(in);
    if (sizes == nullptr) {
        std::copy(part.sizes + axis + 1, part.sizes + in.ndim, part.sizes + axis);
        std::copy(part.steps + axis + 1, part.steps + in.ndim, part.steps + axis);
        --part.ndim;
    }
    PyObject* const arrays = PyTuple_New(count);
    for (int64_t i = 0; arrays != nullptr && i < count; ++i) {
        if (sizes != nullptr) part.sizes[axis] = sizes[i];
        PyObject* const view = geometry_view(array, part);
        if (view == nullptr) {
            Py_DECREF(arrays);
            return nullptr;
        }
        PyTuple_SET_ITEM(arrays, i, view);
        part.data += (sizes != nullptr ? sizes[i] : 1) * in.strides[axis];
    }
    return arrays;
}

}  // namespace

// split(x, size or sizes, dim=0), chunk(x, chunks, dim=0), unbind(x, dim=0)
PyObject* call_parts(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
    OpObject* const op = as_op(self);
    const int form = op->kernel;
    PyObject* given[kMaxOpParams] = {};
    const bool plain = sort_arguments(op->arguments, 1, args, PyVectorcall_NARGS(nargsf), names, given) &&
                       is_tensor(args[0]) && PyArray_CheckExact(as_tensor(args[0])->array);
    PyObject* const dim = form == kUnbind ? given[0] : given[1];
    int axis = 0;
    int64_t sizes[kMaxDims], count = -1;
    if (plain) {
        const ArrayView in = view_of(array_of(as_tensor(args[0])));
        if (in.ndim > 0 && read_axis(dim, in.ndim, 0, &axis)) {
            if (form == kUnbind) {
                count = in.shape[axis];
            } else if (given[0] != nullptr) {
                count = part_sizes(given[0], form == kChunk, in.shape[axis], sizes);
            }
        }
    }
    if (count < 0) return call_slow(op, args, nargsf, names);
    TensorObject* const source = as_tensor(args[0]);
    const int needs = needs_grad(source);
    PyObject* const arrays =
        needs >= 0 ? part_arrays(array_of(source), axis, count, form == kUnbind ? nullptr : sizes) : nullptr;
    if (arrays == nullptr) return nullptr;
    PyObject* const ctx = needs != 0 && modes.grad ? parts_context(arrays, axis) : Py_NewRef(Py_None);
    PyObject* const result = ctx != nullptr ? make_views(source, arrays, op->node, ctx) : nullptr;
    Py_XDECREF(ctx);
    Py_DECREF(arrays);
    return result;
}

}  // namespace pt::core
