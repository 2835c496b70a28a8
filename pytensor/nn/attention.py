"""Which implementation of attention may be used: `torch.nn.attention`.

There is one implementation here, which needs no matrix of all scores and takes every input. The choice is checked, as
PyTorch checks it, and otherwise without effect.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager

from pytensor.ops import attention as _attention

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """PyTorch's implementations of scaled dot-product attention.

    >>> from pytensor.nn.attention import SDPBackend
    >>> SDPBackend.MATH
    <SDPBackend.MATH: 0>
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __str__(self) -> str:
        return f"SDPBackend.{self.name}"


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """Within it, attention may only use these implementations: RuntimeError where none of them is for CPUs.

    Args:
        set_priority: whether the order counts; without effect.

    Raises:
        AssertionError: for anything but a backend or a list of them.

    >>> import pytensor as torch
    >>> x = torch.ones(1, 2)
    >>> with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
    ...     torch.nn.functional.scaled_dot_product_attention(x, x, x)
    tensor([[1., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.attention.sdpa_kernel.html
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    before = _attention.backends_for_cpus
    _attention.backends_for_cpus = SDPBackend.MATH in chosen, SDPBackend.FLASH_ATTENTION in chosen
    try:
        yield {}
    finally:
        _attention.backends_for_cpus = before
