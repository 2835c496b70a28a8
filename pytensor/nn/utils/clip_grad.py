"""Gradient clipping, by norm and by value, in place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from types import GeneratorType

from pytensor import no_grad, promote_types, stack, tensor
from pytensor.backend import backend_of
from pytensor.ops.norms import vector_norm
from pytensor.tensor import Tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _as_list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors as if they were one vector; 0 for none.

    `norm_type`: the order, inf for the largest magnitude. Raises RuntimeError for a norm that is NaN or
    infinite with ``error_if_nonfinite=True``.

    >>> import pytensor as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    tensors = _as_list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    if norm_type == 2.0:
        total_norm = _euclidean_norm(tensors)
    else:
        norms = [vector_norm(t, norm_type).to(tensors[0].device) for t in tensors]
        total_norm = vector_norm(stack(norms), norm_type)
    if error_if_nonfinite and not total_norm.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be"
            " clipped. To disable this error and scale the gradients by the non-finite norm anyway, set"
            " `error_if_nonfinite=False`"
        )
    return total_norm


def _euclidean_norm(tensors: list[Tensor]) -> Tensor:
    """The 2-norm of all tensors from the sums of their squares, in the dtype that their norms would have."""
    arrays = [t._array for t in tensors]
    total = math.sqrt(sum(backend_of(arrays[0]).sums_of_squares(arrays)))
    dtype = tensors[0].dtype.to_real()
    for t in tensors[1:]:
        dtype = promote_types(dtype, t.dtype.to_real())
    return tensor(total, dtype=dtype, device=tensors[0].device)


def _change(grads: list[Tensor], what: str, value: float) -> None:
    """Calls a function of the back end that changes arrays in place, once for all gradients."""
    if grads:
        arrays = [grad._array for grad in grads]
        getattr(backend_of(arrays[0]), what)(arrays, value)
        for grad in grads:
            grad._bump_version()


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scales the gradients by ``max_norm / total_norm`` where that is below 1, in place."""
    grads = _gradients(_as_list(parameters))
    if not grads:
        return
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    if factor.is_cpu and factor.item() == 1.0:  # multiplying by 1 changes nothing
        return
    _change(grads, "scale_arrays", factor.item())


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients together, in place, so that their norm is at most `max_norm`. Returns the norm before.

    Raises RuntimeError for a norm that is NaN or infinite with ``error_if_nonfinite=True``.
    https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([w], max_norm=1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    is_generator = isinstance(parameters, GeneratorType)
    parameters = _as_list(parameters)
    if is_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total_norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Deprecated: use `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamps every element of the gradients to ±`clip_value`, in place.

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, -4.0])
    >>> torch.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1., -1.])
    """
    limit = float(clip_value)
    grads = _gradients(_as_list(parameters))
    if any(grad.is_complex() for grad in grads):
        raise RuntimeError("clamp is not supported for complex types")
    _change(grads, "clamp_arrays", limit)
