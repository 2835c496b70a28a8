"""The layers. Every public name of every file here, by its `__all__`."""

from pytensor._collect import collect as _collect

__all__ = _collect(__name__, __path__, globals())
