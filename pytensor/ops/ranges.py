"""Number ranges and index grids: arange, linspace, logspace, triangles, meshgrid, products, combinations."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C, dtypes
from pytensor.autograd.node import wrap
from pytensor.ops.checks import check_tensor
from pytensor.ops.create import Options, module_of
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import factory
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, _C.TensorBase) else value


def _count(start: Any, end: Any, step: Any, closed: bool) -> int:
    """How many numbers a range has. RuntimeError for ranges that make no sense."""
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (step > 0 and start > end) or (step < 0 and start < end):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if closed:
        return math.floor((end - start) / step) + 1
    if isinstance(start, int) and isinstance(end, int) and isinstance(step, int):
        return -((start - end) // step)
    return math.ceil((end - start) / step)


def _progression(start: Any, step: Any, n: int, options: Options) -> Tensor:
    """start + i * step, computed in double precision for floating types, exactly for integers."""
    xp = module_of(options.device)
    integral = options.dtype.category <= dtypes.INTEGER
    index = xp.arange(n, dtype=np.int64 if integral else np.float64)
    if integral:
        numbers = index if (start, step) == (0, 1) else int(start) + index * int(step)
    else:
        numbers = float(start) + index * float(step)
    return options.finish(numbers.astype(options.dtype.numpy, copy=False))


@op(method=False)
@factory("arange")
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers from start (0) to below end in steps: int64, or the default type when one is a float.

    Raises:
        RuntimeError: for a zero step, or one that leads away from end.

    >>> import pytensor as torch
    >>> torch.arange(5)
    tensor([0, 1, 2, 3, 4])
    >>> torch.arange(1, 2, 0.5)
    tensor([1.0000, 1.5000])
    """
    start, end, step = _number(start), _number(end), _number(step)
    if end is None:
        start, end = 0, start
    floating = any(isinstance(v, float) for v in (start, end, step))
    default = dtypes.get_default_dtype() if floating else dtypes.int64
    if out is not None and dtype is None:
        default = out.dtype
    options = Options("arange", default, dtype, layout, device, requires_grad, pin_memory)
    if options.dtype is dtypes.int64 and floating:
        # An integer range is counted after its ends were cut to integers.
        start, end, step = int(start), int(end), int(step)
    n = _count(start, end, step, closed=False)
    return write_out(_progression(start, step, n, options), out, "arange")


