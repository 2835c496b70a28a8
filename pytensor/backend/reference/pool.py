"""Pooling by its definition: one step per tap of the window, over shifted slices of the padded input.

Pooled axes are the last ones; ``kernel``, ``stride``, ``padding``, ``dilation`` and ``out_size`` have one entry for
each. Output o of an axis covers the inputs ``o * stride - padding + k * dilation`` that exist.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = [
    "adaptive_avg_pool",
    "adaptive_avg_pool_backward",
    "adaptive_max_pool",
    "avg_pool",
    "avg_pool_backward",
    "max_pool",
    "max_pool_at",
    "max_pool_backward",
    "max_pool_gather",
    "pool_gather",
    "pool_scatter",
    "pool_unpool",
]


def _lowest(dtype):
    return -math.inf if dtype.kind not in "iub" else np.iinfo(dtype).min


def _wide(x):
    """16-bit floats as float32, for sums."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iub" else x


def _positions(xp, out, kernel, stride, padding, dilation):
    """Per axis: the input position of tap k of output o, as an array [out, kernel]."""
    return [
        xp.arange(o)[:, None] * s - p + xp.arange(k) * d
        for o, k, s, p, d in zip(out, kernel, stride, padding, dilation, strict=True)
    ]


def _taps(x, positions, fill):
    """Per tap of the window: (its number per axis, inputs, inside), the latter two with the shape of the output."""
    xp = array_module(x)
    axes = len(positions)
    size = x.shape[x.ndim - axes :]
    for tap in itertools.product(*(range(p.shape[1]) for p in positions)):
        at = [p[:, k] for p, k in zip(positions, tap, strict=True)]
        inside = xp.ones((), bool)
        for i, (p, n) in enumerate(zip(at, size, strict=True)):
            inside = inside & ((p >= 0) & (p < n)).reshape(-1, *(1,) * (axes - 1 - i))
        if math.prod(size) == 0:
            shape = (*x.shape[: x.ndim - axes], *(len(p) for p in at))
            yield tap, xp.full(shape, fill, x.dtype), inside & False
            continue
        clipped = [xp.clip(p, 0, n - 1) for p, n in zip(at, size, strict=True)]
        yield tap, xp.where(inside, x[(Ellipsis, *xp.ix_(*clipped))], xp.asarray(fill, x.dtype)), inside


def _flat(xp, positions, tap, size):
    """The position of a tap in the flattened plane, for every output."""
    flat = xp.zeros((), np.int64)
    for i, (p, k, n) in enumerate(zip(positions, tap, size, strict=True)):
        flat = flat * n + p[:, k].reshape(-1, *(1,) * (len(positions) - 1 - i))
    return flat


def _first_taps(xp, positions):
    """Per axis and output, the first tap that is not before the input."""
    return [(p < 0).sum(axis=1) for p in positions]


def max_pool(x, out_size, kernel, stride, padding, dilation, keep):
    """Maxima of the windows: the first of equal values, the last NaN if there is one.

    ``keep``: "none" for the values alone; "offsets" for (values, the number of the winning tap as uint8, or as int64
    where that does not fit); "indices" for (values, flat positions in the plane as int64).
    """
    xp = array_module(x)
    positions = _positions(xp, out_size, kernel, stride, padding, dilation)
    axes, lowest = len(kernel), _lowest(x.dtype)
    shape = (*x.shape[: x.ndim - axes], *out_size)
    best = xp.full(shape, lowest, x.dtype)
    number = xp.zeros((), np.int64)
    flat = xp.zeros((), np.int64)
    for i, first in enumerate(_first_taps(xp, positions)):
        column = (-1, *(1,) * (axes - 1 - i))
        number = number * kernel[i] + first.reshape(column)
        at = xp.arange(out_size[i]) * stride[i] - padding[i] + first * dilation[i]
        flat = flat * x.shape[x.ndim - axes + i] + at.reshape(column)
    number, flat = (xp.broadcast_to(a, shape).copy() for a in (number, flat))
    for count, (tap, value, inside) in enumerate(_taps(x, positions, lowest)):
        better = inside & ((value > best) | (value != value))
        best = xp.where(better, value, best)
        number[better] = count
        flat = xp.where(better, _flat(xp, positions, tap, x.shape[x.ndim - axes :]), flat)
    if keep == "none":
        return best
    if keep == "indices":
        return best, flat
    return best, number.astype(np.uint8) if math.prod(kernel) <= 256 else number


