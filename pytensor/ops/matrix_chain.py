"""Products of several matrices: chain_matmul, multi_dot, matrix_power, and the Kronecker product."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytensor.ops.checks import check_tensor
from pytensor.ops.matmul import matmul
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.typename import c_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["chain_matmul", "kron", "linalg_matrix_power", "matrix_power", "multi_dot"]


def _best_splits(sizes: Sequence[int]) -> list[list[int]]:
    """Where to cut each product of matrices i..j (sizes[i] x sizes[i + 1], ...) for the fewest multiplications."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            choices = [(cost[i][s] + cost[s + 1][j] + sizes[i] * sizes[s + 1] * sizes[j + 1], s) for s in range(i, j)]
            cost[i][j], split[i][j] = min(choices)
    return split


def _chain(matrices: Sequence[Tensor]) -> Tensor:
    splits = _best_splits([matrices[0].shape[0], *(m.shape[1] for m in matrices)])

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return matrices[i]
        return matmul(product(i, splits[i][j]), product(splits[i][j] + 1, j))

    return product(0, len(matrices) - 1)


@op(namespace="linalg")
def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices, in the order of the fewest multiplications. The first and the last may be
    vectors.

    Raises:
        RuntimeError: for fewer than two tensors, for axes, sizes or dtypes that do not fit together.

    >>> import pytensor as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.multi_dot.html
    """
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for name, x in (("first", tensors[0]), ("last", tensors[-1])):
        if x.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {name} tensor must be 1D or 2D but got {x.ndim}D")
    first, last = tensors[0], tensors[-1]
    matrices = list(tensors)
    if first.ndim == 1:
        matrices[0] = first.unsqueeze(0)
    if last.ndim == 1:
        matrices[-1] = last.unsqueeze(1)
    for i, x in enumerate(matrices):
        if x.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.ndim}D")
        if x.dtype is not first.dtype:
            raise RuntimeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{c_type_name(first.dtype)} and tensor {i} {c_type_name(x.dtype)}"
            )
    for i in range(n - 1):
        if matrices[i].shape[1] != matrices[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(matrices[i].shape)} and "
                f"{list(matrices[i + 1].shape)} cannot be multiplied"
            )
    shape = (*first.shape[:-1], *(last.shape[1:] if last.ndim == 2 else ()))
    return write_out(_chain(matrices).reshape(shape), out, "multi_dot")


@op(method=False)
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of one or more matrices; deprecated for :func:`pytensor.linalg.multi_dot`.

    >>> import pytensor as torch
    >>> torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 1))  # doctest: +SKIP
    tensor([[3.],
            [3.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.chain_matmul.html
    """
    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot "
        "instead, which accepts a list of two or more tensors rather than multiple parameters.",
        UserWarning,
        stacklevel=2,
    )
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for i, x in enumerate(matrices):
        check_tensor(x, "chain_matmul", "matrices", i + 1)
        if x.ndim != 2:
            raise RuntimeError(f"Tensor {i} must be a matrix (2D), but got {x.ndim}D")
    result = matrices[0] if len(matrices) == 1 else multi_dot(matrices)
    return write_out(result, out, "chain_matmul")


def _power(input: Tensor, n: int) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if input.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{input.shape[-2]} by {input.shape[-1]} matrices"
        )
    if n < 0:
        import pytensor

        inverse = getattr(getattr(pytensor, "linalg", None), "inv", None)
        if inverse is None:
            raise NotImplementedError("matrix_power with a negative power needs linalg.inv, which is not there yet")
        return _power(inverse(input), -n)
    if n == 0:
        return _identity_like(input)
    square, result = input, None
    while True:  # square and multiply
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n == 0:
            return result.clone() if result is input else result
        square = matmul(square, square)


def _identity_like(input: Tensor) -> Tensor:
    from pytensor.autograd.node import wrap
    from pytensor.backend.reference.array_module import array_module

    xp = array_module(input._array)
    eye = xp.eye(input.shape[-1], dtype=input._array.dtype)
    return wrap(xp.array(xp.broadcast_to(eye, tuple(input.shape))))


@op()
def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """A square matrix, or each of a batch, to an integer power.

    Raises:
        RuntimeError: for matrices that are not square.
        NotImplementedError: for a negative power, as long as there is no ``linalg.inv``.

    >>> import pytensor as torch
    >>> torch.matrix_power(torch.tensor([[1, 1], [1, 0]]), 5)
    tensor([[8, 5],
            [5, 3]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.matrix_power.html
    """
    check_tensor(input, "matrix_power", "input", 1)
    return write_out(_power(input, n), out, "matrix_power")


@op(namespace="linalg", name="matrix_power")
def linalg_matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """A square matrix, or each of a batch, to an integer power: see :func:`pytensor.matrix_power`.

    >>> import pytensor as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1, 1], [1, 0]]), 5)
    tensor([[8, 5],
            [5, 3]])
    """
    return matrix_power(A, n, out=out)


@op()
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of ``input`` times all of ``other``, as blocks.

    >>> import pytensor as torch
    >>> torch.kron(torch.eye(2), torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.kron.html
    """
    check_tensor(input, "kron", "input", 1)
    check_tensor(other, "kron", "other", 2)
    ndim = max(input.ndim, other.ndim)
    a = (1,) * (ndim - input.ndim) + tuple(input.shape)
    b = (1,) * (ndim - other.ndim) + tuple(other.shape)
    left = input.reshape(tuple(n for size in a for n in (size, 1)))
    right = other.reshape(tuple(n for size in b for n in (1, size)))
    result = (left * right).reshape(tuple(n * m for n, m in zip(a, b, strict=True)))
    return write_out(result, out, "kron")
