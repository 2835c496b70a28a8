"""Linear algebra: the ops of ``torch.linalg`` that are there.

>>> import pytensor as torch
>>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 2)])
tensor([[3., 3.],
        [3., 3.]])
"""

from __future__ import annotations

from pytensor.ops import registry

globals().update(registry.functions("linalg"))

__all__ = sorted(registry.functions("linalg"))
