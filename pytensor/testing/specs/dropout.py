"""Specs of dropout: what is kept is scaled, what is not is zero (or the saturation value of SELU)."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.compare import assert_agree
from pytensor.testing.numpy_dtypes import finfo
from pytensor.testing.spec import OpSpec

drawn = functools.partial(OpSpec, random=True, inplace=False, out=False)
SATURATION = -1.7580993408473766  # of SELU: -scale * alpha


def elementwise(s):
    return s.sample(s.array(values="finite"), s.choose(0.0, 0.25, 0.5, 1.0), s.flag())


def by_channel(dims: tuple[int, int] = (2, 4)):
    return lambda s: s.sample(s.array(dims=dims, min_side=1, values="finite"), s.choose(0.0, 0.25, 0.5, 1.0), s.flag())


def kept_or_zero(result, x, p, train):
    """Every element is x / (1 - p) or zero; all are x outside training."""
    if not train or p == 0:
        np.testing.assert_array_equal(result, x)
        return
    scaled = x.astype(float) / (1 - p) if p < 1 else np.zeros(x.shape)
    assert_agree(np.where(result == 0, result.dtype.type(0), result), np.where(result == 0, 0, scaled), 2)
    share = (result == 0)[x != 0]
    if share.size >= 64:
        assert abs(share.mean() - p) < 8 * np.sqrt(p * (1 - p) / share.size) + 1e-9


def channels_kept_or_zero(result, x, p, train):
    """As above, whole channels at a time."""
    if not train or p == 0:
        np.testing.assert_array_equal(result, x)
        return
    scaled = x.astype(float) / (1 - p) if p < 1 else np.zeros(x.shape)
    axes = tuple(range(2, x.ndim))
    kept = np.abs(result).max(axis=axes, keepdims=True) > 0
    assert_agree(result, np.where(kept, scaled, 0), 2)


def affine(p: float) -> tuple[float, float]:
    """What keeps mean and variance when elements become SATURATION: x -> a x + b."""
    a = ((1 - p) * (1 + p * SATURATION**2)) ** -0.5
    return a, -a * SATURATION * p


def kept_or_saturated(result, x, p, train):
    if not train or p == 0:
        np.testing.assert_array_equal(result, x)
    elif p == 1:
        assert not result.any()
    else:
        a, b = affine(p)
        unit = 32 * float(finfo(result.dtype).eps) * (np.abs(a * x) + 4)
        assert ((np.abs(result - (a * x + b)) <= unit) | (np.abs(result - (a * SATURATION + b)) <= unit)).all()


SPECS = [
    drawn("dropout", elementwise, verify=kept_or_zero),
    drawn("nn.functional.dropout", elementwise, verify=kept_or_zero),
    drawn("feature_dropout", by_channel(), verify=channels_kept_or_zero),
    drawn("nn.functional.dropout1d", by_channel((3, 3)), verify=channels_kept_or_zero),
    drawn("nn.functional.dropout2d", by_channel((4, 4)), verify=channels_kept_or_zero),
    drawn("nn.functional.dropout3d", by_channel((5, 5)), verify=channels_kept_or_zero),
    drawn("alpha_dropout", elementwise, verify=kept_or_saturated),
    drawn("nn.functional.alpha_dropout", elementwise, verify=kept_or_saturated),
    drawn("feature_alpha_dropout", by_channel(), verify=kept_or_saturated),
    drawn("nn.functional.feature_alpha_dropout", by_channel(), verify=kept_or_saturated),
]
