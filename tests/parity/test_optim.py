"""Optimizers and schedules against PyTorch's: same gradients, same parameters, same state, same texts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytensor  # noqa: E402
import pytensor.optim  # noqa: E402
from pytensor.testing.torch_samples import load  # noqa: E402

SHAPES = [(5, 7), (3,), (), (2, 0), (4, 3, 2)]
SHAPES_OF = {"Adafactor": [(5, 7), (3,), (), (4, 3, 2)], "Muon": [(5, 7), (3, 3), (9, 2)]}


def optimizer_cases():
    for info in load("common_optimizers", "optim_db"):
        name = info.optim_cls.__name__
        if not hasattr(pytensor.optim, name) or name == "SparseAdam":  # which waits for sparse tensors
            continue
        for i, case in enumerate(info.optim_inputs_func(device="cpu")):
            if case.kwargs.get("differentiable") or case.kwargs.get("capturable"):
                continue
            yield pytest.param(name, case.kwargs, id=f"{name}-{i}-{case.desc.replace(' ', '_')}")


def converted(value):
    """A hyperparameter of PyTorch's samples as ours."""
    if isinstance(value, torch.Tensor):
        return pytensor.tensor(value.numpy())
    return type(value)(converted(v) for v in value) if isinstance(value, tuple | list) else value


def run(lib, name, options, dtype, steps=6):
    rng = np.random.default_rng(0)
    shapes = SHAPES_OF.get(name, SHAPES)
    params = [lib.nn.Parameter(lib.tensor(rng.standard_normal(shape).astype(dtype))) for shape in shapes]
    groups = [{"params": params[:2]}, {"params": params[2:], "weight_decay": 0.01}]
    if name in ("Rprop", "LBFGS"):
        groups = params
    optimizer = getattr(lib.optim, name)(groups, **options)

    def closure():
        for param in params:
            param.grad = param.detach() * 2
        return sum((param.detach() ** 2).sum() for param in params)

    for i in range(steps):
        if name == "LBFGS":
            optimizer.step(closure)
            continue
        for param in params:
            param.grad = lib.tensor(rng.standard_normal(tuple(param.shape)).astype(dtype))
        if i == 3:
            params[1].grad = None
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize(("name", "options"), list(optimizer_cases()))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps(name, options, dtype):
    theirs, optimizer = run(torch, name, options, dtype)
    ours, own = run(pytensor, name, {k: converted(v) for k, v in options.items()}, dtype)
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    if (
        name == "Muon"
    ):  # five iterations in bfloat16 enlarge what is rounded in small singular values up to 3.4**5 times
        tolerance = max(2e-3, 0.5 * float(options.get("lr", 1e-3)))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)
    if name == "LBFGS":  # keeps differences of gradients that lie lr apart
        tolerance /= min(1.0, float(options.get("lr", 1.0)))
    state, expected = own.state_dict(), optimizer.state_dict()
    assert repr(own) == repr(optimizer)
    assert list(state["state"]) == list(expected["state"])
    for key, entry in expected["state"].items():
        assert list(state["state"][key]) == list(entry), name
        for field, value in entry.items():
            if isinstance(value, torch.Tensor):
                got = state["state"][key][field]
                assert str(got.dtype) == str(value.dtype)
                np.testing.assert_allclose(got.numpy(), value.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"]
)
def test_special_values_in_gradients(name):
    results = []
    for lib in (torch, pytensor):
        param = lib.nn.Parameter(lib.tensor(np.linspace(-1, 1, 14, dtype="float32")))
        optimizer = getattr(lib.optim, name)([param], lr=0.1)
        for step in range(3):
            grad = np.tile(np.array([np.nan, np.inf, -np.inf, 1e-42, 0.0, -0.0, 1.0], "float32"), 2)
            param.grad = lib.tensor(np.roll(grad, step))
            optimizer.step()
        results.append(param.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


def schedules(lib):
    s = lib.optim.lr_scheduler
    return {
        "StepLR": lambda o: s.StepLR(o, 3, 0.5),
        "MultiStepLR": lambda o: s.MultiStepLR(o, [2, 5, 5], 0.5),
        "ConstantLR": lambda o: s.ConstantLR(o, 0.5, 4),
        "LinearLR": lambda o: s.LinearLR(o),
        "ExponentialLR": lambda o: s.ExponentialLR(o, 0.9),
        "PolynomialLR": lambda o: s.PolynomialLR(o, 5, 2.0),
        "CosineAnnealingLR": lambda o: s.CosineAnnealingLR(o, 4, 1e-3),
        "CosineAnnealingWarmRestarts": lambda o: s.CosineAnnealingWarmRestarts(o, 3, 2),
        "CyclicLR": lambda o: s.CyclicLR(o, 0.01, 0.1, 3, 4, "triangular2"),
        "CyclicLR exp": lambda o: s.CyclicLR(o, 0.01, [0.1, 0.2], 3, 4, "exp_range", gamma=0.9),
        "OneCycleLR": lambda o: s.OneCycleLR(o, 0.5, total_steps=13),
        "OneCycleLR 3": lambda o: s.OneCycleLR(o, 0.5, total_steps=13, three_phase=True, anneal_strategy="linear"),
        "SequentialLR": lambda o: s.SequentialLR(
            o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 4)], [3, 7]
        ),
        "ChainedScheduler": lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]),
    }


