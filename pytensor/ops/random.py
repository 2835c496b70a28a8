"""Random tensors. Draws are PyTorch's, in PyTorch's order: one seed gives one stream in both libraries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C, dtypes
from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.create import Options, empty, new_array, sizes_of
from pytensor.ops.like import empty_like
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import factory, make_op
from pytensor.ops.random_fill import (
    check_drawable,
    draw_integers,
    draw_normal,
    draw_uniform,
    generator_of,
    integer_range,
    normal_,
    normal_std_check,
    random_,
    real_view,
    uniform_,
)
from pytensor.ops.registry import op
from pytensor.random import Generator, default_generator
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

_COMPLEX_STD = 1 / math.sqrt(2)  # of each part, for a variance of 1 in all


class ZeroGradient(Node):
    """The draws do not depend on the parameters in a differentiable way."""

    def backward(self, grad: Tensor) -> Any:
        return tuple(None if shape is None else grad.new_zeros(shape) for shape in self.ctx)


class NormalBackward1(ZeroGradient):
    pass


class NormalBackward2(ZeroGradient):
    pass


class NormalBackward3(ZeroGradient):
    pass


class BernoulliBackward0(ZeroGradient):
    pass


def _blank(name: str, sizes: tuple[Any, ...], size: Any, out: Tensor | None, *options: Any) -> Tensor:
    """The tensor to fill: ``out`` resized, or a new one."""
    shape = sizes_of(name, sizes, size)
    if out is not None:
        return out.resize_(shape)
    checked = Options(name, dtypes.get_default_dtype(), *options)
    return checked.finish(new_array(shape, checked.dtype, checked.device))


def _filled(fill: Any, tensor: Tensor, *args: Any, generator: Generator | None) -> Tensor:
    """A leaf that may require grad, filled outside any graph."""
    wanted = tensor._requires_grad
    tensor._requires_grad = False
    fill(tensor, *args, generator=generator)
    tensor._requires_grad = wanted
    return tensor


@op(method=False)
@factory("sizes", fill=lambda array: draw_uniform(default_generator._impl, array, 0.0, 1.0))
def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform random numbers on [0, 1).

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(3)
    tensor([0.4963, 0.7682, 0.0885])
    """
    shape = sizes_of("rand", sizes, size)
    if out is not None:
        return _filled(uniform_, out.resize_(shape), generator=generator)
    options = Options("rand", dtypes.get_default_dtype(), dtype, layout, device, requires_grad, pin_memory)
    check_drawable(options.dtype, "check_uniform_bounds")
    source = generator_of(generator, "rand")
    array = new_array(shape, options.dtype, options.device)
    draw_uniform(source, real_view(array), 0.0, 1.0)
    return options.finish(array)


