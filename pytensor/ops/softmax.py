"""Softmax, log-softmax and softmin."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import OUTPUT, Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.dtypes import dtype as DType
    from pytensor.tensor import Tensor

__all__ = ["log_softmax", "softmax", "softmin"]


class SoftmaxBackward0(Node):
    saves = ("result",)

    def backward(self, grad: Tensor) -> Any:
        (result,) = self.saved
        return (_softmax_backward(grad, result, self.ctx),)


class SoftmaxBackwardDataBackward0(Node):
    """Of grad_x = (grad - sum(grad * y)) * y."""

    def backward(self, gg: Tensor) -> Any:
        grad, y = self.saved
        dim = self.ctx
        grad_y = None
        if self.needs_input_grad[1]:
            product = (gg * y).sum(dim, keepdim=True)
            grad_y = gg * grad - gg * (grad * y).sum(dim, keepdim=True) - grad * product
        return _softmax_backward(gg, y, dim), grad_y


class LogSoftmaxBackward0(Node):
    saves = ("result",)

    def backward(self, grad: Tensor) -> Any:
        (result,) = self.saved
        return (_log_softmax_backward(grad, result, self.ctx),)


class LogSoftmaxBackwardDataBackward0(Node):
    """Of grad_x = grad - exp(y) * sum(grad)."""

    def backward(self, gg: Tensor) -> Any:
        grad, y = self.saved
        dim = self.ctx
        weighted = gg * y.exp()
        grad_grad = gg - weighted.sum(dim, keepdim=True)
        grad_y = -weighted * grad.sum(dim, keepdim=True) if self.needs_input_grad[1] else None
        return grad_grad, grad_y


def _softmax_backward(grad: Tensor, y: Tensor, dim: int) -> Tensor:
    out = backend_of(y._array).softmax_backward(grad._array, y._array, dim, False)
    return record(SoftmaxBackwardDataBackward0, (grad, y), out, saved=(grad, y), ctx=dim)


def _log_softmax_backward(grad: Tensor, y: Tensor, dim: int) -> Tensor:
    out = backend_of(y._array).softmax_backward(grad._array, y._array, dim, True)
    return record(LogSoftmaxBackwardDataBackward0, (grad, y), out, saved=(grad, y), ctx=dim)


def _normalized(node: type[Node], function: str, input: Any, dim: int, dtype: DType | None) -> Tensor:
    check_tensor(input, function, "input", 1)
    if dtype is not None:
        input = input.to(dtype)
    dim = normalize_dim(dim, input.ndim)
    if not input.dtype.is_floating_point:
        kind = "lastdim_" if dim == max(input.ndim - 1, 0) else ""
        raise NotImplementedError(
            f"\"{function}_{kind}kernel_impl\" not implemented for '{scalar_type_name(input.dtype)}'"
        )
    out = backend_of(input._array).softmax(input._array, dim, function == "log_softmax")
    return record(node, (input,), out, saved=(OUTPUT,), ctx=dim)


@op(namespace="special")
@op()
@quick("softmax", SoftmaxBackward0, arguments=("dim",), params=(0.0,))
def softmax(input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None) -> Tensor:
    """exp(x) divided by its sum along ``dim``.

    Args:
        dtype: the input is cast to it first.

    Raises:
        IndexError: when there is no such dimension.
        NotImplementedError: for integers.

    >>> import pytensor as torch
    >>> torch.softmax(torch.tensor([0., 0.]), 0)
    tensor([0.5000, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
    """
    return write_out(_normalized(SoftmaxBackward0, "softmax", input, dim, dtype), out, "softmax")


@op(namespace="special")
@op()
@quick("softmax", LogSoftmaxBackward0, arguments=("dim",), params=(1.0,))
def log_softmax(input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of :func:`softmax`, computed without taking the logarithm of small numbers.

    >>> import pytensor as torch
    >>> torch.log_softmax(torch.tensor([0., 0.]), 0)
    tensor([-0.6931, -0.6931])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
    """
    return write_out(_normalized(LogSoftmaxBackward0, "log_softmax", input, dim, dtype), out, "log_softmax")


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


@op(name="softmax", namespace="nn.functional")
@quick("softmax", SoftmaxBackward0, arguments=("dim",), params=(0.0,))
def functional_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """:func:`torch.softmax`; leaving out ``dim`` is deprecated.

    >>> import pytensor as torch
    >>> torch.nn.functional.softmax(torch.tensor([[0., 0.]]), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return _normalized(SoftmaxBackward0, "softmax", input, dim, dtype)


@op(name="log_softmax", namespace="nn.functional")
@quick("softmax", LogSoftmaxBackward0, arguments=("dim",), params=(1.0,))
def functional_log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """:func:`torch.log_softmax`; leaving out ``dim`` is deprecated.

    >>> import pytensor as torch
    >>> torch.nn.functional.log_softmax(torch.tensor([[0., 0.]]), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return _normalized(LogSoftmaxBackward0, "log_softmax", input, dim, dtype)


@op(namespace="nn.functional")
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """Softmax of ``-input``; leaving out ``dim`` is deprecated.

    >>> import pytensor as torch
    >>> torch.nn.functional.softmin(torch.tensor([[0., 0.]]), dim=1)
    tensor([[0.5000, 0.5000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmin.html
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return _normalized(SoftmaxBackward0, "softmax", -input, dim, dtype)
