"""Neural network layers, losses and utilities: `torch.nn`."""

from pytensor.nn import attention, functional, init, modules, parameter, utils
from pytensor.nn.modules import *  # noqa: F403
from pytensor.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)

__all__ = [
    *modules.__all__,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]
