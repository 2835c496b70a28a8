"""nn.Module: registration, attributes, traversal, conversion, the printed form, copies."""

import copy
import pickle

import pytest

import pytensor as torch
from pytensor import nn
from pytensor.nn.modules import module as module_file


class Block(nn.Module):
    def __init__(self, scale=2.0):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2) * scale)
        self.register_parameter("bias", None)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("count", torch.tensor(3), persistent=False)

    def forward(self, x, shift=0.0):
        return x @ self.weight + shift


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.second = Block(3.0)
        self.shared = self.first
        self.label = "net"

    def forward(self, x):
        return self.second(self.first(x))


def names(pairs):
    return [name for name, _ in pairs]


def test_attributes_are_registered_by_their_type():
    net = Net()
    assert list(net._modules) == ["first", "second", "shared"]
    assert net.label == "net" and "label" in net.__dict__
    net.first = None
    assert net.first is None and "first" in net._modules
    del net.first
    assert not hasattr(net, "first")
    net.second = nn.Parameter(torch.zeros(1))  # a parameter takes the place of a module
    assert "second" not in net._modules and names(net.named_parameters()) == ["second", "shared.weight"]
    del net.second
    net.second = Block()
    net.second.mean = torch.ones(2)
    assert net.second._buffers["mean"].tolist() == [1, 1]
    net.extra = nn.Buffer(torch.ones(1), persistent=False)
    assert "extra" in net._buffers and "extra" not in net.state_dict()
    net.extra = torch.zeros(1)  # a plain tensor keeps the buffer's persistence
    assert "extra" not in net.state_dict()