def max_pool_at(x, starts, kernel):
    """(maxima, flat positions) of windows that begin at starts[axis][plane, output]."""
    xp = array_module(x)
    axes = len(kernel)
    lead, size = x.shape[: x.ndim - axes], x.shape[x.ndim - axes :]
    planes, out = math.prod(lead), tuple(s.shape[1] for s in starts)
    flat = xp.zeros((planes, *(1,) * (2 * axes)), np.int64)
    for i, (s, k, n) in enumerate(zip(starts, kernel, size, strict=True)):
        shape = [planes] + [1] * (2 * axes)
        shape[1 + i], shape[1 + axes + i] = s.shape[1], k
        flat = flat * n + (s[:, :, None] + xp.arange(k)).reshape(shape)
    flat = flat.reshape(planes, math.prod(out), math.prod(kernel))
    taken = xp.take_along_axis(x.reshape(planes, 1, math.prod(size)), flat, axis=2)
    last_nan = flat.shape[2] - 1 - xp.isnan(taken)[:, :, ::-1].argmax(axis=2)
    best = xp.where(xp.isnan(taken).any(axis=2), last_nan, taken.argmax(axis=2))[:, :, None]
    shape = (*lead, *out)
    return tuple(xp.take_along_axis(a, best, axis=2).reshape(shape) for a in (taken, flat))


def max_pool_backward(grad, offsets, in_shape, kernel, stride, padding, dilation):
    """Gradient of max_pool by the offsets that it kept."""
    xp = array_module(grad)
    axes = len(kernel)
    out, in_size = grad.shape[grad.ndim - axes :], in_shape[len(in_shape) - axes :]
    positions = _positions(xp, out, kernel, stride, padding, dilation)
    wide = _wide(grad)
    result = xp.zeros(in_shape, wide.dtype)
    for count, tap in enumerate(itertools.product(*(range(k) for k in kernel))):
        at = [p[:, k] for p, k in zip(positions, tap, strict=True)]
        inside = [xp.flatnonzero((p >= 0) & (p < n)) for p, n in zip(at, in_size, strict=True)]
        target = xp.ix_(*(p[i] for p, i in zip(at, inside, strict=True)))  # one tap meets no input twice
        source = (Ellipsis, *xp.ix_(*inside))
        result[(Ellipsis, *target)] += xp.where(offsets[source] == count, wide[source], 0)
    return result.astype(grad.dtype)


def max_pool_gather(x, offsets, kernel, stride, padding, dilation):
    """x at the winners that max_pool kept, 0 for windows that miss the input: the gradient of max_pool_backward."""
    xp = array_module(x)
    axes = len(kernel)
    positions = _positions(xp, offsets.shape[offsets.ndim - axes :], kernel, stride, padding, dilation)
    result = xp.zeros(offsets.shape, x.dtype)
    for count, (_, value, _inside) in enumerate(_taps(x, positions, 0)):
        result = xp.where(offsets == count, value, result)
    return result


def _divisors(xp, in_size, out_size, kernel, stride, padding, count_include_pad, divisor):
    if divisor:
        return divisor
    count = xp.ones((), np.int64)
    for i, (n, o, k, s, p) in enumerate(zip(in_size, out_size, kernel, stride, padding, strict=True)):
        start = xp.arange(o) * s - p
        stop = xp.minimum(start + k, n + p)
        if not count_include_pad:
            start, stop = xp.maximum(start, 0), xp.minimum(stop, n)
        count = count * (stop - start).reshape(-1, *(1,) * (len(kernel) - 1 - i))
    return count


def avg_pool(x, out_size, kernel, stride, padding, count_include_pad, divisor):
    """Averages of the windows; ``divisor`` 0: the number of inputs (with padding if count_include_pad)."""
    xp = array_module(x)
    positions = _positions(xp, out_size, kernel, stride, padding, [1] * len(kernel))
    wide = _wide(x)
    total = xp.zeros((*x.shape[: x.ndim - len(kernel)], *out_size), wide.dtype)
    for _, value, _inside in _taps(wide, positions, 0):
        total += value
    in_size = x.shape[x.ndim - len(kernel) :]
    count = _divisors(xp, in_size, out_size, kernel, stride, padding, count_include_pad, divisor)
    return (total / count).astype(x.dtype)


def avg_pool_backward(grad, in_shape, kernel, stride, padding, count_include_pad, divisor):
    """Gradient of avg_pool."""
    xp = array_module(grad)
    axes = len(kernel)
    out_size, in_size = grad.shape[grad.ndim - axes :], in_shape[len(in_shape) - axes :]
    count = _divisors(xp, in_size, out_size, kernel, stride, padding, count_include_pad, divisor)
    share = _wide(grad) / count
    positions = _positions(xp, out_size, kernel, stride, padding, [1] * axes)
    result = xp.zeros(in_shape, share.dtype)
    for tap in itertools.product(*(range(k) for k in kernel)):
        at = [p[:, k] for p, k in zip(positions, tap, strict=True)]
        inside = [xp.flatnonzero((p >= 0) & (p < n)) for p, n in zip(at, in_size, strict=True)]
        target = xp.ix_(*(p[i] for p, i in zip(at, inside, strict=True)))  # one tap meets no input twice
        result[(Ellipsis, *target)] += share[(Ellipsis, *xp.ix_(*inside))]
    return result.astype(grad.dtype)


