"""Gradients of fused gradients.

A fused gradient kernel is an op; its own gradient is rarely wanted and needs no kernel. It is taken through the same
function written with public ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytensor.autograd import grad as engine_grad
from pytensor.autograd.grad_mode import enable_grad, is_grad_enabled

__all__ = ["gradient_through"]


def gradient_through(
    composition: Callable[..., Sequence[Any]], inputs: Sequence[Any], grads: Sequence[Any], needs: Sequence[bool]
) -> tuple[Any, ...]:
    """Gradients of the inputs (None where not needed, or for an input that is None).

    Args:
        composition: the function in public ops; gets ``inputs``, gives as many outputs as there are ``grads``.
        grads: gradients of the outputs, None for outputs that nothing depends on.
    """
    create_graph = is_grad_enabled()
    wanted = [i for i, (x, need) in enumerate(zip(inputs, needs, strict=True)) if need and x is not None]
    with enable_grad():
        # Gradients stop at these stand-ins: one input may have been computed from another.
        stand_ins = [
            x if x is None else (x.view_as(x) if create_graph else x.detach().requires_grad_(i in wanted))
            for i, x in enumerate(inputs)
        ]
        outputs = composition(*stand_ins)
        pairs = [(o, g) for o, g in zip(outputs, grads, strict=True) if g is not None and o.requires_grad]
    result: list[Any] = [None] * len(inputs)
    if pairs and wanted:
        found = engine_grad(
            [o for o, _ in pairs],
            [stand_ins[i] for i in wanted],
            [g for _, g in pairs],
            create_graph=create_graph,
            allow_unused=True,
        )
        for i, g in zip(wanted, found, strict=True):
            result[i] = g
    return tuple(result)
