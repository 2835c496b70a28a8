"""The recurrent kernels at every level and thread count against the NumPy reference in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import rnn as cpu
from pytensor.backend.reference import rnn as reference
from pytensor.testing.compare import assert_agree
from pytensor.testing.levels import LEVELS, each_setting

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


class Layer:
    """One problem: sizes, arrays in both directions, and calls of a back end with them."""

    def __init__(self, mode, dtype, sizes, input, hidden, projection=0, bias=True, reverse=False, seed=0, equal=False):
        rng = np.random.default_rng(seed)
        self.mode, self.dtype, self.reverse = mode, np.dtype(dtype), reverse
        self.batch_sizes = None if equal else np.array(sizes, np.int64)
        self.batch, self.rows, self.hidden = sizes[0], sum(sizes), hidden
        self.state = projection or hidden
        columns = GATES[mode] * hidden

        def random(*shape, size=1.0):
            return (size * rng.uniform(-1, 1, shape)).astype(dtype)

        self.x = random(self.rows, input, size=2)
        self.h0 = random(self.batch, self.state)
        self.c0 = random(self.batch, hidden) if mode == "lstm" else None
        spread = 1 / np.sqrt(self.state)
        biases = (random(columns), random(columns)) if bias else (None, None)
        w_hr = random(projection, hidden, size=2 / np.sqrt(hidden)) if projection else None
        self.weights = (random(columns, input, size=2 / np.sqrt(input)), random(columns, self.state, size=spread))
        self.weights += (*biases, w_hr)
        self.grad_y, self.grad_h_n = random(self.rows, self.state), random(self.batch, self.state)
        self.grad_c_n = random(self.batch, hidden) if mode == "lstm" else None

    def cast(self, dtype):
        """The same arrays in another dtype."""
        other = object.__new__(Layer)
        other.__dict__.update(self.__dict__, dtype=np.dtype(dtype))
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and value.dtype == self.dtype:
                setattr(other, name, value.astype(dtype))
        other.weights = tuple(None if w is None else w.astype(dtype) for w in self.weights)
        return other

    def arguments(self):
        return self.mode, self.x, self.batch_sizes, self.h0, self.c0, self.weights, self.reverse

    def forward(self, backend, training, gap=0):
        """(y, h_n, c_n, kept). Rows of y are ``gap`` elements apart."""
        wide = np.full((self.rows, self.state + gap), 7, self.dtype)
        y, h_n = wide[:, : self.state], np.empty_like(self.h0)
        c_n = None if self.c0 is None else np.empty_like(self.c0)
        kept = backend.rnn_forward(self.arguments(), y, h_n, c_n, training)
        assert (wide[:, self.state :] == 7).all()
        return y, h_n, c_n, kept

    def backward(self, backend, y, kept, grads, need_x=True, need_weights=True):
        """(grad_h0, grad_c0, grad_x, grad_w_ih, ...)."""
        grad_h0 = np.empty_like(self.h0)
        grad_c0 = None if self.c0 is None else np.empty_like(self.c0)
        states = grad_h0, grad_c0
        results = backend.rnn_backward(self.arguments(), y, kept, grads, states, need_x, need_weights)
        return (grad_h0, grad_c0, *results)


@st.composite
def layers(draw):
    mode = draw(st.sampled_from(sorted(GATES)))
    batch, steps = draw(st.sampled_from([1, 2, 3, 5, 7, 13, 26])), draw(st.integers(1, 6))
    hidden = draw(st.sampled_from([1, 2, 4, 15, 16, 17, 33, 40, 70]))
    projection = draw(st.integers(1, hidden - 1)) if mode == "lstm" and hidden > 1 and draw(st.booleans()) else 0
    sizes = [batch] * steps
    equal = draw(st.booleans())
    if not equal:
        sizes = sorted((draw(st.integers(1, batch)) for _ in range(steps - 1)), reverse=True)
        sizes = [batch, *sizes]
    options = {"projection": projection, "bias": draw(st.booleans()), "reverse": draw(st.booleans()), "equal": equal}
    dtype, input = draw(st.sampled_from(["float32", "float64"])), draw(st.sampled_from([1, 3, 16, 35]))
    return Layer(mode, dtype, sizes, input, hidden, **options, seed=draw(st.integers(0, 9999)))


def error_of(layer):
    """Rounding errors of the products, carried through the steps."""
    return 16 * (4 + np.sqrt(layer.x.shape[1] + layer.state)) * len(layer.x) / layer.batch


def agree(actual, expected, eps, what):
    if expected is None:
        assert actual is None, what
    else:
        assert_agree(actual, expected, eps, 1 + np.abs(expected), what)


@given(layers(), st.sampled_from([0, 1, 16]))
def test_forward(layer, gap):
    expected = layer.cast("float64").forward(reference, True)
    eps = error_of(layer)
    for _ in each_setting():
        y, h_n, c_n, kept = layer.forward(cpu, True, gap)
        agree(y, expected[0], eps, "y")
        agree(h_n, expected[1], eps, "h_n")
        agree(c_n, expected[2], eps, "c_n")
        for own, theirs, what in zip(kept, expected[3], ("gates", "cells"), strict=True):
            agree(own, theirs, eps, what)
        without = layer.forward(cpu, False, gap)
        assert without[3] is None
        for one, two in zip((y, h_n, c_n), without, strict=False):
            np.testing.assert_array_equal(one, two)


NAMES = ("grad_h0", "grad_c0", "grad_x", "grad_w_ih", "grad_w_hh", "grad_b_ih", "grad_b_hh", "grad_w_hr")


@given(layers(), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_backward(layer, given_grads):
    wide = layer.cast("float64")
    y, _, _, kept = wide.forward(reference, True)
    if layer.mode == "relu":  # away from the kink: both sides of it differ
        y = np.where(np.abs(y) < 1e-5, 0, y)
    own_y = y.astype(layer.dtype)
    own_kept = tuple(None if k is None else k.astype(layer.dtype) for k in kept)

    def grads(of):
        all_grads = (of.grad_y, of.grad_h_n, of.grad_c_n)
        return tuple(g if wanted else None for g, wanted in zip(all_grads, given_grads, strict=True))

    expected = wide.backward(reference, y, kept, grads(wide))
    eps = error_of(layer) * np.sqrt(layer.rows)
    for _ in each_setting():
        actual = layer.backward(cpu, own_y, own_kept, grads(layer))
        for own, theirs, name in zip(actual, expected, NAMES, strict=True):
            agree(own, theirs, eps, name)
        less = layer.backward(cpu, own_y, own_kept, grads(layer), need_x=False, need_weights=False)
        assert all(g is None for g in less[2:])
        np.testing.assert_array_equal(less[0], actual[0])


@given(st.sampled_from(sorted(GATES)), st.sampled_from(["float32", "float64"]), st.sampled_from([np.nan, np.inf]))
@settings(max_examples=20)
def test_nan_and_infinity_stay_in_their_sequence(mode, dtype, value):
    layer = Layer(mode, dtype, [5, 5, 5, 5], 3, 20)
    layer.x[5 + 2] = value  # of sequence 2, at step 1
    with np.errstate(all="ignore"):
        expected = layer.cast("float64").forward(reference, True)
        for _ in each_setting():
            y, h_n, _, _ = layer.forward(cpu, True)
            np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected[0]))
            np.testing.assert_allclose(y[np.isfinite(y)], expected[0][np.isfinite(y)], rtol=1e-3, atol=1e-5)
            np.testing.assert_array_equal(np.isfinite(h_n), np.isfinite(expected[1]))


LARGE = [
    ("lstm", [32] * 12, 64, 128, 0),
    ("gru", [3] * 8, 40, 200, 0),
    ("tanh", [16] * 9, 10, 260, 0),
    ("lstm", [30, 30, 20, 9, 9, 2, 1], 24, 150, 70),
]


@pytest.mark.parametrize(("mode", "sizes", "input", "hidden", "projection"), LARGE)
@pytest.mark.parametrize("reverse", [False, True])
def test_threads_do_not_change_results(mode, sizes, input, hidden, projection, reverse):
    """Large enough for threads to share them, by sequences and by units."""
    layer = Layer(mode, "float32", sizes, input, hidden, projection, reverse=reverse)
    grads = layer.grad_y, layer.grad_h_n, layer.grad_c_n
    wide = layer.cast("float64").forward(reference, True)
    for level in LEVELS:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2):
            _C.set_num_threads(threads)
            y, h_n, c_n, kept = layer.forward(cpu, True)
            agree(y, wide[0], 1000, "y")
            results.append((y, h_n, c_n, *kept, *layer.backward(cpu, y, kept, grads)))
        for one, two in zip(*results, strict=True):
            if one is None:
                assert two is None
            else:
                np.testing.assert_array_equal(one, two)


def test_half_precision_and_empty_batches():
    layer = Layer("gru", "float16", [2, 2, 1], 3, 4)
    expected = layer.cast("float64").forward(reference, False)
    y, h_n, _, _ = layer.forward(cpu, False)
    np.testing.assert_allclose(y, expected[0], atol=1e-2)
    np.testing.assert_allclose(h_n, expected[1], atol=1e-2)
    empty = Layer("lstm", "float32", [0, 0], 3, 4, equal=True)
    y, _, _, kept = empty.forward(cpu, True)
    assert y.shape == (0, 4)
    grads = empty.backward(cpu, y, kept, (empty.grad_y, None, None))
    assert not grads[3].any() and grads[3].shape == (16, 3)
