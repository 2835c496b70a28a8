"""The CPU's memory, the caching buffer pool behind tensors; and the choice of algorithms.

>>> import pytensor as torch
>>> torch.cpu.memory_stats()["in_use_bytes"] >= 0
True
"""

from __future__ import annotations

from pytensor import _C

__all__ = [
    "empty_cache",
    "is_available",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_memory_limit",
    "set_winograd",
    "winograd_enabled",
]


def is_available() -> bool:
    """Always True."""
    return True


def empty_cache() -> None:
    """Gives the pool's unused memory back to the system."""
    _C.pool_empty_cache()


def memory_stats() -> dict[str, int]:
    """Bytes in use, bytes kept for reuse, the peak, the limit, and how many requests were served from the cache
    (``hits``) or by the system (``misses``)."""
    return _C.pool_stats()


def reset_peak_memory_stats() -> None:
    """Starts ``peak_bytes`` anew."""
    _C.pool_reset_peak()


def set_memory_limit(bytes: int) -> None:
    """Sets how many unused bytes the pool keeps (2 GiB at first). ValueError for a negative number."""
    if bytes < 0:
        raise ValueError(f"set_memory_limit: expected a number of bytes >= 0, got {bytes}")
    _C.pool_set_limit(bytes)


def winograd_enabled() -> bool:
    """Whether float32 convolutions with stride 1 or 2 may use Winograd's algorithm."""
    return _C.winograd() != "off"


def set_winograd(enabled: bool) -> None:
    """Lets float32 convolutions and their gradients use Winograd's algorithm where it is faster, or forbids it: kernels
    of 3x3 to 6x6, 1xR and Rx1, over one axis or of several planes; with a stride of 2, 3x3 and 4x4.

    It takes up to four times fewer multiplications; its rounding errors are some 2 to 8 times larger than those of
    the definition's sum (``docs/performance/conv.md`` states the bound). On at first, unless the environment variable
    ``PYTENSOR_WINOGRAD`` is 0.

    >>> import pytensor as torch
    >>> torch.cpu.set_winograd(False)
    >>> torch.cpu.winograd_enabled()
    False
    >>> torch.cpu.set_winograd(True)
    """
    _C.set_winograd("automatic" if enabled else "off")
