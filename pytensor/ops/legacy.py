"""``torch.Tensor(...)``: the constructor from before factories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor import _C, dtypes
from pytensor.device import device as Device
from pytensor.ops.create import Options, new_array, sizes_of
from pytensor.ops.from_data import tensor_from

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["legacy_tensor"]


def legacy_tensor(cls: type[Tensor], args: tuple[Any, ...], device: Any = None) -> Tensor:
    """``Tensor(2, 3)`` is uninitialised, ``Tensor([1, 2])`` holds the numbers, both of the default type;
    ``Tensor(tensor)`` is the same data.

    Raises:
        TypeError: for arguments of another kind.
    """
    where = Device("cpu" if device is None else device)
    default = dtypes.get_default_dtype()
    if len(args) == 1 and isinstance(args[0], _C.TensorBase):
        if args[0].dtype is not default and cls.__name__ == "Tensor":
            raise TypeError(
                f"expected {default} (got {args[0].dtype}): Tensor(tensor) does not convert, use tensor.to()"
            )
        array = args[0]._array
    elif len(args) == 1 and not isinstance(args[0], int):
        array = tensor_from(args[0], Options("new", default, device=where))._array
    else:
        array = new_array(sizes_of("new", args, (0,)), default, where)
    new = _C.TensorBase.__new__(cls)
    new._array = array
    return new
