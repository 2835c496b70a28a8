"""Storages: the block of memory that one or more tensors view."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["UntypedStorage", "offset_of"]


def root_of(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while isinstance(getattr(array, "base", None), type(array)):
        array = array.base
    return array


def offset_of(array: Any) -> int:
    """Where in its storage an array's first element lies, in elements."""
    from pytensor.autograd.views import address

    return (address(array) - address(root_of(array))) // array.dtype.itemsize if array.size else 0


class UntypedStorage:
    """The memory behind a tensor, as bytes.

    >>> import pytensor as torch
    >>> x = torch.zeros(4)
    >>> x[1:].untyped_storage().data_ptr() == x.data_ptr(), x.untyped_storage().nbytes()
    (True, 16)
    """

    def __init__(self, array: Any) -> None:
        self._root = root_of(array)

    def data_ptr(self) -> int:
        from pytensor.autograd.views import address

        return address(self._root)

    def nbytes(self) -> int:
        return self._root.nbytes

    size = nbytes

    def __len__(self) -> int:
        return self._root.nbytes

    def tolist(self) -> list[int]:
        return np.ascontiguousarray(self._root).view(np.uint8).ravel().tolist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())
