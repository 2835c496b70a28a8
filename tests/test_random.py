"""Generators, random tensors and fills: PyTorch's numbers for PyTorch's seeds, states, errors."""

import copy
import pickle

import numpy as np
import pytest

import pytensor as torch
from pytensor.random import fork_rng


def seeded(draw):
    torch.manual_seed(0)
    return draw().tolist()


# What torch 2.13 draws after manual_seed(0).
EXACT = {
    "rand": (
        lambda: torch.rand(4),
        [0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688],
    ),
    "rand float64": (
        lambda: torch.rand(3, dtype=torch.float64),
        [0.9700530018065531, 0.707819864399788, 0.45938294312745087],
    ),
    "rand float16": (lambda: torch.rand(3, dtype=torch.float16), [0.496337890625, 0.76806640625, 0.0885009765625]),
    "randint": (lambda: torch.randint(10, (6,)), [4, 9, 3, 0, 3, 9]),
    "randperm": (lambda: torch.randperm(10), [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]),
    "bernoulli_": (lambda: torch.empty(10).bernoulli_(0.3), [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]),
    "random_ uint8": (lambda: torch.empty(3, dtype=torch.uint8).random_(), [172, 47, 117]),
    "dropout": (lambda: torch.nn.functional.dropout(torch.ones(8), 0.5), [0, 0, 2, 0, 0, 0, 2, 2]),
    "in the order of memory": (
        lambda: torch.empty(2, 3).t().uniform_(),
        [
            [0.49625658988952637, 0.13203048706054688],
            [0.7682217955589294, 0.30742281675338745],
            [0.08847743272781372, 0.6340786814689636],
        ],
    ),
    "multinomial": (lambda: torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), 3), [2, 1, 3]),
    "poisson": (lambda: torch.poisson(torch.tensor([0.5, 3.0, 20.0, 100.0])), [2, 4, 21, 99]),
    "binomial": (
        lambda: torch.binomial(torch.tensor([5.0, 12.0, 40.0, 1e3]), torch.tensor([0.5, 0.2, 0.7, 0.1])),
        [4, 2, 27, 99],
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_numbers_of_a_seed(name):
    draw, expected = EXACT[name]
    assert seeded(draw) == expected


def test_normals_of_a_seed():
    expected = [1.5409960746765137, -0.293428897857666, -2.1787893772125244]
    np.testing.assert_allclose(seeded(lambda: torch.randn(3)), expected, rtol=1e-6)
    torch.manual_seed(0)
    torch.randn(3)
    last = torch.randn(17).tolist()
    np.testing.assert_allclose(last[:2], [-0.35612836480140686, -0.1577124446630478], rtol=1e-6)
    np.testing.assert_allclose(last[-2:], [-2.316041946411133, -0.10230965167284012], rtol=1e-6)


def test_exponentials_of_a_seed():
    expected = [1.754163146018982, 0.6151923537254333, 0.3075220584869385]
    np.testing.assert_allclose(seeded(lambda: torch.empty(3).exponential_(2)), expected, rtol=1e-6)


def test_states_continue_the_stream():
    g = torch.Generator().manual_seed(3)
    torch.rand(700, generator=g)
    torch.randn(3, generator=g)  # leaves one normal for the next call
    state = g.get_state()
    assert state.dtype is torch.uint8 and state.shape == (5056,)
    first = torch.randn(5, generator=g).tolist(), torch.rand(1000, generator=g).tolist()
    g.set_state(state)
    assert (torch.randn(5, generator=g).tolist(), torch.rand(1000, generator=g).tolist()) == first
    other = torch.Generator().set_state(state)
    assert torch.randn(5, generator=other).tolist() == first[0]


@pytest.mark.parametrize("clone", [lambda g: g.clone_state(), lambda g: pickle.loads(pickle.dumps(g)), copy.copy])
def test_copies_of_a_generator_have_its_state(clone):
    g = torch.Generator().manual_seed(5)
    torch.rand(10, generator=g)
    other = clone(g)
    assert other.get_state().tolist() == g.get_state().tolist()


def test_large_fills_equal_many_small_ones():
    """A fill draws from the generator as if one by one, wherever the twister's blocks end."""
    a, b = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    whole = torch.rand(5000, generator=a).tolist()
    parts = [x for n in (1, 622, 3, 624, 2048, 1702) for x in torch.rand(n, generator=b).tolist()]
    assert parts == whole


def test_fork_rng_restores_the_stream():
    torch.manual_seed(0)
    with fork_rng():
        torch.manual_seed(9)
        torch.rand(3)
    assert torch.rand(2).tolist() == [0.49625658988952637, 0.7682217955589294]
    state = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), fork_rng():
        torch.rand(3)
        1 / 0  # noqa: B018
    assert torch.get_rng_state().tolist() == state.tolist()
    with fork_rng(enabled=False):
        torch.rand(3)
    assert torch.get_rng_state().tolist() != state.tolist()


