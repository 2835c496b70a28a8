"""One seed, one stream: what pytensor draws against what PyTorch draws, and the states they end in.

PyTorch draws ``bernoulli_(p)``, and so dropout, from another generator (MKL's) on Intel CPUs: those cases are
skipped there. Its float32 normals are computed by AVX2 code where the CPU has it; pytensor's always are that.
"""

import platform
import warnings

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

SIZES = [0, 1, 2, 3, 15, 16, 17, 33, 100, 625, 5000, 70_001]
FLOATS = ["float32", "float64", "float16", "bfloat16"]


def on_intel() -> bool:
    try:
        with open("/proc/cpuinfo") as file:
            return "GenuineIntel" in file.read()
    except OSError:
        return "intel" in platform.processor().lower()


not_intel = pytest.mark.skipif(on_intel(), reason="PyTorch draws from MKL's generator on Intel CPUs")


def numbers(t):
    """A tensor of either library as a NumPy array; bfloat16 as float32."""
    if str(t.dtype) == "torch.bfloat16":
        t = t.float() if isinstance(t, torch.Tensor) else t.to(pytensor.float32)
    return t.detach().numpy()


def draw_both(draw, seed=11):
    results = []
    for lib in (torch, pytensor):
        lib.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(draw(lib))
    np.testing.assert_array_equal(
        torch.get_rng_state().numpy()[:5016], pytensor.get_rng_state().numpy()[:5016], "states differ"
    )
    return results


def assert_same(draw, ulps=0):
    theirs, ours = draw_both(draw)
    for t, p in zip(*(r if isinstance(r, (list, tuple)) else [r] for r in (theirs, ours)), strict=True):
        assert str(t.dtype) == str(p.dtype) and tuple(t.shape) == tuple(p.shape)
        a, b = numbers(t), numbers(p)
        if ulps == 0:
            np.testing.assert_array_equal(b, a)
        else:
            np.testing.assert_array_max_ulp(b, a, ulps)


def typed(lib, name):
    return getattr(lib, name)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_uniforms(n, dtype):
    assert_same(lambda lib: lib.rand(n, dtype=typed(lib, dtype)))
    assert_same(lambda lib: lib.empty(n, dtype=typed(lib, dtype)).uniform_(-2.5, 7.25))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_normals(n, dtype):
    def draw(lib):
        dt = typed(lib, dtype)
        return [lib.randn(n, dtype=dt), lib.empty(n, dtype=dt).normal_(0.5, 3), lib.randn(3, dtype=dt)]

    assert_same(draw)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers(dtype):
    assert_same(lambda lib: [lib.randn(5, 4, dtype=typed(lib, dtype)), lib.rand(3, dtype=typed(lib, dtype))])


@pytest.mark.parametrize("n", SIZES)
def test_integers(n):
    def draw(lib):
        spans = [(0, 1), (0, 10), (-7, 12), (0, 2**28 - 1), (0, 2**28), (-(2**40), 2**41), (-(2**62), 2**62)]
        drawn = [lib.randint(a, b, (n,)) for a, b in spans]
        for name in ("uint8", "int8", "int16", "int32", "int64", "float32", "float64", "float16", "bfloat16", "bool"):
            dt = typed(lib, name)
            drawn += [lib.empty(n, dtype=dt).random_(), lib.empty(n, dtype=dt).random_(0, 2)]
        drawn += [lib.empty(n, dtype=lib.int32).random_(-(2**31), None), lib.empty(n).random_(2**24)]
        return drawn

    assert_same(draw)


@pytest.mark.parametrize("n", [0, 1, 2, 10, 1000, 30_000])
def test_permutations(n):
    assert_same(lambda lib: [lib.randperm(n), lib.randperm(n, dtype=lib.float64), lib.randperm(min(n, 100)).int()])


@pytest.mark.parametrize("n", SIZES)
@not_intel
def test_bernoulli_of_a_number(n):
    def draw(lib):
        return [
            lib.empty(n, dtype=typed(lib, name)).bernoulli_(p)
            for name in ("float32", "float64", "int64", "bool", "float16")
            for p in (0, 0.3, 0.5, 1)
        ]

    assert_same(draw)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_of_tensors(n, dtype):
    def draw(lib):
        p = lib.rand(n, dtype=typed(lib, dtype))
        return [lib.bernoulli(p), lib.empty(3, n, dtype=lib.int32).bernoulli_(p)]

    assert_same(draw)


DISTRIBUTIONS = {
    "exponential_": (1.5,),
    "geometric_": (0.2,),
    "cauchy_": (0.5, 2.0),
    "log_normal_": (0.5, 0.25),
}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(n, dtype, name):
    if name == "exponential_" and on_intel():
        pytest.skip("PyTorch draws from MKL's generator on Intel CPUs")
    assert_same(lambda lib: getattr(lib.empty(n, dtype=typed(lib, dtype)), name)(*DISTRIBUTIONS[name]))


LAYOUTS = [
    lambda lib, dt: lib.empty(6, 7, dtype=dt).t(),
    lambda lib, dt: lib.empty(3, 4, 5, dtype=dt).permute(2, 0, 1),
    lambda lib, dt: lib.empty(40, dtype=dt)[::2],
    lambda lib, dt: lib.empty(6, 8, dtype=dt)[1:5, ::3],
    lambda lib, dt: lib.empty(6, 8, 3, dtype=dt).transpose(0, 2)[:, 1:4],
]


