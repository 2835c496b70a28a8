"""What programs ask about GPUs. There is no CUDA back end yet: nothing is available, and the questions say so.

>>> import pytensor as torch
>>> "cuda" if torch.cuda.is_available() else "cpu"
'cpu'
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """Whether tensors can be on a GPU: not yet."""
    return False


def is_initialized() -> bool:
    """Whether the CUDA back end is in use: not yet."""
    return False


def device_count() -> int:
    """The number of GPUs that tensors can be on: 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the GPU's generator; nothing without a GPU, as in PyTorch."""


def manual_seed_all(seed: int) -> None:
    """Seeds all GPUs' generators; nothing without a GPU, as in PyTorch."""


def empty_cache() -> None:
    """Gives unused GPU memory back; nothing without a GPU, as in PyTorch."""


def current_device() -> int:
    """The index of the GPU in use.

    Raises:
        NotImplementedError: always, so far.
    """
    raise _missing("current_device")


def get_device_name(device: Any = None) -> str:
    """The name of a GPU.

    Raises:
        NotImplementedError: always, so far.
    """
    raise _missing("get_device_name")


def synchronize(device: Any = None) -> None:
    """Waits for a GPU.

    Raises:
        NotImplementedError: always, so far.
    """
    raise _missing("synchronize")


def _missing(name: str) -> NotImplementedError:
    return NotImplementedError(f"torch.cuda.{name}(): there is no CUDA back end yet")