def schedule_path(lib, name):
    params = [lib.nn.Parameter(lib.zeros(2)), lib.nn.Parameter(lib.zeros(1))]
    optimizer = lib.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.3}], lr=0.1, momentum=0.9)
    schedule = schedules(lib)[name](optimizer)
    path = []
    for _ in range(12):
        path.append([(g["lr"], g["momentum"]) for g in optimizer.param_groups])
        path.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
    return path, sorted(schedule.state_dict()), repr(optimizer)


@pytest.mark.parametrize("name", list(schedules(pytensor)))
def test_schedules(name):
    assert schedule_path(pytensor, name) == schedule_path(torch, name)


def averaged_run(lib, **options):
    """A model trained with averaging; returns the averages' state and the learning rates."""
    rng = np.random.default_rng(0)
    model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 2))
    for param in model.parameters():
        param.data.copy_(lib.tensor(rng.standard_normal(tuple(param.shape)).astype("float32")))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
    swa = lib.optim.swa_utils
    fns = {key: getattr(swa, value)(0.7) if "ema" in value else getattr(swa, value)() for key, value in options.items()}
    buffers = options == {"multi_avg_fn": "get_ema_multi_avg_fn"}
    average, schedule = swa.AveragedModel(model, use_buffers=buffers, **fns), swa.SWALR(optimizer, 0.01, 3)
    batches = [lib.tensor(rng.standard_normal((8, 3)).astype("float32")) for _ in range(5)]
    rates = []
    for batch in batches:
        optimizer.zero_grad()
        (model(batch) ** 2).mean().backward()
        optimizer.step()
        average.update_parameters(model)
        schedule.step()
        rates += schedule.get_last_lr()
    swa.update_bn([[batch, None] for batch in batches], average)
    return {k: v.numpy() for k, v in average.state_dict().items()}, rates, sorted(schedule.state_dict())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"avg_fn": "get_ema_avg_fn"},
        {"avg_fn": "get_swa_avg_fn"},
        {"multi_avg_fn": "get_ema_multi_avg_fn"},
        {"multi_avg_fn": "get_swa_multi_avg_fn"},
    ],
    ids=str,
)
def test_averages_of_weights(options):
    (theirs, their_rates, their_keys), (ours, rates, keys) = (averaged_run(lib, **options) for lib in (torch, pytensor))
    assert list(ours) == list(theirs) and keys == their_keys
    np.testing.assert_allclose(rates, their_rates, rtol=1e-12)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
def test_clipping(norm_type):
    results = []
    for lib in (torch, pytensor):
        rng = np.random.default_rng(0)
        params = [lib.nn.Parameter(lib.zeros(shape)) for shape in SHAPES if 0 not in shape]
        for param in params:
            param.grad = lib.tensor(rng.standard_normal(tuple(param.shape)).astype("float32"))
        norms = [lib.nn.utils.clip_grad_norm_(params, bound, norm_type).item() for bound in (100.0, 1.0)]
        lib.nn.utils.clip_grad_value_(params, 0.1)
        results.append((norms, [p.grad.numpy() for p in params]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
