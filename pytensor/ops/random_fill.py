"""In-place random fills: the methods ``uniform_``, ``normal_``, ``random_`` and their kin.

Elements are drawn in the order in which they lie in memory, as PyTorch draws them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C, dtypes
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.inplace import check_inplace, store
from pytensor.ops.registry import op
from pytensor.ops.strides import memory_order
from pytensor.random import Generator, default_generator
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "check_drawable",
    "draw_bernoulli",
    "draw_integers",
    "draw_normal",
    "draw_uniform",
    "generator_of",
    "in_memory_order",
    "integer_range",
    "normal_std_check",
    "real_view",
]

_C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}
_MANTISSA = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


class _ConstantNode(Node):
    """Random numbers do not depend on what was there before: the gradient is zero."""

    def backward(self, grad: Tensor) -> Any:
        return tuple(grad.new_zeros(shape) for shape in self.ctx)


class UniformBackward0(_ConstantNode):
    pass


class NormalBackward0(_ConstantNode):
    pass


class RandomBackward0(_ConstantNode):
    pass


class RandomBackward1(_ConstantNode):
    pass


class RandomBackward2(_ConstantNode):
    pass


class BernoulliBackward1(_ConstantNode):
    pass


class BernoulliBackward2(_ConstantNode):
    pass


class ExponentialBackward0(_ConstantNode):
    pass


class GeometricBackward0(_ConstantNode):
    pass


class CauchyBackward0(_ConstantNode):
    pass


class LogNormalBackward0(_ConstantNode):
    pass


def generator_of(generator: Generator | None, name: str) -> Any:
    """The C++ generator to draw from. TypeError for anything but a Generator."""
    if generator is None:
        return default_generator._impl
    if not isinstance(generator, Generator):
        raise TypeError(f"{name}(): argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    return generator._impl


def _fill(self: Tensor, node: type[Node], draw: Callable[[Any], None]) -> Tensor:
    """Draws into the tensor's memory. A tensor of a graph gets a new history, without a gradient."""
    check_inplace(self)
    if _C.is_grad_enabled() and self._requires_grad:
        array = self._array.copy(order="K")
        in_memory_order(array, draw)
        return store(self, record(node, (self,), array, ctx=(tuple(self.shape),)))
    in_memory_order(self._array, draw)
    self._bump_version()
    return self


def in_memory_order(array: Any, draw: Callable[[Any], None]) -> None:
    """Calls ``draw`` with a contiguous array for the elements in the order of their addresses."""
    if array.flags.c_contiguous:
        draw(array)
        return
    straight = array.transpose(memory_order(array.strides, array.shape))
    if straight.flags.c_contiguous:
        draw(straight)
        return
    buffer = np.empty_like(straight, order="C")
    draw(buffer)
    straight[...] = buffer


def real_view(array: Any) -> Any:
    """Complex numbers as their parts, on a last axis."""
    if array.dtype.kind != "c":
        return array
    part = array.real.dtype
    return np.lib.stride_tricks.as_strided(array.real, (*array.shape, 2), (*array.strides, part.itemsize))


def check_drawable(dtype: dtypes.dtype, kernel: str) -> None:
    """NotImplementedError, worded as PyTorch's, for types that are neither floating nor complex."""
    if dtype.category < dtypes.FLOATING:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(dtype)}'")


# --- what is drawn into arrays ------------------------------------------------------------------------------------


def draw_uniform(generator: Any, array: Any, low: float, high: float) -> None:
    """Uniforms on [low, high) into a contiguous array of a floating type."""
    fill = backend_of(array).random_uniform
    if array.dtype in (np.float32, np.float64):
        fill(generator, array, low, high)
        return
    wide = np.empty(array.shape, np.float32)
    fill(generator, wide, low, high)
    rounded = wide.astype(array.dtype)
    rounded[rounded == array.dtype.type(high)] = low
    array[...] = rounded


def draw_normal(generator: Any, array: Any, mean: float, std: float, serial: bool = False) -> None:
    """Normals into a contiguous array of a floating type."""
    fill = backend_of(array).random_normal
    if array.dtype in (np.float32, np.float64):
        fill(generator, array, mean, std, serial)
        return
    # Half types draw whole blocks of 16 only, then one for the rest.
    flat = array.reshape(-1)
    wide = np.empty(flat.size, np.float32)
    whole = flat.size - flat.size % 16
    if serial or flat.size < 16:
        fill(generator, wide, mean, std, True)
    else:
        fill(generator, wide[:whole], mean, std, False)
        if whole < flat.size:
            fill(generator, wide[-16:], mean, std, False)
    flat[...] = wide


def draw_bernoulli(generator: Any, array: Any, p: float) -> None:
    """Ones with probability p into a contiguous array of any type."""
    drawn = array if array.dtype == bool else np.empty(array.shape, bool)
    backend_of(array).random_bernoulli(generator, drawn, p)
    if drawn is not array:
        array[...] = drawn


