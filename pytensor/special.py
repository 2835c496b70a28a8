"""Special functions: the ops of ``torch.special`` that are there.

>>> import pytensor as torch
>>> torch.special.softmax(torch.zeros(2), 0)
tensor([0.5000, 0.5000])
"""

from __future__ import annotations

from pytensor.ops import registry

globals().update(registry.functions("special"))

__all__ = sorted(registry.functions("special"))