@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
@pytest.mark.parametrize("dtype", FLOATS)
@not_intel
def test_order_of_elements(layout, dtype):
    def draw(lib):
        make = LAYOUTS[layout]
        dt = typed(lib, dtype)
        return [
            make(lib, dt).uniform_(),
            make(lib, dt).normal_(),
            make(lib, dt).random_(100),
            make(lib, dt).bernoulli_(0.5),
            make(lib, dt).exponential_(),
        ]

    assert_same(draw)


def test_normal_with_tensors():
    def draw(lib):
        mean, std = lib.linspace(-2, 2, 20), lib.linspace(0, 3, 20)
        return [
            lib.normal(mean, std),
            lib.normal(mean, 2.0),
            lib.normal(1.5, std),
            lib.normal(1.5, 2.0, (4, 5)),
            lib.normal(mean.reshape(20, 1), std),
        ]

    assert_same(draw, ulps=1)


@pytest.mark.skipif(on_intel(), reason="PyTorch draws exponentials from MKL's generator on Intel CPUs")
def test_multinomial_without_replacement():
    def draw(lib):
        weights = lib.rand(6, 30)
        return [lib.multinomial(weights, k) for k in (1, 2, 30)] + [lib.multinomial(weights[0].double(), 5)]

    assert_same(draw)


def test_multinomial_with_replacement():
    def draw(lib):
        weights = lib.rand(6, 30)
        return [lib.multinomial(weights, 50, True), lib.multinomial(weights[0].double(), 5, True)]

    assert_same(draw)


def test_poisson():
    assert_same(lambda lib: [lib.poisson(lib.rand(500) * 40), lib.poisson(lib.rand(20, dtype=lib.float64))])


def test_binomial():
    def draw(lib):
        p = lib.rand(3000)
        return [
            lib.binomial((lib.rand(3000) * c).floor().to(t), p.to(t))
            for t in (lib.float32, lib.float64)
            for c in (8, 90, 1e5)
        ]

    assert_same(draw)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.875])
@not_intel
def test_dropout(p):
    def draw(lib):
        f = lib.nn.functional
        x, image = lib.randn(40, 30), lib.randn(4, 6, 5, 5)
        leaf = lib.randn(40, 30, requires_grad=True)
        f.dropout(leaf, p).sum().backward()
        return [
            f.dropout(x, p),
            f.dropout(x.t(), p),
            f.dropout(x.half(), p),
            f.dropout(x.double(), p),
            leaf.grad,
            f.dropout2d(image, p),
            f.dropout1d(image[0, :, 0], p),
            f.dropout3d(image, p),
        ]

    assert_same(draw)


@pytest.mark.parametrize("p", [0.1, 0.5])
@not_intel
def test_alpha_dropout(p):
    def draw(lib):
        f = lib.nn.functional
        return [f.alpha_dropout(lib.randn(40, 30), p, True), f.feature_alpha_dropout(lib.randn(4, 6, 5), p, True)]

    theirs, ours = draw_both(draw)
    for t, o in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(o.numpy(), t.numpy(), rtol=1e-6, atol=1e-6)


def test_states_interchange():
    torch.manual_seed(4)
    torch.rand(300)
    torch.randn(5)
    pytensor.set_rng_state(pytensor.from_numpy(torch.get_rng_state().numpy()))
    np.testing.assert_array_equal(pytensor.randn(3).numpy(), torch.randn(3).numpy())
    np.testing.assert_array_equal(pytensor.get_rng_state().numpy(), torch.get_rng_state().numpy())
    pytensor.rand(1000)
    pytensor.randn(1)
    torch.set_rng_state(torch.from_numpy(pytensor.get_rng_state().numpy()))
    np.testing.assert_array_equal(pytensor.randn(3).numpy(), torch.randn(3).numpy())


INITS = {
    "uniform_": {},
    "normal_": {"std": 0.2},
    "xavier_uniform_": {"gain": 2.0},
    "xavier_normal_": {},
    "kaiming_uniform_": {"a": 5**0.5},
    "kaiming_normal_": {"mode": "fan_out", "nonlinearity": "relu"},
    "eye_": {},
    "sparse_": {"sparsity": 0.3},
    "orthogonal_": {"gain": 1.5},
    "trunc_normal_": {"std": 0.7},
}


@pytest.mark.parametrize("name", INITS)
@pytest.mark.parametrize("shape", [(3, 5), (20, 7)])
def test_init(name, shape):
    draws = draw_both(
        lambda lib: getattr(__import__(f"{lib.__name__}.nn.init").nn.init, name)(lib.empty(shape), **INITS[name])
    )
    theirs, ours = (d.numpy() for d in draws)
    if name == "orthogonal_":
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    else:
        np.testing.assert_array_equal(ours, theirs)


def test_init_of_convolutions_and_tails():
    for name, kwargs, shape in [
        ("dirac_", {"groups": 2}, (4, 3, 3, 3)),
        ("trunc_normal_", {"a": 1.0, "b": 1.5}, (50,)),
        ("trunc_normal_", {"a": 3.0, "b": 4.0}, (50,)),
        ("kaiming_uniform_", {}, (4, 3, 3, 3)),
    ]:

        def draw(lib, name=name, kwargs=kwargs, shape=shape):
            return getattr(__import__(f"{lib.__name__}.nn.init").nn.init, name)(lib.empty(shape), **kwargs)

        theirs, ours = draw_both(draw)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_gains():
    from pytensor.nn.init import calculate_gain

    for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
