"""Views share memory and history: hypothesis drives tensors and NumPy arrays through the same steps, and gradients
of in-place programs are compared with finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pytensor as torch


class ViewsAndWrites(RuleBasedStateMachine):
    """Pairs of a tensor and an array, views of one base or copies, written in place at random."""

    @initialize(rows=st.integers(0, 4), columns=st.integers(1, 4))
    def start(self, rows, columns):
        array = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
        self.pairs = [(torch.from_numpy(array.copy()), array.copy())]

    def pick(self, data):
        return data.draw(st.sampled_from(self.pairs))

    def keep(self, tensor, array):
        assert tuple(tensor.shape) == array.shape
        if len(self.pairs) < 8:
            self.pairs.append((tensor, array))

    @rule(data=st.data())
    def transpose(self, data):
        t, a = self.pick(data)
        if a.ndim >= 2:
            i, j = data.draw(st.integers(-a.ndim, a.ndim - 1)), data.draw(st.integers(-a.ndim, a.ndim - 1))
            self.keep(t.transpose(i, j), a.swapaxes(i, j))

    @rule(data=st.data(), start=st.integers(-3, 3), stop=st.integers(-3, 5), step=st.integers(1, 3))
    def cut(self, data, start, stop, step):
        t, a = self.pick(data)
        if a.ndim:
            self.keep(t[start:stop:step], a[start:stop:step])

    @rule(data=st.data())
    def select(self, data):
        t, a = self.pick(data)
        if a.ndim and a.shape[0]:
            i = data.draw(st.integers(-a.shape[0], a.shape[0] - 1))
            self.keep(t[i], a[i, ...])

    @rule(data=st.data(), at=st.integers(0, 2))
    def new_axis(self, data, at):
        t, a = self.pick(data)
        if a.ndim < 4:
            at = min(at, a.ndim)
            self.keep(t.unsqueeze(at), np.expand_dims(a, at))

    @rule(data=st.data())
    def squeeze(self, data):
        t, a = self.pick(data)
        self.keep(t.squeeze(), a.squeeze())

    @rule(data=st.data())
    def flat(self, data):
        t, a = self.pick(data)
        if a.flags.c_contiguous:
            self.keep(t.view(-1) if a.size else t.view(0), a.reshape(-1))

    @rule(data=st.data())
    def diagonal(self, data):
        t, a = self.pick(data)
        if a.ndim == 2:
            d = t.diagonal()
            assert np.array_equal(d.numpy(), a.diagonal())

    @rule(data=st.data())
    def copy(self, data):
        t, a = self.pick(data)
        self.keep(t.clone(), a.copy())

    @rule(data=st.data(), number=st.integers(-9, 9))
    def add(self, data, number):
        t, a = self.pick(data)
        version = t._version
        t.add_(number)
        a += number
        assert t._version == version + 1

    @rule(data=st.data(), number=st.integers(-9, 9))
    def assign(self, data, number):
        t, a = self.pick(data)
        if a.ndim and a.shape[0]:
            i = data.draw(st.integers(0, a.shape[0] - 1))
            t[i] = number
            a[i] = number

    @rule(data=st.data())
    def assign_mask(self, data):
        t, a = self.pick(data)
        t[t > 3] = -1
        a[a > 3] = -1

    @invariant()
    def agree(self):
        for t, a in getattr(self, "pairs", ()):
            assert np.array_equal(t.numpy(), a)


TestViewsAndWrites = ViewsAndWrites.TestCase
TestViewsAndWrites.settings = settings(max_examples=30, stateful_step_count=20)


def programs():
    """In-place programs on views; each takes a fresh non-leaf tensor and gives a tensor to sum."""

    def write_row(h, w):
        h[0].mul_(w)
        return h * h

    def write_through_view_of_view(h, w):
        v = h.t()[1:]
        v[0].copy_(w[:3])
        return h.exp()

    def write_base_then_use_view(h, w):
        v = h[1]
        h.mul_(2)
        return v * w

    def write_view_then_use_other_view(h, w):
        a, b = h[0], h[:, 1]
        a.add_(w)
        return b * b

    def assign_constant(h, w):
        h[1] = 3.0
        return h * h * w

    def assign_into_fresh(h, w):
        z = torch.zeros(3, 4, dtype=torch.float64)
        z[1] = w
        z[:, 0] = h[:, 1]
        return z * z

    def masked(h, w):
        h[h > 0.5] = 0.0
        return h * w

    def put(h, w):
        h[torch.tensor([0, 2]), torch.tensor([1, 1])] = w[:2]
        return h * h

    def overlapping(h, w):
        v = h.view(-1).as_strided((4, 3), (1, 2))
        return v * v

    def chained(h, w):
        v = h[0]
        v.mul_(w)
        v.add_(h[1])
        h[2].sub_(v)
        return h * v

    def reshaped(h, w):
        h.view(2, 6)[1].mul_(3)
        return h.sin()

    return [f for f in locals().values() if callable(f)]


@pytest.mark.parametrize("program", programs(), ids=lambda f: f.__name__)
def test_gradients_of_in_place_programs(program):
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.uniform(-1, 1, (3, 4))).requires_grad_()
    w = torch.from_numpy(rng.uniform(0.5, 1, 4)).requires_grad_()

    def run(x, w):
        return program(x * 1, w)

    assert torch.autograd.gradcheck(run, (x, w))
    assert torch.autograd.gradgradcheck(run, (x, w))


def test_view_of_changed_base_tells_its_new_history():
    x = torch.ones(2, 2, requires_grad=True)
    h = x * 1
    v = h[0]
    before = v.grad_fn.name()
    h.mul_(3)
    assert before == "SelectBackward0" and v.grad_fn.name() == "AsStridedBackward0"
    v.sum().backward()
    assert x.grad.tolist() == [[3.0, 3.0], [0.0, 0.0]]


def test_write_of_a_graph_into_a_plain_base():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    base = torch.zeros(2, 2)
    view = base[1]
    assert not view.requires_grad
    base[1] = w * 2
    assert base.requires_grad and view.requires_grad
    (view * view).sum().backward()
    assert w.grad.tolist() == [8.0, 16.0]


def test_views_that_may_not_be_written():
    h = torch.ones(2, 2, requires_grad=True) * 1
    part, _ = h.unbind()
    with pytest.raises(RuntimeError, match="output of a function that returns multiple views"):
        part.add_(1)
    with torch.no_grad():
        v = h[0]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode"):
        v.mul_(torch.ones(2, requires_grad=True))
    stretched = torch.zeros(1).expand(3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        stretched.add_(1)


@given(st.data())
def test_base_and_view_share_versions(data):
    t = torch.zeros(2, 3)
    views = [t, t[0], t.t(), t.view(-1), t.detach(), t[:, 1:]]
    data.draw(st.sampled_from(views)).add_(1)
    assert {v._version for v in views} == {1}
    assert t.data._version == 0


@pytest.mark.parametrize(
    "cut", [lambda x: x.split(2), lambda x: x.chunk(3), lambda x: x.unbind(), lambda x: x.tensor_split((3, 1))]
)
def test_gradients_of_parts(cut):
    """Parts of one axis have one node; those that nothing depends on count as zeros."""
    x = torch.arange(6.0).requires_grad_()
    parts = cut(x)
    weights = [3.0 * i for i in range(len(parts))]
    sum(w * p.square().sum() for w, p in zip(weights, parts, strict=True) if w).backward()
    expected = np.zeros(6)
    for w, p in zip(weights, cut(torch.arange(6)), strict=True):
        expected[np.atleast_1d(p.numpy())] += 2 * w * np.atleast_1d(p.numpy())
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_parts_are_outputs_of_one_node():
    parts = torch.ones(4, requires_grad=True).split(2)
    assert parts[0].grad_fn is parts[1].grad_fn
    assert [p.output_nr for p in parts] == [0, 1]
