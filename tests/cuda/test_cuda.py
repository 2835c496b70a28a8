"""The specs again with tensors on a CUDA device. Skipped where CuPy or a device is missing."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings

import pytensor as torch
from pytensor.autograd.node import wrap
from pytensor.testing import check
from pytensor.testing.library import Library
from pytensor.testing.source import samples
from pytensor.testing.specs import all_specs

cupy = pytest.importorskip("cupy")
if cupy.cuda.runtime.getDeviceCount() == 0:
    pytest.skip("no CUDA device", allow_module_level=True)

LIBRARY = Library(torch, lambda array: wrap(cupy.asarray(array)), lambda tensor: tensor._array.get())


@pytest.mark.parametrize("spec", [pytest.param(s, id=s.id) for s in all_specs() if not s.mutates])
def test_value(spec):
    @settings(max_examples=8)
    @given(samples(spec, dtype="float32" if "float32" in spec.dtypes else None))
    def run(sample):
        check.check_value(spec, sample, LIBRARY)

    run()


def test_a_training_step_on_the_device_equals_the_cpu():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 10),
    )
    x, y = torch.randn(8, 1, 8, 8), torch.randint(0, 10, (8,))
    losses = []
    for device in ("cpu", "cuda:0"):
        network = copy.deepcopy(model).to(device)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
        assert str(loss.device) == device
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_devices():
    x = torch.ones(3).cuda()
    assert str(x.device) == "cuda:0" and x.is_cuda and not x.is_cpu
    assert x.cpu().tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        x.numpy()
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        x + torch.ones(3)
    assert np.array_equal((x + torch.tensor(1.0)).cpu().numpy(), [2, 2, 2])
