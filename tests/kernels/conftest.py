"""Instruction set levels and numbers of threads for the tests of kernels."""

import pytest

from pytensor import _C
from pytensor.testing.levels import SETTINGS


@pytest.fixture(autouse=True)
def restore_settings():
    """Tests may choose a level and a number of threads; the next test finds what was before."""
    level, threads = _C.cpu_level(), _C.get_num_threads()
    yield
    _C.set_cpu_level(level)
    _C.set_num_threads(threads)


@pytest.fixture(params=SETTINGS, ids=str)
def machine(request):
    """Each instruction set level with each number of threads."""
    _C.set_cpu_level(request.param[0])
    _C.set_num_threads(request.param[1])


@pytest.fixture(params=[1, 2])
def threads(request):
    """Each number of threads, at the level in use."""
    _C.set_num_threads(request.param)
