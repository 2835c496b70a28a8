"""Datasets, samplers and the loader that makes batches of them: `torch.utils.data`."""

from pytensor._collect import collect as _collect

__all__ = _collect(__name__, __path__, globals())
