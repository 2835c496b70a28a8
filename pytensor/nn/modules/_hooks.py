"""The hooks of modules: their registration, and calling a module that has some.

`Module.__call__` comes here only when a hook was registered, on the module or for all modules; a module
without hooks pays for one attribute lookup.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pytensor.nn.modules._backward_hook import BackwardHook, warn_about_partial_gradients
from pytensor.tensor import Tensor
from pytensor.utils.hooks import RemovableHandle

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

buffer_registration_hooks: dict[int, Callable] = OrderedDict()
module_registration_hooks: dict[int, Callable] = OrderedDict()
parameter_registration_hooks: dict[int, Callable] = OrderedDict()

_backward_pre_hooks: dict[int, Callable] = OrderedDict()
_backward_hooks: dict[int, Callable] = OrderedDict()
_is_full_backward_hook: bool | None = None
_forward_pre_hooks: dict[int, Callable] = OrderedDict()
_forward_hooks: dict[int, Callable] = OrderedDict()
_forward_hooks_always_called: dict[int, bool] = OrderedDict()
_forward_hooks_with_kwargs: dict[int, bool] = OrderedDict()

_MIXED_HOOKS = "Cannot use both regular backward hooks and full backward hooks {}. Please use only one of them."


def _register(hooks: dict[int, Callable], hook: Callable, prepend: bool = False, extra_dict: Any = None) -> Any:
    handle = RemovableHandle(hooks, extra_dict=extra_dict)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]
    return handle


def run_registration_hooks(hooks: dict[int, Callable], module: Any, name: str, value: Any) -> Any:
    """The value to register after every hook had the chance to replace it."""
    for hook in hooks.values():
        output = hook(module, name, value)
        if output is not None:
            value = output
    return value


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` before a buffer is registered on any module."""
    return _register(buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` before a submodule is registered on any module."""
    return _register(module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, param)`` before a parameter is registered on any module."""
    return _register(parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, args)`` before the forward of every module."""
    HookRegistry._hooked = True
    return _register(_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after the forward of every module."""
    HookRegistry._hooked = True
    handle = _register(_forward_hooks, hook, extra_dict=_forward_hooks_always_called)
    if with_kwargs:
        _forward_hooks_with_kwargs[handle.id] = True
    if always_call:
        _forward_hooks_always_called[handle.id] = True
    return handle


def _register_module_backward(hook: Callable[..., Any], full: bool) -> RemovableHandle:
    global _is_full_backward_hook
    if _is_full_backward_hook is (not full):
        raise RuntimeError(_MIXED_HOOKS.format("as a global Module hook"))
    _is_full_backward_hook = full
    HookRegistry._hooked = True
    return _register(_backward_hooks, hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` in the backward of the last operation of every module."""
    return _register_module_backward(hook, full=False)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` when the gradients of any module's inputs are known."""
    return _register_module_backward(hook, full=True)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_output)`` before the backward of every module."""
    HookRegistry._hooked = True
    return _register(_backward_pre_hooks, hook)


class WrappedHook:
    """A hook together with a weak reference to its module: the module owns the hook, not the reverse."""

    def __init__(self, hook: Callable, module: Any = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


class HookRegistry:
    """The part of `Module` that registers hooks."""

    # True on an instance that has hooks, on the class while hooks for all modules exist: one lookup
    # answers for both. It may stay True after the last hook is gone until the next call.
    _hooked: bool = False
    _is_full_backward_hook: bool | None
    _backward_pre_hooks: OrderedDict[int, Callable]
    _backward_hooks: OrderedDict[int, Callable]
    _forward_hooks: OrderedDict[int, Callable]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Callable]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before every forward; what it returns replaces the arguments.

        With ``with_kwargs=True`` the call is ``hook(module, args, kwargs)`` and the hook returns None or the
        pair of new arguments. ``prepend`` puts it before the hooks that are there.
        """
        self.__dict__["_hooked"] = True
        handle = _register(self._forward_pre_hooks, hook, prepend, self._forward_pre_hooks_with_kwargs)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after every forward; what it returns replaces the output.

        With ``with_kwargs=True`` the call is ``hook(module, args, kwargs, output)``. With ``always_call=True``
        the hook also runs when the forward raised.
        """
        self.__dict__["_hooked"] = True
        extras = [self._forward_hooks_with_kwargs, self._forward_hooks_always_called]
        handle = _register(self._forward_hooks, hook, prepend, extras)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` before the module's backward; it may return new gradients."""
        self.__dict__["_hooked"] = True
        return _register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the gradients of the module's inputs are known.

        The hook may return new gradients for the inputs. Raises RuntimeError when `register_backward_hook`
        was used on this module.
        """
        return self._register_backward(hook, prepend, full=True)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Like `register_full_backward_hook`, but sees only the last operation of the forward. Deprecated."""
        return self._register_backward(hook, False, full=False)

    def _register_backward(self, hook: Callable[..., Any], prepend: bool, full: bool) -> RemovableHandle:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(_MIXED_HOOKS.format("on a single Module"))
        self._is_full_backward_hook = full
        self.__dict__["_hooked"] = True
        return _register(self._backward_hooks, hook, prepend)

    def _has_hooks(self) -> bool:
        return bool(self._backward_hooks or self._backward_pre_hooks or self._forward_hooks or self._forward_pre_hooks)

    def _backward_hooks_of_kind(self, full: bool) -> list[Callable]:
        hooks: list[Callable] = []
        if _is_full_backward_hook is full:
            hooks += _backward_hooks.values()
        if self._is_full_backward_hook is full:
            hooks += self._backward_hooks.values()
        return hooks


