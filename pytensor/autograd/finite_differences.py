"""Gradients checked against finite differences.

Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd import grad as autograd_grad
from pytensor.autograd.grad_mode import no_grad
from pytensor.dtypes import FLOATING

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """Raised by :func:`gradcheck` when a gradient is wrong."""


def _differentiable(values: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(i, v) for i, v in enumerate(values) if isinstance(v, _C.TensorBase) and v.dtype.category >= FLOATING]


def _outputs_of(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    result = fn(*inputs)
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    return [v for _, v in _differentiable(outputs)]


def _numerical_column(fn: Any, inputs: Sequence[Any], array: np.ndarray, at: Any, eps: Any) -> list[np.ndarray]:
    """Central differences of all outputs along one element of one input."""
    kept = array[at]
    try:
        array[at] = kept + eps
        above = [np.array(o._array) for o in _outputs_of(fn, inputs)]
        array[at] = kept - eps
        below = [np.array(o._array) for o in _outputs_of(fn, inputs)]
    finally:
        array[at] = kept
    return [(a - b) / (2 * abs(eps)) for a, b in zip(above, below, strict=True)]


def _analytical(outputs: Sequence[Tensor], wanted: Sequence[Tensor], k: int, at: Any, unit: Any) -> list[Any]:
    seed = np.zeros(outputs[k].shape, dtype=outputs[k]._array.dtype)
    seed[at] = unit
    return list(autograd_grad(outputs[k], wanted, _C.wrap(seed), retain_graph=True, allow_unused=True))


def _jacobians(fn: Any, inputs: Sequence[Any], wanted: list[tuple[int, Any]], eps: float) -> list[list[np.ndarray]]:
    """For each wanted input, its numerical Jacobian with every output: [output elements, input elements]."""
    tables = []
    with no_grad():
        for _, t in wanted:
            columns = []
            for at in np.ndindex(*t.shape):
                column = _numerical_column(fn, inputs, t._array, at, eps)
                if t.dtype.is_complex:
                    imaginary = _numerical_column(fn, inputs, t._array, at, 1j * eps)
                    column = [(re, im) for re, im in zip(column, imaginary, strict=True)]
                columns.append(column)
            tables.append(columns)
    return tables


def _expected(column: Any, at: Any, complex_input: bool, unit: complex) -> Any:
    """The gradient that finite differences predict for an output element and a unit output gradient."""
    if not complex_input:
        return (np.conj(unit) * column[at]).real
    re, im = column[0][at], column[1][at]
    return (np.conj(unit) * re).real + 1j * (np.conj(unit) * im).real


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of ``func`` with central differences.

    Args:
        func: a function of the inputs that gives a tensor or a tuple of tensors.
        inputs: its arguments; those that require grad are checked and should be float64.
        eps: the step of the differences.
        raise_exception: raise instead of giving False.

    Raises:
        GradcheckError: for a wrong gradient, with both values.
        ValueError: when no input requires grad.

    >>> import pytensor as torch
    >>> x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: (x * x).sum(), (x,))
    True
    """
    if check_forward_ad or check_batched_grad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: forward mode and batched gradients are not there yet")
    arguments = (inputs,) if isinstance(inputs, _C.TensorBase) else tuple(inputs)
    wanted = [(i, t) for i, t in _differentiable(arguments) if t.requires_grad]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    for i, t in wanted:
        if t.dtype.itemsize < 8 or t.dtype.name == "complex64":
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                "likely fail if all the inputs are not of double precision floating point or complex. "
            )
    try:
        _compare(func, arguments, wanted, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    func: Any,
    inputs: tuple[Any, ...],
    wanted: list[tuple[int, Any]],
    eps: float,
    atol: float,
    rtol: float,
    nondet: float,
) -> None:
    outputs = _outputs_of(func, inputs)
    tables = _jacobians(func, inputs, wanted, eps)
    tensors = [t for _, t in wanted]
    for k, output in enumerate(outputs):
        if not output.requires_grad:
            _check_zero(tables, k, wanted)
            continue
        for at in np.ndindex(*output.shape):
            for unit in (1.0, 1j) if output.dtype.is_complex else (1.0,):
                found = _analytical(outputs, tensors, k, at, unit)
                again = _analytical(outputs, tensors, k, at, unit)
                for n, (i, t) in enumerate(wanted):
                    value = np.zeros(t.shape) if found[n] is None else found[n]._array
                    _check_repeatable(value, again[n], nondet)
                    expected = np.array([_expected(c[k], at, t.dtype.is_complex, unit) for c in tables[n]]).reshape(
                        t.shape
                    )
                    if not np.allclose(value, expected, rtol=rtol, atol=atol, equal_nan=True):
                        raise GradcheckError(
                            f"Jacobian mismatch for output {k} with respect to input {i},\nat output element {at}\n"
                            f"numerical:{expected}\nanalytical:{value}\n"
                        )


def _check_zero(tables: Any, k: int, wanted: list[tuple[int, Any]]) -> None:
    """An output without a graph must not depend on the inputs."""
    for n, (i, _) in enumerate(wanted):
        if any(np.any(np.asarray(column[k]) != 0) for column in tables[n]):
            raise GradcheckError(
                f"Numerical gradient for function expected to be zero: output {k} depends on input {i} but does not "
                "require grad"
            )


def _check_repeatable(value: Any, again: Any, tolerance: float) -> None:
    if again is not None and np.any(np.abs(value - again._array) > tolerance):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output twice gave different values."
        )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compares the gradients of the gradients of ``func`` with central differences.

    Args:
        grad_outputs: the gradients of the outputs at which the first gradient is taken; drawn at random if None.

    >>> import pytensor as torch
    >>> x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: (x * x * x).sum(), (x,))
    True
    """
    if check_fwd_over_rev or check_batched_grad:
        raise NotImplementedError("gradgradcheck: forward mode and batched gradients are not there yet")
    arguments = (inputs,) if isinstance(inputs, _C.TensorBase) else tuple(inputs)
    outputs = [o for o in _outputs_of(func, arguments) if o.requires_grad]
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        seeds = tuple(_random_like(o, draw) for o in outputs)
    else:
        seeds = (grad_outputs,) if isinstance(grad_outputs, _C.TensorBase) else tuple(grad_outputs)
    count = len(seeds)

    def first_gradient(*values: Any) -> Any:
        args, given = values[: len(values) - count], values[len(values) - count :]
        wanted = tuple(t for _, t in _differentiable(args) if t.requires_grad)
        results = [o for o in _outputs_of(func, args) if o.requires_grad]
        found = autograd_grad(results, wanted, given, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    # In no_grad (finite differences) the first gradient itself needs a graph.
    def with_graph(*values: Any) -> Any:
        before = _C.set_grad_enabled(True)
        try:
            return first_gradient(*values)
        finally:
            _C.set_grad_enabled(before)

    return gradcheck(
        with_graph,
        (*arguments, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )


def _random_like(output: Tensor, draw: np.random.Generator) -> Tensor:
    array = draw.standard_normal(output.shape)
    if output.dtype.is_complex:
        array = array + 1j * draw.standard_normal(output.shape)
    seed = _C.wrap(np.asarray(array).astype(output._array.dtype))
    seed.requires_grad = True
    return seed
