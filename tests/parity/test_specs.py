"""The specs held against PyTorch: what they call right is what PyTorch does."""

import pytest
from hypothesis import given

from pytensor.testing import check
from pytensor.testing.library import torch_library
from pytensor.testing.source import samples
from pytensor.testing.specs import all_specs

torch = pytest.importorskip("torch")


# What PyTorch warns of in its own code; its ldexp resizes an output that it made itself.
@pytest.mark.filterwarnings(
    "ignore:index_reduce:UserWarning",
    "ignore:torch.searchsorted:UserWarning",
    "ignore:An output with one or more elements was resized:UserWarning",
)
@pytest.mark.parametrize("spec", [pytest.param(spec, id=spec.id) for spec in all_specs()])
def test_reference_is_what_torch_does(spec):
    library = torch_library()

    @given(samples(spec))
    def run(sample):
        check.check_value(spec, sample, library)

    run()
