"""Modules whose parameters get their shapes from the first input."""

from __future__ import annotations

import itertools
from typing import Any

from pytensor.autograd.grad_mode import no_grad
from pytensor.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """For modules with uninitialized parameters, before `Module` among the bases.

    Subclasses define ``initialize_parameters(*args, **kwargs)``, which is called with the first input and gives
    every parameter its shape, and ``cls_to_become``, the class the module then takes on.
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _lazy_members(self) -> Any:
        return itertools.chain(self._parameters.items(), self._buffers.items())

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        # Uninitialized parameters are saved as they are: they cannot be detached.
        for name, member in self._lazy_members():
            if member is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = member if is_lazy(member) or keep_vars else member.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *_: Any) -> None:
        for name, member in self._lazy_members():
            value = state_dict.get(prefix + name)
            if member is not None and value is not None and is_lazy(member) and not is_lazy(value):
                with no_grad():
                    member.materialize(value.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives every parameter its shape, from the arguments of the first call."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Is there a parameter or buffer without a shape?"""
        return any(is_lazy(member) for _, member in self._lazy_members())

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
