"""The part of `Module` that changes the dtype or device of its parameters and buffers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytensor
from pytensor.autograd.grad_mode import no_grad
from pytensor.tensor import Tensor

__all__ = ["Conversion"]


class Conversion:
    """`to` and its relatives. All change the module in place and return it."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replaces the data of every parameter, its gradient and every buffer by `fn` of it.

        Parameters stay the same objects, so optimizers and tied weights keep pointing at them.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with no_grad():
                applied = fn(param)
                grad = param.grad
                # The gradient goes aside while the dtype changes: it must match its parameter.
                applied_grad = None if grad is None else fn(grad)
            if grad is not None:
                param.grad = None
            param.data = applied
            if grad is not None:
                grad.data = applied_grad
                param.grad = grad
        for key, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[key] = fn(buffer)
        return self

    def _apply_to_floating_point(self, convert: Callable[[Tensor], Tensor]) -> Any:
        return self._apply(lambda t: convert(t) if t.is_floating_point() else t)

    def cuda(self, device: Any = None) -> Any:
        """Moves all parameters and buffers to the GPU."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> Any:
        """Moves all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Any:
        """Casts all parameters and buffers to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Any:
        """Casts floating-point parameters and buffers to float32."""
        return self._apply_to_floating_point(lambda t: t.float())

    def double(self) -> Any:
        """Casts floating-point parameters and buffers to float64.

        >>> import pytensor as torch
        >>> torch.nn.Linear(2, 3).double().weight.dtype
        torch.float64
        """
        return self._apply_to_floating_point(lambda t: t.double())

    def half(self) -> Any:
        """Casts floating-point parameters and buffers to float16."""
        return self._apply_to_floating_point(lambda t: t.half())

    def bfloat16(self) -> Any:
        """Casts floating-point parameters and buffers to bfloat16."""
        return self._apply_to_floating_point(lambda t: t.bfloat16())

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Moves parameters and buffers to `device` without copying their values."""
        return self._apply(lambda t: pytensor.empty_like(t, device=device), recurse=recurse)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)`` or ``to(tensor)``.

        Casts floating-point and complex parameters and buffers to `dtype` and moves all of them to `device`.
        Raises TypeError for a dtype that is neither floating point nor complex.

        >>> import pytensor as torch
        >>> torch.nn.Linear(2, 3).to(torch.float64).bias.dtype
        torch.float64
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and some"
                    " modules might not work as expected when using complex tensors as parameters or buffers. Please"
                    " file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a"
                    " complex module does not work as expected.",
                    stacklevel=2,
                )

        def convert(t: Tensor) -> Tensor:
            wanted = dtype if t.is_floating_point() or t.is_complex() else None
            if memory_format is not None and t.dim() in (4, 5):
                return t.to(device, wanted, non_blocking, memory_format=memory_format)
            return t.to(device, wanted, non_blocking)

        return self._apply(convert)


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) from the three call forms of `to`."""
    memory_format = kwargs.pop("memory_format", None)
    kwargs.pop("copy", None)
    first = args[0] if args else kwargs.pop("tensor", kwargs.pop("other", None))
    if isinstance(first, Tensor):
        rest = _bind(args[1:], kwargs, ("non_blocking",))
        return first.device, first.dtype, bool(rest["non_blocking"]), memory_format
    if isinstance(first, pytensor.dtype):
        rest = _bind(args[1:], kwargs, ("non_blocking",))
        return None, first, bool(rest["non_blocking"]), memory_format
    given = _bind(args, kwargs, ("device", "dtype", "non_blocking"))
    device, dtype = given["device"], given["dtype"]
    if dtype is not None and not isinstance(dtype, pytensor.dtype):
        raise TypeError(f"to(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    if device is not None:
        device = pytensor.device(device)
    return device, dtype, bool(given["non_blocking"]), memory_format


def _bind(args: tuple, kwargs: dict, names: tuple[str, ...]) -> dict[str, Any]:
    bound = dict.fromkeys(names)
    bound.update(zip(names, args, strict=False))
    if len(args) > len(names) or not set(kwargs) <= set(names[len(args) :]):
        raise TypeError(
            "to() received an invalid combination of arguments - expected (device, dtype, non_blocking, copy,"
            " memory_format), (dtype, non_blocking, copy, memory_format) or (tensor, non_blocking, copy,"
            " memory_format)"
        )
    bound.update(kwargs)
    return bound
