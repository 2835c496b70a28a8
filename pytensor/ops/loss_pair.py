"""What losses of one input and one target element each have in common: a fused kernel each way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.activation_smooth import logsigmoid
from pytensor.ops.checks import broadcast_shapes_of
from pytensor.ops.pointwise_core import result_type
from pytensor.ops.recompose import gradient_through
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["broadcast_together", "pair_loss"]

_COMPOSED = "composed"  # PyTorch composes the loss: its last op is the reduction
_NAMES = {
    "mse": "MseLossBackward0",
    "l1": _COMPOSED,
    "smooth_l1": "SmoothL1LossBackward0",
    "huber": "HuberLossBackward0",
    "bce": "BinaryCrossEntropyBackward0",
    "bce_with_logits": "BinaryCrossEntropyWithLogitsBackward0",
    "bce_pos_weight": "BinaryCrossEntropyWithLogitsBackward0",
    "soft_margin": "SoftMarginLossBackward0",
    "kl": _COMPOSED,
    "kl_log": _COMPOSED,
    "hinge": _COMPOSED,
    "gaussian": _COMPOSED,
}
_REDUCTIONS = {"mean": "MeanBackward0", "sum": "SumBackward0"}
_LAST_OPS = {
    "l1": "AbsBackward0",
    "kl": "SubBackward0",
    "kl_log": "MulBackward0",
    "hinge": "ClampMinBackward0",
    "gaussian": "MulBackward0",
}
_OF_DIFFERENCE = ("mse", "l1", "smooth_l1", "huber", "gaussian")  # the target's gradient is minus the input's
_SYMMETRIC = ("hinge", "soft_margin")  # input and target may change places
_BY_TARGET = {"kl": "kl_by_target", "kl_log": "kl_log_by_target"}  # kernels for the target's gradient


def _slope(kind: str, param: Any, x: Tensor, t: Tensor) -> Tensor:
    """d loss / d x (or what the kind says) in public ops."""
    match kind:
        case "mse":
            return (x - t) * 2
        case "l1":
            return (x - t).sign()
        case "smooth_l1":
            return ((x - t) / param).clamp(-1, 1)
        case "huber":
            return (x - t).clamp(-param, param)
        case "bce":
            return (x - t) / ((1 - x) * x).clamp_min(1e-12)
        case "bce_with_logits":
            return x.sigmoid() - t
        case "bce_pos_weight":
            return (param * t + 1 - t) * x.sigmoid() - param * t
        case "kl":
            return -t
        case "kl_log":
            return -t.exp()
        case "hinge":
            return (-t).masked_fill(param - x * t < 0, 0)
        case "gaussian":
            return (x - t) / param
        case "kl_by_target":
            return t.log() + 1 - x
        case "kl_log_by_target":
            return t.exp() * (t - x + 1)
        case "gaussian_by_variance":
            d = x - t
            return 0.5 * (1 - d * d / param) / param
    return -t * (-x * t).sigmoid()  # soft_margin


def _target_slope(kind: str, param: Any, x: Tensor, t: Tensor) -> Tensor:
    """d loss / d target in public ops, for losses without a kernel for it."""
    if kind == "bce":
        return (-x).log1p().clamp_min(-100) - x.log().clamp_min(-100)
    if kind == "bce_with_logits":
        return -x
    return logsigmoid(-x) - param * logsigmoid(x)  # bce_pos_weight


class PairLossBackward(Node):
    """saved: input, target and, where there is one, the parameter of each element."""

    def name(self) -> str:
        kind, _, _, mode = self.ctx
        return _REDUCTIONS.get(mode, _LAST_OPS[kind]) if kind in _LAST_OPS else _NAMES[kind]

    def backward(self, grad: Tensor) -> Any:
        x, t = self.saved[:2]
        kind, param, factor, _ = self.ctx
        param = self.saved[2] if len(self.saved) > 2 else param
        need_x, need_t, *need_param = self.needs_input_grad
        grad_x = grad_t = grad_param = None
        if need_x or (need_t and kind in _OF_DIFFERENCE):
            grad_x = _pair_backward(kind, param, factor, grad, x, t)
        if need_t:
            if kind in _OF_DIFFERENCE:
                grad_t = -grad_x
            elif kind in _SYMMETRIC:
                grad_t = _pair_backward(kind, param, factor, grad, t, x)
            elif kind in _BY_TARGET:
                grad_t = _pair_backward(_BY_TARGET[kind], param, factor, grad, x, t)
            else:
                grad_t = grad * factor * _target_slope(kind, param, x, t)
        if any(need_param):  # gaussian
            grad_param = _pair_backward("gaussian_by_variance", param, factor, grad, x, t)
        return (grad_x if need_x else None, grad_t, grad_param)[: len(self.needs_input_grad)]


class PairLossBackwardBackward(Node):
    def backward(self, gg: Tensor) -> Any:
        kind, number, factor = self.ctx

        def composition(grad: Tensor, x: Tensor, t: Tensor, param: Any = number) -> tuple[Any, ...]:
            return (grad * factor * _slope(kind, param, x, t),)

        return gradient_through(composition, self.saved, (gg,), self.needs_input_grad)


def _pair_backward(kind: str, param: Any, factor: float, grad: Tensor, x: Tensor, t: Tensor) -> Tensor:
    number = isinstance(param, (int, float))
    inputs = (grad, x, t) if number else (grad, x, t, param)
    values = param if number else param._array
    out = backend_of(x._array).pair_loss_backward(kind, values, grad._array, x._array, t._array, factor)
    return record(PairLossBackwardBackward, inputs, out, saved=inputs, ctx=(kind, param if number else None, factor))


def pair_loss(kind: str, kernel: str, x: Tensor, t: Tensor, mode: str, param: Any = 0.0) -> Tensor:
    """The loss of two tensors of one shape.

    Args:
        kernel: PyTorch's name, for the error.
        param: a number, or a tensor that broadcasts to the shape (bce_pos_weight, gaussian).
    """
    tensors = [x, t] if isinstance(param, (int, float)) else [x, t, param]
    if any(v.dtype != x.dtype for v in tensors):
        common = result_type(*tensors)
        tensors = [v.to(common) for v in tensors]
    x, t, *each = tensors
    if not x.dtype.is_floating_point:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(x.dtype)}'")
    values = each[0]._array if each else param
    out = backend_of(x._array).pair_loss(kind, values, x._array, t._array, mode)
    factor = (1 / x.numel() if x.numel() else math.nan) if mode == "mean" else 1.0
    ctx = (kind, None if each else param, factor, mode)
    inputs = tuple(tensors)
    return record(PairLossBackward, inputs, out, saved=inputs, ctx=ctx)


def broadcast_together(*tensors: Tensor) -> Any:
    """The tensors, stretched to the shape they broadcast to."""
    shape = tensors[0].shape
    for tensor in tensors[1:]:
        if tensor.shape != shape:
            shape = broadcast_shapes_of(shape, tensor.shape)
    return tuple(v if v.shape == shape else v.expand(shape) for v in tensors)
