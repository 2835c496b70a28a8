"""The attention kernels at every level and thread count against the NumPy reference in double precision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import attention as cpu
from pytensor.backend.reference import attention as reference
from pytensor.testing.compare import assert_agree
from pytensor.testing.levels import LEVELS, each_setting
from pytensor.testing.strategies import arrays


def wide(x):
    return x if x is None or x.dtype == bool else x.astype(np.float64)


@dataclass
class Problem:
    query: Any
    key: Any
    value: Any
    grad: Any
    mask: Any = None
    dropout: Any = None
    keep_scale: float = 1.0
    scale: float = 0.5
    causal: bool = False
    groups: bool = False

    def wide(self):
        return replace(self, **{n: wide(getattr(self, n)) for n in ("query", "key", "value", "grad", "mask")})

    def run(self, backend, need_mask=True, out=None, logsumexp=None):
        """(out, logsumexp), (grad_query, grad_key, grad_value, grad_scores)."""
        inputs = (self.query, self.key, self.value, self.mask, self.dropout, self.keep_scale, self.scale, self.causal)
        forward = backend.attention_forward(*inputs, None)
        out, logsumexp = forward if out is None else (out, logsumexp)
        return forward, backend.attention_backward(self.grad, *inputs, out, logsumexp, self.groups, need_mask, None)


def check(problem, need_mask=True):
    """Errors are relative to what the sums of the definition are made of; a score's error shows times its size."""
    p = problem.wide()
    (out, logsumexp), expected = p.run(reference)
    keys = p.key.shape[-2]
    depth, width = p.query.shape[-1], p.value.shape[-1]
    largest = [np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in (p.query, p.key, p.value, p.grad)]
    q, k, v, g = largest
    m = 0.0 if p.mask is None or p.mask.dtype == bool else np.abs(p.mask[np.isfinite(p.mask)]).max(initial=0.0)
    growth = 1 + depth * q * k * abs(p.scale) + m
    v, g = v * p.keep_scale, g * p.keep_scale
    grad_p = width * v * g * growth
    rows = p.query.shape[-2] * (p.query.shape[-3] if p.groups else 1)
    scales = (grad_p * k * abs(p.scale), rows * grad_p * q * abs(p.scale), rows * g * growth, grad_p)
    for _ in each_setting():
        (actual, lse), gradients = problem.run(cpu, need_mask)
        assert_agree(actual, out, 16, v * growth, "out")
        assert_agree(lse, logsumexp, 16, growth + np.log(keys + 1), "logsumexp")
        assert gradients[3] is not None or not need_mask
        for name, a, e, s in zip(("query", "key", "value", "scores"), gradients, expected, scales, strict=True):
            if a is not None:
                assert_agree(a, e, 32, s + 1e-30, f"gradient of {name}")


LAYOUTS = ["plain", "heads", "reversed", "stepped", "columns"]


def laid_out(draw, dtype, lead, rows, columns):
    """An array (*lead, rows, columns) in one of the layouts that come up."""
    layout = draw(st.sampled_from(LAYOUTS))
    if layout == "heads" and lead:  # (batch, rows, heads, columns) with the axes exchanged
        return draw(arrays(dtype, (*lead[:-1], rows, lead[-1], columns), "smooth")).swapaxes(-2, -3)
    if layout == "reversed":
        return draw(arrays(dtype, (*lead, rows, columns), "smooth"))[..., ::-1, :]
    if layout == "stepped":
        return draw(arrays(dtype, (*lead, rows, 2 * columns), "smooth"))[..., ::2]
    if layout == "columns":
        return draw(arrays(dtype, (*lead, columns, rows), "smooth")).swapaxes(-1, -2)
    return draw(arrays(dtype, (*lead, rows, columns), "smooth"))


