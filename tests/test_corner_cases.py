"""Corner cases in which ops once differed from PyTorch; the expected values are PyTorch's."""

import numpy as np
import pytest

import pytensor as torch
import pytensor.nn.functional as F


@pytest.mark.parametrize(
    ("shape", "norm"),
    [
        ((0, 2), lambda x, w: F.group_norm(x, 1, w, w)),
        ((0, 2, 3), lambda x, w: F.group_norm(x, 2, w, w)),
        ((2, 3, 0), lambda x, w: F.layer_norm(x, (0,), w[:0], w[:0])),
    ],
)
def test_norms_of_nothing_have_gradients(shape, norm):
    x, w = torch.zeros(shape, requires_grad=True), torch.ones(2, requires_grad=True)
    y = norm(x, w)
    assert y.shape == shape
    by_x, by_w = torch.autograd.grad(y.sum(), [x, w])
    assert by_x.shape == shape
    assert by_w.tolist() == [0, 0]


def test_batch_norm_of_nothing():
    for training in (True, False):
        assert F.batch_norm(torch.zeros(0), torch.zeros(0), torch.ones(0), training=training).shape == (0,)
        x, w = torch.zeros(0, 3, 2, requires_grad=True), torch.ones(3, requires_grad=True)
        y = F.batch_norm(x, torch.zeros(3), torch.ones(3), w, w, training=training)
        assert [g.tolist() for g in torch.autograd.grad(y.sum(), [x, w])] == [[], [0, 0, 0]]


def test_cosine_similarity_broadcasts_along_its_dimension():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1, 2, 3)), rng.standard_normal((2, 1, 3))
    for dim in (-1, 0, 1):
        u, v = np.broadcast_arrays(a, b)
        lengths = np.linalg.norm(u, axis=dim) * np.linalg.norm(v, axis=dim)
        ours = torch.cosine_similarity(torch.from_numpy(a), torch.from_numpy(b), dim=dim)
        np.testing.assert_allclose(ours.numpy(), (u * v).sum(dim) / lengths)
    assert torch.cosine_similarity(torch.ones(3), torch.ones(2, 3), dim=1).tolist() == pytest.approx([1, 1])


def test_unfold_of_a_number():
    x = torch.tensor(3.0, requires_grad=True)
    y = x.unfold(0, 1, 1)
    assert y.tolist() == [3]
    y.sum().backward()
    assert x.grad.item() == 1
    assert x.unfold(0, 0, 1).shape == (0,)
    with pytest.raises(RuntimeError, match="is 1 but size is 2"):
        x.unfold(0, 2, 1)


def test_integers():
    assert F.threshold(torch.tensor([1, -3]), 0, 5).tolist() == [1, 5]
    with pytest.raises(NotImplementedError, match="'Bool'"):
        F.threshold(torch.tensor([True]), 0, 5)
    x = torch.tensor([1, -3])
    loss = F.margin_ranking_loss(x, -x, torch.tensor([1, -1]), margin=4)
    assert (loss.dtype, loss.item()) == (torch.float32, 1.0)
    assert torch.logit(torch.tensor([True, False])).tolist() == [float("inf"), float("-inf")]


def test_remainders_by_tensors_and_numbers_have_gradients():
    x, y = torch.tensor([5.5, -5.5], requires_grad=True), torch.tensor([2.0, 2.0], requires_grad=True)
    for f, quotients in ((torch.remainder, [-2, 3]), (torch.fmod, [-2, 2])):
        by_x, by_y = torch.autograd.grad(f(x, y).sum(), [x, y])
        assert (by_x.tolist(), by_y.tolist()) == ([1, 1], quotients)
        (by_x,) = torch.autograd.grad(f(x, 2.0).sum(), [x])
        assert by_x.tolist() == [1, 1]
    (by_y,) = torch.autograd.grad((7.0 % y).sum(), [y])
    assert by_y.tolist() == [-3, -3]
    assert (x // 2).grad_fn.name() == "NotImplemented"
    with pytest.raises(RuntimeError, match="derivative for floor_divide"):
        (x // 2).sum().backward()


def test_sizes_by_name():
    x = torch.arange(6.0).reshape(shape=(2, 3))
    assert x.flip(dims=(0,)).tolist() == torch.flip(x, dims=[0]).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert x.permute(dims=(1, 0)).shape == torch.permute(x, dims=(1, 0)).shape == x.view(size=(3, 2)).shape == (3, 2)
    assert x.expand(size=(4, 2, 3)).shape == (4, 2, 3)
    assert x.repeat(repeats=(2, 1)).tolist() == x.tile(dims=(2, 1)).tolist() == torch.cat((x, x), axis=0).tolist()
    assert x.sum_to_size(size=(1, 3)).tolist() == [[3, 5, 7]]
    assert len(x.split(split_size=1, dim=1)) == 3
    assert x.view(dtype=torch.int32).dtype is torch.int32


def test_half_precision_without_axes():
    """NumPy makes scalars of such results; tensors hold arrays."""
    x = torch.tensor(1.5, dtype=torch.float16, requires_grad=True)
    for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss):
        (g,) = torch.autograd.grad(f(x, torch.zeros_like(x)), x)
        assert isinstance(g.numpy(), np.ndarray)
    assert isinstance(F.dropout(x).detach().numpy(), np.ndarray)


def test_half_precision_divided_by_numbers():
    """The number stays a float32: 0.1 as a float16 is less than a tenth, and 1 would hold it ten times."""
    x = torch.tensor([1.0, -3.5], dtype=torch.float16)
    assert torch.div(x, 2, rounding_mode="floor").tolist() == [0, -2]
    assert torch.div(x, 2, rounding_mode="trunc").tolist() == [0, -1]
    assert (x // 0.1).tolist() == torch.floor_divide(x, 0.1).tolist() == [9, -35]
