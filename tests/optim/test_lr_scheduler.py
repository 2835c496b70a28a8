"""Learning rate schedules against their closed forms, resuming, state dictionaries, warnings."""

import math
import warnings

import numpy as np
import pytest

import pytensor as torch
from pytensor import nn, optim
from pytensor.optim import lr_scheduler as schedules


def stepper(lr=1.0, **options):
    return optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr, **options)


def rates(make, steps, lr=1.0, **options):
    optimizer = stepper(lr, **options)
    schedule = make(optimizer)
    result = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        result.append(optimizer.param_groups[0]["lr"])
        assert schedule.get_last_lr() == [result[-1]]
    return result


CLOSED = {
    "StepLR": (lambda o: schedules.StepLR(o, 3, 0.5), lambda t: 0.5 ** (t // 3)),
    "MultiStepLR": (lambda o: schedules.MultiStepLR(o, [2, 5, 5], 0.5), lambda t: 0.5 ** ((t >= 2) + 2 * (t >= 5))),
    "ExponentialLR": (lambda o: schedules.ExponentialLR(o, 0.9), lambda t: 0.9**t),
    "LambdaLR": (lambda o: schedules.LambdaLR(o, lambda t: 1 / (t + 1)), lambda t: 1 / (t + 1)),
    "MultiplicativeLR": (lambda o: schedules.MultiplicativeLR(o, lambda t: 0.9), lambda t: 0.9**t),
    "ConstantLR": (lambda o: schedules.ConstantLR(o, 0.5, 4), lambda t: 0.5 if t < 4 else 1.0),
    "LinearLR": (lambda o: schedules.LinearLR(o, 0.2, 0.8, 4), lambda t: 0.2 + 0.6 * min(t, 4) / 4),
    "PolynomialLR": (lambda o: schedules.PolynomialLR(o, 5, 2.0), lambda t: (1 - min(t, 5) / 5) ** 2),
    "CosineAnnealingLR": (
        lambda o: schedules.CosineAnnealingLR(o, 4, 0.1),
        lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * t / 4)) / 2,
    ),
    "CosineAnnealingWarmRestarts": (
        lambda o: schedules.CosineAnnealingWarmRestarts(o, 3),
        lambda t: (1 + math.cos(math.pi * (t % 3) / 3)) / 2,
    ),
    "CyclicLR": (
        lambda o: schedules.CyclicLR(o, 0.2, 1.0, 2, cycle_momentum=False),
        lambda t: 0.2 + 0.8 * (t % 4 if t % 4 < 2 else 4 - t % 4) / 2,
    ),
    "SequentialLR": (
        lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 9), schedules.ExponentialLR(o, 0.9)], [3]),
        lambda t: 0.5 if t < 3 else 0.9 ** (t - 3),
    ),
    "ChainedScheduler": (
        lambda o: schedules.ChainedScheduler([schedules.ConstantLR(o, 0.5, 4), schedules.ExponentialLR(o, 0.9)]),
        lambda t: (0.5 if t < 4 else 1.0) * 0.9**t,
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_schedules_follow_their_formula(name):
    make, formula = CLOSED[name]
    np.testing.assert_allclose(rates(make, 12), [formula(t) for t in range(13)], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CLOSED)
def test_state_dictionaries_carry_on(name):
    make, formula = CLOSED[name]
    optimizer = stepper()
    schedule = make(optimizer)
    for _ in range(5):
        optimizer.step()
        schedule.step()
    other = stepper()
    again = make(other)
    state = schedule.state_dict()
    kept = dict(state)
    again.load_state_dict(state)
    assert state == kept
    other.load_state_dict(optimizer.state_dict())
    other.step()
    again.step()
    np.testing.assert_allclose(other.param_groups[0]["lr"], formula(6), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ExponentialLR", "LinearLR", "CosineAnnealingLR"])
def test_going_to_an_epoch_uses_the_closed_form(name):
    make, formula = CLOSED[name]
    optimizer = stepper()
    schedule = make(optimizer)
    optimizer.step()
    with pytest.warns(UserWarning, match=r"The epoch parameter in `scheduler.step\(\)` was not necessary"):
        schedule.step(7)
    np.testing.assert_allclose(optimizer.param_groups[0]["lr"], formula(7), rtol=1e-9)


def test_resuming_from_an_epoch():
    optimizer = stepper()
    with pytest.raises(KeyError, match="param 'initial_lr' is not specified in param_groups\\[0\\] when resuming"):
        schedules.StepLR(optimizer, 2, last_epoch=3)
    optimizer.param_groups[0]["initial_lr"] = 1.0
    schedule = schedules.CosineAnnealingLR(optimizer, 8, last_epoch=3)
    assert schedule.last_epoch == 4


def test_one_cycle():
    path = rates(lambda o: schedules.OneCycleLR(o, 1.0, total_steps=10, pct_start=0.3), 9, momentum=0.9)
    np.testing.assert_allclose([path[0], path[2], path[9]], [1 / 25, 1.0, 1 / 25e4], rtol=1e-9)
    assert max(path) == path[2]
    optimizer = stepper(momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 1.0, epochs=2, steps_per_epoch=5, anneal_strategy="linear")
    assert optimizer.param_groups[0]["momentum"] == 0.95
    for _ in range(2):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.85)
    for _ in range(8):
        optimizer.step()
        schedule.step()
    with pytest.raises(ValueError, match=r"Tried to step 11 times. The specified number of total steps is 10"):
        schedule.step()


def test_cycles_of_momentum_use_beta1_of_adam():
    optimizer = optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = schedules.CyclicLR(optimizer, 0.1, 0.5, step_size_up=2, mode="exp_range", gamma=0.9)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["betas"][0] < 0.9


def test_plateau():
    optimizer = stepper()
    schedule = schedules.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    path = []
    for loss in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]:
        schedule.step(loss)
        path.append(optimizer.param_groups[0]["lr"])
    assert path == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2]
    assert not schedule.in_cooldown or schedule.cooldown_counter == 1
    best = schedules.ReduceLROnPlateau(stepper(), mode="max", patience=0, threshold=0.1, threshold_mode="abs")
    best.step(torch.tensor(1.0))
    best.step(1.05)
    assert best.get_last_lr() == [0.1]


