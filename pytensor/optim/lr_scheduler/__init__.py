"""Learning rate schedules: `torch.optim.lr_scheduler`."""

from pytensor._collect import collect as _collect

__all__ = _collect(__name__, __path__, globals())
