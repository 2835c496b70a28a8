"""Texts of tensors. The expected texts were printed by torch 2.13."""

import math

import pytest

import pytensor as torch
from pytensor import printing

nan, inf = math.nan, math.inf


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_printoptions(profile="default")


TEXTS = [
    ("torch.tensor(3.5)", "tensor(3.5000)"),
    ("torch.tensor(7)", "tensor(7)"),
    ("torch.tensor(True)", "tensor(True)"),
    ("torch.tensor(1 + 2j)", "tensor(1.+2.j)"),
    ("torch.tensor([])", "tensor([])"),
    ("torch.zeros(0, 3)", "tensor([], size=(0, 3))"),
    ("torch.zeros(0, dtype=torch.int64)", "tensor([], dtype=torch.int64)"),
    ("torch.tensor([1, -20, 300])", "tensor([  1, -20, 300])"),
    ("torch.tensor([True, False])", "tensor([ True, False])"),
    ("torch.tensor([1.0, 2.0, -3.0])", "tensor([ 1.,  2., -3.])"),
    ("torch.tensor([0.1, 22.75, -3.0])", "tensor([ 0.1000, 22.7500, -3.0000])"),
    ("torch.tensor([1e-5, 1.0])", "tensor([1.0000e-05, 1.0000e+00])"),
    ("torch.tensor([1.0, 1e9])", "tensor([1.0000e+00, 1.0000e+09])"),
    ("torch.tensor([1000.0, 1e6])", "tensor([   1000., 1000000.])"),
    ("torch.tensor([1.0, 1001.5])", "tensor([1.0000e+00, 1.0015e+03])"),
    ("torch.tensor([nan, inf, -inf])", "tensor([nan, inf, -inf])"),
    ("torch.tensor([nan, 1.0, -inf])", "tensor([nan, 1., -inf])"),
    ("torch.tensor([nan, 1.25, -inf])", "tensor([   nan, 1.2500,   -inf])"),
    ("torch.tensor([0.0, -0.0])", "tensor([0., -0.])"),
    ("torch.tensor([1e-45])", "tensor([1.4013e-45])"),
    ("torch.tensor([1.0, 2.5], dtype=torch.float64)", "tensor([1.0000, 2.5000], dtype=torch.float64)"),
    ("torch.tensor([1.0, 2.5], dtype=torch.float16)", "tensor([1.0000, 2.5000], dtype=torch.float16)"),
    ("torch.tensor([1.0, 2.5], dtype=torch.bfloat16)", "tensor([1.0000, 2.5000], dtype=torch.bfloat16)"),
    ("torch.tensor([1, 2], dtype=torch.uint8)", "tensor([1, 2], dtype=torch.uint8)"),
    ("torch.tensor([1 - 2.5j, -3j])", "tensor([1.-2.5000j, -0.-3.0000j])"),
    (
        "torch.tensor([[1 + 0j, nan + 1j]], dtype=torch.complex128)",
        "tensor([[1.+0.j, nan+1.j]], dtype=torch.complex128)",
    ),
    ("torch.tensor([[1.5, 2], [3, 4]])", ("tensor([[1.5000, 2.0000],\n        [3.0000, 4.0000]])")),
    (
        "torch.arange(8).reshape(2, 2, 2)",
        ("tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])"),
    ),
    ("torch.arange(1001)", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    ("torch.arange(1001.0)", "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])"),
    (
        "torch.arange(2000.0).reshape(2, 1000)",
        (
            "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.9700e+02, 9.9800e+02,\n"
            "         9.9900e+02],\n"
            "        [1.0000e+03, 1.0010e+03, 1.0020e+03,  ..., 1.9970e+03, 1.9980e+03,\n"
            "         1.9990e+03]])"
        ),
    ),
    (
        "torch.arange(20000).reshape(10, 10, 200)",
        (
            "tensor([[[    0,     1,     2,  ...,   197,   198,   199],\n"
            "         [  200,   201,   202,  ...,   397,   398,   399],\n"
            "         [  400,   401,   402,  ...,   597,   598,   599],\n"
            "         ...,\n"
            "         [ 1400,  1401,  1402,  ...,  1597,  1598,  1599],\n"
            "         [ 1600,  1601,  1602,  ...,  1797,  1798,  1799],\n"
            "         [ 1800,  1801,  1802,  ...,  1997,  1998,  1999]],\n"
            "\n"
            "        [[ 2000,  2001,  2002,  ...,  2197,  2198,  2199],\n"
            "         [ 2200,  2201,  2202,  ...,  2397,  2398,  2399],\n"
            "         [ 2400,  2401,  2402,  ...,  2597,  2598,  2599],\n"
            "         ...,\n"
            "         [ 3400,  3401,  3402,  ...,  3597,  3598,  3599],\n"
            "         [ 3600,  3601,  3602,  ...,  3797,  3798,  3799],\n"
            "         [ 3800,  3801,  3802,  ...,  3997,  3998,  3999]],\n"
            "\n"
            "        [[ 4000,  4001,  4002,  ...,  4197,  4198,  4199],\n"
            "         [ 4200,  4201,  4202,  ...,  4397,  4398,  4399],\n"
            "         [ 4400,  4401,  4402,  ...,  4597,  4598,  4599],\n"
            "         ...,\n"
            "         [ 5400,  5401,  5402,  ...,  5597,  5598,  5599],\n"
            "         [ 5600,  5601,  5602,  ...,  5797,  5798,  5799],\n"
            "         [ 5800,  5801,  5802,  ...,  5997,  5998,  5999]],\n"
            "\n"
            "        ...,\n"
            "\n"
            "        [[14000, 14001, 14002,  ..., 14197, 14198, 14199],\n"
            "         [14200, 14201, 14202,  ..., 14397, 14398, 14399],\n"
            "         [14400, 14401, 14402,  ..., 14597, 14598, 14599],\n"
            "         ...,\n"
            "         [15400, 15401, 15402,  ..., 15597, 15598, 15599],\n"
            "         [15600, 15601, 15602,  ..., 15797, 15798, 15799],\n"
            "         [15800, 15801, 15802,  ..., 15997, 15998, 15999]],\n"
            "\n"
            "        [[16000, 16001, 16002,  ..., 16197, 16198, 16199],\n"
            "         [16200, 16201, 16202,  ..., 16397, 16398, 16399],\n"
            "         [16400, 16401, 16402,  ..., 16597, 16598, 16599],\n"
            "         ...,\n"
            "         [17400, 17401, 17402,  ..., 17597, 17598, 17599],\n"
            "         [17600, 17601, 17602,  ..., 17797, 17798, 17799],\n"
            "         [17800, 17801, 17802,  ..., 17997, 17998, 17999]],\n"
            "\n"
            "        [[18000, 18001, 18002,  ..., 18197, 18198, 18199],\n"
            "         [18200, 18201, 18202,  ..., 18397, 18398, 18399],\n"
            "         [18400, 18401, 18402,  ..., 18597, 18598, 18599],\n"
            "         ...,\n"
            "         [19400, 19401, 19402,  ..., 19597, 19598, 19599],\n"
            "         [19600, 19601, 19602,  ..., 19797, 19798, 19799],\n"
            "         [19800, 19801, 19802,  ..., 19997, 19998, 19999]]])"
        ),
    ),
    (
        "torch.arange(40)",
        (
            "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
            "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,\n"
            "        36, 37, 38, 39])"
        ),
    ),
    (
        "torch.full((12,), 123456.5)",
        (
            "tensor([123456.5000, 123456.5000, 123456.5000, 123456.5000, 123456.5000,\n"
            "        123456.5000, 123456.5000, 123456.5000, 123456.5000, 123456.5000,\n"
            "        123456.5000, 123456.5000])"
        ),
    ),
]


@pytest.mark.parametrize("expression, text", TEXTS, ids=[e for e, _ in TEXTS])
def test_text(expression, text):
    assert repr(eval(expression)) == text
    assert str(eval(expression)) == text


OPTION_TEXTS = [
    ({"precision": 2}, "torch.tensor([1.12345])", "tensor([1.12])"),
    ({"threshold": 5}, "torch.arange(10)", "tensor([0, 1, 2,  ..., 7, 8, 9])"),
    (
        {"threshold": 5, "edgeitems": 1},
        "torch.arange(20).reshape(4, 5)",
        ("tensor([[ 0,  ...,  4],\n        ...,\n        [15,  ..., 19]])"),
    ),
    (
        {"linewidth": 30},
        "torch.arange(20)",
        (
            "tensor([ 0,  1,  2,  3,  4,\n"
            "         5,  6,  7,  8,  9,\n"
            "        10, 11, 12, 13, 14,\n"
            "        15, 16, 17, 18, 19])"
        ),
    ),
    ({"sci_mode": True}, "torch.tensor([1.0, 20.0])", "tensor([1.0000e+00, 2.0000e+01])"),
    ({"sci_mode": False}, "torch.tensor([1e-5, 1.0])", "tensor([0.0000, 1.0000])"),
    ({"profile": "short"}, "torch.tensor([1.12345])", "tensor([1.12])"),
    ({"profile": "full"}, "torch.arange(1001)[:3]", "tensor([0, 1, 2])"),
    ({"edgeitems": 0, "threshold": 5}, "torch.arange(20).reshape(4, 5)", "tensor([...], size=(4, 5))"),
]


@pytest.mark.parametrize("options, expression, text", OPTION_TEXTS)
def test_options(options, expression, text):
    torch.set_printoptions(**options)
    assert repr(eval(expression)) == text


def test_history_is_named():
    x = torch.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr((x * 2).normal_() * 0).endswith("grad_fn=<MulBackward0>)")
    y = torch.zeros(2, requires_grad=True) * 1
    assert repr(y) == "tensor([0., 0.], grad_fn=<MulBackward0>)"


def test_long_suffixes_go_to_a_new_line():
    x = torch.full((1, 12), 1.5, requires_grad=True)
    assert repr(x) == (
        "tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000,\n"
        "         1.5000, 1.5000, 1.5000]], requires_grad=True)"
    )
    y = torch.full((8,), 1.5, requires_grad=True)
    assert repr(y) == (
        "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n       requires_grad=True)"
    )


def test_format():
    assert f"{torch.tensor(1.5):.3f}" == "1.500"
    assert f"{torch.tensor(3)}" == "3"
    assert f"{torch.tensor([1.5])}" == "tensor([1.5000])"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(torch.tensor([1.5]), ".3f")


def test_derived_classes_print_their_name():
    class Image(torch.Tensor):
        pass

    image = torch.ones(2).as_subclass(Image) if hasattr(torch.Tensor, "as_subclass") else Image([1, 1])
    assert repr(image) == "Image([1., 1.])"


def test_parameters():
    p = torch.nn.Parameter(torch.zeros(2))
    assert repr(p) == "Parameter containing:\ntensor([0., 0.], requires_grad=True)"


def test_options_come_back():
    before = printing.get_printoptions()
    with printing.printoptions(precision=2, sci_mode=True):
        assert repr(torch.tensor([1.0])) == "tensor([1.00e+00])"
    assert printing.get_printoptions() == before
