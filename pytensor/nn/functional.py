"""Functions of neural networks: `torch.nn.functional`.

The functions are ops (pytensor/ops/<family>.py) registered for this namespace; nothing is listed here.
"""

from pytensor.ops.registry import functions as _functions

_public = _functions("nn.functional")
globals().update(_public)

__all__ = sorted(_public)
