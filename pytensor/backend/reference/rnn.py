"""One recurrent layer in one direction, by its equations, in plain array operations; 16-bit floats in float32.

A ``layer`` is (mode, x, batch_sizes, h0, c0, weights, reverse). Sequences lie step after step, as rows of x;
batch_sizes (an int64 NumPy vector that never grows, or None) says how many of them are running at each step; weights
is (w_ih, w_hh, b_ih, b_hh, w_hr), the last three may be None; c0 is None but for lstm.
``csrc/kernels/rnn/rnn.h`` has the equations, ``backward.h`` those of the gradients.
"""

from __future__ import annotations

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["rnn_backward", "rnn_forward"]


def _wide(x):
    return x.astype(np.float32) if x is not None and x.dtype.itemsize == 2 else x


def _steps(rows, batch, batch_sizes, reverse):
    """The rows of each step, in the order of the walk."""
    sizes = [batch] * (rows // batch if batch else 0) if batch_sizes is None else [int(b) for b in batch_sizes]
    ends = np.cumsum(sizes, dtype=np.int64)
    steps = [slice(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True)]
    return steps[::-1] if reverse else steps


def _sigmoid(xp, x):
    with np.errstate(over="ignore"):
        return 1 / (1 + xp.exp(-x))


def _blocks(x, count):
    """Equal blocks of columns."""
    size = x.shape[1] // count
    return [x[:, i * size : (i + 1) * size] for i in range(count)]


def rnn_forward(layer, y, h_n, c_n, training):
    """Writes y (rows, state), h_n and c_n (None but for lstm).

    Returns what backward needs when ``training``: (gates, cells), each None where there is nothing; else None.
    """
    mode, x, batch_sizes, h0, c0, weights, reverse = layer
    xp = array_module(x)
    w_ih, w_hh, b_ih, b_hh, w_hr = (_wide(w) for w in weights)
    from_x = _wide(x) @ w_ih.T + (0 if b_ih is None else b_ih)
    h, c = _wide(h0).copy(), None if c0 is None else _wide(c0).copy()
    hidden = w_hh.shape[0] // {"lstm": 4, "gru": 3}.get(mode, 1)
    gates = xp.empty((len(x), 4 * hidden), h.dtype) if mode in ("lstm", "gru") else None
    cells = xp.empty((len(x), hidden), h.dtype) if mode == "lstm" else None
    for rows in _steps(len(x), len(h0), batch_sizes, reverse):
        batch = rows.stop - rows.start
        a, before = from_x[rows], h[:batch]
        b = before @ w_hh.T + (0 if b_hh is None else b_hh)
        if mode == "tanh":
            new = xp.tanh(a + b)
        elif mode == "relu":
            new = xp.where(a + b <= 0, 0, a + b)
        elif mode == "lstm":
            i, f, g, o = _blocks(a + b, 4)
            i, f, g, o = _sigmoid(xp, i), _sigmoid(xp, f), xp.tanh(g), _sigmoid(xp, o)
            c[:batch] = f * c[:batch] + i * g
            new = o * xp.tanh(c[:batch])
            new = new if w_hr is None else new @ w_hr.T
            gates[rows], cells[rows] = xp.concatenate([i, f, g, o], axis=1), c[:batch]
        else:
            (a_r, a_z, a_n), (b_r, b_z, b_n) = _blocks(a, 3), _blocks(b, 3)
            r, z = _sigmoid(xp, a_r + b_r), _sigmoid(xp, a_z + b_z)
            n = xp.tanh(a_n + r * b_n)
            new = (before - n) * z + n
            gates[rows] = xp.concatenate([r, z, n, b_n], axis=1)
        h[:batch] = new
        y[rows] = new
    h_n[...] = h
    if c_n is not None:
        c_n[...] = c
    return (gates, cells) if training else None


def rnn_backward(layer, y, kept, grads, states, need_x, need_weights):
    """(grad_x, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh, grad_w_hr), None for what is not needed or not there.

    ``grads`` are those of (y, h_n, c_n), None where nothing depends on them. Writes ``states``: the gradients of
    (h0, c0).
    """
    mode, x, batch_sizes, h0, c0, weights, reverse = layer
    (grad_y, grad_h_n, grad_c_n), (grad_h0, grad_c0) = grads, states
    xp = array_module(x)
    w_ih, w_hh, b_ih, _, w_hr = (_wide(w) for w in weights)
    gates, cells = kept
    steps = _steps(len(x), len(h0), batch_sizes, reverse)
    h_before = _before(xp, steps, _wide(h0), _wide(y))
    c_before = None if cells is None else _before(xp, steps, _wide(c0), cells)
    columns = w_hh.shape[0]
    hidden = columns // {"lstm": 4, "gru": 3}.get(mode, 1)
    of_x, of_h = (xp.zeros((len(x), columns), h_before.dtype) for _ in range(2))
    of_y, out = xp.zeros_like(h_before), xp.zeros((len(x), hidden), h_before.dtype)
    dh = xp.zeros(h0.shape, h_before.dtype) if grad_h_n is None else _wide(grad_h_n).copy()
    dc = None
    if mode == "lstm":
        dc = xp.zeros(c0.shape, h_before.dtype) if grad_c_n is None else _wide(grad_c_n).copy()
    for rows in reversed(steps):
        batch = rows.stop - rows.start
        d = dh[:batch] if grad_y is None else dh[:batch] + _wide(grad_y[rows])
        direct = 0
        if mode == "tanh":
            of_h[rows] = of_x[rows] = d * (1 - xp.square(_wide(y[rows])))
        elif mode == "relu":
            of_h[rows] = of_x[rows] = xp.where(_wide(y[rows]) <= 0, 0, d)
        elif mode == "lstm":
            i, f, g, o = _blocks(gates[rows], 4)
            t = xp.tanh(cells[rows])
            of_y[rows], out[rows] = d, o * t
            d = d if w_hr is None else d @ w_hr
            e = dc[:batch] + d * o * (1 - t * t)
            parts = e * g * i * (1 - i), e * c_before[rows] * f * (1 - f), e * i * (1 - g * g), d * t * o * (1 - o)
            of_h[rows] = of_x[rows] = xp.concatenate(parts, axis=1)
            dc[:batch] = e * f
        else:
            r, z, n, hn = _blocks(gates[rows], 4)
            dn = d * (1 - z) * (1 - n * n)
            shared = dn * hn * r * (1 - r), d * (h_before[rows] - n) * z * (1 - z)
            of_h[rows] = xp.concatenate([*shared, dn * r], axis=1)
            of_x[rows] = xp.concatenate([*shared, dn], axis=1)
            direct = d * z
        dh[:batch] = of_h[rows] @ w_hh + direct
    grad_h0[...] = dh
    if grad_c0 is not None:
        grad_c0[...] = dc
    results = [of_x @ w_ih if need_x else None, None, None, None, None, None]
    if need_weights:
        results[1:3] = of_x.T @ _wide(x), of_h.T @ h_before
        if b_ih is not None:
            results[3:5] = of_x.sum(axis=0), of_h.sum(axis=0)
        if w_hr is not None:
            results[5] = of_y.T @ out
    return tuple(None if g is None else g.astype(x.dtype, copy=False) for g in results)


def _before(xp, steps, initial, after):
    """The state before every row, from the initial one and those after the rows."""
    state = initial.copy()
    before = xp.empty_like(after)
    for rows in steps:
        batch = rows.stop - rows.start
        before[rows] = state[:batch]
        state[:batch] = after[rows]
    return before