def draw_integers(generator: Any, array: Any, range: int, base: int, wide: bool) -> None:
    """base + draw % range into a contiguous array of any type."""
    drawn = array if array.dtype == np.int64 else np.empty(array.shape, np.int64)
    backend_of(array).random_integers(generator, drawn, range % 2**64, base, wide)
    if drawn is not array:
        array[...] = drawn


def _draw_transformed(generator: Any, array: Any, kind: int, a: float, b: float) -> None:
    drawn = array
    if array.dtype not in (np.float32, np.float64):
        # Half types are rounded by way of float32.
        drawn = np.empty(array.shape, np.float64 if array.dtype.kind in "iu" else np.float32)
    backend_of(array).random_transformed(generator, drawn, kind, a, b)
    if drawn is not array:
        array[...] = drawn


# --- methods --------------------------------------------------------------------------------------------------------


@functools.cache
def _limits(dtype: dtypes.dtype) -> tuple[float, float]:
    """The smallest and the largest number of a type."""
    if dtype is dtypes.bool:
        return 0, 1
    info = dtypes.finfo(dtype) if dtype.is_floating_point else dtypes.iinfo(dtype)
    return info.min, info.max


def _check_bound(value: float, name: str, dtype: dtypes.dtype) -> None:
    low, high = _limits(dtype)
    if not low <= value <= high:
        raise RuntimeError(f"{name} is out of bounds for {_C_NAMES[dtype.name]}")


@op(function=False)
def uniform_(self: Tensor, from_: float = 0, to: float = 1, *, generator: Generator | None = None, **kw: Any) -> Tensor:
    """Fills with uniforms on [from, to).

    Raises:
        RuntimeError: when from > to, or one is outside the type's range.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(2).uniform_(-1, 1)
    tensor([-0.0075,  0.5364])
    """
    low, high = float(kw.pop("from", from_)), float(to)
    if kw:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(kw))}'")
    source = generator_of(generator, "uniform_")
    check_drawable(self.dtype, "check_uniform_bounds")
    real = self.dtype.to_real()
    _check_bound(low, "from", real)
    _check_bound(high, "to", real)
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > _limits(real)[1]:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{scalar_type_name(real)}>::max(), but found to={high:g} "
            f"and from={low:g} which result in to-from to exceed the limit"
        )
    return _fill(self, UniformBackward0, lambda array: draw_uniform(source, real_view(array), low, high))


def normal_std_check(std: float) -> None:
    """RuntimeError for a negative (or NaN) standard deviation."""
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


@op(function=False)
def normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fills with normals. Of complex numbers ``std`` is the deviation of both parts together.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(2).normal_(10, 0.1)
    tensor([10.1541,  9.9707])
    """
    normal_std_check(std)
    source = generator_of(generator, "normal_")
    check_drawable(self.dtype, "normal_kernel_cpu")
    if self.dtype.is_complex:
        std = std / math.sqrt(2)
    serial = not self._array.flags.c_contiguous

    def draw(array: Any) -> None:
        draw_normal(source, real_view(array), float(mean), float(std), serial)

    return _fill(self, NormalBackward0, draw)


def _closest_inside(low: int, high: int, dtype: dtypes.dtype) -> tuple[int, int]:
    """[low, high) moved inwards to numbers that a floating type has."""
    real, digits = dtype.numpy.type, _MANTISSA[dtype.name]
    next_low = int(real(low + 1))
    if next_low < low:
        low = next_low + (1 << max(abs(low + 1).bit_length() - 1 - digits + 1, 0))
    last = int(real(high - 1))
    if last >= high:
        high = last - (1 << max(abs(high - 1).bit_length() - 1 - digits + 1, 0))
    return low, high


def integer_range(dtype: dtypes.dtype, low: int, high: int) -> tuple[int, int, bool]:
    """Range, base and width of the draws for integers in [low, high) as numbers of a type.

    Raises:
        RuntimeError: for an empty range, or one outside the type's.
    """
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.is_floating_point:
        for value, name in ((low, "from"), (high - 1, "to - 1")):
            _check_bound(value, name, dtype)
        low, high = _closest_inside(low, high, dtype)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
                f"from={low} >= to={high}"
            )
    elif dtype.is_complex:
        raise NotImplementedError(f"\"random_from_to_kernel_cpu\" not implemented for '{scalar_type_name(dtype)}'")
    _check_bound(low, "from", dtype)
    _check_bound(high - 1, "to - 1", dtype)
    return high - low, low, high - low >= 2**28


def _whole_range(dtype: dtypes.dtype) -> tuple[int, int, bool]:
    """The draws of ``random_()``: all non-negative numbers, for floats up to 2^mantissa."""
    if dtype.is_complex:
        raise NotImplementedError(f"\"random_kernel_cpu\" not implemented for '{scalar_type_name(dtype)}'")
    if dtype.is_floating_point:
        return 2 ** _MANTISSA[dtype.name] + 1, 0, dtype is dtypes.float64
    return int(_limits(dtype)[1]) + 1, 0, dtype is dtypes.int64


@op(function=False)
def random_(self: Tensor, *args: Any, generator: Generator | None = None, **kw: Any) -> Tensor:
    """Fills with integers: ``random_()`` all that are not negative, ``random_(to)`` those below to,
    ``random_(from, to)`` those in [from, to).

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(4, dtype=torch.int64).random_(10)
    tensor([4, 9, 3, 0])
    """
    source = generator_of(generator, "random_")
    if len(args) + len(kw) > 2 or not set(kw) <= {"from", "to"}:
        raise TypeError("random_() takes (), (int to) or (int from, int to)")
    low, high = kw.get("from"), kw.get("to")
    if args:
        low, high = args if len(args) == 2 else ((args[0], high) if "to" in kw else (None, args[0]))
    if low is None and high is None:
        span, base, wide = _whole_range(self.dtype)
        node: type[Node] = RandomBackward2
    elif high is None:
        span, base, wide = _from_on(self.dtype, int(low))
        node = RandomBackward0
    else:
        span, base, wide = integer_range(self.dtype, int(low or 0), int(high))
        node = RandomBackward1 if low is None else RandomBackward0
    return _fill(self, node, lambda array: draw_integers(source, array, span, base, wide))


def _from_on(dtype: dtypes.dtype, low: int) -> tuple[int, int, bool]:
    """The draws of ``random_(from, None)``: from there to the type's largest integer."""
    last = 2 ** _MANTISSA[dtype.name] if dtype.is_floating_point else int(_limits(dtype)[1])
    _check_bound(low, "from", dtype)
    return last - low + 1, low, last - low + 1 >= 2**28