@pytest.mark.parametrize(
    ("action", "error", "text"),
    [
        (lambda m: m.register_parameter("a.b", None), KeyError, 'parameter name can\'t contain "."'),
        (lambda m: m.register_parameter("", None), KeyError, 'parameter name can\'t be empty string ""'),
        (lambda m: m.register_parameter(1, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (
            lambda m: m.register_parameter("w", torch.zeros(1)),
            TypeError,
            "cannot assign 'torch.FloatTensor' object to parameter 'w' (torch.nn.Parameter or None required)",
        ),
        (
            lambda m: m.register_buffer("b", 1),
            TypeError,
            "cannot assign 'int' object to buffer 'b' (torch Tensor or None required)",
        ),
        (lambda m: m.add_module("x", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.add_module("x.y", nn.Identity()), KeyError, 'module name can\'t contain ".", got: x.y'),
        (
            lambda m: setattr(m, "weight", torch.zeros(1)),
            TypeError,
            "cannot assign 'torch.FloatTensor' as parameter 'weight' (torch.nn.Parameter or None expected)",
        ),
        (
            lambda m: setattr(m, "mean", 3),
            TypeError,
            "cannot assign 'int' as buffer 'mean' (torch.nn.Buffer, torch.Tensor or None expected)",
        ),
        (lambda m: m.nothing, AttributeError, "'Block' object has no attribute 'nothing'"),
        (lambda m: m.train("yes"), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.to(torch.int64), TypeError, "nn.Module.to only accepts floating point or complex dtypes"),
        (lambda m: nn.Module(3), TypeError, "Module.__init__() takes 1 positional argument but 2 were given"),
        (lambda m: nn.Module(a=3), TypeError, "Module.__init__() got an unexpected keyword argument 'a'"),
        (lambda m: nn.Module()(1), NotImplementedError, 'Module [Module] is missing the required "forward" function'),
        (lambda m: m.get_parameter("mean"), AttributeError, "`mean` is not an nn.Parameter"),
        (lambda m: m.get_buffer("weight"), AttributeError, "`weight` is not a buffer"),
        (lambda m: m.get_submodule("a.b"), AttributeError, "Block has no attribute `a`"),
        (lambda m: m.set_submodule("", m), ValueError, "Cannot set the submodule without a target name!"),
    ],
)
def test_mistakes_raise_what_pytorch_raises(action, error, text):
    with pytest.raises(error) as raised:
        action(Block())
    assert text in str(raised.value) or text in raised.value.args[0]


def test_init_must_come_first():
    class Late(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(torch.zeros(1))

    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Late()


def test_a_parameter_is_a_leaf():
    weight = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"Cannot assign non-leaf Tensor to parameter 'w'"):
        nn.Module().register_parameter("w", _as_parameter(weight * 2))


def _as_parameter(tensor):
    tensor._is_param = True
    return tensor


def test_traversal_gives_shared_members_once():
    net = Net()
    assert names(net.named_parameters()) == ["first.weight", "second.weight"]
    assert names(net.named_parameters(remove_duplicate=False)) == ["first.weight", "second.weight", "shared.weight"]
    assert names(net.named_parameters(prefix="p", recurse=False)) == []
    assert names(net.named_buffers()) == ["first.mean", "first.count", "second.mean", "second.count"]
    assert names(net.named_modules()) == ["", "first", "second"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "first", "second", "shared"]
    assert names(net.named_children()) == ["first", "second"]
    assert len(list(net.parameters())) == 2 and len(list(net.buffers())) == 4
    assert net.get_parameter("second.weight") is net.second.weight
    assert net.get_buffer("first.mean") is net.first.mean
    net.set_submodule("second", nn.Identity())
    assert isinstance(net.get_submodule("second"), nn.Identity)


def test_modes_and_gradients_reach_every_module():
    net = Net()
    assert net.train(False) is net and not net.second.training
    assert net.train().first.training and not net.eval().first.training
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net(torch.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.first.weight.grad.tolist() == [[0, 0], [0, 0]]
    net.zero_grad()
    assert net.first.weight.grad is None
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Block", "Block", "Net"]


def test_conversion_keeps_the_parameters_objects():
    net = Net()
    weight = net.first.weight
    net(torch.ones(1, 2)).sum().backward()
    net.double()
    assert net.first.weight is weight and weight.dtype is torch.float64 and weight.grad.dtype is torch.float64
    assert net.first.mean.dtype is torch.float64 and net.first.count.dtype is torch.int64
    assert net.to(torch.float16).first.weight.dtype is torch.float16
    assert net.to("cpu", torch.float32).first.weight.dtype is torch.float32
    assert net.to(torch.zeros(1, dtype=torch.float64)).first.weight.dtype is torch.float64
    assert net.to(device="cpu", dtype=torch.float32, non_blocking=True) is net
    assert net.float() is net and net.half().first.weight.dtype is torch.float16
    assert net.type(torch.float64).first.weight.dtype is torch.float64
    with pytest.raises(TypeError, match=r"invalid combination of arguments"):
        net.to("cpu", torch.float32, True, False, 3)


def test_printed_form():
    class Described(nn.Module):
        def __init__(self, *children):
            super().__init__()
            for i, child in enumerate(children):
                self.add_module(f"part{i}", child)

        def extra_repr(self):
            return "a=1"

    assert repr(nn.Module()) == "Module()"
    assert repr(Described()) == "Described(a=1)"
    assert repr(Described(nn.Identity(), Described(nn.Identity()))) == (
        "Described(\n  a=1\n  (part0): Identity()\n  (part1): Described(\n    a=1\n    (part0): Identity()\n  )\n)"
    )


def test_dir_lists_members():
    listed = dir(Block())
    assert {"weight", "mean", "forward", "training"} <= set(listed)
    assert "0" not in dir(nn.Sequential(nn.Identity()))


def test_copies_and_pickles_are_independent():
    net = Net()
    net(torch.ones(1, 2)).sum().backward()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.first.weight is other.shared.weight and other.first.weight is not net.first.weight
        assert isinstance(other.first.weight, nn.Parameter) and other.first.weight.requires_grad
        with torch.no_grad():
            other.first.weight.zero_()
        assert net.first.weight.sum().item() == 8
    state = net.__getstate__()
    del state["_forward_pre_hooks_with_kwargs"], state["_state_dict_pre_hooks"]
    old = Net.__new__(Net)
    old.__setstate__(state)
    assert old(torch.ones(1, 2)).shape == (1, 2)


def test_parameters():
    data = torch.zeros(2)
    parameter = nn.Parameter(data)
    with torch.no_grad():
        parameter[0] = 1
    assert data.tolist() == [1, 0] and parameter.is_leaf and parameter.requires_grad
    assert repr(parameter) == "Parameter containing:\ntensor([1., 0.], requires_grad=True)"
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert nn.Parameter().shape == (0,)
    assert not isinstance(data, nn.Parameter) and isinstance(parameter, torch.Tensor)
    assert type(parameter * 1) is torch.Tensor
    with pytest.raises(RuntimeError, match=r"Only Tensors of floating point and complex dtype can require gradients"):
        nn.Parameter(torch.tensor([1]))
    copied = copy.deepcopy(parameter)
    assert type(copied) is nn.Parameter and copied.tolist() == [1, 0]


def test_registration_hooks_for_all_modules():
    seen = []
    handles = [
        module_file.register_module_parameter_registration_hook(lambda m, n, p: seen.append(("p", n))),
        module_file.register_module_buffer_registration_hook(lambda m, n, b: seen.append(("b", n))),
        module_file.register_module_module_registration_hook(lambda m, n, c: seen.append(("m", n))),
    ]
    try:
        holder = nn.Module()
        holder.part = Block()
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [("p", "weight"), ("b", "mean"), ("b", "count"), ("m", "part")]
    Block()
    assert len(seen) == 4
