"""Every spec, walked: values, in-place and out= forms, first and second gradients."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytensor.testing import check, gradients
from pytensor.testing.library import pytensor_library
from pytensor.testing.source import samples
from pytensor.testing.specs import all_specs

SPECS = all_specs()
FAST_GRADIENT_SHARE = 2  # gradient checks evaluate an op five to ten times: fewer examples


@pytest.fixture(scope="module")
def library():
    return pytensor_library()


def named(specs):
    return [pytest.param(spec, id=spec.id) for spec in specs]


@pytest.mark.parametrize("spec", named(SPECS))
def test_value(spec, library):
    @given(samples(spec))
    def run(sample):
        check.check_value(spec, sample, library)

    run()


@pytest.mark.parametrize("spec", named(s for s in SPECS if s.reference is not None and s.inplace is not False))
def test_inplace(spec, library):
    if not check.has_inplace_form(spec, library):
        return
    applied = []

    @settings(max_examples=max(settings().max_examples // 2, 1))
    @given(samples(spec))
    def run(sample):
        applied.append(check.check_inplace(spec, sample, library))

    run()
    assert any(applied) or spec.inplace is None, "no sample of this spec has an in-place form"


@pytest.mark.parametrize("spec", named(s for s in SPECS if s.reference is not None and s.out is not False))
def test_out(spec, library):
    if not check.has_out_form(spec, library):
        return

    @settings(max_examples=max(settings().max_examples // 2, 1))
    @given(samples(spec))
    def run(sample):
        check.check_out(spec, sample, library)

    run()


@st.composite
def differentiable_samples(draw, spec):
    """A sample, some of its inputs that have gradients (at least one), and a seed for directions and weights."""
    sample = draw(samples(spec, gradient=True))
    positions = gradients.differentiable_positions(spec, sample)
    assert positions, f"{spec.name} is said to be differentiable, but a sample has no array with a gradient"
    kept = [p for p in positions if draw(st.booleans())]
    return sample, kept or positions, draw(st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("spec", named(s for s in SPECS if s.differentiable))
def test_gradient(spec, library):
    @settings(max_examples=max(settings().max_examples // FAST_GRADIENT_SHARE, 1))
    @given(differentiable_samples(spec))
    def run(drawn):
        gradients.check_gradient(spec, drawn[0], library, drawn[1], drawn[2])

    run()


@pytest.mark.parametrize("spec", named(s for s in SPECS if s.differentiable and s.second_order))
def test_second_gradient(spec, library):
    @settings(max_examples=max(settings().max_examples // (2 * FAST_GRADIENT_SHARE), 1))
    @given(differentiable_samples(spec))
    def run(drawn):
        gradients.check_second_gradient(spec, drawn[0], library, drawn[1], drawn[2])

    run()
