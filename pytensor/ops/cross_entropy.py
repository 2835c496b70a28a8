"""Cross-entropy and negative log-likelihood."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.loss_reduction import reduction_mode
from pytensor.ops.pointwise_core import quick
from pytensor.ops.recompose import gradient_through
from pytensor.ops.registry import op
from pytensor.ops.softmax import log_softmax, softmax
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["cross_entropy", "nll_loss"]


def _lines(shape: Any) -> tuple[int, int, int]:
    """(batch, classes, inner) of logits (classes), (batch, classes) or (batch, classes, ...)."""
    if len(shape) == 1:
        return (1, shape[0], 1)
    return (shape[0], shape[1], math.prod(shape[2:]))


def _node_name(ndim: int, mode: str) -> str:
    if ndim <= 2:
        return "NllLossBackward0"
    return "ViewBackward0" if mode == "none" and ndim != 4 else "NllLoss2DBackward0"


class CrossEntropyBackward(Node):
    """Named as the last op of PyTorch's composition."""

    def name(self) -> str:
        _, smoothing, _, mode, ndim = self.ctx
        return "AddBackward0" if smoothing else _node_name(ndim, mode)

    def backward(self, grad: Tensor) -> Any:
        x, target, weight, largest, log_sum = self.saved
        return (_cross_entropy_backward(grad, x, target, weight, largest, log_sum, self.ctx),)


class CrossEntropyBackwardBackward(Node):
    def backward(self, gg: Tensor) -> Any:
        grad, x, target, weight = self.saved
        ignore_index, smoothing, factor, *_ = self.ctx
        lines = _lines(x.shape)
        t = target._array.reshape(lines[0], 1, lines[2])
        counts = (t != ignore_index) * factor
        w = 1.0 if weight is None else weight._array[np.where(t == ignore_index, 0, t)]
        all_weights = lines[1] if weight is None else weight._array.sum()
        share = (((1 - smoothing) * w + smoothing / lines[1] * all_weights) * counts).astype(x._array.dtype)
        # grad_x = grad * (share * softmax - rest); the rest does not depend on the logits.
        logits = x._array.reshape(lines)
        backend = backend_of(logits)
        labels = (target._array.reshape(lines[0], lines[2]), _array(weight), ignore_index, smoothing)
        _, largest, log_sum, _ = backend.cross_entropy(logits, *labels, "sum")
        one = np.ones(1, logits.dtype)
        unit = backend.cross_entropy_backward(one, logits, *labels, largest, log_sum, factor)
        rest = share * backend.softmax(logits, 1, False) - unit

        def composition(grad: Tensor, x: Tensor) -> tuple[Any, ...]:
            g = grad.reshape(1, 1, 1) if grad.numel() == 1 else grad.reshape(lines[0], 1, lines[2])
            return ((g * (wrap(share) * softmax(x.reshape(lines), 1) - wrap(rest))).reshape(x.shape),)

        return gradient_through(composition, (grad, x), (gg,), self.needs_input_grad)


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor._array


def _cross_entropy_backward(
    grad: Tensor, x: Tensor, target: Tensor, weight: Any, largest: Any, log_sum: Any, ctx: Any
) -> Tensor:
    ignore_index, smoothing, factor, *_ = ctx
    out = backend_of(x._array).cross_entropy_backward(
        grad._array, x._array, target._array, _array(weight), ignore_index, smoothing, largest, log_sum, factor
    )
    return record(CrossEntropyBackwardBackward, (grad, x), out, saved=(grad, x, target, weight), ctx=ctx)


def _check_weight(weight: Any, classes: int, x: Any) -> None:
    if weight is None:
        return
    if list(weight.shape) != [classes]:
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight.shape)}"
        )
    if weight.dtype != x.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_type_name(x.dtype)} but found {scalar_type_name(weight.dtype)}"
        )


def _check_target_shape(x: Any, target: Any) -> None:
    size, given = list(x.shape), list(target.shape)
    if x.ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {x.ndim})")
    if x.ndim != 1 and size[0] != (given[0] if given else None):
        got = given[0] if given else 0
        raise ValueError(f"Expected input batch_size ({size[0]}) to match target batch_size ({got}).")
    if x.ndim <= 2:
        if target.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if x.ndim == 1 and target.ndim == 1 and size[0] != given[0]:
            raise RuntimeError(f"size mismatch (got input: {size}, target: {given})")
    elif x.ndim == 4:
        if target.ndim != 3:
            raise RuntimeError(
                f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {target.ndim}"
            )
        if given[1:] != size[2:]:
            raise RuntimeError(f"size mismatch (got input: {size} , target: {given}")
    elif given != [size[0], *size[2:]]:
        raise RuntimeError(f"Expected target size {[size[0], *size[2:]]}, got {given}")


def _checked_target(x: Any, target: Any, weight: Any, ignore_index: int) -> Any:
    """The target as an int64 tensor, after PyTorch's checks."""
    _check_target_shape(x, target)
    classes = _lines(x.shape)[1]
    _check_weight(weight, classes, x)
    kind = scalar_type_name(target.dtype)
    if kind not in ("Long", "Byte"):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {kind}")
    if kind == "Byte":
        target = target.long()
    wrong = backend_of(x._array).bad_target(target._array, classes, ignore_index)
    if wrong is not None:
        raise IndexError(f"Target {wrong} is out of bounds.")
    return target