@op(function=False)
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills with ones, with probability p (a number, or a tensor that broadcasts), and zeros.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(5).bernoulli_(0.5)
    tensor([0., 0., 1., 0., 0.])
    """
    source = generator_of(generator, "bernoulli_")
    if isinstance(p, _C.TensorBase):
        return _bernoulli_each(self, p, source)
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    return _fill(self, BernoulliBackward2, lambda array: draw_bernoulli(source, array, float(p)))


def _bernoulli_each(self: Tensor, p: Tensor, source: Any) -> Tensor:
    """A probability per element, held against a uniform of its own precision."""
    if not p.dtype.is_floating_point:
        raise NotImplementedError(f"\"bernoulli_tensor_cpu_p_\" not implemented for '{scalar_type_name(p.dtype)}'")
    odds = np.broadcast_to(p._array, self._array.shape)
    if not bool(((odds >= 0) & (odds <= 1)).all()):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, "
            "please report an enhancement request to PyTorch.)"
        )
    odds = odds.transpose(memory_order(self._array.strides, self._array.shape))

    def draw(array: Any) -> None:
        uniforms = np.empty(array.shape, np.float64 if p.dtype is dtypes.float64 else np.float32)
        backend_of(array).random_uniform(source, uniforms, 0.0, 1.0)
        array[...] = uniforms < odds.reshape(array.shape)

    return _fill(self, BernoulliBackward1, draw)


@op(function=False)
def exponential_(self: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fills with numbers of the exponential distribution of rate ``lambd``.

    >>> import pytensor as torch
    >>> torch.empty(3).exponential_().min() >= 0
    tensor(True)
    """
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {scalar_type_name(self.dtype)}"
        )
    source = generator_of(generator, "exponential_")
    return _fill(self, ExponentialBackward0, lambda array: _draw_transformed(source, array, 0, float(lambd), 0.0))


@op(function=False)
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills with the number of trials until the first success of probability p: 1, 2, ...

    >>> import pytensor as torch
    >>> torch.empty(3).geometric_(0.5).min() >= 1
    tensor(True)
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if self.dtype is dtypes.bool or self.dtype.is_complex:
        raise NotImplementedError(f"\"geometric_cpu\" not implemented for '{scalar_type_name(self.dtype)}'")
    source = generator_of(generator, "geometric_")
    return _fill(self, GeometricBackward0, lambda array: _draw_transformed(source, array, 1, float(p), 0.0))


@op(function=False)
def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fills with numbers of the Cauchy distribution.

    >>> import pytensor as torch
    >>> torch.empty(3).cauchy_().shape
    torch.Size([3])
    """
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {_C_NAMES[self.dtype.name]}"
        )
    source = generator_of(generator, "cauchy_")
    return _fill(self, CauchyBackward0, lambda array: _draw_transformed(source, array, 2, float(median), float(sigma)))


@op(function=False)
def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None) -> Tensor:
    """Fills with numbers whose logarithm is normal, of the given mean and standard deviation.

    >>> import pytensor as torch
    >>> torch.empty(3).log_normal_().min() > 0
    tensor(True)
    """
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    check_drawable(self.dtype, "log_normal_cpu")
    source = generator_of(generator, "log_normal_")
    return _fill(self, LogNormalBackward0, lambda array: _draw_transformed(source, array, 3, float(mean), float(std)))
