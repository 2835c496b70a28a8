"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from pytensor import cat
from pytensor.tensor import Tensor
from pytensor.utils.names import typename

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_devices(parameters: Iterable[Tensor]) -> list[Tensor]:
    parameters = list(parameters)
    if len({p.device for p in parameters}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return parameters


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The parameters one after the other, flattened. TypeError when they are on different devices.

    >>> import pytensor as torch
    >>> torch.nn.utils.parameters_to_vector([torch.ones(1, 2), torch.zeros(1)])
    tensor([1., 1., 0.])
    """
    return cat([p.view(-1) for p in _check_devices(parameters)])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Makes the parameters views of consecutive slices of `vec`. TypeError for something that is no tensor.

    >>> import pytensor as torch
    >>> w = torch.zeros(2)
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0]), [w])
    >>> w
    tensor([1., 2.])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    start = 0
    for param in _check_devices(parameters):
        end = start + param.numel()
        param.data = vec[start:end].view_as(param).data
        start = end