@op(method=False)
@factory("sizes", fill=lambda array: draw_normal(default_generator._impl, array, 0.0, 1.0))
def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers of mean 0 and variance 1.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn(3)
    tensor([ 1.5410, -0.2934, -2.1788])
    """
    shape = sizes_of("randn", sizes, size)
    if out is not None:
        return _filled(normal_, out.resize_(shape), generator=generator)
    options = Options("randn", dtypes.get_default_dtype(), dtype, layout, device, requires_grad, pin_memory)
    check_drawable(options.dtype, "normal_kernel_cpu")
    source = generator_of(generator, "randn")
    array = new_array(shape, options.dtype, options.device)
    draw_normal(source, real_view(array), 0.0, _COMPLEX_STD if options.dtype.is_complex else 1.0)
    return options.finish(array)


@op(method=False)
def rand_like(input: Tensor, *, generator: Generator | None = None, **options: Any) -> Tensor:
    """Uniform random numbers on [0, 1) in the form of ``input``.

    >>> import pytensor as torch
    >>> torch.rand_like(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    check_tensor(input, "rand_like", "input", 1)
    return _filled(uniform_, empty_like(input, **options), generator=generator)


@op(method=False)
def randn_like(input: Tensor, *, generator: Generator | None = None, **options: Any) -> Tensor:
    """Normal random numbers in the form of ``input``.

    >>> import pytensor as torch
    >>> torch.randn_like(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    check_tensor(input, "randn_like", "input", 1)
    return _filled(normal_, empty_like(input, **options), generator=generator)


def _integer(value: Any, name: str) -> int:
    if isinstance(value, float) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} received an invalid combination of arguments - expected ints, got {value!r}")
    return value.__index__()


def _randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """``randint(low=0, high, size)``: random integers in [low, high).

    Raises:
        RuntimeError: for an empty range, or one outside the type's.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randint(10, (4,))
    tensor([4, 9, 3, 0])
    """
    rest = list(args)
    if size is None and rest and isinstance(rest[-1], (tuple, list)):
        size = rest.pop()
    if high is None and rest:
        high = rest.pop()
    if low is None and rest:
        low = rest.pop()
    if rest or high is None or size is None:
        raise TypeError(
            f"randint() received an invalid combination of arguments - got {args}, but expected (int high, tuple of "
            "ints size) or (int low, int high, tuple of ints size)"
        )
    shape = sizes_of("randint", (tuple(size),))
    bounds = _integer(low or 0, "randint()"), _integer(high, "randint()")
    if out is not None:
        return _filled(random_, out.resize_(shape), *bounds, generator=generator)
    options = Options("randint", dtypes.int64, dtype, layout, device, requires_grad, pin_memory)
    span = integer_range(options.dtype, *bounds)
    source = generator_of(generator, "randint")
    array = new_array(shape, options.dtype, options.device)
    draw_integers(source, array, *span)
    return options.finish(array)


_randint.__name__ = _randint.__qualname__ = "randint"
randint = op(method=False)(make_op("randint", _randint, alternate=default_generator._impl))


@op(method=False)
def randint_like(
    input: Tensor,
    *args: int,
    low: int | None = None,
    high: int | None = None,
    generator: Generator | None = None,
    **options: Any,
) -> Tensor:
    """``randint_like(input, low=0, high)``: random integers in the form of ``input``.

    >>> import pytensor as torch
    >>> torch.randint_like(torch.ones(2, 3), 5).dtype
    torch.float32
    """
    check_tensor(input, "randint_like", "input", 1)
    rest = list(args)
    high = rest.pop() if high is None else high
    low = rest.pop() if low is None and rest else low
    bounds = _integer(low or 0, "randint_like()"), _integer(high, "randint_like()")
    return _filled(random_, empty_like(input, **options), *bounds, generator=generator)


_EXACT_INTEGERS = {"float16": 2049, "bfloat16": 257, "float32": 2**24 + 1}


@op(method=False)
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A random permutation of 0 .. n-1.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    if isinstance(n, (bool, float, str)) or not hasattr(n, "__index__"):
        raise TypeError(f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    n = n.__index__()
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    default = out.dtype if out is not None else dtypes.int64
    options = Options("randperm", default, dtype, layout, device, requires_grad, pin_memory)
    if n > _EXACT_INTEGERS.get(options.dtype.name, n):
        limit = _EXACT_INTEGERS[options.dtype.name]
        raise RuntimeError(f"n cannot be greater than {limit} for {scalar_type_name(options.dtype)} type.")
    if options.dtype.category == dtypes.INTEGER and n > np.iinfo(options.dtype.numpy).max:
        raise RuntimeError(f"value cannot be converted to type {options.dtype.name} without overflow")
    array = new_array((n,), dtypes.int64, options.device)
    backend_of(array).random_permutation(generator_of(generator, "randperm"), array)
    return write_out(options.finish(array.astype(options.dtype.numpy, copy=False)), out, "randperm")


@op(method=False)
def normal(
    mean: Any,
    std: Any = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers with a mean and a standard deviation per element: tensors that broadcast, or one of
    them a number, or two numbers and a size.

    Raises:
        RuntimeError: for a negative standard deviation.

    >>> import pytensor as torch
    >>> torch.normal(torch.zeros(3), 0.1).shape
    torch.Size([3])
    >>> torch.normal(2.0, 3.0, size=(1, 4)).shape
    torch.Size([1, 4])
    """
    of_mean, of_std = isinstance(mean, _C.TensorBase), isinstance(std, _C.TensorBase)
    if not of_mean and not of_std:
        if size is None:
            raise TypeError(f"normal(): argument 'mean' (position 1) must be Tensor, not {type(mean).__name__}")
        tensor = _blank("normal", (tuple(size),), None, out, dtype, layout, device, requires_grad, pin_memory)
        return _filled(normal_, tensor, mean, std, generator=generator)
    if not of_std:
        normal_std_check(std)
    elif std.dtype.is_complex:
        raise RuntimeError("normal expects standard deviation to be non-complex")
    elif not bool((std._array >= 0).all()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    given = tuple(t for t in (mean, std) if isinstance(t, _C.TensorBase))
    shape = np.broadcast_shapes(*(tuple(t.shape) for t in given))
    drawn = normal_(
        empty(shape, dtype=given[0].dtype, device=given[0].device), 0, 1 if of_std else std, generator=generator
    )
    array = drawn._array
    if of_std:
        array = array * std._array
    array = (array + (mean._array if of_mean else array.dtype.type(mean))).astype(drawn._array.dtype, copy=False)
    node = NormalBackward3 if of_mean and of_std else NormalBackward1 if of_mean else NormalBackward2
    return write_out(record(node, given, array, ctx=tuple(tuple(t.shape) for t in given)), out, "normal")


@op()
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Ones and zeros; the elements of ``input`` (or ``p``) are the probabilities of ones.

    >>> import pytensor as torch
    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    check_tensor(input, "bernoulli", "input", 1)
    blank = empty(tuple(input.shape), dtype=input.dtype, device=input.device)
    drawn = blank.bernoulli_(input.detach() if p is None else p, generator=generator)
    return write_out(record(BernoulliBackward0, (input,), drawn._array, ctx=(tuple(input.shape),)), out, "bernoulli")


_MOST_CATEGORIES = 2**24
_WEIGHT_FAULTS = {
    1: "probability tensor contains either `inf`, `nan` or element < 0",
    2: "invalid multinomial distribution (sum of probabilities <= 0)",
}


def _check_multinomial(input: Tensor, num_samples: int, replacement: bool) -> None:
    if not 0 < input.dim() <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {scalar_type_name(input.dtype)}"
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if input.shape[-1] > _MOST_CATEGORIES:
        raise RuntimeError("number of categories cannot exceed 2^24")


@op()
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices of categories, drawn with the weights in the last axis of ``input`` ([n] or [rows, n]).

    Raises:
        RuntimeError: for weights that are negative, not finite, or all zero, and for more samples than categories
            without replacement.

    >>> import pytensor as torch
    >>> torch.multinomial(torch.tensor([0.0, 1.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    check_tensor(input, "multinomial", "input", 1)
    _check_multinomial(input, num_samples, replacement)
    source = generator_of(generator, "multinomial")
    weights = input._array
    rows = weights.reshape(-1, weights.shape[-1])
    if rows.size == 0:
        return wrap(np.empty((*weights.shape[:-1], num_samples), np.int64))
    fault = backend_of(rows).random_weights_fault(rows)
    if fault:
        raise RuntimeError(_WEIGHT_FAULTS[fault])
    if replacement:
        wide = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float32)
        drawn = backend_of(rows).random_multinomial(source, wide, num_samples)
    else:
        drawn = _without_replacement(source, rows, num_samples)
    return write_out(wrap(drawn.reshape(*weights.shape[:-1], num_samples)), out, "multinomial")


def _without_replacement(source: Any, rows: Any, num_samples: int) -> np.ndarray:
    """The largest weights over exponential random numbers: sampling without replacement in one pass
    [Efraimidis & Spirakis 2006]."""
    exact = rows.dtype in (np.float32, np.float64)
    arrivals = np.empty(rows.shape, rows.dtype if exact else np.float64)
    backend_of(rows).random_transformed(source, arrivals, 0, 1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        keys = (rows / arrivals.astype(rows.dtype)).astype(np.float64)
    if num_samples == 1:
        return keys.argmax(axis=1)[:, None]
    keys = -keys
    if 4 * num_samples < keys.shape[1]:  # only the first few have to be in order, where they can be told apart
        first = np.argpartition(keys, num_samples, axis=1)[:, :num_samples]
        chosen = np.take_along_axis(keys, first, axis=1)
        if (chosen < 0).all():
            return np.take_along_axis(first, chosen.argsort(axis=1, kind="stable"), axis=1)
    return np.argsort(keys, axis=1, kind="stable")[:, :num_samples]
