"""The examples in all docstrings, run."""

import doctest
import importlib
import pkgutil

import pytest

import pytensor
from pytensor.ops.registry import REGISTRY

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def modules() -> list[str]:
    found = [info.name for info in pkgutil.walk_packages(pytensor.__path__, "pytensor.")]
    return ["pytensor", *(name for name in found if not name.endswith("._C"))]


def run(tests: list[doctest.DocTest]) -> None:
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    for test in tests:
        if test.examples:
            pytensor.manual_seed(0)
            runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", modules())
def test_module(name):
    module = importlib.import_module(name)
    run(doctest.DocTestFinder(exclude_empty=True).find(module, name))


def callables() -> list:
    """Ops that doctest's finder does not see, since they are no Python functions."""
    others = {id(e.function): e for e in REGISTRY if not hasattr(e.function, "__code__") and e.function.__doc__}
    return [pytest.param(entry, id=entry.name) for entry in others.values()]


@pytest.mark.parametrize("entry", callables())
def test_compiled_op(entry):
    run([doctest.DocTestParser().get_doctest(entry.function.__doc__, {}, entry.name, None, None)])
