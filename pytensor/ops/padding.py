"""Padding: ``nn.functional.pad`` and ``constant_pad_nd``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["constant_pad_nd", "pad"]

Widths = list[tuple[int, int]]


def widths_per_axis(pad: Sequence[int], ndim: int) -> Widths:
    """(before, after) per axis, first axis first; ``pad`` begins with the last axis."""
    widths = [(0, 0)] * ndim
    for i in range(len(pad) // 2):
        widths[ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    return widths


class ConstantPadNdBackward0(Node):
    def backward(self, grad):
        return (constant_pad_nd(grad, [-p for p in self.ctx]),)


@op(method=False)
@quick("pad", ConstantPadNdBackward0, arguments=("pad", "value"))
def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """Adds ``value`` around a tensor.

    Args:
        input: any shape and dtype.
        pad: elements to add before and after the last axis, then the last but one, and so on; negative: to cut.
        value: what is added.

    Returns:
        a new tensor of the input's dtype.

    Raises:
        RuntimeError: for an odd number of widths, too many of them, or more cut than there is.

    >>> import pytensor as torch
    >>> torch.constant_pad_nd(torch.tensor([1, 2, 3]), (1, -1), 9)
    tensor([9, 1, 2])
    """
    check_tensor(input, "constant_pad_nd", "input", 1)
    pad, ndim = tuple(operator.index(p) for p in pad), input.dim()
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)}while the input has {ndim}dimensions."
        )
    widths = widths_per_axis(pad, ndim)
    for size, (before, after) in zip(input.shape, widths, strict=True):
        cut = min(before, 0) + min(after, 0)
        if size + cut < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
    x = input._array
    return record(ConstantPadNdBackward0, (input,), backend_of(x).pad_constant(x, widths, value), ctx=pad)


class MirroredPadBackward(Node):
    """Of every border that repeats elements: the gradients of an element's copies are summed."""

    def backward(self, grad):
        widths, mode = self.ctx
        g = grad._array
        out = backend_of(g).pad_mirrored_adjoint(g, widths, mode)
        return (record(adjoint_node_class(type(self)), (grad,), out, ctx=self.ctx),)


class MirroredPadBackwardBackward(Node):
    """Of that sum: every copy gets the gradient of its element."""

    def backward(self, grad):
        widths, mode = self.ctx
        g = grad._array
        out = backend_of(g).pad_mirrored(g, widths, mode)
        return (record(pad_node_class(mode, count_axes(widths)), (grad,), out, ctx=self.ctx),)


NODE_NAMES = {"reflect": "ReflectionPad{}DBackward0", "replicate": "ReplicationPad{}DBackward0"}
NODE_NAMES |= {"circular": "CircularPad{}DBackward0"}
NODES = {
    (mode, axes): type(name.format(axes), (MirroredPadBackward,), {"__module__": __name__})
    for mode, name in NODE_NAMES.items()
    for axes in (1, 2, 3)
}
ADJOINT_NODES = {
    node: type(node.__name__.replace("Backward0", "BackwardBackward0"), (MirroredPadBackwardBackward,), {})
    for node in NODES.values()
}


def pad_node_class(mode: str, axes: int) -> type[Node]:
    return NODES[mode, axes]


def adjoint_node_class(node: type[Node]) -> type[Node]:
    return ADJOINT_NODES[node]


def count_axes(widths: Widths) -> int:
    """How many trailing axes a padding was given for."""
    padded = [i for i, (before, after) in enumerate(reversed(widths)) if before or after]
    return max(padded, default=0) + 1


def check_batch_and_sizes(input: Tensor, axes: int) -> None:
    shape = list(input.shape)
    inner = shape[1:] if len(shape) == axes + 2 else shape
    if 0 in inner:
        raise RuntimeError(
            f"Expected {axes + 1}D or {axes + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {shape}"
        )


def check_reflection(input: Tensor, widths: Widths, axes: int) -> None:
    shape = list(input.shape)
    for i in range(axes):
        dim = len(shape) - 1 - i
        before, after = widths[dim]
        if before >= shape[dim] or after >= shape[dim]:
            raise RuntimeError(
                f"Argument #{4 + 2 * i}: Padding size should be less than the corresponding input dimension, but got: "
                f"padding ({before}, {after}) at dimension {dim} of input {shape}"
            )


