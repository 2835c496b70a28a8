"""How many threads the kernels use."""

from __future__ import annotations

from pytensor import _C

__all__ = ["get_num_interop_threads", "get_num_threads", "set_num_interop_threads", "set_num_threads"]


def get_num_threads() -> int:
    """The number of threads a kernel may use.

    Taken at import from PYTENSOR_NUM_THREADS, else OMP_NUM_THREADS, else the number of processors.

    >>> import pytensor as torch
    >>> torch.get_num_threads() >= 1
    True
    """
    return _C.get_num_threads()


def set_num_threads(n: int) -> None:
    """Sets the number of threads a kernel may use.

    Raises:
        RuntimeError: for a number below 1.

    >>> import pytensor as torch
    >>> n = torch.get_num_threads()
    >>> torch.set_num_threads(1)
    >>> torch.get_num_threads()
    1
    >>> torch.set_num_threads(n)
    """
    if not isinstance(n, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    _C.set_num_threads(n)


def get_num_interop_threads() -> int:
    """The number of ops that run at the same time: always 1 here."""
    return 1


def set_num_interop_threads(n: int) -> None:
    """Accepted for PyTorch's sake: ops run one after the other here."""
    if n < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
