"""Greatest and least elements, and where they are. NaN wins over every number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor import return_types
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import COMPLEX
from pytensor.ops.axes import fast_reduction, is_tensor, like_input, mask_of, numpy_names, reduced_axes
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.index import spread_elements
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.ops.select import maximum, minimum

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["SelectedBackward", "amax", "amin", "aminmax", "argmax", "argmin", "check_not_empty", "max", "min"]

Dims = int | Sequence[int] | None


def check_ordered(input: Any, name: str, kernel: str) -> None:
    """NotImplementedError for complex numbers: they have no order."""
    if input.dtype.category >= COMPLEX:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{_cpp_name(input)}'")


def _cpp_name(input: Any) -> str:
    return {"complex64": "ComplexFloat", "complex128": "ComplexDouble"}[input.dtype.name]


def check_not_empty(input: Any, name: str, axes: Sequence[int]) -> None:
    """IndexError when one of the axes has no elements to choose from."""
    for axis in axes:
        if input.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def check_whole_not_empty(input: Any, name: str) -> None:
    if input.numel() == 0:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument."
        )


class EvenBackward(Node):
    """The gradient is shared evenly by all elements equal to the result. ctx: (shape, dim, keepdim)."""

    saves = ("input", "result")

    def backward(self, grad: Any) -> Any:
        input, result = self.saved
        return (share_evenly(grad, input, result, *self.ctx),)


def share_evenly(grad: Any, input: Any, result: Any, shape: Any, dim: Dims, keepdim: bool) -> Any:
    """``grad`` of an extreme value, divided among the elements that have it."""
    chosen = like_input(result.detach(), shape, dim, keepdim)._array
    array = input._array
    mask = mask_of(array, (array == chosen) | ((array != array) & (chosen != chosen)))
    axes = reduced_axes(dim, len(shape))
    ties = wrap(backend_of(array).reduction("sum", mask, axes, True)).to(grad.dtype)
    return wrap(mask).to(grad.dtype) * (like_input(grad, shape, dim, keepdim) / ties)


class SelectedBackward(Node):
    """The gradient of values picked along an axis goes to where they were picked. saved: (indices,);
    ctx: (shape, dim, keepdim), dim normalised."""

    def backward(self, grad: Any) -> Any:
        (indices,) = self.saved
        shape, dim, keepdim = self.ctx
        if len(shape) == 0:
            return (grad,)
        if not keepdim:
            grad, indices = grad.unsqueeze(dim), indices.unsqueeze(dim)
        return (spread_elements(grad, shape, dim, indices),)


class MaxBackward1(EvenBackward):
    pass


class MinBackward1(EvenBackward):
    pass


class MaxBackward0(SelectedBackward):
    pass


class MinBackward0(SelectedBackward):
    pass


_NODES: dict[str, tuple[type[Node], type[Node]]] = {
    "max": (MaxBackward1, MaxBackward0),
    "min": (MinBackward1, MinBackward0),
}


def _extreme(name: str, input: Any, dim: Any, keepdim: bool, out: Any, other: Any) -> Any:
    """max and min in their three forms: of all, along an axis with indices, of two tensors."""
    check_tensor(input, name, "input", 1)
    if is_tensor(dim) or other is not None:
        pair = maximum if name == "max" else minimum
        return pair(input, dim if other is None else other, out=out)
    whole, along = _NODES[name]
    if dim is None:
        check_ordered(input, name, f"{name}_all")
        check_whole_not_empty(input, name)
        array = backend_of(input._array).reduction(name, input._array, tuple(range(input.ndim)))
        result = record(whole, (input,), array, saved=(input, OUTPUT), ctx=(input.shape, None, False))
        return write_out(result, out, name)
    if not isinstance(dim, int):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({type(dim).__name__}), but expected one of:"
            f"\n * ()\n * (Tensor other)\n * (int dim, bool keepdim = False)\n"
        )
    check_ordered(input, name, f"{name}_out_cpu")
    dim = normalize_dim(dim, input.ndim)
    check_not_empty(input, name, (dim,) if input.ndim else ())
    values, places = backend_of(input._array).extreme_with_indices(name, input._array, dim, keepdim)
    indices = wrap(places)
    values = record(along, (input,), values, saved=(indices,), ctx=(input.shape, dim, keepdim))
    return write_out(getattr(return_types, name)((values, indices)), out, name)


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Any = None, other: Tensor | None = None) -> Any:
    """The greatest element, or with ``dim`` the greatest along it and their indices, or of two tensors elementwise.

    ``max(x)`` shares its gradient evenly among equal elements; ``max(x, dim)`` gives it to the first.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).max(dim=1)
    torch.return_types.max(
    values=tensor([5., 4.]),
    indices=tensor([1, 0]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.max.html
    """
    return _extreme("max", input, dim, keepdim, out, other)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Any = None, other: Tensor | None = None) -> Any:
    """The least element, or with ``dim`` the least along it and their indices, or of two tensors elementwise.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0]).min()
    tensor(1.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.min.html
    """
    return _extreme("min", input, dim, keepdim, out, other)


def _quick_extreme(fn: Any, pair: Any) -> Any:
    name = fn.__name__
    whole, along = _NODES[name]
    alternate = (pair, along, getattr(return_types, name))
    return op()(fast_reduction(name, whole, alternate=alternate)(numpy_names(fn)))


max = _quick_extreme(max, maximum)
min = _quick_extreme(min, minimum)


class AmaxBackward0(EvenBackward):
    pass


class AminBackward0(EvenBackward):
    pass


def _extreme_over(name: str, node: type[Node], input: Any, dim: Dims, keepdim: bool, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    check_ordered(input, name, f"{name}_cpu")
    axes = reduced_axes(dim, input.ndim)
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        check_whole_not_empty(input, name)
    else:
        check_not_empty(input, name, axes)
    array = backend_of(input._array).reduction(name[1:], input._array, axes, keepdim)
    result = record(node, (input,), array, saved=(input, OUTPUT), ctx=(input.shape, dim, keepdim))
    return write_out(result, out, name)


@op()
@fast_reduction("amax", AmaxBackward0)
@numpy_names
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The greatest element over the axes ``dim``, or of all. The gradient is shared evenly among equal elements.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).amax(1)
    tensor([5., 4.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.amax.html
    """
    return _extreme_over("amax", AmaxBackward0, input, dim, keepdim, out)


@op()
@fast_reduction("amin", AminBackward0)
@numpy_names
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The least element over the axes ``dim``, or of all. The gradient is shared evenly among equal elements.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).amin(1)
    tensor([1., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.amin.html
    """
    return _extreme_over("amin", AminBackward0, input, dim, keepdim, out)


class AminmaxBackward0(Node):
    """Both results share evenly, as amin and amax do."""

    def backward(self, grad_min: Any, grad_max: Any) -> Any:
        input, least, greatest = self.saved
        total = None
        for grad, result in ((grad_min, least), (grad_max, greatest)):
            if grad is not None:
                part = share_evenly(grad, input, result, *self.ctx)
                total = part if total is None else total + part
        return (total,)


@op()
@numpy_names
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The least and the greatest element, of all or along ``dim``.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0]).aminmax()
    torch.return_types.aminmax(
    min=tensor(1.),
    max=tensor(3.))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.aminmax.html
    """
    check_tensor(input, "aminmax", "input", 1)
    check_ordered(input, "aminmax", "aminmax_cpu" if dim is not None else "aminmax_allreduce_cpu")
    if dim is None and input.numel() == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    axes = reduced_axes(dim, input.ndim)
    if dim is not None:
        check_not_empty(input, "aminmax", axes)
    reduction = backend_of(input._array).reduction
    arrays = tuple(reduction(name, input._array, axes, keepdim) for name in ("min", "max"))
    saved = (input, OUTPUT[0], OUTPUT[1])
    results = record(AminmaxBackward0, (input,), arrays, saved=saved, ctx=(input.shape, dim, keepdim))
    return write_out(return_types.aminmax(results), out, "aminmax")


def _place(name: str, input: Any, dim: int | None, keepdim: bool, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    if input.dtype.name == "bool":
        raise RuntimeError(f"{name}(): does not support bool input")
    check_ordered(input, name, f"{name}_cpu")
    axes = reduced_axes(dim, input.ndim)
    if dim is None and input.numel() == 0:
        raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
    check_not_empty(input, name, axes)
    return write_out(wrap(backend_of(input._array).reduction(name, input._array, axes, keepdim)), out, name)


@op()
@fast_reduction("argmax")
@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Where the greatest element is: the first of equal ones; in the flattened tensor without ``dim``.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).argmax(dim=0)
    tensor([1, 0])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.argmax.html
    """
    return _place("argmax", input, dim, keepdim, out)


@op()
@fast_reduction("argmin")
@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Where the least element is: the first of equal ones; in the flattened tensor without ``dim``.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).argmin()
    tensor(0)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.argmin.html
    """
    return _place("argmin", input, dim, keepdim, out)
