"""Specs of recurrent networks: stacks of layers and cells."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import OpSpec

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
relu_arguments: list[np.ndarray] | None = None  # collected when not None


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(name, x, h, c, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None):
    """(h, c) after one step, by the equations in PyTorch's documentation."""
    from_x = x @ w_ih.T + (0 if b_ih is None else b_ih)
    from_h = h @ w_hh.T + (0 if b_hh is None else b_hh)
    if name == "rnn_tanh":
        return np.tanh(from_x + from_h), None
    if name == "rnn_relu":
        if relu_arguments is not None:
            relu_arguments.append(from_x + from_h)
        return np.maximum(from_x + from_h, 0), None
    if name == "lstm":
        i, f, g, o = np.split(from_x + from_h, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else h @ w_hr.T), c
    (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(from_x, 3, axis=1), np.split(from_h, 3, axis=1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * h_n)
    return (1 - z) * n + z * h, None


def layer(name, steps, h, c, weights, reverse):
    """([y of each step], h_n, c_n); a step is (batch, features), the sequences still running."""
    h, outputs = h.copy(), []
    c = None if c is None else c.copy()
    for x in steps[::-1] if reverse else steps:
        n = len(x)
        new_h, new_c = step(name, x, h[:n], None if c is None else c[:n], *weights)
        h[:n] = new_h
        if c is not None:
            c[:n] = new_c
        outputs.append(new_h)
    return (outputs[::-1] if reverse else outputs), h, c


def split_weights(params, has_biases, projects):
    each = 2 + 2 * has_biases + projects
    groups = [list(params[i : i + each]) for i in range(0, len(params), each)]
    return [g if has_biases or not projects else [*g[:2], None, None, g[2]] for g in groups]


def stack(name, steps, hx, params, has_biases, num_layers, bidirectional):
    h0, c0 = hx if name == "lstm" else (hx, None)
    weights = split_weights(params, has_biases, c0 is not None and h0.shape[2] != c0.shape[2])
    directions = 2 if bidirectional else 1
    last_h, last_c = [], []
    for i in range(num_layers):
        parts = []
        for j in range(directions):
            at = i * directions + j
            c = None if c0 is None else c0[at]
            y, h, c = layer(name, steps, h0[at], c, weights[at], j == 1)
            parts.append(y)
            last_h.append(h)
            last_c.append(c)
        steps = [np.concatenate(ys, axis=1) for ys in zip(*parts, strict=True)]
    states = (np.stack(last_h),) if c0 is None else (np.stack(last_h), np.stack(last_c))
    return steps, states


def padded(name):
    def reference(x, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        steps = list(x.swapaxes(0, 1) if batch_first else x)
        ys, states = stack(name, steps, hx, params, has_biases, num_layers, bidirectional)
        y = np.stack(ys)
        return y.swapaxes(0, 1) if batch_first else y, *states

    return reference


def packed(name):
    def reference(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional):
        steps = np.split(data, np.cumsum(batch_sizes)[:-1])
        ys, states = stack(name, steps, hx, params, has_biases, num_layers, bidirectional)
        return np.concatenate(ys), *states

    return reference


def states_and_params(s, name, input, batch):
    """(hx, params, has_biases, num_layers, bidirectional)"""
    hidden = s.integer(1, 3) if s.gradient else s.choose(1, 2, 5, 17)
    projection = s.integer(1, hidden - 1) if name == "lstm" and hidden > 1 and s.flag() else 0
    layers, directions, biases = s.integer(1, 2), s.integer(1, 2), s.flag()
    state, columns = projection or hidden, GATES[name] * hidden

    def array(*shape):
        return s.array(shape, values="smooth", only=(-1, 1))

    hx = array(layers * directions, batch, state)
    if name == "lstm":
        hx = (hx, array(layers * directions, batch, hidden))
    params = []
    for i in range(layers):
        width = input if i == 0 else state * directions
        for _ in range(directions):
            params += [array(columns, width), array(columns, state)]
            params += [array(columns), array(columns)] if biases else []
            params += [array(projection, hidden)] if projection else []
    return hx, params, biases, layers, directions == 2


def padded_samples(name):
    def samples(s):
        steps, batch, input = s.integer(1, 3), s.integer(1, 3), s.integer(1, 3)
        batch_first = s.flag()
        x = s.array((batch, steps, input) if batch_first else (steps, batch, input), values="smooth", only=(-2, 2))
        hx, params, biases, layers, bidirectional = states_and_params(s, name, input, batch)
        return s.sample(x, hx, params, biases, layers, 0.0, s.flag(), bidirectional, batch_first)

    return samples


def packed_samples(name):
    def samples(s):
        sizes = sorted((s.integer(1, 3) for _ in range(s.integer(1, 3))), reverse=True)
        input = s.integer(1, 3)
        data = s.array((sum(sizes), input), values="smooth", only=(-2, 2))
        hx, params, biases, layers, bidirectional = states_and_params(s, name, input, sizes[0])
        return s.sample(data, np.array(sizes), hx, params, biases, layers, 0.0, s.flag(), bidirectional)

    return samples


def cell(name):
    def reference(x, hx, *weights):
        h, c = step(name, x, *(hx if name == "lstm" else (hx, None)), *weights)
        return (h, c) if name == "lstm" else h

    return reference


def cell_samples(name):
    def samples(s):
        batch, input = s.integer(1, 3), s.integer(1, 3)
        hidden = s.integer(1, 3) if s.gradient else s.choose(1, 2, 5, 17, 40)

        def array(*shape):
            return s.array(shape, values="smooth", only=(-1, 1))

        columns = GATES[name] * hidden
        hx = (array(batch, hidden), array(batch, hidden)) if name == "lstm" else array(batch, hidden)
        biases = (array(columns), array(columns)) if s.flag() else ()
        return s.sample(array(batch, input), hx, array(columns, input), array(columns, hidden), *biases)

    return samples


def size_of_sums(*args):
    """Sums of products of numbers about 1, through a few steps."""
    return 32.0


def kinks_of(reference):
    """The arguments of every ReLU on the way."""

    def kinks(*args, **kwargs):
        global relu_arguments
        relu_arguments = []
        reference(*args, **kwargs)
        seen, relu_arguments = relu_arguments, None
        return np.concatenate([a.ravel() for a in seen])[None]

    return kinks


def specs_of(name):
    forms = [
        ("", padded_samples, padded, ""),
        ("", packed_samples, packed, "packed"),
        ("_cell", cell_samples, cell, ""),
    ]
    for suffix, samples, make, variant in forms:
        reference = make(name)
        kinks = kinks_of(reference) if name == "rnn_relu" else None
        yield OpSpec(
            name + suffix,
            samples(name),
            reference,
            variant=variant,
            scale=size_of_sums,
            gradient_tolerance=1e-5,
            kinks=kinks,
        )


SPECS = [spec for name in GATES for spec in specs_of(name)]
