"""Checks of one call of an op against its spec: values, untouched inputs, the in-place and out= forms."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from pytensor.testing.compare import assert_agree, wide
from pytensor.testing.library import Library
from pytensor.testing.numpy_dtypes import is_float, numpy_dtype
from pytensor.testing.spec import DType, OpSpec, Sample


def reference_results(spec: OpSpec, sample: Sample) -> list[Any]:
    """The results of the NumPy reference: with float inputs in double precision unless the spec says otherwise."""

    def leaf(value: Any) -> Any:
        if isinstance(value, DType):
            return numpy_dtype(value.name)
        if isinstance(value, np.ndarray) and spec.upcast:
            return wide(value)
        return value

    def run(change: Callable[[Any], Any]) -> list[Any]:
        converted = sample.map(change)
        with np.errstate(all="ignore"):
            return flatten(spec.reference(*converted.args, **converted.kwargs))

    results = run(leaf)
    if spec.upcast and any(getattr(r, "dtype", None) in (np.float16, np.float32) for r in results):
        # NumPy's functions of narrow integers give narrow floats.
        return run(lambda v: v.astype(np.int64) if isinstance(v, np.ndarray) and v.dtype.kind in "iu" else leaf(v))
    return results


def flatten(value: Any) -> list[Any]:
    """The results of a reference as a flat list: arrays, or a tuple or list of them (nested ones too)."""
    if isinstance(value, list | tuple) and any(isinstance(v, np.ndarray | np.generic | list | tuple) for v in value):
        return [r for v in value for r in flatten(v)]
    return [value]


def scale_of(spec: OpSpec, sample: Sample) -> Any:
    """The magnitude that the tolerance is relative to; None for that of the result."""
    if spec.scale is None:
        return None
    converted = sample.map(lambda v: wide(v) if isinstance(v, np.ndarray) else v)
    with np.errstate(all="ignore"):
        return spec.scale(*converted.args, **converted.kwargs)


def check_value(spec: OpSpec, sample: Sample, library: Library) -> None:
    """Result against reference; inputs bit for bit as before."""
    called = Sample(sample.args[0].copy(), *sample.args[1:], **sample.kwargs) if spec.mutates else sample
    before = [a.tobytes() for a in called.arrays()[spec.mutates :]]
    results = library.results(library.call(spec, called))
    after = [a.tobytes() for a in called.arrays()[spec.mutates :]]
    if spec.mutates and results[0] is None:
        results = [called.args[0]]
    if before != after:
        raise AssertionError(f"{spec.name} changed its inputs")
    if spec.verify is not None:
        spec.verify(results if len(results) != 1 else results[0], *sample.args, **sample.kwargs)
        return
    expected = reference_results(spec, sample)
    if len(results) != len(expected):
        raise AssertionError(f"{spec.name} returned {len(results)} results, expected {len(expected)}")
    scale = scale_of(spec, sample)
    for i, (actual, wanted) in enumerate(zip(results, expected, strict=True)):
        what = spec.name if len(results) == 1 else f"result {i} of {spec.name}"
        if not isinstance(actual, np.ndarray):
            assert same_scalar(actual, wanted), f"{what}: {actual!r}, expected {wanted!r}"
            continue
        check_dtype(actual, np.asarray(wanted), spec, sample, what)
        assert_agree(actual, wanted, spec.eps_allowed(actual.dtype), scale, what)


def same_scalar(actual: Any, expected: Any) -> bool:
    return bool(np.array_equal(actual, expected)) or (actual != actual and expected != expected)


def check_dtype(actual: np.ndarray, expected: np.ndarray, spec: OpSpec, sample: Sample, what: str) -> None:
    """Float inputs of one dtype give floats of that dtype; bools and integers are what the reference says."""
    if not spec.upcast:
        if actual.dtype != expected.dtype:
            raise AssertionError(f"{what}: dtype {actual.dtype}, expected {expected.dtype}")
        return
    floats = {a.dtype for a in sample.arrays() if is_float(a.dtype)}
    asked = any(isinstance(v, DType) for v in sample.leaves())
    if expected.dtype.kind in "b" and actual.dtype.kind != "b":
        raise AssertionError(f"{what}: dtype {actual.dtype}, expected bool")
    if expected.dtype.kind in "iu" and actual.dtype.kind not in "iu":
        raise AssertionError(f"{what}: dtype {actual.dtype}, expected an integer dtype")
    if len(floats) == 1 and is_float(expected.dtype) and not asked and actual.dtype not in floats:
        raise AssertionError(f"{what}: dtype {actual.dtype} for inputs of dtype {floats.pop()}")


def has_inplace_form(spec: OpSpec, library: Library) -> bool:
    """Whether the op has an in-place method that takes the same arguments."""
    if spec.inplace is not None:
        return spec.inplace
    short = spec.name.removeprefix("Tensor.")
    return "." not in short and hasattr(library.module.Tensor, short + "_")


def check_inplace(spec: OpSpec, sample: Sample, library: Library) -> bool:
    """``x.op_(...)`` gives what ``op(x, ...)`` gives, in x itself. False when this sample has no such form."""
    if not sample.args or not isinstance(sample.args[0], np.ndarray):
        return False
    expected = library.results(library.call(spec, sample))
    first = sample.args[0]
    if len(expected) != 1 or not isinstance(expected[0], np.ndarray):
        return False
    if expected[0].shape != first.shape or expected[0].dtype != first.dtype:
        return False
    expected = expected[0].copy()
    target = library.to_tensor(first.copy())
    converted = sample.map(library.leaf)
    method = getattr(target, spec.name.rsplit(".", 1)[-1] + "_")
    returned = method(*converted.args[1:], **converted.kwargs)
    if returned is not target:
        raise AssertionError(f"{spec.name}_ did not return its own tensor")
    assert_agree(library.to_array(target), expected, spec.eps_allowed(expected.dtype), None, f"{spec.name}_")
    return True


def has_out_form(spec: OpSpec, library: Library) -> bool:
    if spec.out is not None:
        return spec.out
    try:
        return "out" in inspect.signature(library.function(spec.name)).parameters
    except (TypeError, ValueError):
        return False


def check_out(spec: OpSpec, sample: Sample, library: Library) -> bool:
    """``op(..., out=t)`` fills t and returns it. False when this sample has no such form."""
    expected = library.results(library.call(spec, sample))
    if not all(isinstance(e, np.ndarray) for e in expected):
        return False
    if any(isinstance(v, DType) for v in sample.leaves()):
        return False
    outs = [library.to_tensor(np.zeros_like(e, order="C", subok=False)) for e in expected]
    returned = library.call(spec, sample, out=outs[0] if len(outs) == 1 else tuple(outs))
    if len(outs) == 1 and returned is not outs[0]:
        raise AssertionError(f"{spec.name}(out=t) did not return t")
    for out, wanted in zip(outs, expected, strict=True):
        assert_agree(library.to_array(out), wanted, spec.eps_allowed(wanted.dtype), None, f"{spec.name}(out=)")
    return True
