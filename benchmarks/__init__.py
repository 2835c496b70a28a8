"""pytensor measured against its peers: ``python -m benchmarks [groups...]``.

A workload is written once, against PyTorch's API, and run in each library in a worker process of its own. The
workers have the same cores and the same number of threads and take turns, round by round; results are compared
before anything is timed. On a shared machine only the ratios of one run mean anything::

    python -m benchmarks                                   # every group, one thread
    python -m benchmarks matmul conv --threads 1,2         # some groups, one and two threads
    python -m benchmarks overhead --quick                  # short rounds, to see that all is well
    python -m benchmarks --filter 1024                     # rows whose name contains a text
    python -m benchmarks matmul --peer numpy --peer jax    # other peers (jax where it is installed)
    python -m benchmarks --json new.json --plot ratios.png --markdown docs/benchmarks.md
    python -m benchmarks --from new.json --plot docs/images/benchmarks.png --readme README.md
    python -m benchmarks.compare old.json new.json         # what changed by more than the noise

How to add rows
    A group is a file ``benchmarks/suites/<group>.py`` with a list ``ROWS``; files are found by themselves::

        from benchmarks import Row, randn

        def matmul(m, k, n):
            def setup(lib):                       # lib is torch or pytensor: write for PyTorch's API
                a, b = randn(lib, m, k), randn(lib, k, n, seed=1)
                return lambda: a @ b              # what is timed; what it returns is compared
            return Row(f"{m}x{k}x{n}", setup, flops=2 * m * k * n)

        def conv_backward(...):
            def setup(lib):
                x = randn(lib, 16, 64, 56, 56, requires_grad=True)
                w = randn(lib, 64, 64, 3, 3, requires_grad=True)
                y = lib.nn.functional.conv2d(x, w, padding=1)
                g = lib.ones_like(y)
                return lambda: lib.autograd.grad(y, (x, w), g, retain_graph=True)
            return Row("conv3x3 backward", setup, flops=...)

        ROWS = [matmul(n, n, n) for n in (64, 128, 256, 512, 1024)]

    ``setup`` runs after ``lib.manual_seed(0)``. The function that it returns is called many times: it returns a
    tensor, a number, or a (nested) tuple or list of those. Of a training step return the loss: the first call's
    results are compared, relative to the largest magnitude, within ``tolerance``.

Peers
    ``torch`` is always there, and ``torch.compile`` times the same function compiled. ``numpy`` and ``jax`` take
    part in rows that have a version for them, ``array(xp)``: it gets ``numpy`` or ``jax.numpy`` and returns a
    function without side effects and its arguments; for JAX the function is compiled with ``jit`` and waited for::

        def array(xp):
            return xp.matmul, (randn(xp, m, k), randn(xp, k, n, seed=1))

The fields of :class:`Row`
    ``name``        unique in the group, says the shapes
    ``setup``       see above
    ``flops``       floating-point operations of one operation; gives GFLOP/s
    ``bytes``       bytes that one operation has to read and write; gives GB/s (use one of the two)
    ``calls``       operations in one call of the function: for operations so short that calling a Python
                    function would count, loop inside and say how often
    ``tolerance``   largest difference from the peer's result, relative to the largest magnitude (default 1e-4)
    ``dtype``       of the arithmetic: which peak the row is held against (float32 or float64)
    ``section``     puts the row into a line of its own in the overview, beside the rest of its group
    ``array``       the row in terms of NumPy's API, for the peers numpy and jax
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One workload. The fields are described in the module's docstring."""

    name: str
    setup: Callable[[Any], Callable[[], Any]]
    flops: float = 0
    bytes: float = 0
    calls: int = 1
    tolerance: float = 1e-4
    dtype: str = "float32"
    section: str = ""
    array: Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...]]] | None = None


def tensor(lib: Any, values: np.ndarray) -> Any:
    """A library's array of the given numbers."""
    return lib.tensor(values) if hasattr(lib, "tensor") else lib.asarray(values)


def randn(lib: Any, *shape: int, seed: int = 0, dtype: str = "float32", requires_grad: bool = False) -> Any:
    """A tensor of normal random numbers, the same in every library."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return tensor(lib, values).requires_grad_() if requires_grad else tensor(lib, values)


def randint(lib: Any, high: int, *shape: int, seed: int = 0) -> Any:
    """An int64 tensor of random integers below ``high``, the same in every library."""
    return tensor(lib, np.random.default_rng(seed).integers(0, high, shape))
