"""Grad modes: whether operations are recorded. Per thread; context managers and decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from pytensor import _C

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    >>> import pytensor as torch
    >>> torch.is_grad_enabled()
    True
    """
    return _C.is_grad_enabled()


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on in this thread.

    >>> import pytensor as torch
    >>> torch.is_inference_mode_enabled()
    False
    """
    return _C.is_inference_mode_enabled()


class _ModeDecorator:
    """A context manager that also decorates functions and generators."""

    def _clone(self) -> _ModeDecorator:
        return type(self)()

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *exception: object) -> None:
        raise NotImplementedError

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isclass(function):
            raise TypeError(f"cannot decorate the class {function.__name__}: decorate its methods")
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Any:
            with self._clone():
                return function(*args, **kwargs)

        return in_mode

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # The mode is on only while the generator's own code runs, not between its values.
        @functools.wraps(function)
        def generator_in_mode(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            try:
                with self._clone():
                    value = generator.send(None)
                while True:
                    try:
                        request = yield value
                    except GeneratorExit:
                        with self._clone():
                            generator.close()
                        raise
                    except BaseException as error:
                        with self._clone():
                            value = generator.throw(error)
                    else:
                        with self._clone():
                            value = generator.send(request)
            except StopIteration as end:
                return end.value

        return generator_in_mode


class no_grad(_ModeDecorator):
    """Operations are not recorded.

    >>> import pytensor as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)

    def __enter__(self) -> None:
        self._before = _C.set_grad_enabled(False)

    def __exit__(self, *exception: object) -> None:
        _C.set_grad_enabled(self._before)


class enable_grad(_ModeDecorator):
    """Operations are recorded, also inside ``no_grad``.

    >>> import pytensor as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)

    def __enter__(self) -> None:
        self._before = _C.set_grad_enabled(True)

    def __exit__(self, *exception: object) -> None:
        _C.set_grad_enabled(self._before)


class set_grad_enabled(_ModeDecorator):
    """Sets grad mode at once; as a context manager, until its end.

    >>> import pytensor as torch
    >>> with torch.set_grad_enabled(False):
    ...     torch.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._before = _C.set_grad_enabled(self.mode)

    def _clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _C.set_grad_enabled(self._before)  # used as a decorator: nothing is set until the function runs
        return super().__call__(function)

    def __enter__(self) -> None:
        _C.set_grad_enabled(self.mode)

    def __exit__(self, *exception: object) -> None:
        _C.set_grad_enabled(self._before)


class inference_mode(_ModeDecorator):
    """Like ``no_grad``, and the tensors made inside can never enter a graph.

    >>> import pytensor as torch
    >>> with torch.inference_mode():
    ...     y = torch.ones(2) * 2
    >>> y.is_inference()
    True
    """

    def __new__(cls, mode: Any = True) -> Any:
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode: Any = True) -> None:
        self.mode = bool(mode)

    def _clone(self) -> inference_mode:
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        self._grad = _C.set_grad_enabled(_C.is_grad_enabled() and not self.mode)
        self._inference = _C.set_inference_mode(self.mode)

    def __exit__(self, *exception: object) -> None:
        _C.set_grad_enabled(self._grad)
        _C.set_inference_mode(self._inference)
