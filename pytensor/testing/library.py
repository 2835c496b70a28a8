"""The library that a check runs against: pytensor, or torch for finding out whether a spec is right."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytensor.testing.spec import DType, OpSpec, Sample


@dataclass(frozen=True)
class Library:
    """A module with PyTorch's API and the way of NumPy arrays into and out of its tensors."""

    module: Any
    to_tensor: Callable[[np.ndarray], Any]
    to_array: Callable[[Any], np.ndarray]

    def function(self, name: str) -> Callable[..., Any]:
        """The function of a public name such as ``exp``, ``nn.functional.relu`` or ``Tensor.view``."""
        found = self.module
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def leaf(self, value: Any) -> Any:
        """An argument of a sample as the op takes it."""
        if isinstance(value, np.ndarray):
            return self.to_tensor(value)
        if isinstance(value, DType):
            return getattr(self.module, value.name)
        return value

    def call(self, spec: OpSpec, sample: Sample, **extra: Any) -> Any:
        """Calls the op of a spec with a sample's arguments made into tensors."""
        converted = sample.map(self.leaf)
        return self.function(spec.name)(*converted.args, **converted.kwargs, **extra)

    def results(self, value: Any) -> list[Any]:
        """What an op returned, as a flat list of NumPy arrays and other values."""
        if isinstance(value, self.module.Tensor):
            return [self.to_array(value.detach())]
        if isinstance(value, list | tuple) and any(isinstance(v, self.module.Tensor) for v in value):
            return [r for v in value for r in self.results(v)]
        return [value]


def pytensor_library() -> Library:
    """pytensor itself. Tensors share the arrays' memory and layout, read-only ones included."""
    node = importlib.import_module("pytensor.autograd.node")
    return Library(importlib.import_module("pytensor"), node.wrap, lambda tensor: tensor._array)


def torch_library() -> Library:
    """PyTorch, where it is installed. It has no negative strides and no read-only tensors: those are copied."""
    torch = importlib.import_module("torch")

    def to_tensor(array: np.ndarray) -> Any:
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
        if not array.flags.writeable or any(s < 0 for s in array.strides):
            array = array.copy()
        return torch.from_numpy(array)

    def to_array(tensor: Any) -> np.ndarray:
        if tensor.dtype == torch.bfloat16:
            import ml_dtypes

            return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return tensor.resolve_conj().resolve_neg().numpy()

    return Library(torch, to_tensor, to_array)