def forget_absent_hooks(module: Any) -> None:
    """Puts a module whose hooks were all removed back on the fast path."""
    if not module._has_hooks():
        module.__dict__.pop("_hooked", None)
    if not (_backward_pre_hooks or _backward_hooks or _forward_pre_hooks or _forward_hooks):
        HookRegistry._hooked = False


class HookedCall:
    """One call of a module that has hooks. Keeps what the always-called hooks need when something raises."""

    def __init__(self, module: Any, args: tuple, kwargs: dict) -> None:
        self.module, self.args, self.kwargs = module, args, kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        try:
            return self._run()
        except Exception:
            self._run_always_called_hooks()
            raise

    def _run(self) -> Any:
        module = self.module
        self._run_pre_hooks()
        full_hooks = module._backward_hooks_of_kind(True)
        pre_hooks = [*_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
        backward = BackwardHook(module, full_hooks, pre_hooks) if full_hooks or pre_hooks else None
        if backward is not None:
            self.args = backward.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self._run_forward_hooks()
        if backward is not None:
            if not isinstance(self.result, Tensor | tuple):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors"
                    f" but received {type(self.result)}",
                    stacklevel=5,
                )
            self.result = backward.setup_output_hook(self.result)
        partial_hooks = module._backward_hooks_of_kind(False)
        if partial_hooks:
            self._attach_partial_backward_hooks(partial_hooks)
        return self.result

    def _run_pre_hooks(self) -> None:
        module = self.module
        for hook_id, hook in (*_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
            if hook_id in module._forward_pre_hooks_with_kwargs:
                changed = hook(module, self.args, self.kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got"
                            f" {changed}."
                        )
                    self.args, self.kwargs = changed
            else:
                changed = hook(module, self.args)
                if changed is not None:
                    self.args = changed if isinstance(changed, tuple) else (changed,)

    def _run_forward_hooks(self) -> None:
        module = self.module
        for hook_id, hook in (*_forward_hooks.items(), *module._forward_hooks.items()):
            if hook_id in module._forward_hooks_always_called or hook_id in _forward_hooks_always_called:
                self.called.add(hook_id)
            self._call_forward_hook(hook_id, hook)

    def _call_forward_hook(self, hook_id: int, hook: Callable) -> None:
        with_kwargs = hook_id in self.module._forward_hooks_with_kwargs or hook_id in _forward_hooks_with_kwargs
        extra = (self.kwargs,) if with_kwargs else ()
        changed = hook(self.module, self.args, *extra, self.result)
        if changed is not None:
            self.result = changed

    def _run_always_called_hooks(self) -> None:
        hooks = [("global module", i, h) for i, h in _forward_hooks.items() if i in _forward_hooks_always_called]
        always = self.module._forward_hooks_always_called
        hooks += [("module", i, h) for i, h in self.module._forward_hooks.items() if i in always]
        for kind, hook_id, hook in hooks:
            if hook_id in self.called:
                continue
            try:
                self._call_forward_hook(hook_id, hook)
            except Exception as error:
                warnings.warn(
                    f"{kind} forward hook with ``always_call=True`` raised an exception that was silenced as another"
                    f" error was raised in forward: {error}",
                    stacklevel=5,
                )

    def _attach_partial_backward_hooks(self, hooks: list[Callable]) -> None:
        tensor = self.result
        while not isinstance(tensor, Tensor):
            if isinstance(tensor, dict):
                tensor = next(v for v in tensor.values() if isinstance(v, Tensor))
            else:
                tensor = tensor[0]
        grad_fn = tensor.grad_fn
        if grad_fn is not None:
            for hook in hooks:
                grad_fn.register_hook(WrappedHook(hook, self.module))
            warn_about_partial_gradients(self.args, self.result, grad_fn)
