"""state_dict and load_state_dict: keys, metadata, messages, hooks, assignment."""

import pytest

import pytensor as torch
from pytensor import nn


class Part(nn.Module):
    _version = 3

    def __init__(self, size=2):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("temporary", torch.zeros(1), persistent=False)


def net(size=2):
    m = nn.Module()
    m.a = Part(size)
    m.b = nn.Sequential(Part(size))
    return m


def test_keys_order_and_metadata():
    state = net().state_dict()
    assert list(state) == ["a.weight", "a.mean", "b.0.weight", "b.0.mean"]
    assert state._metadata == {"": {"version": 1}, "a": {"version": 3}, "b": {"version": 1}, "b.0": {"version": 3}}
    assert list(net().state_dict(prefix="m.")) == ["m." + k for k in state]


def test_tensors_share_memory_and_are_detached():
    m = net()
    state = m.state_dict()
    assert not state["a.weight"].requires_grad and state["a.weight"].data_ptr() == m.a.weight.data_ptr()
    assert m.state_dict(keep_vars=True)["a.weight"] is m.a.weight


def test_loading_copies_in_place():
    source, target = net(), net()
    with torch.no_grad():
        source.a.weight.fill_(5)
        source.b[0].mean.fill_(7)
    weight = target.a.weight
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert target.a.weight is weight and weight.tolist() == [5, 5] and target.b[0].mean.tolist() == [7, 7]
    assert weight.requires_grad


def test_errors_list_everything_that_does_not_fit():
    state = net(3).state_dict()
    del state["b.0.mean"]
    state["b.1.weight"] = torch.zeros(1)
    state["a.temporary"] = torch.zeros(1)
    state["a.mean"] = 3
    with pytest.raises(RuntimeError) as raised:
        net(2).load_state_dict(state)
    assert str(raised.value) == (
        "Error(s) in loading state_dict for Module:\n"
        '\tMissing key(s) in state_dict: "b.0.mean". \n'
        '\tUnexpected key(s) in state_dict: "a.temporary", "b.1.weight". \n'
        "\tsize mismatch for a.weight: copying a param with shape torch.Size([3]) from checkpoint, the shape in current"
        " model is torch.Size([2]).\n"
        '\tWhile copying the parameter named "a.mean", expected torch.Tensor or Tensor-like object from checkpoint but'
        " received <class 'int'>\n"
        "\tsize mismatch for b.0.weight: copying a param with shape torch.Size([3]) from checkpoint, the shape in"
        " current model is torch.Size([2])."
    )
    with pytest.raises(TypeError, match=r"Expected state_dict to be dict-like, got <class 'list'>."):
        net().load_state_dict([])


def test_not_strict():
    state = net().state_dict()
    state["x"] = state.pop("a.mean")
    missing, unexpected = net().load_state_dict(state, strict=False)
    assert missing == ["a.mean"] and unexpected == ["x"]


def test_assign_takes_the_tensors_over():
    m = net()
    state = {k: torch.full((2,), 4.0, dtype=torch.float64) for k in m.state_dict()}
    m.load_state_dict(state, assign=True)
    assert isinstance(m.a.weight, nn.Parameter) and m.a.weight.dtype is torch.float64 and m.a.weight.requires_grad
    assert m.a.mean is state["a.mean"]


def test_old_checkpoints_hold_numbers_as_vectors():
    m = nn.Module()
    m.register_buffer("count", torch.tensor(0.0))
    m.load_state_dict({"count": torch.tensor([4.0])})
    assert m.count.item() == 4


def test_extra_state():
    class Stateful(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = 0

        def get_extra_state(self):
            return {"seen": self.seen}

        def set_extra_state(self, state):
            self.seen = state["seen"]

    source, target = nn.Sequential(Stateful()), nn.Sequential(Stateful())
    source[0].seen = 8
    state = source.state_dict()
    assert state == {"0._extra_state": {"seen": 8}}
    target.load_state_dict(state)
    assert target[0].seen == 8
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        target.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "0._extra_state"'):
        nn.Sequential(nn.Identity()).load_state_dict(state)


def test_hooks():
    m = net()
    seen = []
    m.a.register_state_dict_pre_hook(lambda module, prefix, keep: seen.append(("pre", prefix, keep)))
    m.a.register_state_dict_post_hook(lambda module, state, prefix, meta: state.__delitem__(prefix + "mean"))
    m.register_load_state_dict_pre_hook(lambda module, state, prefix, *rest: state.setdefault("a.mean", torch.ones(2)))
    m.register_load_state_dict_post_hook(lambda module, keys: seen.append(list(keys.missing_keys)))
    state = m.state_dict()
    assert "a.mean" not in state and seen == [("pre", "a.", False)]
    m.load_state_dict(state)
    assert m.a.mean.tolist() == [1, 1] and seen[-1] == []
    m.register_state_dict_post_hook(lambda *a: {})
    with pytest.raises(RuntimeError, match=r"state_dict post-hook must return None"):
        m.state_dict()


def test_positional_arguments_warn():
    with pytest.warns(FutureWarning, match=r"Positional args are being deprecated, use kwargs instead"):
        state = net().state_dict({}, "p.")
    assert next(iter(state)) == "p.a.weight"


def test_copying_that_fails_is_reported():
    m = nn.Linear(2, 2)

    class Odd:
        shape = (2, 2)
        __torch_function__ = None

        def dim(self):
            return 2

        def size(self):
            return (2, 2)

    state = {"weight": Odd(), "bias": torch.zeros(2)}
    with pytest.raises(
        RuntimeError, match=r'While copying the parameter named "weight", whose dimensions in the model'
    ):
        m.load_state_dict(state)
