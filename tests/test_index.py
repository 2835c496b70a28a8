"""Gathering, scattering, masks, embedding: errors, repeated indices, in-place forms, gradients."""

import pytest

import pytensor as torch

F = torch.nn.functional


def table():
    return torch.arange(6.0).reshape(2, 3)


I = torch.tensor([[0, 1, 2], [2, 1, 0]])  # noqa: E741
ONE = torch.tensor([1.0])


def at(*numbers):
    return torch.tensor(list(numbers))


ERRORS = [
    (lambda: table().gather(0, I), RuntimeError, "index 2 is out of bounds for dimension 0 with size 2"),
    (lambda: table().gather(1, -I), RuntimeError, "index -1 is out of bounds for dimension 1 with size 3"),
    (lambda: table().gather(2, I), IndexError, "Dimension out of range"),
    (lambda: table().gather(0, I.float()), RuntimeError, r"gather\(\): Expected dtype int32/int64 for index"),
    (lambda: table().gather(0, I[0]), RuntimeError, "Index tensor must have the same number of dimensions as input"),
    (
        lambda: table().scatter(1, I, table().long()),
        RuntimeError,
        r"scatter\(\): Expected self.dtype to be equal to src",
    ),
    (lambda: table().scatter(1, I, table()[:1]), RuntimeError, r"Expected index \[2, 3\] to be no larger than self"),
    (
        lambda: table().scatter(1, I, table(), reduce="zz"),
        RuntimeError,
        "reduce argument must be either add or multiply",
    ),
    (lambda: table().scatter_reduce(1, I, table(), "zz"), RuntimeError, "must be either sum, prod, mean, amax or amin"),
    (lambda: table().index_select(0, at(5)), IndexError, "index out of range in self"),
    (lambda: table().index_select(0, I), IndexError, r"index_select\(\): Index is supposed to be a vector"),
    (
        lambda: table().index_add(0, at(5), table()[:1]),
        RuntimeError,
        "index 5 is out of bounds for dimension 0 with size 2",
    ),
    (lambda: table().index_add(0, at(0), table()), RuntimeError, r"Number of indices \(1\) should be equal to source"),
    (lambda: table()[0].index_add(0, at(5), ONE), IndexError, "index out of range in self"),
    (lambda: table().index_reduce(1, at(-1), table()[:, :1], "amax"), IndexError, "index out of range in self"),
    (
        lambda: table().index_reduce(0, at(0), table(), "amax"),
        RuntimeError,
        r"index_reduce_\(\): Number of indices \(1\) should be equal to source.size\(dim\): \(2\), for dim: 0",
    ),
    (lambda: table().index_copy(0, at(5), table()[:1]), IndexError, r"index_copy_\(\): index 5 is out of bounds"),
    (lambda: table().index_fill(0, at(5), 1.0), IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
    (lambda: table().take(at(7)), IndexError, "out of range: tried to access index 7 on a tensor of 6 elements."),
    (lambda: table().put(at(1), at(1)), RuntimeError, "self.dtype = Float and source.dtype = Long"),
    (lambda: table().index_put((at(0),), at(1)), RuntimeError, "got Float for the destination and Long for the source"),
    (
        lambda: table().masked_fill(table(), 1.0),
        RuntimeError,
        "only supports boolean masks, but got mask with dtype float",
    ),
    (lambda: table().masked_select(table()), RuntimeError, "masked_select: expected BoolTensor for mask"),
    (lambda: table().masked_scatter(table() > 2, ONE), RuntimeError, "Number of elements of source < number of ones"),
    (lambda: F.one_hot(at(-1)), RuntimeError, "Class values must be non-negative."),
    (lambda: F.one_hot(at(4), 3), RuntimeError, "Class values must be smaller than num_classes."),
    (lambda: F.embedding(at(7), table()), IndexError, "index out of range in self"),
    (
        lambda: F.embedding(ONE, table()),
        RuntimeError,
        "one of the following scalar types: Long, Int; but got torch.FloatTensor",
    ),
    (lambda: F.embedding(at(1), table(), padding_idx=5), AssertionError, "Padding_idx must be within num_embeddings"),
    (lambda: F.embedding_bag(at(0, 1), table()), ValueError, "offsets has to be a 1D Tensor but got None"),
    (lambda: table().select_scatter(torch.zeros(4), 0, 1), RuntimeError, r"src size = \[4\], slice size = \[3\]"),
]


@pytest.mark.parametrize("call, error, text", ERRORS, ids=[text[:40] for _, _, text in ERRORS])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_refused_call_changes_nothing():
    x = table()
    with pytest.raises(RuntimeError):
        x.scatter_(1, torch.tensor([[0, 9]]), torch.ones(1, 2))
    assert x.tolist() == table().tolist()


def test_repeated_indices_add_up():
    index = at(2, 0, 2)
    assert torch.zeros(3).scatter_add_(0, index, torch.ones(3)).tolist() == [1, 0, 2]
    assert torch.zeros(3).index_add_(0, index, torch.ones(3), alpha=2).tolist() == [2, 0, 4]
    assert torch.zeros(3).put_(index, torch.ones(3), accumulate=True).tolist() == [1, 0, 2]
    assert torch.zeros(3).index_put_((index,), torch.ones(3), accumulate=True).tolist() == [1, 0, 2]


def test_reductions_of_scatter():
    x, src = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    index = at(0, 0)
    for reduce, with_self, without in (("sum", 9, 8), ("prod", 15, 15), ("mean", 3, 4), ("amax", 5, 5), ("amin", 1, 3)):
        assert x.scatter_reduce(0, index, src, reduce).tolist() == [with_self, 2]
        assert x.scatter_reduce(0, index, src, reduce, include_self=False).tolist() == [without, 2]


def test_gather_and_scatter_are_adjoint():
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 4, (3, 5))
    assert torch.autograd.gradcheck(lambda t: t.gather(0, index), (x,))
    assert torch.autograd.gradgradcheck(lambda t: t.gather(0, index), (x,))
    x.gather(0, index).sum().backward()
    assert x.grad.sum().item() == 15