def check_wrapping(input: Tensor, widths: Widths) -> None:
    for size, (before, after) in zip(input.shape, widths, strict=True):
        if before > size or after > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if size + before + after < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
        kept = size + min(before, 0) + min(after, 0)
        if max(before, after) > kept:  # PyTorch reads memory that is not written yet here
            raise RuntimeError("Padding value causes wrapping around more than once.")


def check_output(input: Tensor, widths: Widths, axes: int) -> None:
    dims = range(input.dim() - axes, input.dim())
    sizes = [input.shape[d] + sum(widths[d]) for d in dims]
    if (axes == 1 and sizes[0] < 1) or any(n < 0 for n in sizes):
        names = "DHW"[3 - axes :]
        given = " ".join(f"{name}: {input.shape[d]}" for name, d in zip(names, dims, strict=True))
        result = " ".join(f"{name}: {n}" for name, n in zip(names, sizes, strict=True))
        raise RuntimeError(f"input ({given}) is too small. Calculated output {result}")


def pad_mirrored(input: Tensor, pad: tuple[int, ...], mode: str) -> Tensor:
    """reflect, replicate and circular."""
    axes, ndim = len(pad) // 2, input.dim()
    if len(pad) not in (2, 4, 6) or ndim not in (axes + 1, axes + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    widths = widths_per_axis(pad, ndim)
    if mode == "circular":
        check_wrapping(input, widths)
    else:
        check_batch_and_sizes(input, axes)
        if mode == "reflect":
            check_reflection(input, widths, axes)
        check_output(input, widths, axes)
        if input.dtype.name == "bool":
            kernel = "reflection" if mode == "reflect" else "replication"
            raise NotImplementedError(f"\"{kernel}_pad{axes}d\" not implemented for '{scalar_type_name(input.dtype)}'")
    x = input._array
    return record(pad_node_class(mode, axes), (input,), backend_of(x).pad_mirrored(x, widths, mode), ctx=(widths, mode))


def pad_argument(pad: Any) -> tuple[int, ...]:
    if not isinstance(pad, Sequence):
        raise TypeError(f"pad(): argument 'pad' (position 2) must be tuple of ints, not {type(pad).__name__}")
    for i, p in enumerate(pad):
        if not hasattr(p, "__index__"):
            raise TypeError(
                f"pad(): argument 'pad' (position 2) must be tuple of ints, but found element of type "
                f"{type(p).__name__} at pos {i}"
            )
    return tuple(operator.index(p) for p in pad)


@op(namespace="nn.functional")
@quick("pad", ConstantPadNdBackward0, arguments=("pad", "mode", "value"))
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads a tensor.

    Args:
        input: any shape for ``"constant"``; else ``[batch, channels, *spatial]`` or ``[channels, *spatial]``.
        pad: elements to add before and after the last axis, then the last but one, and so on; negative: to cut.
            The modes other than ``"constant"`` pad all spatial axes (1 to 3).
        mode: ``"constant"``, ``"reflect"`` (mirrored, without the edge), ``"replicate"`` (the edge repeated) or
            ``"circular"``.
        value: what ``"constant"`` adds; 0 when None.

    Returns:
        a new tensor of the input's dtype.

    Raises:
        RuntimeError: when widths do not fit the sizes.
        NotImplementedError: for an unknown mode, or a number of axes that the mode does not pad.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1.0, 2.0, 3.0]])
    >>> torch.nn.functional.pad(x, (1, 2))
    tensor([[0., 1., 2., 3., 0., 0.]])
    >>> torch.nn.functional.pad(x, (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    """
    check_tensor(input, "pad", "input", 1)
    widths = pad_argument(pad)
    if len(widths) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(widths) > 2 * input.dim():
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(widths)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return constant_pad_nd(input, widths, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in NODE_NAMES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return pad_mirrored(input, widths, mode)