def _adaptive_spans(in_size, out_size):
    """Every output position with the slices of the input that it covers."""
    per_axis = [
        [slice(o * n // m, -(-(o + 1) * n // m)) for o in range(m)] for n, m in zip(in_size, out_size, strict=True)
    ]
    for position in itertools.product(*(range(m) for m in out_size)):
        yield position, tuple(spans[o] for spans, o in zip(per_axis, position, strict=True))


def adaptive_avg_pool(x, out_size):
    """Averages over the spans [o * in / out, (o + 1) * in / out), rounded outwards."""
    xp = array_module(x)
    axes = len(out_size)
    wide = _wide(x)
    result = xp.zeros((*x.shape[: x.ndim - axes], *out_size), wide.dtype)
    for position, spans in _adaptive_spans(x.shape[x.ndim - axes :], out_size):
        result[(Ellipsis, *position)] = wide[(Ellipsis, *spans)].mean(axis=tuple(range(-axes, 0)))
    return result.astype(x.dtype)


def adaptive_avg_pool_backward(grad, in_shape, axes):
    """Gradient of adaptive_avg_pool over the last ``axes`` axes."""
    xp = array_module(grad)
    wide = _wide(grad)
    result = xp.zeros(in_shape, wide.dtype)
    for position, spans in _adaptive_spans(in_shape[len(in_shape) - axes :], grad.shape[grad.ndim - axes :]):
        count = math.prod(s.stop - s.start for s in spans)
        result[(Ellipsis, *spans)] += wide[(Ellipsis, *position, *(None,) * axes)] / count
    return result.astype(grad.dtype)


def adaptive_max_pool(x, out_size):
    """(maxima, flat positions) over the spans of adaptive_avg_pool."""
    xp = array_module(x)
    axes = len(out_size)
    in_size = x.shape[x.ndim - axes :]
    lead = x.shape[: x.ndim - axes]
    values = xp.zeros((*lead, *out_size), x.dtype)
    indices = xp.zeros((*lead, *out_size), np.int64)
    flat = xp.arange(math.prod(in_size)).reshape(in_size)
    for position, spans in _adaptive_spans(in_size, out_size):
        window = x[(Ellipsis, *spans)].reshape(*lead, math.prod(s.stop - s.start for s in spans))
        is_nan = window != window
        last_nan = window.shape[-1] - 1 - is_nan[..., ::-1].argmax(axis=-1)
        best = xp.where(is_nan, _lowest(x.dtype), window).argmax(axis=-1)
        winner = xp.where(is_nan.any(axis=-1), last_nan, best)
        values[(Ellipsis, *position)] = xp.take_along_axis(window, winner[..., None], axis=-1)[..., 0]
        indices[(Ellipsis, *position)] = flat[spans].reshape(-1)[winner]
    return values, indices


def pool_scatter(grad, indices, in_shape, axes):
    """result[indices[i]] += grad[i] in each flattened plane of the last ``axes`` axes."""
    xp = array_module(grad)
    in_size, lead = in_shape[len(in_shape) - axes :], in_shape[: len(in_shape) - axes]
    planes, plane = math.prod(lead), math.prod(in_size)
    if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= plane):
        raise ValueError("indices: found an index outside its plane")
    wide = _wide(grad)
    result = xp.zeros((planes, plane), wide.dtype)
    if grad.size:
        xp.add.at(result, (xp.arange(planes)[:, None], indices.reshape(planes, -1)), wide.reshape(planes, -1))
    return result.reshape(in_shape).astype(grad.dtype)


def pool_unpool(x, indices, shape, axes):
    """Zeros with x stored at flat positions of each plane; of values for one place the last stays.

    None when a position lies outside its plane.
    """
    xp = array_module(x)
    planes, size = math.prod(shape[: len(shape) - axes]), math.prod(shape[len(shape) - axes :])
    if ((indices < 0) | (indices >= size)).any():
        return None
    result = xp.zeros((planes, size), x.dtype)
    if x.size:
        xp.put_along_axis(result, indices.reshape(planes, -1), x.reshape(planes, -1), axis=1)
    return result.reshape(shape)


def pool_gather(x, indices, axes):
    """x at flat positions of each plane."""
    xp = array_module(x)
    lead = x.shape[: x.ndim - axes]
    planes = x.reshape(*lead, math.prod(x.shape[x.ndim - axes :]))
    flat = indices.reshape(*lead, math.prod(indices.shape[indices.ndim - axes :]))
    return xp.take_along_axis(planes, flat, axis=-1).reshape(indices.shape)
