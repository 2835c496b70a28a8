"""Changing the size of a tensor in place, for ``out=`` and for buffers that grow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.layout import memory_format
from pytensor.ops.checks import check_tensor
from pytensor.ops.create import new_strided_array, sizes_of
from pytensor.ops.registry import op
from pytensor.ops.strides import dense_strides
from pytensor.storage import offset_of, root_of

if TYPE_CHECKING:
    from pytensor.tensor import Tensor


@op(function=False)
def resize_(self: Tensor, *sizes: Any, memory_format: memory_format | None = None) -> Tensor:
    """Gives the tensor another size in place: the elements of its storage from its first one on, in order, and
    uninitialised ones where the storage was too small and had to be replaced.

    Raises:
        RuntimeError: for a tensor that requires grad.

    >>> import pytensor as torch
    >>> x = torch.arange(6).reshape(2, 3)
    >>> x.resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    shape = sizes_of("resize_", sizes)
    if self._requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    array = self._array
    if shape == array.shape and memory_format is None:
        return self
    strides = dense_strides(memory_format, (), shape) if memory_format is not None else _contiguous(shape)
    self._array = _resized(array, shape, strides, self)
    self._bump_version()
    return self


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _resized(array: Any, shape: tuple[int, ...], strides: tuple[int, ...], owner: Tensor) -> Any:
    root, count = root_of(array), math.prod(shape)
    offset = offset_of(array)
    held = root.nbytes // array.itemsize - offset if root.flags.c_contiguous else -1
    if isinstance(array, np.ndarray) and count <= held:
        return np.ndarray(shape, array.dtype, root, offset * array.itemsize, [s * array.itemsize for s in strides])
    result = new_strided_array(shape, strides, owner.dtype, owner.device)
    kept = array.reshape(-1) if held < 0 else root.reshape(-1).view(array.dtype)[offset:]
    flat = result.ravel(order="K")  # a dense array: a view, in the order of memory
    n = min(count, kept.size)
    flat[:n] = kept[:n]
    return result


@op(function=True, method=True)
def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
    """:func:`Tensor.resize_` to the size of another tensor.

    >>> import pytensor as torch
    >>> torch.arange(4).resize_as_(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    check_tensor(the_template, "resize_as_", "the_template", 2)
    return resize_(input, tuple(the_template.shape), memory_format=memory_format)
