"""The part of `Module` that saves and loads state dictionaries."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from pytensor.autograd.grad_mode import no_grad
from pytensor.nn.modules._hooks import WrappedHook
from pytensor.nn.parameter import Parameter, is_lazy
from pytensor.tensor import Tensor
from pytensor.utils.hooks import RemovableHandle

__all__ = ["StateDict"]

_EXTRA_STATE = "_extra_state"
_EXTRA_STATE_BUG = (
    "Reached a code path in Module.{}() that should never be called: a module without extra state has none."
)


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` found missing and superfluous."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDict:
    """`state_dict`, `load_state_dict` and their hooks."""

    _version: int = 1
    _state_dict_hooks: OrderedDict[int, Callable]
    _state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_post_hooks: OrderedDict[int, Callable]

    def get_extra_state(self) -> Any:
        """Override it, with `set_extra_state`, to save more than parameters and buffers."""
        raise RuntimeError(_EXTRA_STATE_BUG.format("get_extra_state"))

    def set_extra_state(self, state: Any) -> None:
        """Called by `load_state_dict` with what `get_extra_state` returned."""
        raise RuntimeError(_EXTRA_STATE_BUG.format("set_extra_state"))

    def _overrides(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(StateDict, name)

    # -- hooks

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via"
                " register_state_dict_post_hook"
            )
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` after `state_dict`; it may change it in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before `state_dict` collects."""
        handle = RemovableHandle(self._state_dict_pre_hooks)
        self._state_dict_pre_hooks[handle.id] = hook
        return handle

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        handle = RemovableHandle(self._load_state_dict_pre_hooks)
        self._load_state_dict_pre_hooks[handle.id] = WrappedHook(hook, self if with_module else None)
        return handle

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)`` before a module loads."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after a module and its children have loaded."""
        handle = RemovableHandle(self._load_state_dict_post_hooks)
        self._load_state_dict_post_hooks[handle.id] = hook
        return handle

    # -- saving

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if self._overrides("get_extra_state"):
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by name, as an OrderedDict that shares their memory.

        With ``keep_vars=True`` the tensors themselves, else detached ones. The version of every module is in
        the dictionary's attribute ``_metadata``.

        >>> import pytensor as torch
        >>> sorted(torch.nn.Linear(2, 3).state_dict())
        ['bias', 'weight']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to"
                " https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict"
                " for details.",
                FutureWarning,
                stacklevel=2,
            )
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, local_metadata)
            if changed is not None:
                if getattr(hook, "_from_public_api", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = changed
        return destination

    # -- loading

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads this module's own parameters and buffers; modules override it to read older formats."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        persistent = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        local_state = {k: v for k, v in (*self._parameters.items(), *persistent.items()) if v is not None}
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, target in local_state.items():
            key = prefix + name
            if key in state_dict:
                error = self._load_one(name, key, target, state_dict[key], assign)
                if error is not None:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + _EXTRA_STATE
        if self._overrides("set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra_key:
                    first, *rest = key[len(prefix) :].split(".", 1)
                    if first not in (self._modules if rest else local_state):
                        unexpected_keys.append(key)

    def _load_one(self, name: str, key: str, target: Tensor, value: Any, assign: bool) -> str | None:
        """Copies (or assigns) one entry; the error message when that is not possible."""
        if not (isinstance(value, Tensor) or hasattr(value, "__torch_function__")):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from'
                f" checkpoint but received {type(value)}"
            )
        if not is_lazy(target):
            # Checkpoints of PyTorch before 0.4 hold numbers as tensors of one element.
            if target.dim() == 0 and value.dim() == 1 and value.shape[0] == 1:
                value = value[0]
            if value.shape != target.shape:
                return (
                    f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, the shape in"
                    f" current model is {target.shape}."
                )
        try:
            with no_grad():
                if not assign:
                    target.copy_(value)
                    return None
                if isinstance(target, Parameter):
                    if isinstance(value, Parameter):
                        value.requires_grad_(target.requires_grad)
                    else:
                        value = Parameter(value, requires_grad=target.requires_grad)
                setattr(self, name, value)
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are {target.size()} and'
                f" whose dimensions in the checkpoint are {value.size()}, an exception occurred : {error.args}."
            )
        return None

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies parameters and buffers from a dictionary made by `state_dict`.

        With ``strict=True`` the keys must match exactly. With ``assign=True`` the tensors of the dictionary
        become the module's own, keeping their dtype. Returns the named tuple (missing_keys, unexpected_keys).
        Raises TypeError for something that is no mapping and RuntimeError that lists every misfit.

        >>> import pytensor as torch
        >>> layer = torch.nn.Linear(2, 3)
        >>> layer.load_state_dict(torch.nn.Linear(2, 3).state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        loading = _Loading(getattr(state_dict, "_metadata", None), assign)
        copied: Any = OrderedDict(state_dict)
        if loading.metadata is not None:
            copied._metadata = loading.metadata
        loading.load(self, copied, "")
        return loading.finish(self, strict)


class _Loading:
    """One `load_state_dict`: walks the modules and collects what does not fit."""

    def __init__(self, metadata: Any, assign: bool) -> None:
        self.metadata = metadata
        self.assign = assign
        self.missing_keys: list[str] = []
        self.unexpected_keys: list[str] = []
        self.error_msgs: list[str] = []

    def load(self, module: Any, state_dict: dict, prefix: str) -> None:
        local_metadata = {} if self.metadata is None else self.metadata.get(prefix[:-1], {})
        if self.assign:
            local_metadata["assign_to_params_buffers"] = True
        module._load_from_state_dict(
            state_dict, prefix, local_metadata, True, self.missing_keys, self.unexpected_keys, self.error_msgs
        )
        for name, child in module._modules.items():
            if child is not None:
                child_prefix = prefix + name + "."
                self.load(child, {k: v for k, v in state_dict.items() if k.startswith(child_prefix)}, child_prefix)
        keys = IncompatibleKeys(self.missing_keys, self.unexpected_keys)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new"
                    " values, if incompatible_keys need to be modified, it should be done inplace."
                )

    def finish(self, module: Any, strict: bool) -> IncompatibleKeys:
        errors = self.error_msgs
        if strict:
            if self.unexpected_keys:
                errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(self.unexpected_keys)}. ")
            if self.missing_keys:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(self.missing_keys)}. ")
        if errors:
            lines = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{lines}")
        return IncompatibleKeys(self.missing_keys, self.unexpected_keys)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