@op(method=False, name="range")
def range_(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Deprecated in PyTorch in favour of :func:`arange`: includes the end.

    >>> import warnings
    >>> import pytensor as torch
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.range(1, 3)
    tensor([1., 2., 3.])
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    start, end, step = _number(start), _number(end), _number(step)
    options = Options("range", dtypes.get_default_dtype(), dtype, layout, device, requires_grad)
    n = _count(start, end, step, closed=True)
    return write_out(_progression(start, step, n, options), out, "range")


def _spaced(start: Any, end: Any, steps: int, dtype: dtypes.dtype) -> np.ndarray:
    """`steps` numbers, counted from the nearer end, in the precision of the type."""
    if dtype.category <= dtypes.INTEGER:
        work: Any = np.float32 if dtype.itemsize < 4 else np.float64
        start, end = int(start), int(end)
    else:
        work = np.float32 if dtype.itemsize < 4 else dtype.numpy.type
    if steps == 1:
        return np.array([start]).astype(dtype.numpy)
    first, last = work(start), work(end)
    step = (last - first) / work(max(steps - 1, 1))
    real = np.dtype(work).type(0).real.dtype
    index = np.arange(steps).astype(real)
    low = _multiply_add(step, index, first)
    high = _multiply_add(-step, real.type(steps - 1) - index, last)
    return np.where(np.arange(steps) < steps // 2, low, high).astype(dtype.numpy)


def _multiply_add(a: Any, b: np.ndarray, c: Any) -> np.ndarray:
    """a * b + c; rounded once for float32, where double precision holds the product."""
    if a.dtype == np.float32:
        return (np.float64(a) * b.astype(np.float64) + np.float64(c)).astype(np.float32)
    return a * b + c


def _check_steps(steps: Any) -> int:
    steps = _number(steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return int(steps)


def _space_options(name: str, start: Any, end: Any, out: Tensor | None, *rest: Any) -> Options:
    default = dtypes.get_default_dtype() if out is None else out.dtype
    if out is None and (isinstance(start, complex) or isinstance(end, complex)):
        default = default.to_complex()
    return Options(name, default, *rest)


@op(method=False)
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """``steps`` evenly spaced numbers from start to end, both included.

    >>> import pytensor as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    start, end, steps = _number(start), _number(end), _check_steps(steps)
    options = _space_options("linspace", start, end, out, dtype, layout, device, requires_grad, pin_memory)
    array = module_of(options.device).asarray(_spaced(start, end, steps, options.dtype))
    return write_out(options.finish(array), out, "linspace")


@op(method=False)
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """``base`` raised to ``steps`` evenly spaced exponents from start to end.

    >>> import pytensor as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    start, end, steps = _number(start), _number(end), _check_steps(steps)
    options = _space_options("logspace", start, end, out, dtype, layout, device, requires_grad, pin_memory)
    target = options.dtype
    # float32 powers are taken in double precision and rounded once.
    wide = np.complex128 if target.category == dtypes.COMPLEX else np.float64
    exponents = _spaced(start, end, steps, target) if target.category >= dtypes.FLOATING else None
    if exponents is None:
        exponents = _spaced(float(start), float(end), steps, dtypes.float64)
    array = np.power(wide(base), exponents.astype(wide)).astype(target.numpy)
    return write_out(options.finish(module_of(options.device).asarray(array)), out, "logspace")


# --- indices -----------------------------------------------------------------------------------------------------


def _triangle(name: str, row: int, col: int, offset: int, lower: bool, *rest: Any) -> Tensor:
    for what, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{what} must be non-negative, got{size}")
    options = Options(name, dtypes.int64, *rest)
    if options.dtype not in (dtypes.int64, dtypes.int32, dtypes.int16, dtypes.int8, dtypes.uint8):
        raise RuntimeError(f"\"{name}\" not implemented for '{options.dtype}'")
    xp = module_of(options.device)
    indices = xp.tril_indices(row, offset, col) if lower else xp.triu_indices(row, offset, col)
    return options.finish(xp.stack(indices).astype(options.dtype.numpy))


@op(method=False)
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Rows and columns, [2, n], of the lower triangle of a row x col matrix, row by row.

    >>> import pytensor as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, offset, True, dtype, layout, device, False, pin_memory)


@op(method=False)
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Rows and columns, [2, n], of the upper triangle of a row x col matrix, row by row.

    >>> import pytensor as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, offset, False, dtype, layout, device, False, pin_memory)


@op(method=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates of 1-d (or 0-d) tensors: each result has an axis per tensor, and is a view.

    Args:
        indexing: "ij", axes in the order of the tensors, or "xy", the first two swapped.

    >>> import pytensor as torch
    >>> x, y = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    >>> y
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2
        )
        indexing = "ij"
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in given:
        if t.dtype is not given[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
        if t.device != given[0].device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
    for t in given:
        if t.dim() > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(given) >= 2
    given = [given[1], given[0], *given[2:]] if swap else list(given)
    shape = [t.numel() for t in given]
    grids = [
        t.reshape([-1 if axis == i else 1 for axis in range(len(given))]).expand(shape) for i, t in enumerate(given)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@op(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples with one element of each 1-d tensor, [product of sizes, number of tensors].

    >>> import pytensor as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    for t in tensors:
        if t.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    from pytensor import stack

    return stack([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], dim=1)


@op(method=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All r-element combinations of a 1-d tensor's elements, [number, r], in the order of itertools.

    >>> import pytensor as torch
    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    check_tensor(input, "combinations", "input", 1)
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return wrap(np.empty(0, input.dtype.numpy))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    index = np.array(list(choose(range(input.numel()), r)), dtype=np.int64).reshape(-1, r)
    return input[wrap(module_of(input.device).asarray(index))]


@op(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix: powers N-1 .. 0 of each element (0 .. N-1 with ``increasing``).

    >>> import pytensor as torch
    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    check_tensor(x, "vander", "x", 1)
    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.numel() if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    column = (x.to(dtypes.int64) if x.dtype.category <= dtypes.INTEGER else x).reshape(-1, 1)
    exponents = arange(n, device=x.device)
    return column ** (exponents if increasing else n - 1 - exponents)