def test_tensor_learning_rates_change_in_place():
    lr = torch.tensor(1.0)
    optimizer = stepper(lr)
    schedule = schedules.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.5 and schedule.base_lrs[0].item() == 1.0


def test_warnings_about_the_order_of_calls():
    schedule = schedules.StepLR(stepper(), 2)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()
    optimizer = stepper()
    schedule = schedules.StepLR(optimizer, 2)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match=r"Seems like `optimizer.step\(\)` has been overridden"):
        schedule.step()
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        schedule.get_lr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda o: schedules.StepLR(3, 2), TypeError, "int is not an Optimizer"),
        (lambda o: schedules.LambdaLR(o, [abs, abs]), ValueError, "Expected 1 lr_lambdas, but got 2"),
        (lambda o: schedules.MultiplicativeLR(o, 3), TypeError, "lr_lambda should be a function, but got int"),
        (lambda o: schedules.ConstantLR(o, 2), ValueError, "Constant multiplicative factor expected to be between"),
        (lambda o: schedules.LinearLR(o, 0), ValueError, "Starting multiplicative factor expected to be greater"),
        (lambda o: schedules.LinearLR(o, 1, 2), ValueError, "Ending multiplicative factor expected to be between"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 0), ValueError, "Expected positive integer T_0, but got 0"),
        (lambda o: schedules.ReduceLROnPlateau(o, factor=1), ValueError, "Factor should be < 1.0."),
        (lambda o: schedules.ReduceLROnPlateau(o, mode="up"), ValueError, "mode up is unknown!"),
        (lambda o: schedules.CyclicLR(o, 0.1, 1, mode="x"), ValueError, "mode is invalid and scale_fn is None"),
        (lambda o: schedules.CyclicLR(o, [0.1, 0.2], 1), ValueError, "base_lr must have the same length as"),
        (lambda o: schedules.OneCycleLR(o, 1.0), ValueError, "You must define either total_steps OR"),
        (lambda o: schedules.OneCycleLR(o, 1.0, 5, pct_start=2.0), ValueError, "Expected float between 0 and 1"),
        (lambda o: schedules.OneCycleLR(o, 1.0, 0), ValueError, "Expected positive integer total_steps, but got 0"),
        (lambda o: schedules.SequentialLR(o, [], []), ValueError, "expects at least one scheduler"),
        (lambda o: schedules.ChainedScheduler([]), ValueError, "expects at least one scheduler to be chained"),
        (
            lambda o: schedules.SequentialLR(o, [schedules.StepLR(stepper(), 1)], []),
            ValueError,
            "expects all schedulers to belong to the same optimizer",
        ),
        (
            lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 1)], [3]),
            ValueError,
            "Sequential Schedulers expects number of schedulers provided to be one more",
        ),
    ],
)
def test_mistakes_raise_what_pytorch_raises(make, error, text):
    with pytest.raises(error) as raised:
        make(stepper())
    assert text in str(raised.value)