def test_seeds():
    assert torch.manual_seed(-1).initial_seed() == 2**64 - 1
    assert torch.initial_seed() == 2**64 - 1
    assert torch.manual_seed(2**64 - 1) is torch.default_generator
    assert torch.seed() == torch.initial_seed()
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow"):
            torch.manual_seed(seed)


def test_states_that_are_none_are_refused():
    g = torch.Generator()
    before = g.get_state().tolist()
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state(torch.zeros(5056))
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state(3)
    with pytest.raises(RuntimeError, match="5056"):
        g.set_state(torch.zeros(10, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        g.set_state(torch.zeros(5056, dtype=torch.uint8))
    forged = g.get_state()
    forged[8:12] = torch.tensor([112, 2, 0, 0], dtype=torch.uint8)  # left = 624
    forged[16] = 200  # next = 200: 623 outputs left from word 200 would read past the end
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        g.set_state(forged)
    assert g.get_state().tolist() == before


ERRORS = [
    (lambda: torch.rand(2, dtype=torch.int64), NotImplementedError, "not implemented for 'Long'"),
    (lambda: torch.randn(2, dtype=torch.bool), NotImplementedError, "not implemented for 'Bool'"),
    (lambda: torch.randint(5, 5, (2,)), RuntimeError, "got from=5 >= to=5"),
    (lambda: torch.randint(0, 300, (2,), dtype=torch.uint8), RuntimeError, "to - 1 is out of bounds for unsigned char"),
    (lambda: torch.randint(5), TypeError, "invalid combination"),
    (lambda: torch.randperm(-1), RuntimeError, "negative dimension -1"),
    (lambda: torch.randperm(2.5), TypeError, "must be int, not float"),
    (lambda: torch.normal(0.0, -1.0, (2,)), RuntimeError, "std >= 0.0, but found std -1"),
    (lambda: torch.normal(2.0), TypeError, "must be Tensor, not float"),
    (lambda: torch.ones(2).bernoulli_(1.5), RuntimeError, "to be in \\[0, 1\\], but got p=1.5"),
    (lambda: torch.bernoulli(torch.full((2,), 1.5)), RuntimeError, "Expected p_in >= 0 && p_in <= 1"),
    (lambda: torch.ones(2).uniform_(2, 1), RuntimeError, "found from=2 > to=1"),
    (lambda: torch.ones(2).uniform_(0, 1e39), RuntimeError, "to is out of bounds for float"),
    (lambda: torch.ones(2).exponential_(0), RuntimeError, "lambda > 0.0, but found lambda=0"),
    (lambda: torch.ones(2).geometric_(1), RuntimeError, "p to be in \\(0, 1\\), but got p=1"),
    (lambda: torch.ones(2).cauchy_(0, -1), RuntimeError, "sigma > 0.0, but found sigma=-1"),
    (lambda: torch.ones(2).log_normal_(0, 0), RuntimeError, "std > 0.0, but found std=0"),
    (lambda: torch.ones(2, requires_grad=True).uniform_(), RuntimeError, "a leaf Variable that requires grad"),
    (lambda: torch.multinomial(torch.ones(3), 4), RuntimeError, "without replacement"),
    (lambda: torch.multinomial(torch.zeros(3), 1), RuntimeError, "sum of probabilities <= 0"),
    (lambda: torch.rand(2, generator=3), TypeError, "must be torch.Generator, not int"),
    (lambda: torch.nn.functional.dropout(torch.ones(3), 1.5), ValueError, "between 0 and 1, but got 1.5"),
    (lambda: torch.nn.functional.dropout(torch.ones(3).long(), 0.5), RuntimeError, "can't be cast"),
]


@pytest.mark.parametrize("call, kind, text", ERRORS, ids=[e[2] for e in ERRORS])
def test_errors_come_before_anything_is_drawn(call, kind, text):
    before = torch.get_rng_state().tolist()
    with pytest.raises(kind, match=text):
        call()
    assert torch.get_rng_state().tolist() == before


def test_fills_give_a_computed_tensor_a_new_history():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.normal_()
    assert type(y.grad_fn).__name__ == "NormalBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_requires_grad_of_new_tensors():
    for t in (torch.rand(3, requires_grad=True), torch.randn(3, requires_grad=True)):
        assert t.requires_grad and t.is_leaf


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_and_its_gradient(p):
    x = torch.ones(100, 50, requires_grad=True)
    y = torch.nn.functional.dropout(x, p)
    y.backward(torch.full((100, 50), 2.0))
    kept = y.detach() != 0
    assert abs(kept.sum().item() / 5000 - (1 - p)) < 0.05
    np.testing.assert_allclose(x.grad.numpy(), np.where(kept.numpy(), np.float32(2 / (1 - p)), 0), rtol=1e-6)


def test_dropout_does_nothing_in_evaluation():
    x = torch.ones(4)
    assert torch.nn.functional.dropout(x, 0.5, training=False) is x
    assert torch.nn.functional.dropout(x, 0.0) is x
    layer = torch.nn.Dropout(0.5).eval()
    assert layer(x) is x


def test_dropout_of_everything():
    x = torch.ones(4, requires_grad=True)
    y = torch.nn.functional.dropout(x, 1.0)
    y.sum().backward()
    assert y.tolist() == [0, 0, 0, 0] and x.grad.tolist() == [0, 0, 0, 0]


def test_dropout_in_place():
    x = torch.ones(1000)
    y = torch.nn.functional.dropout(x, 0.5, inplace=True)
    assert y is x and set(x.tolist()) == {0.0, 2.0}


def test_channel_dropout_drops_whole_channels():
    y = torch.nn.functional.dropout2d(torch.ones(8, 16, 3, 3))
    per_channel = y.reshape(128, 9)
    assert ((per_channel == per_channel[:, :1]).all()).item()
    assert set(per_channel[:, 0].tolist()) == {0.0, 2.0}
    with pytest.warns(UserWarning, match="1D dropout behavior"):
        torch.nn.functional.dropout2d(torch.ones(8, 16, 3))
    with pytest.raises(RuntimeError, match="Expected 2D or 3D input"):
        torch.nn.functional.dropout1d(torch.ones(2, 2, 2, 2))


def test_alpha_dropout_keeps_mean_and_variance():
    torch.manual_seed(0)
    y = torch.nn.functional.alpha_dropout(torch.randn(200_000), 0.3, training=True)
    assert abs(y.mean().item()) < 0.02 and abs(y.var().item() - 1) < 0.02


# Mean and variance of what each fill draws.
MOMENTS = [
    (lambda x: x.uniform_(-1, 3), 1, 16 / 12),
    (lambda x: x.normal_(2, 3), 2, 9),
    (lambda x: x.exponential_(0.5), 2, 4),
    (lambda x: x.geometric_(0.25), 4, 12),
    (lambda x: x.bernoulli_(0.25), 0.25, 0.1875),
    (lambda x: x.random_(10), 4.5, 8.25),
    (lambda x: x.log_normal_(0, 0.25), np.exp(0.03125), (np.exp(0.0625) - 1) * np.exp(0.0625)),
]


@pytest.mark.parametrize("fill, mean, variance", MOMENTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_moments(fill, mean, variance, dtype):
    torch.manual_seed(1)
    x = fill(torch.empty(100_000, dtype=dtype)).numpy().astype(np.float64)
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / x.size) + 2e-3
    assert abs(x.var() - variance) < 0.05 * variance


@pytest.mark.parametrize(
    "args",
    [
        (10, (4,)),
        (-3, 7, [2, 3]),
        (1, ()),
        (2**28, (3,)),
        (2**40, (3,)),
        (5, (0, 2)),
        (0, (3,)),
        (4, 4, (3,)),
        (10, 3),
        (10, (-1,)),
        (10.0, (2,)),
        (True, (2,)),
        ((2,),),
        (-(2**62), 2**62, (2,)),
    ],
)
@pytest.mark.parametrize("options", [{}, {"dtype": torch.int64}, {"dtype": torch.uint8}, {"requires_grad": True}])
def test_randint_of_the_quick_road(args, options):
    def outcome(function):
        torch.manual_seed(3)
        try:
            drawn = function(*args, **options)
        except Exception as error:
            return type(error), str(error)
        return drawn.dtype, tuple(drawn.shape), drawn.tolist(), torch.rand(1).item()

    assert outcome(torch.randint) == outcome(torch.randint.__wrapped__)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_multinomial_refuses_weights(dtype):
    for wrong in (float("nan"), float("inf"), -1.0):
        with pytest.raises(RuntimeError, match="either `inf`, `nan` or element < 0"):
            torch.multinomial(torch.tensor([[1.0, 2.0], [0.0, wrong]], dtype=dtype), 1)
    with pytest.raises(RuntimeError, match="sum of probabilities <= 0"):
        torch.multinomial(torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=dtype), 1)
