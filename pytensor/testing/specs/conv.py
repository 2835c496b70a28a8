"""Specs of convolutions, unfold and fold."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pytensor.testing.spec import FLOATS, OpSpec

KINDS = (*FLOATS, "int64")


def per_axis(value, spatial: int) -> tuple[int, ...]:
    return (value,) * spatial if isinstance(value, int) else tuple(value)


def numbers(s, spatial: int, low: int, high: int):
    """One number for all axes, or one per axis."""
    if s.flag():
        return s.integer(low, high)
    return tuple(s.integer(low, high) for _ in range(spatial))


def same_widths(kernel, dilation):
    return [(d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for k, d in zip(kernel, dilation, strict=True)]


def conv(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """One product per window: windows of the padded input against the kernel."""
    spatial = w.ndim - 2
    if x.ndim == spatial + 1:
        return conv(x[None], w, b, stride, padding, dilation, groups)[0]
    stride, dilation, kernel = per_axis(stride, spatial), per_axis(dilation, spatial), w.shape[2:]
    if padding == "same":
        widths = same_widths(kernel, dilation)
    else:
        widths = [(p, p) for p in per_axis(0 if padding == "valid" else padding, spatial)]
    padded = np.pad(x, [(0, 0), (0, 0), *widths])
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, x.ndim)))
    windows = windows[(..., *(slice(None, None, n) for n in stride), *(slice(None, None, n) for n in dilation))]
    windows = windows.reshape(x.shape[0], groups, -1, *windows.shape[2:])
    kernels = w.reshape(groups, -1, *w.shape[1:])
    taps, out = "xyz"[:spatial], "def"[:spatial]
    result = np.einsum(f"ngc{out}{taps},goc{taps}->ngo{out}", windows, kernels)
    result = result.reshape(x.shape[0], w.shape[0], *result.shape[3:])
    return result if b is None else result + b.reshape(-1, *(1,) * spatial)


def conv_transpose(x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Every element of the input places a kernel in the output."""
    spatial = w.ndim - 2
    if x.ndim == spatial + 1:
        return conv_transpose(x[None], w, b, stride, padding, output_padding, groups, dilation)[0]
    stride, padding, output_padding, dilation = (
        per_axis(v, spatial) for v in (stride, padding, output_padding, dilation)
    )
    kernel, outs = w.shape[2:], w.shape[1] * groups
    full = [
        (n - 1) * s + d * (k - 1) + 1 + extra
        for n, s, d, k, extra in zip(x.shape[2:], stride, dilation, kernel, output_padding, strict=True)
    ]
    result = np.zeros((x.shape[0], outs, *full), x.dtype)
    inputs, kernels = x.reshape(x.shape[0], groups, -1, *x.shape[2:]), w.reshape(groups, -1, *w.shape[1:])
    for at in itertools.product(*map(range, x.shape[2:])):
        placed = np.einsum("ngc,gco...->ngo...", inputs[(..., *at)], kernels)
        where = tuple(
            slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, d, k in zip(at, stride, dilation, kernel, strict=True)
        )
        result[(..., *where)] += placed.reshape(x.shape[0], outs, *kernel)
    result = result[(..., *(slice(p, n - p) for p, n in zip(padding, full, strict=True)))]
    return result if b is None else result + b.reshape(-1, *(1,) * spatial)


def magnitudes(function):
    """The same sum over absolute values: what rounding errors are relative to."""

    def scale(x, w, b=None, *args, **kwargs):
        return function(np.abs(x), np.abs(w), None if b is None else np.abs(b), *args, **kwargs)

    return scale


def operands(s, spatial: int, transposed: bool):
    """Input, weight, bias and groups, with sizes around the widths of vectors and panels now and then."""
    groups = s.choose(1, 1, 1, 2, 3)
    channels = s.choose(1, 2, 3)
    outs = s.choose(1, 2, 5) if s.gradient else s.choose(1, 3, 6, 8, 17, 33)
    kernel = tuple(s.integer(1, 2 if s.gradient else 4) for _ in range(spatial))
    most = {1: 4, 2: 3, 3: 2}[spatial] if s.gradient else {1: 70, 2: 12, 3: 5}[spatial]
    side = s.integer(1, 4 if transposed else most)
    size = tuple(max(k, side if s.flag() else s.integer(1, most)) for k in kernel)
    if transposed:
        size = tuple(s.integer(1, 3 if s.gradient else 5) for _ in kernel)
    batch = () if s.flag() and s.flag() else (s.integer(1, 2),)
    if transposed:  # the weight is [in_channels, out_channels / groups, *kernel]
        channels, outs = outs, channels
        leading = (channels * groups, outs)
    else:
        leading = (outs * groups, channels)
    x = s.array((*batch, channels * groups, *size), values="finite")
    w = s.array((*leading, *kernel), values="finite")
    b = s.array((outs * groups,), values="finite") if s.flag() else None
    return x, w, b, groups


def conv_samples(spatial: int):
    def samples(s):
        x, w, b, groups = operands(s, spatial, transposed=False)
        kernel, size = w.shape[2:], x.shape[-spatial:]
        dilation = numbers(s, spatial, 1, 2)
        kind = s.choose("number", "number", "same", "valid")
        if kind == "same" and all(
            d * (k - 1) % 2 == 0 for k, d in zip(kernel, per_axis(dilation, spatial), strict=True)
        ):
            return s.sample(x, w, b, padding="same", dilation=dilation, groups=groups)
        padding = "valid" if kind == "valid" else numbers(s, spatial, 0, 2)
        widths = per_axis(0 if kind == "valid" else padding, spatial)
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, per_axis(dilation, spatial), strict=True)]
        if any(n + 2 * p < r for n, p, r in zip(size, widths, reach, strict=True)):
            dilation = 1
        return s.sample(x, w, b, numbers(s, spatial, 1, 3), padding, dilation, groups)

    return samples


