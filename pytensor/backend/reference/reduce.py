"""Reductions in plain NumPy: in a wider type than the input's, rounded once at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["extreme_with_indices", "reduction"]


def reduction(name: str, x: Any, axes: tuple[int, ...], keepdim: bool = False, param: float = 0.0) -> Any:
    """``sum mean prod max min argmax argmin any all var std sum_squares norm2 nansum`` over ``axes`` (of any number).

    Integers are summed and multiplied in int64, ``any`` and ``all`` give booleans, ``argmax`` and ``argmin`` places
    counted in row-major order of the reduced axes; the rest keeps the dtype. ``param`` is the correction of ``var``
    and ``std``. No elements: the identity, NaN for ``mean`` and ``var``, ValueError for the order statistics.
    """
    xp = array_module(x)
    if name in ("argmax", "argmin"):
        return _place(xp, name, x, axes, keepdim)
    if name in ("any", "all"):
        return xp.asarray(getattr(xp, name)(x != 0, axis=axes, keepdims=keepdim))
    if name in ("max", "min"):
        return xp.asarray(getattr(xp, name)(_comparable(x), axis=axes, keepdims=keepdim)).astype(x.dtype)
    with np.errstate(all="ignore"):
        return _arithmetic(xp, name, x, axes, keepdim, param)


def extreme_with_indices(name: str, x: Any, axis: int, keepdim: bool = False) -> tuple[Any, Any]:
    """``max`` or ``min`` along one axis, and the place of the first such element."""
    xp = array_module(x)
    if x.ndim == 0:
        return x.copy(), xp.zeros((), dtype=np.int64)
    places = _place(xp, f"arg{name}", x, (axis,), True)
    values = xp.take_along_axis(x, places, axis)
    return (values, places) if keepdim else (values.squeeze(axis), places.squeeze(axis))


def _arithmetic(xp: Any, name: str, x: Any, axes: tuple[int, ...], keepdim: bool, param: float) -> Any:
    complex_, integer = x.dtype.kind == "c", x.dtype.kind in "biu"
    double = np.longdouble if xp is np and x.dtype == np.float64 else np.float64
    wide = x.astype(np.complex128 if complex_ else np.int64 if integer else double)
    kwargs = {"axis": axes, "keepdims": keepdim}
    if name in ("sum", "prod"):
        result = getattr(wide, name)(**kwargs)
    elif name == "mean":
        result = wide.sum(**kwargs) / wide.real.dtype.type(_count(x, axes))
    elif name == "nansum":
        result = xp.where(wide == wide, wide, 0).sum(**kwargs)
    elif name in ("sum_squares", "norm2"):
        result = (abs(wide) ** 2).sum(**kwargs)
        result = xp.sqrt(result) if name == "norm2" else result
    else:
        result = _variance(wide, axes, keepdim, param)
        result = xp.sqrt(result) if name == "std" else result
    if integer:
        return xp.asarray(result)
    real_result = complex_ and name not in ("sum", "mean", "prod")
    return xp.asarray(result).astype(x.real.dtype if real_result else x.dtype)


def _variance(wide: Any, axes: tuple[int, ...], keepdim: bool, correction: float) -> Any:
    count = wide.real.dtype.type(_count(wide, axes))
    mean = wide.sum(axis=axes, keepdims=True) / count
    squares = (abs(wide - mean) ** 2).sum(axis=axes, keepdims=keepdim)
    return squares / np.maximum(count - correction, count * 0)


def _count(x: Any, axes: tuple[int, ...]) -> int:
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return count


def _comparable(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.kind not in "biufc" else x  # bfloat16 knows no order of its own


def _place(xp: Any, name: str, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    kept = [i for i in range(x.ndim) if i not in axes]
    rows = _comparable(x).transpose([*kept, *sorted(axes)]).reshape([x.shape[i] for i in kept] + [_count(x, axes)])
    places = xp.asarray(getattr(xp, name)(rows, axis=-1)).astype(np.int64)
    return places.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdim else places
