"""Generators of random numbers, and the default one.

The generator is the Mersenne Twister seeded as PyTorch seeds it: the same seed gives PyTorch's numbers, and states
can be exchanged with ``torch.get_rng_state()``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import wrap
from pytensor.device import device as Device

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "Generator",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


class Generator:
    """A source of random numbers with its own state.

    >>> import pytensor as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    __slots__ = ("__weakref__", "_impl")

    def __init__(self, device: Any = "cpu") -> None:
        if Device(device).type != "cpu":
            raise NotImplementedError(f"Generator: generators on device '{device}' are not implemented")
        self._impl = _C.RandomGenerator(_C.DEFAULT_SEED)

    @property
    def device(self) -> Device:
        """Where the generator draws: the CPU."""
        return Device("cpu")

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of a seed, any integer of 64 bits; negative ones count from 2^64 down.

        Raises:
            ValueError: for a larger integer.
        """
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._impl.set_seed(seed % 2**64)
        return self

    def seed(self) -> int:
        """Starts the stream of a seed taken from the operating system, and returns that seed."""
        number = int.from_bytes(os.urandom(8), "little") & (2**53 - 1)
        self._impl.set_seed(number)
        return number

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return self._impl.seed()

    def get_state(self) -> Tensor:
        """The state as a tensor of 5056 bytes."""
        return wrap(self._impl.get_state())

    def set_state(self, new_state: Tensor) -> Generator:
        """Continues from a state that :meth:`get_state` (or PyTorch) gave.

        Raises:
            TypeError: when it is no tensor of bytes.
            RuntimeError: when it is no state.
        """
        if not isinstance(new_state, _C.TensorBase):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        state = new_state._array
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != 5056:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be {state.size}"
            )
        if not self._impl.set_state(np.ascontiguousarray(state)):
            raise RuntimeError("Invalid mt19937 state")
        return self

    def clone_state(self) -> Generator:
        """A generator in the same state."""
        return Generator().set_state(self.get_state())

    def __reduce__(self) -> Any:
        return (_restore, (self._impl.get_state(),))


def _restore(state: np.ndarray) -> Generator:
    return Generator().set_state(wrap(state))


default_generator = Generator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator, and returns it.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seeds the default generator from the operating system, and returns the seed.

    >>> import pytensor as torch
    >>> torch.seed() == torch.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(7)
    >>> torch.initial_seed()
    7
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, 5056 bytes.

    >>> import pytensor as torch
    >>> state = torch.get_rng_state()
    >>> a = torch.rand(3)
    >>> torch.set_rng_state(state)
    >>> bool((torch.rand(3) == a).all())
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Sets the state of the default generator.

    >>> import pytensor as torch
    >>> torch.set_rng_state(torch.get_rng_state())
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True, **_: Any) -> Iterator[None]:
    """Whatever is drawn in the block, the default generator goes on from where it was.

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> with torch.random.fork_rng():
    ...     _ = torch.rand(100)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
