"""Bags of rows of a table, by their numbers, in plain NumPy.

``numbers`` are cut into bags at ``bounds``, an int64 vector from 0 on; or they are a matrix with a bag in every row,
and ``bounds`` is the number of its columns. A number equal to ``padding`` counts for nothing. None instead of a result
where a number is no row or the bounds do not ascend."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.backend.reference.array_module import array_module
from pytensor.backend.reference.index import in_bounds

__all__ = ["bag_dot", "bag_max", "bag_spread", "bag_sum"]


def _members(xp: Any, numbers: Any, bounds: Any, padding: int) -> tuple[Any, Any, int]:
    """(places in the flat numbers that count, the bag of each, how many bags)."""
    if isinstance(bounds, int):
        bags = numbers.shape[0]
        member = xp.arange(bags).repeat(bounds)
    else:
        bags = bounds.size - 1
        member = xp.asarray(np.arange(bags).repeat(np.diff(np.asarray(bounds.tolist(), dtype=np.int64))))
    kept = xp.flatnonzero(numbers.reshape(-1)[: member.size] != padding)
    return kept, member[kept], bags


def _fits(numbers: Any, bounds: Any, rows: int) -> bool:
    if not in_bounds(numbers, rows):
        return False
    if isinstance(bounds, int):
        return True
    return bool((bounds[1:] >= bounds[:-1]).all()) and int(bounds[0]) == 0 and int(bounds[-1]) <= numbers.size


def _factors(xp: Any, kept: Any, member: Any, bags: int, weights: Any, mean: bool, dtype: Any) -> Any:
    """What each number that counts is multiplied by."""
    factors = xp.ones(kept.size, dtype) if weights is None else weights.reshape(-1)[kept].astype(dtype)
    if mean:
        factors = factors / xp.maximum(xp.bincount(member, minlength=bags), 1)[member].astype(dtype)
    return factors[:, None]


def bag_sum(table: Any, numbers: Any, bounds: Any, padding: int, weights: Any, mean: bool) -> Any:
    """The sum of each bag's rows, each times its weight; over their count for ``mean``."""
    xp = array_module(table)
    if not _fits(numbers, bounds, table.shape[0]):
        return None
    kept, member, bags = _members(xp, numbers, bounds, padding)
    wide = np.result_type(table.dtype, np.float32)  # halves are added up in float32
    sums = xp.zeros((bags, table.shape[1]), wide)
    rows = table[numbers.reshape(-1)[kept]].astype(wide)
    with np.errstate(all="ignore"):
        xp.add.at(sums, member, rows * _factors(xp, kept, member, bags, weights, mean, wide))
    return sums.astype(table.dtype, copy=False)


def bag_max(table: Any, numbers: Any, bounds: Any, padding: int, with_places: bool) -> Any:
    """(the greatest of each bag in each column, the numbers of the rows that they are from or None). A NaN is kept only
    where it comes first; an empty bag gives zeros, from row 0."""
    xp = array_module(table)
    if not _fits(numbers, bounds, table.shape[0]):
        return None
    kept, member, bags = _members(xp, numbers, bounds, padding)
    out = xp.zeros((bags, table.shape[1]), table.dtype)
    places = xp.zeros(out.shape, np.int64)
    started: set[int] = set()
    for number, bag in zip(numbers.reshape(-1)[kept].tolist(), member.tolist(), strict=True):
        better = (table[number] > out[bag]) | (bag not in started)
        started.add(bag)
        out[bag] = xp.where(better, table[number], out[bag])
        places[bag] = xp.where(better, number, places[bag])
    return out, places if with_places else None


def bag_spread(grad: Any, numbers: Any, bounds: Any, padding: int, weights: Any, mean: bool, rows: int) -> Any:
    """The adjoint of bag_sum in the table: zeros with each bag's row of ``grad``, times the weight, added at its
    numbers."""
    xp = array_module(grad)
    kept, member, bags = _members(xp, numbers, bounds, padding)
    out = xp.zeros((rows, grad.shape[1]), grad.dtype)
    parts = grad[member] * _factors(xp, kept, member, bags, weights, mean, grad.dtype)
    xp.add.at(out, numbers.reshape(-1)[kept], parts)
    return out


def bag_dot(grad: Any, table: Any, numbers: Any, bounds: Any, padding: int) -> Any:
    """The adjoint in the weights: for each number the product of its bag's row of ``grad`` and its row of the table; 0
    for padding and outside of all bags."""
    xp = array_module(grad)
    kept, member, _ = _members(xp, numbers, bounds, padding)
    out = xp.zeros(numbers.size, grad.dtype)
    out[kept] = (grad[member] * table[numbers.reshape(-1)[kept]]).sum(axis=1)
    return out
