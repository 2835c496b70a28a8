"""Optimizers, learning rate schedules and averages of weights: `torch.optim`."""

from pytensor._collect import collect as _collect
from pytensor.optim import lr_scheduler, swa_utils

_names = _collect(__name__, __path__, globals(), apart=("lr_scheduler", "swa_utils"))
__all__ = [*_names, "lr_scheduler", "swa_utils"]
