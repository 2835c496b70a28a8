"""Gathering and scattering on NumPy arrays."""

from __future__ import annotations

from pytensor.backend.reference.index import add_rows, gather, scatter, scatter_add, scatter_reduce, take_rows

__all__ = ["add_rows", "gather", "scatter", "scatter_add", "scatter_reduce", "take_rows"]