def test_where_with_one_argument():
    rows, columns = torch.where(table() > 3)
    assert rows.tolist() == [1, 1] and columns.tolist() == [1, 2]


def test_embedding_gradients():
    weight = torch.randn(5, 3, requires_grad=True)
    numbers = at(1, 1, 4, 0)
    F.embedding(numbers, weight, padding_idx=4).sum().backward()
    assert weight.grad.sum(1).tolist() == [3, 6, 0, 0, 0]
    weight.grad = None
    F.embedding(numbers, weight, scale_grad_by_freq=True).sum().backward()
    assert weight.grad.sum(1).tolist() == [3, 3, 0, 0, 3]


def test_embedding_renormalises_what_it_looks_up():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    F.embedding(at(0, 1), weight, max_norm=1.0)
    assert weight[0].norm().item() == pytest.approx(1, abs=1e-5)
    assert weight[1].norm().item() == pytest.approx(0.5) and weight[2].tolist() == [6, 8]


def test_embedding_bags():
    weight, numbers, offsets = table(), at(0, 1, 1), at(0, 2)
    assert F.embedding_bag(numbers, weight, offsets).tolist() == [[1.5, 2.5, 3.5], [3, 4, 5]]
    assert F.embedding_bag(numbers, weight, offsets, mode="max").tolist() == [[3, 4, 5], [3, 4, 5]]
    assert F.embedding_bag(numbers, weight, at(0, 3, 3), mode="sum").tolist() == [[6, 9, 12], [0, 0, 0], [0, 0, 0]]
    weights = torch.tensor([1.0, 2.0, 3.0])
    bags = F.embedding_bag(numbers, weight, offsets, mode="sum", per_sample_weights=weights)
    assert bags.tolist() == [[6, 9, 12], [9, 12, 15]]


@pytest.mark.parametrize("pick", [lambda x, i: x[i, i], lambda x, i: x[:, i], lambda x, i: x.index_put((i,), x[0])])
def test_an_index_that_was_changed_in_place_is_noticed(pick):
    x, i = torch.ones(4, 4, requires_grad=True), torch.tensor([0, 1, 2, 3])
    y = pick(x, i)
    i.mul_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_halves_add_up_in_float32_also_without_axes():
    ones, index = torch.ones(3000, dtype=torch.float16), torch.zeros(3000, dtype=torch.int64)
    assert torch.zeros(1, dtype=torch.float16).scatter_add(0, index, ones).item() == 3000
    one = torch.tensor(1.5, dtype=torch.float16)
    assert one.scatter_add(0, torch.tensor(0), one).item() == 3