@st.composite
def problems(draw):
    dtype = draw(st.sampled_from(["float32", "float64"]))
    lead = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    sizes = st.sampled_from([1, 2, 7, 16, 47, 49, 97, 300]), st.sampled_from([0, 1, 5, 16, 33, 64, 255, 257, 520])
    queries, keys = draw(sizes[0]), draw(sizes[1])
    if queries * keys > 30000:
        lead = lead[:1]
    depth, width = (draw(st.sampled_from([1, 3, 8, 16, 17, 33, 64])) for _ in "kv")
    groups = len(lead) > 0 and draw(st.booleans())
    shared = (*lead[:-1], 1) if groups else lead
    problem = Problem(
        laid_out(draw, dtype, lead, queries, depth),
        laid_out(draw, dtype, shared, keys, depth),
        laid_out(draw, dtype, shared, keys, width),
        laid_out(draw, dtype, lead, queries, width),
        groups=groups and lead[-1] > 1,
        causal=draw(st.booleans()),
        scale=draw(st.sampled_from([depth**-0.5, 1.0, -0.25])),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    scores = (*lead, queries, keys)
    kind = draw(st.sampled_from(["none", "bool", "float", "infinite", "keys", "column"]))
    if kind == "bool":
        problem.mask = rng.random(scores) < draw(st.sampled_from([0.1, 0.5, 0.9]))
    elif kind in ("float", "infinite"):
        problem.mask = rng.standard_normal(scores).astype(dtype)
        if kind == "infinite":
            problem.mask[rng.random(scores) < 0.5] = -np.inf
    elif kind == "keys":  # the same keys for all queries
        problem.mask = np.broadcast_to(rng.random((*lead, 1, keys)) < 0.5, scores)
    elif kind == "column":  # the same for all keys of a query
        problem.mask = np.broadcast_to((rng.random((*lead, queries, 1)) < 0.5), scores)
    if draw(st.booleans()):
        problem.dropout, problem.keep_scale = rng.random(scores) < 0.7, 1 / 0.7
    return problem


@given(problems(), st.booleans())
def test_attention(problem, need_mask):
    check(problem, need_mask)


@pytest.mark.parametrize("keys", [256, 257, 600])
def test_one_large_score_in_a_late_block(keys):
    """What earlier blocks of keys have summed up is scaled down when a later one has the larger scores."""
    rng = np.random.default_rng(0)
    problem = Problem(*(rng.standard_normal((n, 8)).astype(np.float32) for n in (50, keys, keys, 50)), scale=1.0)
    problem.key[-1] *= 20
    check(problem)


def test_rows_without_keys_are_zero():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 60, 8)).astype(np.float32)
    mask = np.ones((2, 3, 60, 60), bool)
    mask[..., 5, :] = False
    for _ in each_setting():
        (out, logsumexp), gradients = Problem(x, x, x, x, mask).run(cpu)
        assert not out[..., 5, :].any() and np.isposinf(logsumexp[..., 5]).all()
        assert not gradients[0][..., 5, :].any()
        assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_special_values(value):
    rng = np.random.default_rng(0)
    query, key, v = (rng.standard_normal((1, n, 20)).astype(np.float32) for n in (30, 70, 70))
    query[0, 3, 4] = value
    for _ in each_setting():
        out, _ = cpu.attention_forward(query, np.abs(key), v, None, None, 1.0, 1.0, False, None)
        assert np.isnan(out[0, 3]).all() and np.isfinite(np.delete(out, 3, 1)).all()
        hidden = np.abs(key)
        hidden[0, 50] = value
        finite = np.abs(query)
        finite[0, 3, 4] = 1
        out, _ = cpu.attention_forward(
            finite, hidden, v, np.arange(70) != 50 + np.zeros((1, 30, 1)), None, 1.0, 1.0, False, None
        )
        assert np.isfinite(out).all()


def test_masks_of_the_lowest_number_are_not_infinite():
    """A row whose scores are all lowered to the smallest number attends to all keys alike."""
    x = np.random.default_rng(0).standard_normal((1, 20, 8)).astype(np.float32)
    mask = np.full((1, 20, 20), np.finfo(np.float32).min, np.float32)
    for _ in each_setting():
        out, _ = cpu.attention_forward(x, x, x, mask, None, 1.0, 1.0, False, None)
        np.testing.assert_allclose(out, np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape), atol=1e-6)


@pytest.mark.parametrize("lead", [(), (1, 4), (12,)])
@pytest.mark.parametrize("groups", [False, True])
def test_threads_do_not_change_results(lead, groups):
    rng = np.random.default_rng(1)
    query, grad = (rng.standard_normal((*lead, 800, 24)).astype(np.float32) for _ in "qg")
    shared = (*lead[:-1], 1) if lead and groups else lead
    key, value = (rng.standard_normal((*shared, 300, 24)).astype(np.float32) for _ in "kv")
    problem = Problem(query, key, value, grad, groups=groups and len(lead) > 0, causal=True)
    for level in LEVELS[1:]:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2):
            _C.set_num_threads(threads)
            forward, gradients = problem.run(cpu, need_mask=False)
            results.append([*forward, *gradients[:3]])
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dtype", ["float16"])
def test_half_precision_is_computed_wide(dtype):
    rng = np.random.default_rng(0)
    query, key, value, grad = (rng.standard_normal((2, n, 8)).astype(dtype) for n in (9, 11, 11, 9))
    (out, _), gradients = Problem(query, key, value, grad).run(cpu)
    (expected, _), wide_gradients = Problem(*(x.astype(np.float64) for x in (query, key, value, grad))).run(reference)
    assert_agree(out, expected, 2, np.abs(value).max())
    for a, e in zip(gradients, wide_gradients, strict=True):
        assert a.dtype == np.dtype(dtype)
        assert_agree(a, e, 4, 10 * np.abs(e).max())


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-3)])
def test_gradients_beside_large_scores(dtype, tolerance):
    """Scores of about 100 give probabilities near 0 and 1: the gradients of query and key are small differences of
    large numbers, which neither the rounding of the log-sum-exp nor that of the result may show in."""
    rng = np.random.default_rng(0)
    problem = Problem(*(rng.uniform(-9, 9, (16, 3, 8)).astype(dtype) for _ in range(4)), scale=8**-0.5)
    _, exact = problem.wide().run(reference)
    for _ in each_setting():
        _, gradients = problem.run(cpu)
        for name, found, wanted in zip(("query", "key", "value"), gradients, exact, strict=False):
            assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max(), name
