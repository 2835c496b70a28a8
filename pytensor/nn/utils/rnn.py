"""Sequences of different lengths in one batch: padded to one length, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

import pytensor as torch
from pytensor.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences packed step after step: what recurrent modules take instead of a padded batch.

    Attributes:
        data: (rows, features): the first elements of all sequences, longest first, then the second ones, ...
        batch_sizes: how many sequences have an element at each step; int64, on the CPU.
        sorted_indices, unsorted_indices: the order from longest to shortest and back, or None.

    Made by :func:`pack_padded_sequence` and :func:`pack_sequence`.
    https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html

    >>> import pytensor as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
    PackedSequence(data=tensor([1, 3, 2]), batch_sizes=tensor([2, 1]), sorted_indices=None, unsorted_indices=None)
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Any:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:  # PackedSequence((data, batch_sizes))
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. "
                "They should be instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Its data on another device or in another dtype, as `Tensor.to`; itself when that changes nothing."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        orders = (i if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices))
        return type(self)(data, self.batch_sizes, *orders)

    def cuda(self, *args: Any, **kwargs: Any) -> Any:
        """On the GPU."""
        return self.to(*(args or ("cuda",)), **kwargs)

    def cpu(self) -> Any:
        """On the CPU."""
        return self.to("cpu")

    def double(self) -> Any:
        """In float64."""
        return self.to(torch.float64)

    def float(self) -> Any:
        """In float32."""
        return self.to(torch.float32)

    def half(self) -> Any:
        """In float16."""
        return self.to(torch.float16)

    def long(self) -> Any:
        """In int64."""
        return self.to(torch.int64)

    def int(self) -> Any:
        """In int32."""
        return self.to(torch.int32)

    def short(self) -> Any:
        """In int16."""
        return self.to(torch.int16)

    def char(self) -> Any:
        """In int8."""
        return self.to(torch.int8)

    def byte(self) -> Any:
        """In uint8."""
        return self.to(torch.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of a permutation, an int64 vector; None of None.

    >>> import pytensor as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    numbers = torch.arange(permutation.numel(), device=permutation.device, dtype=permutation.dtype)
    return torch.empty_like(permutation).scatter_(0, permutation, numbers)


def _running(lengths: Any) -> Any:
    """Which sequences have an element at which step: bool (steps, batch)."""
    return np.arange(max(int(lengths.max()), 0))[:, None] < lengths[None, :]


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs a padded batch (steps, batch, *), or (batch, steps, *) when ``batch_first``.

    Args:
        lengths: of the sequences, a list or a tensor on the CPU.
        enforce_sorted: whether the sequences must come from longest to shortest; else they are sorted here.

    Raises:
        RuntimeError: for lengths that are not sorted, not positive, or not one per sequence.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> torch.nn.utils.rnn.pack_padded_sequence(x, [2, 1, 3], batch_first=True, enforce_sorted=False)[:2]
    (tensor([4, 1, 3, 5, 2, 6]), tensor([3, 2, 1]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
    """
    lengths = torch.as_tensor(lengths, dtype=torch.int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    data, batch_sizes = _pack(input, lengths, batch_first)
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def _pack(input: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    sizes = lengths.cpu().numpy()
    batch, steps = input.shape[:2] if batch_first else input.shape[1::-1]
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(sizes) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={batch})"
        )
    if (sizes <= 0).any():
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if sizes[0] > steps:
        raise RuntimeError(f"Expected lengths of at most {steps}, the number of steps, but got {sizes[0]}")
    running = _running(sizes)
    step, sequence = np.nonzero(running)
    rows = sequence * steps + step if batch_first else step * batch + sequence
    data = input.reshape(steps * batch, *input.shape[2:]).index_select(0, torch.from_numpy(rows).to(input.device))
    return data, torch.from_numpy(running.sum(axis=1))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse of :func:`pack_padded_sequence`: (the padded batch, the lengths).

    Args:
        total_length: how many steps the batch is to have; those of the longest sequence by default.

    Raises:
        ValueError: when ``total_length`` is less than that.

    >>> import pytensor as torch
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
    >>> torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_packed_sequence.html
    """
    data, batch_sizes, _, unsorted_indices = sequence
    steps = len(batch_sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    sizes = batch_sizes.numpy()
    running = np.arange(int(sizes[0]))[None, :] < sizes[:, None]
    lengths = torch.from_numpy(running.sum(axis=0))
    padded = _pad(data, *np.nonzero(running), steps, int(sizes[0]), batch_first, padding_value)
    if unsorted_indices is not None:
        return padded.index_select(0 if batch_first else 1, unsorted_indices), lengths[unsorted_indices.cpu()]
    return padded, lengths


def _pad(
    data: Tensor, step: Any, sequence: Any, steps: int, batch: int, batch_first: bool, padding_value: float
) -> Tensor:
    """Rows of data in a new padded batch, each at its step of its sequence."""
    rows = sequence * steps + step if batch_first else step * batch + sequence
    flat = data.new_full((steps * batch, *data.shape[1:]), padding_value)
    flat = flat.index_copy(0, torch.from_numpy(rows).to(data.device), data)
    return flat.reshape(*((batch, steps) if batch_first else (steps, batch)), *data.shape[1:])


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (length, *) as one padded batch (longest, batch, *), or (batch, longest, *) when ``batch_first``.

    >>> import pytensor as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    lengths = np.array([len(s) for s in sequences])
    longest = int(lengths.max())
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    step = np.concatenate([np.arange(n) for n in lengths])
    if padding_side == "left":
        step += longest - lengths[sequence]
    data = torch.cat([s.to(sequences[0].dtype) for s in sequences])
    return _pad(data, step, sequence, longest, len(sequences), batch_first, padding_value)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, without their padding.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1, 2], [3, 0]])
    >>> torch.nn.utils.rnn.unpad_sequence(x, torch.tensor([2, 1]), batch_first=True)
    [tensor([1, 2]), tensor([3])]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.unpad_sequence.html
    """
    if not batch_first:
        padded_sequences.transpose_(0, 1)
    numbers = torch.arange(padded_sequences.shape[1], device=lengths.device)
    pairs = zip(padded_sequences, lengths, strict=True)
    return [sequence[numbers < length] for sequence, length in pairs]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences (length, *), from longest to shortest unless ``enforce_sorted`` is False.

    >>> import pytensor as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]).data
    tensor([1, 3, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_sequence.html
    """
    lengths = torch.as_tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of :func:`pack_sequence`.

    >>> import pytensor as torch
    >>> torch.nn.utils.rnn.unpack_sequence(torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
    [tensor([1, 2]), tensor([3])]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.unpack_sequence.html
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
