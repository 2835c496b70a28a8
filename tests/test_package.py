"""The package as a whole: what `import pytensor` gives, and what it leaves out."""

import subprocess
import sys

import pytest

import pytensor as torch


def run(code: str) -> str:
    # -P: in a clone the current folder holds the sources, which are not what is installed.
    return subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True).stdout


def test_submodules_come_with_the_package():
    names = "nn nn.functional nn.init nn.utils optim optim.lr_scheduler utils.data autograd linalg cuda testing"
    for name in names.split():
        assert run(f"import pytensor; print(pytensor.{name}.__name__)").strip() == f"pytensor.{name}"


@pytest.mark.parametrize("name", ["fft", "distributions", "jit", "no_such_name"])
def test_missing_parts_are_missing_attributes(name):
    assert not hasattr(torch, name)
    with pytest.raises(AttributeError, match=name):
        getattr(torch, name)


def test_programs_that_ask_for_a_gpu_run_on_the_cpu():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert device.type == "cpu" and torch.cuda.device_count() == 0
    torch.cuda.manual_seed_all(0)
    with pytest.raises(NotImplementedError, match="current_device"):
        torch.cuda.current_device()


def test_import_leaves_heavy_packages_alone():
    loaded = run("import pytensor, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))").split()
    assert not {"hypothesis", "pytest", "scipy", "torch", "ml_dtypes", "sklearn", "matplotlib"} & set(loaded)


def test_every_exported_name_is_there():
    missing = [name for name in torch.__all__ if not hasattr(torch, name)]
    assert not missing
    assert set(torch.__all__) <= set(dir(torch))
