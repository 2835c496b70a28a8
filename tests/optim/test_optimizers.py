"""Optimizers: known steps, parameter groups, state dictionaries, closures, hooks, messages."""

import copy
import pickle

import numpy as np
import pytest

import pytensor as torch
from pytensor import nn, optim

DTYPES = [torch.float32, torch.float64]


def parameter(*values, dtype=torch.float32):
    return nn.Parameter(torch.tensor(values, dtype=dtype))


def quadratic_steps(make, steps=5):
    """The path of a parameter down x**2 from 3, gradient 2x."""
    x = parameter(3.0, dtype=torch.float64)
    stepper = make([x])
    path = []
    for _ in range(steps):
        stepper.zero_grad()
        (x * x).sum().backward()
        stepper.step()
        path.append(x.item())
    return path


def test_sgd_by_hand():
    assert quadratic_steps(lambda p: optim.SGD(p, lr=0.25), 2) == [1.5, 0.75]
    # buf: 6, then 0.5 * 6 + g
    assert quadratic_steps(lambda p: optim.SGD(p, lr=0.25, momentum=0.5), 2) == [1.5, 0.0]
    assert quadratic_steps(lambda p: optim.SGD(p, lr=0.25, momentum=0.5, dampening=0.5), 2) == [1.5, 0.375]
    assert quadratic_steps(lambda p: optim.SGD(p, lr=0.25, weight_decay=2.0), 1) == [0.0]
    assert quadratic_steps(lambda p: optim.SGD(p, lr=0.25, momentum=0.5, nesterov=True), 1) == [0.75]
    assert quadratic_steps(lambda p: optim.SGD(p, lr=0.25, maximize=True), 1) == [4.5]


def test_adam_by_hand():
    # The first step is lr * sign(gradient), up to eps.
    path = quadratic_steps(lambda p: optim.Adam(p, lr=0.5), 1)
    np.testing.assert_allclose(path, [2.5], rtol=1e-8)
    path = quadratic_steps(lambda p: optim.AdamW(p, lr=0.5, weight_decay=0.1), 1)
    np.testing.assert_allclose(path, [3 * 0.95 - 0.5], rtol=1e-8)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        lambda p: optim.Adam(p, lr=0.1),
        lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=1e-3),
        lambda p: optim.AdamW(p, lr=0.1),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_regression_is_learned(make, dtype):
    torch.manual_seed(0)
    inputs = torch.randn(64, 3, dtype=dtype)
    weight = torch.tensor([1.0, -2.0, 0.5], dtype=dtype)
    targets = (inputs * weight).sum(1)
    x = nn.Parameter(torch.zeros(3, dtype=dtype))
    stepper = make([x])
    for _ in range(200):
        stepper.zero_grad()
        error = (inputs * x).sum(1) - targets
        (error * error).mean().backward()
        stepper.step()
    np.testing.assert_allclose(x.detach().numpy(), weight.numpy(), atol=0.05)


def test_steps_count_as_writes():
    x, y = parameter(1.0), parameter(2.0)
    stepper = optim.SGD([x, y], lr=0.1)
    product = (x * y).sum()
    x.grad = torch.ones(1)
    version = x._version
    stepper.step()
    assert x._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_parameters_without_gradient_are_left_alone():
    x, y = parameter(1.0), parameter(2.0)
    for make in (optim.SGD, optim.Adam):
        stepper = make([x, y], lr=0.1)
        x.grad = torch.ones(1)
        stepper.step()
        assert y.item() == 2 and y not in stepper.state
        optim.SGD([y], lr=0.1).step()


def test_arrays_of_other_layouts_and_dtypes():
    for param in (
        nn.Parameter(torch.arange(6.0).reshape(2, 3).t()),
        nn.Parameter(torch.arange(6.0)[::2]),
        nn.Parameter(torch.arange(3, dtype=torch.float16)),
        nn.Parameter(torch.zeros(0)),
        nn.Parameter(torch.tensor(1.0)),
    ):
        before = param.detach().clone()
        param.grad = torch.ones_like(param)
        optim.SGD([param], lr=0.5).step()
        np.testing.assert_allclose(param.detach().numpy(), before.numpy() - 0.5)


def test_learning_rates_of_groups_and_as_tensors():
    x, y = parameter(1.0), parameter(1.0)
    stepper = optim.SGD([{"params": [x]}, {"params": y, "lr": 0.5}], lr=torch.tensor(0.1))
    x.grad = y.grad = torch.ones(1)
    stepper.step()
    np.testing.assert_allclose([x.item(), y.item()], [0.9, 0.5], rtol=1e-6)
    assert stepper.param_groups[1]["params"] == [y] and stepper.param_groups[1]["momentum"] == 0


