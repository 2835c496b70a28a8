"""Padding on NumPy arrays, by csrc/kernels/index/pad.cpp."""

from __future__ import annotations

import functools

import numpy as np

from pytensor import _C
from pytensor.backend.cpu.index import COPIED, copied
from pytensor.backend.reference import padding as plain
from pytensor.backend.reference.padding import pad_mirrored_adjoint

__all__ = ["pad_constant", "pad_mirrored", "pad_mirrored_adjoint"]

_MODES = {"reflect": 1, "replicate": 2, "circular": 3}


def pad_constant(input, widths, value):
    """See :func:`pytensor.backend.reference.pad_constant`."""
    if input.ndim == 0 or input.dtype not in COPIED:
        return plain.pad_constant(input, widths, value)
    element = _zero(input.dtype) if type(value) is int and value == 0 else np.full((), value, input.dtype)
    return _padded(input, widths, 0, element)


def pad_mirrored(input, widths, mode):
    """See :func:`pytensor.backend.reference.pad_mirrored`."""
    if input.ndim == 0 or input.dtype not in COPIED:
        return plain.pad_mirrored(input, widths, mode)
    return _padded(input, widths, _MODES[mode], _zero(input.dtype))


@functools.cache
def _zero(dtype):
    return np.zeros((), dtype)


def _padded(input, widths, mode, element):
    if input.shape[-1] > 1 and input.strides[-1] != input.itemsize:
        input = copied(input)
    shape = [n + before + after for n, (before, after) in zip(input.shape, widths, strict=True)]
    return _C.index_pad(input, [before for before, _ in widths], shape, mode, element)
