"""Utilities for modules and their parameters: `torch.nn.utils`."""

from pytensor._collect import collect as _collect

__all__ = _collect(__name__, __path__, globals(), apart=("rnn",))
