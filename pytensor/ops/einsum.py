"""Sums of products over named axes: einsum and tensordot, made of diagonals, permutations and matrix products."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytensor import _C
from pytensor.ops.checks import normalize_dim
from pytensor.ops.matmul import check_product_dtype, matmul, mm
from pytensor.ops.out import write_out
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["einsum", "tensordot"]

# A label is a letter's index (0..51); the axes of an ellipsis are the labels -1 (last), -2, ...
LETTERS = string.ascii_uppercase + string.ascii_lowercase
ELLIPSIS = -1000


def _parse_term(text: str, where: str, at: int) -> list[int]:
    """The labels of one operand or of the output; ``at`` is where the text starts in the equation."""
    labels: list[int] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c == ".":
            if ELLIPSIS in labels:
                raise RuntimeError(f"einsum(): found '.' for {where} for which an ellipsis was already found")
            if text[i : i + 3] != "...":
                tail = " (...)" if where == "output" else ""
                raise RuntimeError(f"einsum(): found '.' for {where} that is not part of any ellipsis{tail}")
            labels.append(ELLIPSIS)
            i += 3
            continue
        if c != " ":
            if c not in LETTERS:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {at + i} in the equation string, subscripts must be "
                    "in [a-zA-Z]"
                )
            labels.append(LETTERS.index(c))
        i += 1
    return labels


def _parse(equation: str, count: int) -> tuple[list[list[int]], list[int] | None]:
    """The labels of the operands, and of the output where it is given."""
    left, arrow, right = equation.partition("->")
    terms: list[list[int]] = []
    at = 0
    for number, text in enumerate(left.split(",")):
        if number >= count:
            raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
        terms.append(_parse_term(text, f"operand {number}", at))
        at += len(text) + 1
    if len(terms) < count:
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    return terms, _parse_term(right, "output", len(left) + 2) if arrow else None


def _sublist(labels: Sequence[Any]) -> list[int]:
    result = []
    for label in labels:
        if label is Ellipsis:
            result.append(ELLIPSIS)
        elif 0 <= label < len(LETTERS):
            result.append(int(label))
        else:
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return result


def _expanded(labels: list[int], ndim: int, number: int) -> list[int]:
    """One label for every axis: the ellipsis stands for the axes that no letter names."""
    letters = len(labels) - (ELLIPSIS in labels)
    if ELLIPSIS not in labels:
        if letters != ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({letters}) does not match the number of "
                f"dimensions ({ndim}) for operand {number} and no ellipsis was given"
            )
        return labels
    if letters > ndim:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({letters}) is more than the number of dimensions "
            f"({ndim}) for operand {number}"
        )
    at = labels.index(ELLIPSIS)
    return [*labels[:at], *range(letters - ndim, 0), *labels[at + 1 :]]


def _diagonals(tensor: Tensor, labels: list[int], number: int) -> Factor:
    """A factor of an operand: labels that come twice take the diagonal."""
    for label in sorted({x for x in labels if labels.count(x) > 1}):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if tensor.shape[i] != tensor.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {LETTERS[label]} is repeated for operand {number} but the sizes don't match, "
                    f"{tensor.shape[j]} != {tensor.shape[i]}"
                )
            tensor = tensor.diagonal(0, i, j)  # which puts the diagonal last
            labels = [x for at, x in enumerate(labels) if at not in (i, j)] + [label]
    return Factor(tensor, labels)


@dataclass
class Factor:
    """A tensor with one label per axis, no label twice."""

    tensor: Tensor
    labels: list[int]

    def size(self, label: int) -> int:
        return self.tensor.shape[self.labels.index(label)] if label in self.labels else 1

    def summed(self, gone: Sequence[int]) -> Factor:
        """Without the axes ``gone``, summed over."""
        axes = [self.labels.index(x) for x in gone if x in self.labels]
        return Factor(self.tensor.sum(axes) if axes else self.tensor, [x for x in self.labels if x not in gone])

    def arranged(self, labels: Sequence[int]) -> Tensor:
        """The axes in this order, those that are missing as axes of size 1; axes of size 1 may be left out."""
        have = [self.labels.index(x) for x in labels if x in self.labels]
        have += [i for i, x in enumerate(self.labels) if x not in labels]
        tensor = self.tensor if have == list(range(len(have))) else self.tensor.permute(have)
        shape = tuple(self.size(x) for x in labels)
        return tensor if tuple(tensor.shape) == shape else tensor.reshape(shape)


def _check_sizes(factors: list[Factor]) -> None:
    seen: dict[int, int] = {}
    for number, factor in enumerate(factors):
        for label, size in zip(factor.labels, factor.tensor.shape, strict=True):
            before = seen.get(label, 1)
            if size != before and size != 1 and before != 1:
                name = LETTERS[label] if label >= 0 else "..."
                raise RuntimeError(
                    f"einsum(): subscript {name} has size {size} for operand {number} which does not broadcast with "
                    f"previously seen size {before}"
                )
            seen[label] = before if size == 1 else size


def _contract(a: Factor, b: Factor, gone: Sequence[int]) -> Factor:
    """The product of two factors, summed over the labels ``gone``."""
    # A label that only one of the two carries (or carries with a size other than 1) is summed there at once.
    a = a.summed([x for x in gone if b.size(x) == 1 and a.size(x) != 1])
    b = b.summed([x for x in gone if a.size(x) == 1 and b.size(x) != 1])
    labels = [x for x in dict.fromkeys((*a.labels, *b.labels)) if x not in gone]
    contracted = [x for x in gone if x in a.labels or x in b.labels]
    if not any(a.size(x) != 1 for x in contracted):  # nothing left to sum: an elementwise product
        product = a.arranged([*labels, *contracted]) * b.arranged([*labels, *contracted])
        return Factor(product.reshape(product.shape[: len(labels)]) if contracted else product, labels)
    left = [x for x in labels if b.size(x) == 1]
    right = [x for x in labels if a.size(x) == 1 and x not in left]
    batch = [x for x in labels if x not in left and x not in right]
    sizes = {x: max(a.size(x), b.size(x), key=lambda n: n != 1) for x in (*labels, *contracted)}

    def count(names: list[int]) -> int:
        return math.prod(sizes[x] for x in names)

    shape = tuple(sizes[x] for x in batch)
    one = a.arranged([*batch, *left, *contracted]).reshape((*shape, count(left), count(contracted)))
    two = b.arranged([*batch, *contracted, *right]).reshape((*shape, count(contracted), count(right)))
    product = matmul(one, two)
    labels = [*batch, *left, *right]
    return Factor(product.reshape(tuple(sizes[x] for x in labels)), labels)


def _output_labels(terms: list[list[int]], given: list[int] | None) -> list[int]:
    every = [x for term in terms for x in term]
    dots = list(range(min((x for x in every if x < 0), default=0), 0))
    if given is None:  # the ellipsis, then the letters that come once, in order
        return [*dots, *sorted(x for x in set(every) if x >= 0 and every.count(x) == 1)]
    output: list[int] = []
    for label in given:
        if label == ELLIPSIS:
            output += dots
            continue
        if label in output:
            raise RuntimeError(f"einsum(): output subscript {LETTERS[label]} appears more than once in the output")
        if label not in every:
            raise RuntimeError(
                f"einsum(): output subscript {LETTERS[label]} does not appear in the equation for any input operand"
            )
        output.append(label)
    return output


@op(method=False)
def einsum(*args: Any) -> Tensor:
    """Sums of products over named axes, in Einstein's notation.

    Args:
        args: an equation and the operands (``"ij,jk->ik", a, b``; ``...`` stands for axes without a name, an axis named
            twice in one operand for its diagonal), or operands and lists of axis numbers in turn, the output's last:
            ``a, [0, 1], b, [1, 2], [0, 2]``. Without an output, the names that come once make it, in alphabetical
            order. Operands are contracted from left to right.

    Raises:
        RuntimeError: for an equation that is not well-formed or does not fit the operands.
        ValueError: without an equation and operands.

    >>> import pytensor as torch
    >>> torch.einsum("ij,jk", torch.ones(2, 3), torch.ones(3, 2))
    tensor([[3., 3.],
            [3., 3.]])
    >>> torch.einsum("...ii->...i", torch.ones(4, 2, 2)).shape
    torch.Size([4, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.einsum.html
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    output: list[int] | None
    if isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
        terms, output = _parse(args[0], len(operands))
    else:
        pairs = len(args) // 2
        operands = args[0 : 2 * pairs : 2]
        terms = [_sublist(labels) for labels in args[1 : 2 * pairs : 2]]
        output = _sublist(args[-1]) if len(args) % 2 else None
    terms = [_expanded(term, x.ndim, i) for i, (term, x) in enumerate(zip(terms, operands, strict=True))]
    return _evaluate(operands, terms, _output_labels(terms, output))


def _evaluate(operands: Sequence[Tensor], terms: list[list[int]], output: list[int]) -> Tensor:
    for x in operands[1:]:
        check_product_dtype(operands[0], x, "bmm", "expected scalar type {Left} but found {Right}")
    factors = [_diagonals(x, term, i) for i, (x, term) in enumerate(zip(operands, terms, strict=True))]
    _check_sizes(factors)

    def unused(after: int, *held: Factor) -> list[int]:
        needed = {*output, *(x for factor in factors[after:] for x in factor.labels)}
        return sorted({x for factor in held for x in factor.labels} - needed)

    result = factors[0].summed(unused(1, factors[0]))
    for i in range(1, len(factors)):
        result = _contract(result, factors[i], unused(i + 1, result, factors[i]))
    return result.arranged(output)


@op(method=False)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """The product of two tensors, summed over pairs of axes.

    Args:
        dims: how many of the last axes of ``a`` meet the first of ``b``, or two lists of axes.

    Raises:
        RuntimeError: when the axes do not fit together.

    >>> import pytensor as torch
    >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    torch.Size([2, 5])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.tensordot.html
    """
    axes_a, axes_b = _contracted_axes(a, b, dims)
    for i, j in zip(axes_a, axes_b, strict=True):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size "
                f"{b.shape[j]} in dim {j}"
            )
    axes_a = [normalize_dim(i, a.ndim) for i in axes_a]
    axes_b = [normalize_dim(j, b.ndim) for j in axes_b]
    for i, j in zip(axes_a, axes_b, strict=True):  # an axis of size 1 meets any other: that one is summed
        if a.shape[i] != b.shape[j]:
            a, b = (a, b.sum(j, keepdim=True)) if a.shape[i] == 1 else (a.sum(i, keepdim=True), b)
    free_a = [i for i in range(a.ndim) if i not in axes_a]
    free_b = [j for j in range(b.ndim) if j not in axes_b]
    depth = math.prod(a.shape[i] for i in axes_a)
    left = a.permute((*free_a, *axes_a)).reshape((math.prod(a.shape[i] for i in free_a), depth))
    right = b.permute((*axes_b, *free_b)).reshape((depth, math.prod(b.shape[j] for j in free_b)))
    result = mm(left, right).reshape((*(a.shape[i] for i in free_a), *(b.shape[j] for j in free_b)))
    return write_out(result, out, "tensordot")


def _contracted_axes(a: Tensor, b: Tensor, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, _C.TensorBase):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(-dims, 0)), list(range(dims))
    first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    for axes, x in ((first, a), (second, b)):
        for d in axes:
            normalize_dim(d, x.ndim)
    return first, second
