"""Every public op has a spec and a docstring with an example."""

import re

import pytest

from pytensor.ops.registry import REGISTRY, Entry
from pytensor.testing.specs import all_specs

# Public ops without a spec, each with its reason.
WITHOUT_SPEC: dict[str, str] = {
    "chain_matmul": "deprecated in PyTorch: warns on every call; linalg.multi_dot has a spec",
    "cuda": "moves to a GPU; PyTorch's error without one",
    "from_numpy": "takes a NumPy array, which samples turn into tensors",
    "is_storage": "takes a storage",
    "result_type": "returns a dtype; tested literally in tests/test_promotion.py",
    "share_memory_": "not there yet: always raises",
    "range": "deprecated in PyTorch: warns on every call",
}


NEEDS_NO_EXAMPLE = re.compile(r"share_memory_")  # what only raises
NAMES = {entry.name for entry in REGISTRY}


def path_of(entry: Entry) -> str:
    if entry.namespace:
        return f"{entry.namespace}.{entry.name}"
    return entry.name if entry.is_function else f"Tensor.{entry.name}"


def ops() -> dict[int, list[Entry]]:
    """The entries of the registry by function: aliases together, made in-place forms left out."""
    found: dict[int, list[Entry]] = {}
    for entry in REGISTRY:
        if not is_derived_inplace(entry) and not isinstance(entry.function, property):
            found.setdefault(id(entry.function), []).append(entry)
    return found


def is_derived_inplace(entry: Entry) -> bool:
    if re.fullmatch(r"__i[a-z]+__", entry.name):
        return True  # `x += y`; tests/test_views.py writes through views with them
    return entry.name.endswith("_") and entry.name[:-1] in NAMES


OPS = [pytest.param(entries, id=path_of(entries[0])) for entries in ops().values()]


@pytest.fixture(scope="module")
def specified() -> set[str]:
    return {spec.name.removeprefix("Tensor.") for spec in all_specs()}


@pytest.mark.parametrize("entries", OPS)
def test_has_a_spec(entries, specified):
    paths = {path_of(entry).removeprefix("Tensor.") for entry in entries}
    excused = paths & WITHOUT_SPEC.keys()
    if excused:
        assert not paths & specified, f"{excused} has a spec now: take it off the list"
        return
    assert paths & specified, f"no spec for {' / '.join(sorted(paths))} in pytensor/testing/specs"


@pytest.mark.parametrize("entries", OPS)
def test_has_a_docstring_with_an_example(entries):
    if re.fullmatch(r"__\w+__", entries[0].name):
        return  # Python's operators stand for functions
    text = entries[0].function.__doc__
    assert text and text.strip(), f"{path_of(entries[0])} has no docstring"
    if NEEDS_NO_EXAMPLE.fullmatch(entries[0].name):
        return
    assert ">>>" in text, f"the docstring of {path_of(entries[0])} has no example"


def test_no_name_is_registered_twice():
    names = [("function", path_of(e)) for e in REGISTRY if e.is_function]
    names += [("method", e.name) for e in REGISTRY if e.is_method]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, twice


def test_specs_name_public_ops():
    import pytensor

    for spec in all_specs():
        found = pytensor
        for part in spec.name.split("."):
            assert hasattr(found, part), f"the spec {spec.id} is for pytensor.{spec.name}, which there is not"
            found = getattr(found, part)
