"""From lists of samples to batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from pytensor import as_tensor, stack, tensor
from pytensor.dtypes import float64
from pytensor.tensor import Tensor

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

_BAD_TYPE = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def _rebuild_mapping(like: Mapping, values: dict) -> Any:
    """A mapping of the type of `like`, with its other attributes where the type allows."""
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(values)
            return clone
        return type(like)(values)
    except TypeError:  # it cannot be made from a dictionary alone
        return values


def _rebuild_sequence(like: Sequence, values: list) -> Any:
    """A sequence of the type of `like`; a tuple becomes a list."""
    if isinstance(like, tuple):
        return type(like)(*values) if hasattr(like, "_fields") else values
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(like)(values)
    except TypeError:  # it cannot be made from a list alone, or takes no items
        return values


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars as tensors, also inside mappings and sequences; anything else as it is.

    >>> import numpy as np
    >>> import pytensor as torch
    >>> torch.utils.data.default_convert({"x": np.array([1, 2])})
    {'x': tensor([1, 2])}
    """
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, np.generic):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _rebuild_sequence(data, [default_convert(d) for d in data])
    return data


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """A batch from samples: by the function that `collate_fn_map` has for their type, else field by field.

    Raises RuntimeError for sequences of unequal length and TypeError for other types.
    """
    first = batch[0]
    collate_fn = _function_for(first, collate_fn_map or {})
    if collate_fn is not None:
        return collate_fn(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        fields = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in first}
        return _rebuild_mapping(first, fields)
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(c, collate_fn_map=collate_fn_map) for c in zip(*batch, strict=True)]
        return _rebuild_sequence(first, columns)
    raise TypeError(_BAD_TYPE.format(type(first)))


def _function_for(sample: Any, collate_fn_map: dict[Any, Callable]) -> Callable | None:
    exact = collate_fn_map.get(type(sample))
    if exact is not None:
        return exact
    return next((fn for types, fn in collate_fn_map.items() if isinstance(sample, types)), None)


def _collate_tensors(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return stack(list(batch), 0)


def _collate_arrays(batch: Any, *, collate_fn_map: Any = None) -> Any:
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_BAD_TYPE.format(batch[0].dtype))
    return collate([as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)


def _collate_numpy_scalars(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return as_tensor(np.array(batch))


def _collate_floats(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return tensor(batch, dtype=float64)


def _collate_ints(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return tensor(batch)


def _collate_strings(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: _collate_tensors,
    np.ndarray: _collate_arrays,
    (np.bool_, np.number, np.object_): _collate_numpy_scalars,
    float: _collate_floats,
    int: _collate_ints,
    str: _collate_strings,
    bytes: _collate_strings,
}


def default_collate(batch: Any) -> Any:
    """Stacks samples along a new first axis: tensors, arrays and numbers become tensors, mappings and sequences
    of them mappings and sequences of batches, strings stay lists.

    >>> import pytensor as torch
    >>> torch.utils.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
