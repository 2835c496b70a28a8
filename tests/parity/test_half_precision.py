"""Half precision beside PyTorch, bit for bit: every float16 and bfloat16 with numbers and 0-d tensors."""

from __future__ import annotations

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

BITS = np.arange(65536, dtype=np.int64) - 32768
OTHER, THIRD = (np.random.default_rng(seed).permutation(BITS) for seed in (0, 1))
NUMBERS = [1.7, 0.3, -0.1, 1 / 3, 3, 1e-3, 70000.0, -2.5, 1e-8, 2049, 1e39, float("inf")]

CALLS = {
    "x + number": lambda lib, x, y, z, s: x + s,
    "number - x": lambda lib, x, y, z, s: s - x,
    "x * number": lambda lib, x, y, z, s: x * s,
    "number * x": lambda lib, x, y, z, s: s * x,
    "x / number": lambda lib, x, y, z, s: x / s,
    "number / x": lambda lib, x, y, z, s: s / x,
    "x // number": lambda lib, x, y, z, s: x // s,
    "div trunc": lambda lib, x, y, z, s: lib.div(x, s, rounding_mode="trunc"),
    "x += number": lambda lib, x, y, z, s: x.clone().add_(s),
    "x *= number": lambda lib, x, y, z, s: x.clone().mul_(s),
    "x /= number": lambda lib, x, y, z, s: x.clone().div_(s),
    "mul out": lambda lib, x, y, z, s: lib.mul(x, s, out=lib.empty_like(x)),
    "x.t() * number": lambda lib, x, y, z, s: x.view(256, 256).t() * s,
    "x[::2] * number": lambda lib, x, y, z, s: x[::2] * s,
    "x + 0-d": lambda lib, x, y, z, s: x + lib.tensor(float(s)),
    "x - 0-d": lambda lib, x, y, z, s: x - lib.tensor(float(s)),
    "x * 0-d": lambda lib, x, y, z, s: x * lib.tensor(float(s), dtype=lib.float64),
    "0-d * x": lambda lib, x, y, z, s: lib.tensor(float(s)) * x,
    "x / 0-d": lambda lib, x, y, z, s: x / lib.tensor(float(s)),
    "0-d / x": lambda lib, x, y, z, s: lib.tensor(float(s)) / x,
    "x * integer": lambda lib, x, y, z, s: x * lib.tensor(2049),
    "x * 1 integer": lambda lib, x, y, z, s: x * lib.tensor([2049]),
    "integer * x": lambda lib, x, y, z, s: lib.tensor(2049) * x,
    "x * integers": lambda lib, x, y, z, s: x * lib.arange(65536),
    "x + integers": lambda lib, x, y, z, s: x + lib.arange(65536),
    "x < number": lambda lib, x, y, z, s: x < s,
    "x < 0-d": lambda lib, x, y, z, s: x < lib.tensor(float(s)),
    "x == number": lambda lib, x, y, z, s: x == s,
    "add alpha": lambda lib, x, y, z, s: lib.add(x, y, alpha=s),
    "sub alpha": lambda lib, x, y, z, s: lib.sub(x, y, alpha=s),
    "rsub alpha": lambda lib, x, y, z, s: lib.rsub(x, y, alpha=s),
    "add number alpha": lambda lib, x, y, z, s: lib.add(x, 0.3, alpha=s),
    "add_ alpha": lambda lib, x, y, z, s: x.clone().add_(y, alpha=s),
    "lerp": lambda lib, x, y, z, s: lib.lerp(x, y, s),
    "lerp tensor": lambda lib, x, y, z, s: lib.lerp(x, y, z),
    "addcmul": lambda lib, x, y, z, s: lib.addcmul(x, y, z, value=s),
    "addcdiv": lambda lib, x, y, z, s: lib.addcdiv(x, y, z, value=s),
    "clamp": lambda lib, x, y, z, s: x.clamp(-abs(s), abs(s)),
    "clamp min": lambda lib, x, y, z, s: x.clamp(min=s),
    "where": lambda lib, x, y, z, s: lib.where(x > 0, x, s),
    "masked_fill": lambda lib, x, y, z, s: x.masked_fill(x > 0, s),
    "fill": lambda lib, x, y, z, s: x.clone().fill_(s),
    "threshold": lambda lib, x, y, z, s: lib.nn.functional.threshold(x, s, 9.0),
    "leaky_relu": lambda lib, x, y, z, s: lib.nn.functional.leaky_relu(x, s),
    "hardtanh": lambda lib, x, y, z, s: lib.nn.functional.hardtanh(x, -abs(s), abs(s)),
    "hardshrink": lambda lib, x, y, z, s: lib.nn.functional.hardshrink(x, abs(s)),
    "nan_to_num": lambda lib, x, y, z, s: lib.nan_to_num(x, s, s, s),
}
GRADIENTS = ["x * number", "number * x", "x / number", "number / x", "add alpha", "rsub alpha", "hardshrink", "lerp"]


def tensor(lib, bits, dtype):
    return lib.tensor(bits.tolist(), dtype=lib.int16).view(getattr(lib, dtype))


def bits_of(lib, result):
    """The result's bits, one pattern for every NaN."""
    if result.dtype is lib.bool:
        return result.numpy()
    bits = result.detach().contiguous().view(lib.int16).numpy().copy()
    bits[lib.isnan(result.detach()).numpy()] = -1
    return bits


@pytest.fixture(scope="module")
def operands():
    return {
        (lib, dtype): [tensor(lib, bits, dtype) for bits in (BITS, OTHER, THIRD)]
        for lib in (torch, pytensor)
        for dtype in ("float16", "bfloat16")
    }


def outcome(lib, call, arguments):
    try:
        return bits_of(lib, call(lib, *arguments))
    except RuntimeError as error:
        return str(error)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CALLS)
def test_numbers(operands, name, dtype):
    for number in NUMBERS:
        theirs, ours = (outcome(lib, CALLS[name], (*operands[lib, dtype], number)) for lib in (torch, pytensor))
        if isinstance(theirs, str) or isinstance(ours, str):
            assert theirs == ours
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=str(number))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(operands, name, dtype):
    for number in NUMBERS[:5]:
        grads = []
        for lib in (torch, pytensor):
            x, y, z = operands[lib, dtype]
            x = x.detach().requires_grad_()
            CALLS[name](lib, x, y, z, number).backward(z)
            grads.append(bits_of(lib, x.grad))
        np.testing.assert_array_equal(grads[1], grads[0], err_msg=str(number))


@pytest.mark.parametrize("keys", [64, 300, 1024])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_attention_is_no_less_exact(dtype, keys):
    """Errors against float64, of the result and the gradients: at most PyTorch's."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((2, 2, length, 64)) for length in (32, keys, keys, 32)]
    found = {}
    for name, lib, kind in (("exact", torch, "float64"), ("theirs", torch, dtype), ("ours", pytensor, dtype)):
        *operands, grad = (lib.tensor(x).to(getattr(lib, dtype)).to(getattr(lib, kind)) for x in arrays)
        operands = [x.requires_grad_() for x in operands]
        out = lib.nn.functional.scaled_dot_product_attention(*operands)
        out.backward(grad)
        found[name] = [np.asarray(x.detach().to(lib.float64).numpy()) for x in (out, *(x.grad for x in operands))]
    for exact, theirs, ours in zip(found["exact"], found["theirs"], found["ours"], strict=True):
        assert np.abs(ours - exact).mean() <= np.abs(theirs - exact).mean()
