"""Matrix products against PyTorch: values, gradients, second gradients, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")


def same(actual, expected, tolerance=1e-10):
    assert tuple(actual.shape) == tuple(expected.shape)
    assert str(actual.dtype) == str(expected.dtype)
    np.testing.assert_allclose(
        actual.detach().numpy(), expected.detach().resolve_conj().numpy(), rtol=tolerance, atol=tolerance, strict=True
    )


def operand(lib, shape, seed, dtype, grad):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) if "int" not in dtype else rng.integers(-9, 9, shape)
    if "complex" in dtype:
        values = values + 1j * rng.normal(size=shape)
    return lib.tensor(np.asarray(values, dtype)).requires_grad_(grad)


def linear(lib, *args):
    return lib.nn.functional.linear(*args)


PRODUCTS = [
    ("matmul", [(3, 4), (4, 5)]),
    ("matmul", [(4,), (4,)]),
    ("matmul", [(3, 4), (4,)]),
    ("matmul", [(4,), (4, 5)]),
    ("matmul", [(2, 3, 4), (4, 5)]),
    ("matmul", [(2, 3, 4), (4,)]),
    ("matmul", [(4,), (2, 4, 5)]),
    ("matmul", [(3, 4), (2, 4, 5)]),
    ("matmul", [(2, 1, 3, 4), (6, 4, 5)]),
    ("matmul", [(2, 3, 0), (0, 5)]),
    ("matmul", [(0, 3, 4), (4, 5)]),
    ("matmul", [(0, 3), (3, 0)]),
    ("mm", [(3, 4), (4, 5)]),
    ("bmm", [(2, 3, 4), (2, 4, 5)]),
    ("bmm", [(0, 3, 4), (0, 4, 5)]),
    ("mv", [(3, 4), (4,)]),
    ("mv", [(3, 0), (0,)]),
    ("dot", [(4,), (4,)]),
    ("dot", [(0,), (0,)]),
    ("vdot", [(4,), (4,)]),
    ("inner", [(2, 3, 4), (5, 4)]),
    ("inner", [(4,), (5, 4)]),
    ("inner", [(), (5, 4)]),
    ("outer", [(3,), (4,)]),
    ("ger", [(3,), (4,)]),
    ("addmm", [(5,), (3, 4), (4, 5)]),
    ("addmm", [(3, 1), (3, 4), (4, 5)]),
    ("addmm", [(1,), (3, 4), (4, 5)]),
    ("addmm", [(), (3, 4), (4, 5)]),
    ("addbmm", [(3, 5), (2, 3, 4), (2, 4, 5)]),
    ("addbmm", [(5,), (2, 3, 4), (2, 4, 5)]),
    ("baddbmm", [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
    ("baddbmm", [(3, 1), (2, 3, 4), (2, 4, 5)]),
    ("addmv", [(3,), (3, 4), (4,)]),
    ("addmv", [(1,), (3, 4), (4,)]),
    ("addmv", [(), (3, 4), (4,)]),
    ("addr", [(3, 4), (3,), (4,)]),
    ("addr", [(4,), (3,), (4,)]),
    ("linear", [(3, 4), (5, 4)]),
    ("linear", [(3, 4), (5, 4), (5,)]),
    ("linear", [(2, 3, 4), (5, 4), (5,)]),
    ("linear", [(2, 3, 4), (5, 4)]),
    ("linear", [(4,), (5, 4), (5,)]),
    ("linear", [(4,), (4,)]),
    ("linear", [(2, 4), (4,)]),
    ("linear", [(3, 4), (5, 4), (1,)]),
    ("linear", [(0, 4), (5, 4), (5,)]),
    ("bilinear", [(2, 3), (2, 4), (5, 3, 4), (5,)]),
    ("bilinear", [(2, 6, 3), (2, 6, 4), (5, 3, 4)]),
    ("bilinear", [(3,), (4,), (5, 3, 4)]),
    ("kron", [(2, 3), (4, 5)]),
    ("kron", [(2,), (3, 4, 5)]),
    ("chain_matmul", [(2, 3), (3, 9), (9, 4), (4, 2)]),
]


def function(lib, name):
    found = getattr(lib, name, None) if name != "bilinear" else None
    return found or getattr(lib.nn.functional, name)


@pytest.mark.parametrize("dtype", ["float64", "complex128", "int64"])
@pytest.mark.parametrize(("name", "sizes"), PRODUCTS, ids=lambda v: str(v).replace(" ", ""))
@pytest.mark.filterwarnings("ignore:.*chain_matmul")
@pytest.mark.filterwarnings("ignore:.*An output with one or more elements")
def test_product(name, sizes, dtype):
    grad = dtype != "int64"
    if name == "bilinear" and dtype != "float64":
        pytest.skip("PyTorch's bilinear has neither integers nor complex gradients")
    results = []
    for lib in (pytensor, torch):
        operands = [operand(lib, s, i, dtype, grad) for i, s in enumerate(sizes)]
        result = function(lib, name)(*operands)
        collected = [result]
        if grad:
            direction = operand(lib, tuple(result.shape), 9, dtype, True)
            first = lib.autograd.grad(result, operands, direction, create_graph=True)
            total = sum((g * operand(lib, tuple(g.shape), 20 + i, dtype, False)).sum() for i, g in enumerate(first))
            total = total.real if dtype == "complex128" else total
            second = lib.autograd.grad(total, [*operands, direction], allow_unused=True)
            collected += [*first, *(g for g in second if g is not None)]
        results.append(collected)
    assert len(results[0]) == len(results[1])
    for actual, expected in zip(*results, strict=True):
        same(actual, expected)


@pytest.mark.parametrize("beta", [0, 1, 0.5])
@pytest.mark.parametrize("alpha", [1, -2])
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("addmm", [(3, 5), (3, 4), (4, 5)]),
        ("addbmm", [(3, 5), (2, 3, 4), (2, 4, 5)]),
        ("baddbmm", [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
        ("addmv", [(3,), (3, 4), (4,)]),
        ("addr", [(3, 4), (3,), (4,)]),
    ],
)
def test_added_products_with_factors(name, sizes, alpha, beta):
    results = []
    for lib in (pytensor, torch):
        operands = [operand(lib, s, i, "float64", True) for i, s in enumerate(sizes)]
        result = getattr(lib, name)(*operands, alpha=alpha, beta=beta)
        result.square().sum().backward()
        in_place = operands[0].detach().clone()
        getattr(in_place, name + "_")(*(x.detach() for x in operands[1:]), alpha=alpha, beta=beta)
        results.append([result, *(x.grad for x in operands), in_place])
    for actual, expected in zip(*results, strict=True):
        same(actual, expected)


def test_beta_of_zero_does_not_read_input():
    for lib in (pytensor, torch):
        result = lib.addmm(lib.full((2, 2), float("nan")), lib.ones(2, 3), lib.ones(3, 2), beta=0)
        assert result.tolist() == [[3.0, 3.0], [3.0, 3.0]]


EQUATIONS = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij,kj->ik", [(2, 3), (4, 3)]),
    ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("iij->ij", [(3, 3, 2)]),
    ("iii", [(3, 3, 3)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("i,j->ij", [(2,), (3,)]),
    ("i,i->i", [(3,), (3,)]),
    ("i,i", [(3,), (3,)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("ij,k->ijk", [(2, 3), (4,)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (4, 1, 3, 2)]),
    ("...ij,...jk", [(5, 2, 3), (3, 2)]),
    ("i...,j...->ij...", [(2, 4), (3, 5, 4)]),
    ("...,...", [(2, 4), (4,)]),
    ("...i->...", [(2, 4)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("bn,anm,bm->ba", [(2, 3), (5, 3, 4), (2, 4)]),
    ("ijkl,lkab->ijab", [(2, 3, 4, 5), (5, 4, 2, 3)]),
    ("ab,cd->adcb", [(2, 3), (4, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("Aa,aB->BA", [(2, 3), (3, 4)]),
    ("ij,ij->i", [(2, 1), (2, 3)]),
    ("ij,jk->ik", [(2, 1), (3, 4)]),
    ("i j , j k -> i k", [(2, 3), (3, 4)]),
    (",i->i", [(), (3,)]),
    ("ij,->ij", [(2, 3), ()]),
    ("ij,jk->ik", [(2, 0), (0, 4)]),
    ("ij,kl->", [(2, 3), (4, 5)]),
    ("ij,kl->il", [(2, 3), (4, 5)]),
    ("ii,ij->j", [(3, 3), (3, 2)]),
    ("ij->...i", [(2, 3)]),
    ("...ij->ji...", [(4, 2, 3)]),
]


@pytest.mark.parametrize(("equation", "sizes"), EQUATIONS)
def test_einsum(equation, sizes):
    results = []
    for lib in (pytensor, torch):
        operands = [operand(lib, s, i, "float64", True) for i, s in enumerate(sizes)]
        result = lib.einsum(equation, *operands)
        grads = lib.autograd.grad(result, operands, operand(lib, tuple(result.shape), 9, "float64", False))
        results.append([result, *grads])
    for actual, expected in zip(*results, strict=True):
        same(actual, expected)


def test_einsum_with_sublists():
    for output in ([], [[0, 2]], [[Ellipsis, 0]]):
        results = []
        for lib in (pytensor, torch):
            a, b = operand(lib, (2, 3), 0, "float64", False), operand(lib, (3, 4), 1, "float64", False)
            if output and Ellipsis in output[0]:
                results.append(lib.einsum(a, [Ellipsis, 0], *output))
            else:
                results.append(lib.einsum(a, [0, 1], b, [1, 2], *output))
        same(*results)


DIMS = [
    ((2, 3, 4), (3, 4, 5), 2),
    ((2, 3), (4, 5), 0),
    ((2, 3, 4), (4, 3, 5), ([1, 2], [1, 0])),
    ((2, 3, 4), (4, 3, 5), ([-2], [1])),
    ((2, 1, 4), (4, 3, 5), ([1], [1])),
    ((2, 3), (2, 3), 2),
]


@pytest.mark.parametrize(("a", "b", "dims"), DIMS)
def test_tensordot(a, b, dims):
    results = []
    for lib in (pytensor, torch):
        x, y = operand(lib, a, 0, "float64", True), operand(lib, b, 1, "float64", True)
        result = lib.tensordot(x, y, dims=dims)
        results.append([result, *lib.autograd.grad(result.square().sum(), (x, y))])
    for actual, expected in zip(*results, strict=True):
        same(actual, expected)


@pytest.mark.parametrize("sizes", [[(2, 3), (3, 9), (9, 2)], [(3,), (3, 4), (4,)], [(3,), (3, 4)], [(2, 3), (3,)]])
def test_multi_dot(sizes):
    same(*(lib.linalg.multi_dot([operand(lib, s, i, "float64", False) for i, s in enumerate(sizes)]) for lib in LIBS))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 8])
def test_matrix_power(n):
    results = []
    for lib in LIBS:
        x = operand(lib, (2, 3, 3), 0, "float64", True)
        result = lib.matrix_power(x, n)
        results.append(result)
        if n:
            result.sum().backward()
            results.append(x.grad)
    half = len(results) // 2
    for actual, expected in zip(results[:half], results[half:], strict=True):
        same(actual, expected)


LIBS = (pytensor, torch)

ERRORS = [
    "t.matmul(f(3), f(4))",
    "t.matmul(f(2, 3), f(4))",
    "t.matmul(f(3), f(4, 2))",
    "t.matmul(f(2, 3), f(4, 5))",
    "t.matmul(f(2, 3, 4), f(5, 6))",
    "t.matmul(f(2, 3, 4), f(5, 4, 6))",
    "t.matmul(f(2, 3, 4), f(2, 5, 6))",
    "t.matmul(f(()), f(3))",
    "t.matmul(f(3), f(()))",
    "t.matmul(f(2, 3), f(3, 4).double())",
    "t.matmul(f(2), f(2).double())",
    "t.matmul(f(2, 2, 3), f(3).double())",
    "t.matmul(f(2, 2, 3), f(2, 3, 3).double())",
    "t.matmul(f(2, 2, dtype=t.bool), f(2, 2, dtype=t.bool))",
    "t.matmul(f(2, 2, 2, dtype=t.bool), f(2, 2, 2, dtype=t.bool))",
    "t.matmul(f(2, 3), 1)",
    "t.mm(f(2, 3), [1])",
    "t.mm(f(2, 3), f(4, 5))",
    "t.mm(f(2), f(2, 3))",
    "t.mm(f(2, 3), f(3))",
    "t.bmm(f(2, 3), f(2, 3, 4))",
    "t.bmm(f(2, 3, 4), f(2, 3))",
    "t.bmm(f(2, 3, 4), f(3, 4, 5))",
    "t.bmm(f(2, 3, 4), f(2, 5, 6))",
    "t.bmm(f(2, 3, 4), f(2, 4, 6).double())",
    "t.mv(f(2, 3), f(4))",
    "t.mv(f(2), f(2))",
    "t.mv(f(2, 3), f(3, 1))",
    "t.mv(f(2, 3), f(3).double())",
    "t.mv(f(2, 2, dtype=t.bool), f(2, dtype=t.bool))",
    "t.dot(f(2), f(3))",
    "t.dot(f(2, 2), f(2))",
    "t.dot(f(2), f(2).double())",
    "t.dot(f(2, dtype=t.bool), f(2, dtype=t.bool))",
    "t.vdot(f(2), f(3))",
    "t.inner(f(2, 3), f(4, 5))",
    "t.inner(f(3), f(3).double())",
    "t.outer(f(2, 2), f(2))",
    "t.outer(f(2), f(2, 2))",
    "t.addmm(f(2, 2), f(2, 3), f(4, 5))",
    "t.addmm(f(7, 7), f(2, 3), f(3, 5))",
    "t.addmm(f(2), f(2, 3), f(3, 5))",
    "t.addmm(f(2, 5).double(), f(2, 3), f(3, 5))",
    "t.addmm(f(2, 5), f(3), f(3, 5))",
    "t.addmv(f(3), f(2, 3), f(3))",
    "t.addmv(f(2), f(2, 3), f(4))",
    "t.addmv(f(2), f(3), f(3))",
    "t.addr(f(2, 2), f(2), f(3))",
    "t.addr(f(2), f(2, 2), f(3))",
    "t.addbmm(f(3, 3), f(2, 3, 4), f(2, 4, 5))",
    "t.addbmm(f(3, 5), f(2, 3), f(2, 4, 5))",
    "t.addbmm(f(3, 5), f(2, 3, 4), f(3, 4, 5))",
    "t.addbmm(f(3, 5), f(2, 3, 4), f(2, 3, 5))",
    "t.baddbmm(f(3, 3), f(2, 3, 4), f(2, 4, 5))",
    "t.baddbmm(f(3, 5), f(2, 3), f(2, 4, 5))",
    "t.baddbmm(f(3, 5), f(2, 3, 4), f(3, 4, 5))",
    "t.baddbmm(f(3, 5).double(), f(2, 3, 4), f(2, 4, 5))",
    "t.baddbmm(f(2, 2), f(2, 2), f(2, 2))",
    "t.baddbmm(f(2), f(2), f(2, 2, 2))",
    "t.baddbmm(f(2), f(()), f(2, 2, 2))",
    "t.baddbmm(f(5), f(2, 2), f(2, 2, 2))",
    "t.baddbmm(f(2), f(2, 2, 2, 2), f(2, 2, 2))",
    "t.nn.functional.linear(f(2, 3), f(4, 5))",
    "t.nn.functional.linear(f(2, 3), f(4, 3), f(5))",
    "t.nn.functional.linear(f(2, 3), f(3), f(()))",
    "t.nn.functional.linear(f(2, 3), f(4, 3).double())",
    "t.nn.functional.linear(f(2, 3), f(4, 3), f(4).double())",
    "t.nn.functional.linear(f(2, 7, 3), f(4, 5))",
    "t.nn.functional.linear(f(2, 3), f(2, 4, 3))",
    "t.nn.functional.linear(f(()), f(4, 3))",
    "t.nn.functional.bilinear(f(2, 3), f(3, 4), f(5, 3, 4))",
    "t.nn.functional.bilinear(f(2, 3), f(2, 4), f(5, 4, 4))",
    "t.nn.functional.bilinear(f(2, 3), f(2, 4), f(5, 3, 5))",
    "t.nn.functional.bilinear(f(2, 3), f(2, 4), f(5, 3, 4), f(6))",
    "t.nn.functional.bilinear(f(2, 3), f(2, 2, 4), f(5, 3, 4), f(6))",
    "t.tensordot(f(2, 3), f(4, 5), dims=1)",
    "t.tensordot(f(2, 3), f(3, 5), dims=3)",
    "t.tensordot(f(2, 3), f(3, 5), dims=-1)",
    "t.tensordot(f(2, 3), f(3, 5), dims=([0], [0, 1]))",
    "t.tensordot(f(2, 3), f(3, 5), dims=([0], [5]))",
    "t.linalg.multi_dot([f(2, 3)])",
    "t.linalg.multi_dot([f(2, 3), f(3, 4), f(5, 4)])",
    "t.linalg.multi_dot([f(2, 3), f(3, 3, 4), f(5, 4)])",
    "t.linalg.multi_dot([f(2, 3, 1), f(3, 4)])",
    "t.linalg.multi_dot([f(2, 3), f(3, 4).double()])",
    "t.matrix_power(f(2, 3), 2)",
    "t.matrix_power(f(3), 2)",
    "t.einsum('ij,jk', f(2, 3), f(4, 5))",
    "t.einsum('ij,jk->im', f(2, 3), f(3, 5))",
    "t.einsum('ij,jk->ii', f(2, 3), f(3, 5))",
    "t.einsum('ij', f(2, 3), f(3, 5))",
    "t.einsum('ij,jk', f(2, 3))",
    "t.einsum('ijk', f(2, 3))",
    "t.einsum('i1', f(2, 3))",
    "t.einsum('ii', f(2, 3))",
    "t.einsum('ij,jk', f(2, 3), f(3, 5).double())",
    "t.einsum('i.j', f(2, 3))",
    "t.einsum('...i...', f(2, 3))",
    "t.einsum('', f(2, 3))",
    "t.einsum('ij->i.', f(2, 3))",
    "t.einsum('')",
    "t.einsum(f(2, 3), [0, 1], f(3, 4), [1, 2], [0, 60])",
    "t.einsum('i->ij', f(2))",
    "t.einsum('ij->i->j', f(2, 3))",
]


@pytest.mark.parametrize("code", ERRORS)
def test_error(code):
    raised = []
    for lib in LIBS:
        with pytest.raises(Exception) as info:
            eval(code, {"t": lib, "f": lib.ones})
        raised.append((type(info.value).__name__, str(info.value).split("\n")[0]))
    assert raised[0] == raised[1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_summed_in_float32(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = []
        for lib in LIBS:
            a = operand(lib, (3, 2000), 0, "float32", False).to(getattr(lib, dtype))
            results.append((a @ a.t()).to(lib.float32))
    same(*results, tolerance=1e-2)


def test_names_of_the_nodes():
    for code in (
        "a @ t.ones(3, 2)",
        "a @ t.ones(3)",
        "t.ones(5, 4, 2) @ a",
        "a.mm(t.ones(3, 2))",
        "a[None].bmm(t.ones(1, 3, 2))",
        "t.nn.functional.linear(a, t.ones(4, 3), t.ones(4))",
        "a.addmm(a, t.ones(3, 3))",
        "t.dot(a[0], a[1])",
        "t.addr(a, a[:, 0], a[0])",
    ):
        ours, theirs = (eval(code, {"t": lib, "a": lib.ones(2, 3, requires_grad=True)}).grad_fn for lib in LIBS)
        assert ours.name() == theirs.name()


INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS])
@pytest.mark.parametrize("shapes", [((3, 0), (0, 5)), ((2, 3, 0), (2, 0, 5)), ((3, 0), (0,)), ((0, 4), (4, 5))])
def test_products_of_nothing(dtype, shapes):
    results = [
        lib.ones(shapes[0]).to(getattr(lib, dtype)) @ lib.ones(shapes[1]).to(getattr(lib, dtype)) for lib in LIBS
    ]
    assert str(results[0].dtype) == str(results[1].dtype)
    assert results[0].tolist() == results[1].tolist()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shapes", [((70, 90), (90, 33)), ((2, 1, 3, 4), (5, 4, 6)), ((40, 7), (7,)), ((7,), (7,))])
def test_integers_wrap_around(dtype, shapes):
    rng, limits = np.random.default_rng(0), np.iinfo(dtype)
    a, b = (rng.integers(limits.min, limits.max, shape, dtype, endpoint=True) for shape in shapes)
    results = [lib.tensor(a) @ lib.tensor(b) for lib in LIBS]
    np.testing.assert_array_equal(*(r.numpy() for r in results))
