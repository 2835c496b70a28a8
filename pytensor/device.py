"""Device objects: ``cpu`` and ``cuda:<index>``."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["device", "get_default_device", "set_default_device"]

_KNOWN = ("cpu", "cuda", "meta")


class device:
    """Where a tensor's data lives.

    >>> import pytensor as torch
    >>> torch.device("cuda:0")
    device(type='cuda', index=0)
    >>> torch.device("cuda", 1) == torch.device("cuda:1")
    True

    Raises:
        RuntimeError: for an unknown device string.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int) and not isinstance(type, bool):
            self.type, self.index = "cuda", type
            return
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, not {type.__class__.__name__}")
        match = re.fullmatch(r"([a-z]+)(?::(0|[1-9][0-9]*))?", type)
        if match is None:
            raise RuntimeError(f"Invalid device string: '{type}'")
        name, number = match.groups()
        if name not in _KNOWN:
            raise RuntimeError(f"Expected one of {', '.join(_KNOWN)} device type at start of device string: {name}")
        if number is not None and index is not None:
            raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {type}")
        self.type = name
        self.index = int(number) if number is not None else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type + (f":{self.index}" if self.index is not None else "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> Any:
        return (device, (self.type, self.index))

    def __enter__(self) -> device:
        _stack.append(get_default_device())
        set_default_device(self)
        return self

    def __exit__(self, *exception: object) -> None:
        set_default_device(_stack.pop())


CPU = device("cpu")
_stack: list[device] = []
_default = CPU


def get_default_device() -> device:
    """The device of new tensors.

    >>> import pytensor as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    return _default


def set_default_device(d: Any) -> None:
    """Sets the device of new tensors; None stands for the CPU.

    >>> import pytensor as torch
    >>> torch.set_default_device("cpu")
    """
    global _default
    _default = CPU if d is None else device(d)
    from pytensor import _C

    _C.set_default_cpu(_default.type == "cpu")


def of_array(array: Any) -> device:
    """The device of a NumPy or CuPy array."""
    where = getattr(array, "device", "cpu")
    return CPU if where == "cpu" else device("cuda", where.id)
