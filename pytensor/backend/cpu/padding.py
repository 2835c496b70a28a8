"""Padding on NumPy arrays: slices and takes, which are copies at memory speed already."""

from __future__ import annotations

from pytensor.backend.reference.padding import pad_constant, pad_mirrored, pad_mirrored_adjoint

__all__ = ["pad_constant", "pad_mirrored", "pad_mirrored_adjoint"]
