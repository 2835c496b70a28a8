"""squeeze_, transpose_ and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor.ops.inplace import check_inplace
from pytensor.ops.parts import as_strided
from pytensor.ops.registry import op
from pytensor.ops.views import squeeze, t, transpose, unsqueeze

if TYPE_CHECKING:
    from pytensor.tensor import Tensor


def _in_place_view(name: str, fn: Any) -> None:
    """The tensor itself takes the new shape."""

    def changed(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_inplace(input)
        result = fn(input, *args, **kwargs)
        input._array = result._array
        if result._requires_grad:
            input._set_history(result.grad_fn, result.output_nr)
        return input

    changed.__name__ = changed.__qualname__ = name
    changed.__doc__ = f"In-place form of {name[:-1]}: the tensor itself takes the new shape."
    op(name=name, function=False)(changed)


for _name, _fn in {
    "squeeze_": squeeze,
    "unsqueeze_": unsqueeze,
    "transpose_": transpose,
    "swapaxes_": transpose,
    "swapdims_": transpose,
    "t_": t,
    "as_strided_": as_strided,
}.items():
    _in_place_view(_name, _fn)
