"""Optimizers and learning rate schedules: `torch.optim`."""

from pytensor._collect import collect as _collect
from pytensor.optim import lr_scheduler

__all__ = [*_collect(__name__, __path__, globals()), "lr_scheduler"]