def test_named_parameters():
    net = nn.Sequential(nn.Identity())
    net.register_parameter("w", parameter(1.0))
    stepper = optim.SGD(net.named_parameters(), lr=0.1)
    assert stepper.param_groups[0]["param_names"] == ["w"]
    with pytest.raises(ValueError, match="all optimizer param groups should be with/without names"):
        stepper.add_param_group({"params": [parameter(1.0)]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("a", parameter(1.0)), parameter(1.0)], lr=0.1)


def test_closure():
    x = parameter(3.0)
    stepper = optim.SGD([x], lr=0.25)

    def closure():
        stepper.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert stepper.step(closure).item() == 9
    assert x.item() == 1.5


def test_step_hooks():
    x = parameter(1.0)
    x.grad = torch.ones(1)
    stepper = optim.SGD([x], lr=0.1)
    seen = []
    first = stepper.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", o is stepper, x.item())))
    last = stepper.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", args == (stepper,))))
    stepper.step()
    assert seen == [("pre", True, 1.0), ("post", True)]
    first.remove()
    last.remove()
    stepper.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 3"):
        stepper.step()
    handle = optim.optimizer.register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("all"))
    optim.Adam([x]).step()
    handle.remove()
    assert seen[-1] == "all"


def run(stepper, params, steps):
    for i in range(steps):
        for param in params:
            param.grad = torch.full_like(param, 0.1 * (i + 1))
        stepper.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
        lambda p: optim.AdamW(p, lr=0.1),
    ],
)
def test_state_dictionaries_carry_on(make):
    params, others = [[parameter(1.0, 2.0), parameter(3.0)] for _ in range(2)]
    stepper = make(params)
    run(stepper, params, 3)
    state = copy.deepcopy(stepper.state_dict())
    assert state["param_groups"][0]["params"] == [0, 1] and set(state["state"]) == {0, 1}
    with torch.no_grad():
        for a, b in zip(others, params, strict=True):
            a.copy_(b)
    again = make(others)
    again.load_state_dict(pickle.loads(pickle.dumps(state)))
    run(stepper, params, 2)
    run(again, others, 2)
    for a, b in zip(others, params, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    assert repr(again) == repr(stepper)


def test_loaded_state_takes_the_parameters_dtype():
    source = [parameter(1.0)]
    stepper = optim.Adam(source)
    run(stepper, source, 1)
    target = [parameter(1.0, dtype=torch.float64)]
    again = optim.Adam(target)
    again.load_state_dict(stepper.state_dict())
    state = again.state[target[0]]
    assert state["exp_avg"].dtype is torch.float64 and state["step"].dtype is torch.float32
    old = stepper.state_dict()
    old["state"][0]["step"] = 4
    again.load_state_dict(old)
    assert again.state[target[0]]["step"].item() == 4 and again.state[target[0]]["step"].dtype is torch.float32


def test_state_dict_hooks():
    stepper = optim.SGD([parameter(1.0)], lr=0.1)
    seen = []
    stepper.register_state_dict_pre_hook(lambda o: seen.append("pre"))
    stepper.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    state = stepper.state_dict()
    assert seen == ["pre"] and state["more"] == 1
    stepper.register_load_state_dict_pre_hook(lambda o, state: {k: v for k, v in state.items() if k != "more"})
    stepper.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    stepper.load_state_dict(state)
    assert seen[-1] == "loaded"


def test_zero_grad():
    x = parameter(1.0)
    stepper = optim.SGD([x], lr=0.1)
    x.grad = torch.ones(1)
    stepper.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0]
    stepper.zero_grad()
    assert x.grad is None


