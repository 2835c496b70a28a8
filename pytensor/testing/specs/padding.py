"""Specs of padding and of rearrangements between channels and pixels."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, REALS, OpSpec


def numpy_widths(pad, ndim: int):
    """pad, last axis first, as NumPy takes it."""
    widths = [(0, 0)] * ndim
    for i in range(len(pad) // 2):
        widths[ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    return widths


def crop(x, widths):
    """Cuts what negative widths cut; returns the widths that are left to add."""
    cut = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))
    return x[cut], [(max(b, 0), max(a, 0)) for b, a in widths]


def constant_pad_nd(x, pad, value=0):
    cropped, widths = crop(x, numpy_widths(pad, x.ndim))
    return cropped.copy() if x.ndim == 0 else np.pad(cropped, widths, constant_values=np.asarray(value).astype(x.dtype))


def pad(x, pad, mode="constant", value=None):
    if mode == "constant":
        return constant_pad_nd(x, pad, 0 if value is None else value)
    widths = numpy_widths(pad, x.ndim)
    if mode == "circular":  # crops first; the other modes see what they cut
        cropped, widths = crop(x, widths)
        return np.pad(cropped, widths, mode="wrap")
    kind = {"reflect": "reflect", "replicate": "edge"}[mode]
    padded = np.pad(x, [(max(b, 0), max(a, 0)) for b, a in widths], mode=kind)
    return crop(padded, [(min(b, 0), min(a, 0)) for b, a in widths])[0]


def constant_widths(s, x):
    given = s.integer(0, x.ndim)
    widths = []
    for side in x.shape[::-1][:given]:
        before = s.integer(-side, 3)
        widths += [before, s.integer(-(side + min(before, 0)), 3)]
    return tuple(widths)


def constant_samples(s):
    x = s.array()
    value = (s.choose(0, 1, -2),) if s.flag() else ()
    return s.sample(x, constant_widths(s, x), *value)


def pad_constant_samples(s):
    x = s.array()
    value = {"value": s.choose(None, 0, 3)} if s.flag() else {}
    return s.sample(x, constant_widths(s, x), "constant", **value)


def mirrored_samples(mode: str):
    def samples(s):
        axes = s.integer(1, 3)
        spatial = tuple(s.integer(2, 4) for _ in range(axes))
        leading = (s.integer(1, 2), s.integer(1, 2))[s.integer(0, 1) :]
        most = {"reflect": lambda n: n - 1, "replicate": lambda n: n + 2, "circular": lambda n: n - 1}[mode]
        widths = []
        for side in reversed(spatial):
            first = s.integer(-1, most(side))
            last = s.integer(0 if first < 0 else -1, most(side))
            widths += [first, last]
        return s.sample(s.array((*leading, *spatial)), tuple(widths), mode)

    return samples


def pixel_shuffle(x, r):
    *batch, channels, height, width = x.shape
    b = len(batch)
    parts = x.reshape(*batch, channels // (r * r), r, r, height, width)
    parts = parts.transpose(*range(b), b, b + 3, b + 1, b + 4, b + 2)
    return parts.reshape(*batch, channels // (r * r), height * r, width * r)


def pixel_unshuffle(x, r):
    rows = [x[..., i::r, j::r] for i in range(r) for j in range(r)]
    return np.stack(rows, axis=-3).reshape(*x.shape[:-3], x.shape[-3] * r * r, x.shape[-2] // r, x.shape[-1] // r)


def channel_shuffle(x, groups):
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)


def pixel_shuffle_samples(s):
    r = s.integer(1, 3)
    batch = s.shape((0, 2), max_side=3)
    return s.sample(s.array((*batch, s.integer(1, 2) * r * r, s.integer(1, 3), s.integer(1, 3))), r)


def pixel_unshuffle_samples(s):
    r = s.integer(1, 3)
    batch = s.shape((0, 2), max_side=3)
    return s.sample(s.array((*batch, s.integer(1, 2), r * s.integer(1, 3), r * s.integer(1, 3))), r)


def channel_shuffle_samples(s):
    groups = s.integer(1, 3)
    spatial = tuple(s.integer(1, 3) for _ in range(s.integer(1, 2)))
    return s.sample(s.array((s.integer(1, 2), groups * s.integer(1, 3), *spatial)), groups)


def exact(name, samples, reference, dtypes=ANY, **kwargs):
    return OpSpec(name, samples, reference, dtypes=dtypes, tolerance=0, upcast=False, **kwargs)


SPECS = [
    exact("constant_pad_nd", constant_samples, constant_pad_nd, dtypes=("float32", "float64", "int32", "int64")),
    exact("nn.functional.pad", pad_constant_samples, pad),
    *(
        exact("nn.functional.pad", mirrored_samples(mode), pad, dtypes=REALS, variant=mode)
        for mode in ("reflect", "replicate", "circular")
    ),
    *(
        exact(prefix + function.__name__, samples, function)
        for prefix in ("", "nn.functional.")
        for samples, function in (
            (pixel_shuffle_samples, pixel_shuffle),
            (pixel_unshuffle_samples, pixel_unshuffle),
            (channel_shuffle_samples, channel_shuffle),
        )
    ),
    *(
        exact(f"{prefix}native_channel_shuffle", channel_shuffle_samples, channel_shuffle)
        for prefix in ("", "nn.functional.")
    ),
]