_ARGUMENTS = ("weight", "size_average", "ignore_index", "reduce", "reduction")


@op(namespace="nn.functional")
@quick("cross_entropy", CrossEntropyBackward, arguments=(*_ARGUMENTS, "label_smoothing"))
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between logits and target classes, or target probabilities.

    Args:
        input: logits, (classes), (batch, classes) or (batch, classes, ...).
        target: class indices (int64) without the class axis, or probabilities of the shape of ``input``.
        weight: one factor per class.
        ignore_index: samples with this target do not count.
        reduction: "mean" (over the weights of the samples that count), "sum" or "none".
        label_smoothing: share of the target that is spread evenly over all classes.
        size_average, reduce: deprecated.

    Raises:
        IndexError: for a target that is no class.
        ValueError, RuntimeError: when shapes or dtypes do not match.

    >>> import pytensor as torch
    >>> logits = torch.tensor([[2., 0.], [0., 2.]])
    >>> torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0]))
    tensor(1.1269)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
    """
    mode = reduction_mode(reduction, size_average, reduce, stacklevel=4)
    check_tensor(input, "cross_entropy_loss", "input", 1)
    check_tensor(target, "cross_entropy_loss", "target", 2)
    if input.shape == target.shape:
        return _cross_entropy_of_probabilities(input, target, weight, mode, ignore_index, label_smoothing)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if not input.dtype.is_floating_point:
        name = "log_softmax_lastdim_kernel_impl" if input.ndim <= 2 else "log_softmax_kernel_impl"
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_type_name(input.dtype)}'")
    target = _checked_target(input, target, weight, ignore_index)
    out, largest, log_sum, factor = backend_of(input._array).cross_entropy(
        input._array, target._array, _array(weight), ignore_index, label_smoothing, mode
    )
    saved = (input, target, weight, largest, log_sum)
    ctx = (ignore_index, label_smoothing, factor, mode, input.ndim)
    return record(CrossEntropyBackward, (input,), out, saved=saved, ctx=ctx)


def _cross_entropy_of_probabilities(
    input: Tensor, target: Tensor, weight: Any, mode: str, ignore_index: int, smoothing: float
) -> Tensor:
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {scalar_type_name(target.dtype)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    axis = 0 if input.ndim <= 1 else 1
    classes = input.shape[axis] if input.ndim else 1
    if weight is not None and list(weight.shape) != [classes]:
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )
    if not 0.0 <= smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {smoothing}")
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    product = log_softmax(input, axis) * target
    if weight is not None:
        product = product * weight.reshape([-1 if i == axis else 1 for i in range(input.ndim)])
    if mode == "none":
        return -product.sum(axis)
    total = -product.sum()
    return total if mode == "sum" else total / (input.numel() / classes if classes else math.nan)


class NllLossBackward(Node):
    saves = ("other", "third")  # target and weight

    def name(self) -> str:
        _, _, shape, mode = self.ctx
        return _node_name(len(shape), mode)

    def backward(self, grad: Tensor) -> Any:
        target, weight = self.saved
        ignore_index, factor, shape, _ = self.ctx
        return (_nll_loss_backward(grad, target, weight, ignore_index, factor, shape),)


class NllLossBackwardBackward(Node):
    """The gradient is linear in grad: what grad i is multiplied by is the loss of sample i at ``gg``."""

    def backward(self, gg: Tensor) -> Any:
        target, weight = self.saved
        ignore_index, factor, _ = self.ctx
        per_sample = nll_loss(gg, target, weight, ignore_index=ignore_index, reduction="none") * factor
        return (per_sample,)


def _nll_loss_backward(
    grad: Tensor, target: Tensor, weight: Any, ignore_index: int, factor: float, shape: Any
) -> Tensor:
    backend = backend_of(grad._array)
    out = backend.nll_loss_backward(grad._array, shape, target._array, _array(weight), ignore_index, factor)
    return record(NllLossBackwardBackward, (grad,), out, saved=(target, weight), ctx=(ignore_index, factor, shape))


@op(namespace="nn.functional")
@quick("nll_loss", NllLossBackward, arguments=_ARGUMENTS)
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight[t] * x_t per sample, x the log-probabilities and t the target class.

    The arguments are those of :func:`cross_entropy`.

    >>> import pytensor as torch
    >>> x = torch.tensor([[-0.5, -1.], [-2., -0.1]])
    >>> torch.nn.functional.nll_loss(x, torch.tensor([0, 1]), reduction="none")
    tensor([0.5000, 0.1000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, stacklevel=4)
    check_tensor(input, "nll_loss", "input", 1)
    check_tensor(target, "nll_loss", "target", 2)
    target = _checked_target(input, target, weight, ignore_index)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"nll_loss_out_frame\" not implemented for '{scalar_type_name(input.dtype)}'")
    backend = backend_of(input._array)
    out, factor = backend.nll_loss(input._array, target._array, _array(weight), ignore_index, mode)
    ctx = (ignore_index, factor, tuple(input.shape), mode)
    return record(NllLossBackward, (input,), out, saved=(target, weight), ctx=ctx)