def test_printed_form():
    assert repr(optim.SGD([parameter(1.0)], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda p: optim.SGD(p[0]), TypeError, "params argument given to the optimizer should be an iterable of"),
        (lambda p: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (lambda p: optim.SGD([{"params": set(p)}]), TypeError, "optimizer parameters need to be organized in ordered"),
        (lambda p: optim.SGD([3]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
        (lambda p: optim.SGD([p[0] * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD(p, lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: optim.SGD(p, momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda p: optim.SGD(p, weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda p: optim.SGD(p, nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero"),
        (lambda p: optim.SGD(p, lr=torch.ones(2)), ValueError, "Tensor lr must be 1-element"),
        (lambda p: optim.SGD(p, fused=True, foreach=True), RuntimeError, "`fused` and `foreach` cannot be `True`"),
        (lambda p: optim.SGD(p, differentiable=True), NotImplementedError, "differentiable=True"),
        (lambda p: optim.Adam(p, betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda p: optim.Adam(p, betas=(0.9, -0.1)), ValueError, "Invalid beta parameter at index 1: -0.1"),
        (lambda p: optim.Adam(p, betas=(0.9, torch.tensor(0.9))), ValueError, "betas must be either both floats or"),
        (lambda p: optim.Adam(p, eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), ValueError, "some parameters appear in more than one"),
        (lambda p: optim.SGD(p).add_param_group(3), TypeError, "param_group must be a dict, but got <class 'int'>"),
        (lambda p: optim.SGD(p).load_state_dict({"param_groups": []}), ValueError, "different number of parameter"),
        (lambda p: optim.Optimizer(p, {}).step(), NotImplementedError, ""),
        (
            lambda p: optim.Optimizer(p, {"lr": optim.optimizer.required}),
            ValueError,
            "parameter group didn't specify a value of required optimization parameter lr",
        ),
    ],
)
def test_mistakes_raise_what_pytorch_raises(make, error, text):
    with pytest.raises(error) as raised:
        make([parameter(1.0)])
    assert text in str(raised.value)


def test_the_same_parameter_twice_warns():
    x = parameter(1.0)
    with pytest.warns(UserWarning, match="optimizer contains a parameter group with duplicate parameters"):
        optim.SGD([x, x], lr=0.1)


def test_own_optimizers_get_hooks():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p -= p.grad.sign() * group["lr"]

    x = parameter(1.0)
    x.grad = torch.tensor([3.0])
    stepper = Sign([x], lr=0.5)
    seen = []
    stepper.register_step_post_hook(lambda *a: seen.append(1))
    stepper.step()
    assert x.item() == 0.5 and seen == [1]


def test_lbfgs_finds_the_bottom_of_rosenbrocks_valley():
    x = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    stepper = optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe")
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        stepper.zero_grad()
        loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    assert stepper.step(closure).item() == pytest.approx(24.2)
    assert calls < 70 and stepper.state[x]["func_evals"] == calls
    np.testing.assert_allclose(x.detach().numpy(), [1, 1], atol=1e-4)
    copied = copy.deepcopy(stepper)
    assert copied.state_dict()["state"][0]["n_iter"] == stepper.state[x]["n_iter"]


def test_lbfgs_with_fixed_steps_goes_down_an_ellipse():
    x = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    stepper = optim.LBFGS([x], lr=0.5, max_iter=60, max_eval=100)

    def closure():
        stepper.zero_grad()
        loss = x[0] ** 2 + 10 * x[1] ** 2
        loss.backward()
        return loss

    stepper.step(closure)
    np.testing.assert_allclose(x.detach().numpy(), [0, 0], atol=1e-4)


def test_lbfgs_refuses_groups_and_unknown_searches():
    x, y = parameter(1.0), parameter(2.0)
    with pytest.raises(ValueError, match="LBFGS doesn't support per-parameter options"):
        optim.LBFGS([{"params": [x]}, {"params": [y]}])

    def closure():
        x.grad = torch.ones(1)
        return (x * 1).sum()

    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([x], line_search_fn="golden").step(closure)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x: optim.Adafactor([x], beta2_decay=0.1), "beta2_decay should be <= 0 but is: 0.1"),
        (lambda x: optim.Adafactor([x], d=0.5), "Clipping threshold d should be >= 1 but is: 0.5"),
        (lambda x: optim.Muon([x]), r"Muon only supports 2D parameters whereas we found .* torch.Size\(\[1\]\)"),
        (lambda x: optim.Muon([x], adjust_lr_fn="loud"), "Adjust learning rate function loud is not supported"),
        (lambda x: optim.swa_utils.get_ema_multi_avg_fn(1.5), "Invalid decay value 1.5 provided"),
        (lambda x: optim.swa_utils.SWALR(optim.SGD([x]), 0.1, anneal_strategy="exp"), "anneal_strategy must be one"),
        (lambda x: optim.swa_utils.SWALR(optim.SGD([x]), 0.1, anneal_epochs=-1), "anneal_epochs must be equal or"),
    ],
)
def test_hyperparameters_out_of_range(make, text):
    with pytest.raises(ValueError, match=text):
        make(parameter(1.0))


def test_muon_steps_are_orthogonal():
    x = nn.Parameter(torch.zeros(6, 4))
    x.grad = torch.arange(24.0).reshape(6, 4).cos()
    optim.Muon([x], lr=1.0, weight_decay=0.0).step()
    singular = np.linalg.svd(x.detach().numpy() / 1.5**0.5, compute_uv=False)
    assert singular[:2].min() > 0.6 and singular.max() < 1.3  # the gradient has rank 2, up to rounding


def test_sparse_adam_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="sparse gradients"):
        optim.SparseAdam([parameter(1.0)])
