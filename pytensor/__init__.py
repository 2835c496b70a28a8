"""pytensor: a small, fast tensor engine with PyTorch's API.

    import pytensor as torch

runs PyTorch programs: the same names, the same semantics, the same random numbers for the same seed.
"""

from __future__ import annotations

import importlib
from typing import Any

from pytensor import _C, dtypes
from pytensor.autograd.node import OutputMarker, freed_error, version_error
from pytensor.autograd.views import refresh_view
from pytensor.size import Size
from pytensor.tensor import Tensor, is_tensor

_C.register_tensor(Tensor, Size, list(dtypes.ALL))

from pytensor import ops  # noqa: E402  (needs the classes registered)
from pytensor.ops import indexing, registry  # noqa: E402

_C.register_autograd(
    OutputMarker,
    refresh_view,
    version_error,
    freed_error,
    [
        indexing.SelectBackward0,
        indexing.SliceBackward0,
        indexing.UnsqueezeIndexBackward0,
        indexing.AliasBackward0,
    ],
)
registry.attach_methods(Tensor)

from pytensor import autograd  # noqa: E402
from pytensor.autograd import (  # noqa: E402
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from pytensor.device import device, get_default_device, set_default_device  # noqa: E402
from pytensor.dtypes import *  # noqa: E402, F403
from pytensor.layout import (  # noqa: E402
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)

globals().update(registry.functions())

__version__ = "0.1.0"

# Packages that stand on the ops: imported when first asked for, which keeps `import pytensor` quick.
_LAZY = (
    "backend",
    "cpu",
    "cuda",
    "linalg",
    "nn",
    "optim",
    "random",
    "special",
    "testing",
    "utils",
)
# Parts of PyTorch that are not there yet.
_MISSING = ("backends", "compile", "distributed", "distributions", "export", "fft", "func", "jit", "sparse")
# Top-level names that live in modules of their own.
_FROM_MODULES = {
    "threads": ("get_num_threads", "set_num_threads", "get_num_interop_threads", "set_num_interop_threads"),
    "random": (
        "Generator",
        "default_generator",
        "get_rng_state",
        "initial_seed",
        "manual_seed",
        "seed",
        "set_rng_state",
    ),
    "printing": ("set_printoptions",),
    "serialization": ("load", "save"),
}
_HOME = {name: module for module, names in _FROM_MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"pytensor.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"pytensor.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    note = ": not there yet" if name in _MISSING else ""
    raise AttributeError(f"module 'pytensor' has no attribute {name!r}{note}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_HOME})


__all__ = [
    "Size",
    "Tensor",
    "autograd",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "device",
    "enable_grad",
    "get_default_device",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "layout",
    "memory_format",
    "no_grad",
    "ops",
    "preserve_format",
    "set_default_device",
    "set_grad_enabled",
    "strided",
    *dtypes.__all__,
    *registry.functions(),
]
