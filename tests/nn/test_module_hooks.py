"""Hooks of modules: forward, backward, with keyword arguments, always called, for all modules."""

import pytest

import pytensor as torch
from pytensor import nn
from pytensor.nn.modules import module as module_file


class Scale(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x, extra=0.0):
        return x * self.factor + extra


def test_forward_hooks_see_and_change_arguments_and_results():
    m = Scale()
    x = torch.ones(2)
    seen = []
    pre = m.register_forward_pre_hook(lambda module, args: seen.append(args[0].tolist()))
    post = m.register_forward_hook(lambda module, args, output: output + 1)
    assert m(x).tolist() == [3, 3] and seen == [[1, 1]]
    first = m.register_forward_pre_hook(lambda module, args: args[0] * 10, prepend=True)
    assert m(x).tolist() == [21, 21] and seen[-1] == [10, 10]
    for handle in (pre, post, first):
        handle.remove()
    assert m(x).tolist() == [2, 2]
    m(x)
    assert "_hooked" not in m.__dict__  # back on the fast path


def test_hooks_with_keyword_arguments():
    m = Scale()
    x = torch.ones(1)
    m.register_forward_pre_hook(lambda module, args, kwargs: (args, {"extra": kwargs["extra"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda module, args, kwargs, out: out * kwargs["extra"], with_kwargs=True)
    assert m(x, extra=2.0).tolist() == [15]
    m.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"forward pre-hook must return None or a tuple of"):
        m(x, extra=2.0)


def test_always_called_hooks_run_when_forward_raises():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    m = Failing()
    seen = []
    m.register_forward_hook(lambda *a: seen.append("skipped"))
    m.register_forward_hook(lambda *a: seen.append("called"), always_call=True)
    with pytest.raises(ValueError, match=r"no"):
        m(1)
    assert seen == ["called"]

    def bad(*a):
        raise KeyError("hook")

    m.register_forward_hook(bad, always_call=True)
    with pytest.warns(UserWarning, match=r"raised an exception that was silenced"), pytest.raises(ValueError):
        m(1)


def test_full_backward_hooks():
    m = Scale(3.0)
    seen = []
    m.register_full_backward_pre_hook(lambda module, grad: seen.append(("pre", grad[0].tolist())))
    m.register_full_backward_hook(lambda module, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    x = torch.ones(2, requires_grad=True)
    m(x).sum().backward()
    assert seen == [("pre", [1, 1]), ([3, 3], [1, 1])] and x.grad.tolist() == [3, 3]
    m.register_full_backward_hook(lambda module, gi, go: (gi[0] * 10,), prepend=True)
    x.grad = None
    m(x).sum().backward()
    assert x.grad.tolist() == [30, 30] and seen[-1] == ([30, 30], [1, 1])
    m.register_full_backward_pre_hook(lambda module, go: (go[0] * 2,))
    x.grad = None
    m(x).sum().backward()
    assert x.grad.tolist() == [60, 60]


def test_backward_hooks_name_their_node():
    m = Scale()
    m.register_full_backward_hook(lambda *a: None)
    assert m(torch.ones(1, requires_grad=True)).grad_fn.name() == "BackwardHookFunctionBackward"


def test_backward_hook_with_the_wrong_number_of_gradients():
    m = Scale()
    m.register_full_backward_hook(lambda module, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match=r"invalid number of grad_input, got 2, but expected 1"):
        m(torch.ones(1, requires_grad=True)).backward()


def test_backward_hook_without_inputs_that_require_grad_warns():
    m = Scale()
    seen = []
    m.register_full_backward_hook(lambda module, gi, go: seen.append(gi))
    out = m(torch.ones(1))
    with pytest.warns(UserWarning, match=r"Full backward hook is firing when gradients are computed with respect to"):
        out.backward()
    assert seen == [(None,)]


def test_backward_hooks_of_modules_with_several_inputs_and_outputs():
    class Both(nn.Module):
        def forward(self, x, n, y):
            return x * 2, y * n

    m = Both()
    seen = []
    m.register_full_backward_hook(lambda module, gi, go: seen.append((gi, go)))
    x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    a, b = m(x, 3, y)
    (a + b).backward()
    (gi, go) = seen[0]
    assert [None if g is None else g.tolist() for g in gi] == [[2], None, [3]]
    assert [g.tolist() for g in go] == [[1], [1]]


def test_two_kinds_of_backward_hooks_do_not_mix():
    m = Scale()
    m.register_full_backward_hook(lambda *a: None)
    with pytest.raises(
        RuntimeError, match=r"Cannot use both regular backward hooks and full backward hooks on a single"
    ):
        m.register_backward_hook(lambda *a: None)


def test_hooks_on_the_last_operation():
    class Square(nn.Module):
        def forward(self, x):
            return x * x

    m = Square()
    seen = []
    m.register_backward_hook(lambda module, gi, go: seen.append(go[0].tolist()))
    x = torch.ones(1, requires_grad=True)
    m(x * 1).backward()
    assert seen == [[1]]


def test_hooks_for_all_modules():
    seen = []
    handle = module_file.register_module_forward_hook(lambda m, args, out: seen.append(type(m).__name__))
    before = module_file.register_module_forward_pre_hook(lambda m, args: seen.append("pre"))
    try:
        nn.Sequential(Scale())(torch.ones(1))
    finally:
        handle.remove()
        before.remove()
    assert seen == ["pre", "pre", "Scale", "Sequential"]
    Scale()(torch.ones(1))
    assert len(seen) == 4 and not nn.Module._hooked


def test_removing_a_hook_twice_does_no_harm():
    m = Scale()
    with m.register_forward_hook(lambda *a: 1 / 0) as handle:
        pass
    handle.remove()
    assert m(torch.ones(1)).tolist() == [2]