def conv_transpose_samples(spatial: int):
    def samples(s):
        x, w, b, groups = operands(s, spatial, transposed=True)
        stride, dilation = numbers(s, spatial, 1, 3), numbers(s, spatial, 1, 2)
        strides, dilations = per_axis(stride, spatial), per_axis(dilation, spatial)
        extra = tuple(s.integer(0, max(a, d) - 1) for a, d in zip(strides, dilations, strict=True))
        padding = tuple(
            s.integer(0, min(2, ((n - 1) * a + d * (k - 1) + e) // 2))
            for n, a, d, k, e in zip(x.shape[-spatial:], strides, dilations, w.shape[2:], extra, strict=True)
        )
        return s.sample(x, w, b, stride, padding, extra, groups, dilation)

    return samples


def conv_flops(x, w, b=None, *args, **kwargs):
    return 2 * conv(np.zeros(x.shape), np.zeros(w.shape), None, *args, **kwargs).size * math.prod(w.shape[1:])


def conv_tbc(x, w, b, pad=0):
    out = conv(x.transpose(1, 2, 0), w.transpose(2, 1, 0), b, padding=pad)
    return out.transpose(2, 0, 1)


def conv_tbc_samples(s):
    width, channels, outs = s.integer(1, 3), s.integer(1, 4), s.integer(1, 4)
    # PyTorch itself refuses other layouts of the input here.
    x = s.array((s.integer(width, 6), s.integer(1, 3), channels), values="finite", layouts=("contiguous",))
    w = s.array((width, channels, outs), values="finite")
    return s.sample(x, w, s.array((outs,), values="finite"), s.integer(0, 2))


def windows(x, kernel, dilation, padding, stride):
    """Every window of a batch of images: [batch, channels, *blocks, *kernel]."""
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3), writeable=True)
    return padded, view[(..., *(slice(None, None, n) for n in stride), *(slice(None, None, n) for n in dilation))]


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    if x.ndim == 3:
        return unfold(x[None], kernel_size, dilation, padding, stride)[0]
    _, view = windows(x, *(per_axis(v, 2) for v in (kernel_size, dilation, padding, stride)))
    return view.transpose(0, 1, 4, 5, 2, 3).reshape(x.shape[0], -1, view.shape[2] * view.shape[3])


def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    if x.ndim == 2:
        return fold(x[None], output_size, kernel_size, dilation, padding, stride)[0]
    size, kernel, dilation, padding, stride = (
        per_axis(v, 2) for v in (output_size, kernel_size, dilation, padding, stride)
    )
    image = np.zeros((x.shape[0], x.shape[1] // math.prod(kernel), *size), x.dtype)
    padded, view = windows(image, kernel, dilation, padding, stride)
    columns = x.reshape(*image.shape[:2], *kernel, *view.shape[2:4])
    for at in itertools.product(*map(range, kernel)):
        view[(..., *at)] += columns[:, :, at[0], at[1]]
    return padded[:, :, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]


def window_numbers(s):
    """kernel_size, dilation, padding, stride, and a size of image with at least one window."""
    kernel, dilation = numbers(s, 2, 1, 3), numbers(s, 2, 1, 2)
    padding, stride = numbers(s, 2, 0, 2), numbers(s, 2, 1, 3)
    size = tuple(
        max(d * (k - 1) + 1 - 2 * p, 1) + s.integer(0, 3)
        for k, d, p in zip(*(per_axis(v, 2) for v in (kernel, dilation, padding)), strict=True)
    )
    return size, kernel, dilation, padding, stride


def unfold_samples(s):
    size, *where = window_numbers(s)
    batch = () if s.flag() else (s.integer(1, 2),)
    return s.sample(s.array((*batch, s.integer(1, 3), *size)), *where)


def fold_samples(s):
    size, *where = window_numbers(s)
    kernel, dilation, padding, stride = (per_axis(v, 2) for v in where)
    blocks = [
        (n + 2 * p - d * (k - 1) - 1) // t + 1
        for n, k, d, p, t in zip(size, kernel, dilation, padding, stride, strict=True)
    ]
    batch = () if s.flag() else (s.integer(1, 2),)
    shape = (*batch, s.integer(1, 3) * math.prod(kernel), math.prod(blocks))
    return s.sample(s.array(shape, values="finite"), size, *where)


def fold_scale(x, *args):
    return fold(np.abs(x), *args)


SPECS = [
    *(
        OpSpec(
            f"{prefix}conv{n}d",
            conv_samples(n),
            conv,
            dtypes=KINDS,
            scale=magnitudes(conv),
            flops=conv_flops,
        )
        for prefix in ("", "nn.functional.")
        for n in (1, 2, 3)
    ),
    *(
        OpSpec(
            f"{prefix}conv_transpose{n}d",
            conv_transpose_samples(n),
            conv_transpose,
            dtypes=KINDS,
            scale=magnitudes(conv_transpose),
            flops=lambda x, w, *rest: 2 * x.size * math.prod(w.shape[1:]),
        )
        for prefix in ("", "nn.functional.")
        for n in (1, 2, 3)
    ),
    *(
        OpSpec(f"{prefix}conv_tbc", conv_tbc_samples, conv_tbc, scale=magnitudes(conv_tbc))
        for prefix in ("", "nn.functional.")
    ),
    OpSpec("nn.functional.unfold", unfold_samples, unfold, tolerance=0),
    OpSpec("nn.functional.fold", fold_samples, fold, scale=fold_scale),
]
