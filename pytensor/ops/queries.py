"""Questions about tensors as functions, and changes of their storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor import _C
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.checks import check_tensor
from pytensor.ops.pointwise_core import result_type
from pytensor.ops.registry import op
from pytensor.storage import UntypedStorage

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["is_nonzero", "is_storage", "set_"]

op(method=False)(result_type)


def _question(name: str, doc: str, answer: str) -> None:
    """A function that asks a method of the same name."""

    def ask(input: Tensor) -> Any:
        check_tensor(input, name, "input", 1)
        return getattr(input, name)()

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = f"{doc}\n\n    >>> import pytensor as torch\n    >>> torch.{name}(torch.ones(2))\n    {answer}\n    "
    op(method=False)(ask)


for _name, _doc, _answer in (
    ("numel", "The number of elements.", "2"),
    ("is_floating_point", "Is the dtype a floating type?", "True"),
    ("is_complex", "Is the dtype a complex type?", "False"),
    ("is_signed", "Does the dtype have negative numbers?", "True"),
    ("is_conj", "Is this a lazily conjugated tensor? There are none here.", "False"),
    ("is_neg", "Is this a lazily negated tensor? There are none here.", "False"),
    ("is_inference", "Was this tensor made in inference mode?", "False"),
    ("get_device", "The index of the CUDA device, -1 on the CPU.", "-1"),
    ("detach", "The same data outside the graph.", "tensor([1., 1.])"),
    ("detach_", "Takes a tensor out of its graph.", "tensor([1., 1.])"),
):
    _question(_name, _doc, _answer)


@op(method=False)
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Have two tensors the same shape?

    >>> import pytensor as torch
    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    return input.shape == other.shape


@op()
def is_nonzero(input: Tensor) -> bool:
    """Is the one element of a tensor different from zero?

    Raises:
        RuntimeError: for more or fewer elements.

    >>> import pytensor as torch
    >>> torch.is_nonzero(torch.tensor([1.5]))
    True
    """
    if input.numel() == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    return bool(input)


@op(method=False)
def is_storage(obj: Any) -> bool:
    """Is this a storage?

    >>> import pytensor as torch
    >>> torch.is_storage(torch.ones(1).untyped_storage())
    True
    """
    return isinstance(obj, UntypedStorage)


@op(function=False)
def set_(input: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Makes the tensor use the memory of another one (or, without a source, none at all).

    >>> import pytensor as torch
    >>> x = torch.ones(2)
    >>> x.set_(torch.zeros(3))
    tensor([0., 0., 0.])
    """
    if input._requires_grad:
        raise RuntimeError("cannot set the storage of a variable that requires grad")
    if source is None:
        input._array = array_module(input._array).empty(0, dtype=input._array.dtype)
    elif isinstance(source, _C.TensorBase):
        if source.dtype is not input.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {source.dtype.name} to a tensor of type {input.dtype.name}"
            )
        view = source if size is None else source.as_strided(size, stride or _row_major(size), storage_offset)
        input._array = view._array
    else:
        raise NotImplementedError("set_(): storages as the source are not there yet, tensors are")
    input._bump_version()
    return input


def _row_major(size: Any) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(tuple(size)):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


@op(function=False)
def share_memory_(input: Tensor) -> Tensor:
    """PyTorch moves the data where other processes can see it; that is not there yet."""
    raise NotImplementedError("share_memory_(): memory shared between processes is not there yet")
