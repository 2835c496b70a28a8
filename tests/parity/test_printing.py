"""The texts of random tensors, character by character against PyTorch's."""

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

DTYPES = "float32 float64 int64 int32 uint8 bool float16 bfloat16 complex64 complex128".split()
OPTIONS = [
    {},
    {"precision": 2},
    {"precision": 7},
    {"threshold": 10},
    {"threshold": 20, "edgeitems": 1},
    {"linewidth": 40},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"edgeitems": 0, "threshold": 5},
]


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_printoptions(profile="default")
    pytensor.set_printoptions(profile="default")


def random_numbers(rng):
    """Numbers of all magnitudes, whole ones, special ones, in shapes with empty and long axes."""
    ndim = int(rng.integers(0, 5))
    shape = [int(n) for n in rng.choice([0, 1, 2, 3, 5, 7, 11], ndim)]
    if ndim and rng.random() < 0.3:
        shape[-1] = int(rng.integers(1, 1200 if ndim < 2 else 40))
    x = rng.standard_normal(shape)
    kind = rng.integers(0, 6)
    if kind == 1:
        x = x * 10.0 ** rng.integers(-6, 10, shape)
    elif kind == 2:
        x = np.round(x * 10)
    elif kind == 3:
        x = x * 1e6
    elif kind == 4:
        x = np.where(rng.random(shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf, 0, -0.0]), x)
    elif kind == 5:
        x = np.round(x * 1000)
    return np.asarray(x)


def both(numbers, dtype):
    if dtype.startswith("complex"):
        with np.errstate(invalid="ignore"):
            numbers = (numbers + 1j * numbers[::-1] if numbers.ndim else numbers * (1 + 3j)).astype(dtype)
    elif dtype in ("uint8", "int32", "int64"):
        numbers = np.nan_to_num(numbers, nan=0, posinf=9, neginf=-9)
        numbers = (np.abs(numbers) % 256 if dtype == "uint8" else numbers).astype(dtype)
    theirs = torch.from_numpy(np.array(numbers)).to(getattr(torch, dtype))
    if dtype == "bfloat16":
        return theirs, pytensor.from_numpy(theirs.float().numpy()).to(pytensor.bfloat16)
    return theirs, pytensor.from_numpy(np.asarray(theirs.numpy()))


@pytest.mark.parametrize("seed", range(60))
def test_texts_are_equal(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        dtype = str(rng.choice(DTYPES))
        theirs, ours = both(random_numbers(rng), dtype)
        options = OPTIONS[rng.integers(len(OPTIONS))]
        for lib in (torch, pytensor):
            lib.set_printoptions(profile="default")
            lib.set_printoptions(**options)
        if theirs.is_floating_point() and rng.random() < 0.4:
            theirs.requires_grad_()
            ours.requires_grad_()
            if rng.random() < 0.5:
                theirs, ours = theirs * 1, ours * 1
        assert repr(ours) == repr(theirs), f"{dtype} {tuple(theirs.shape)} {options}"
