"""Data loading against PyTorch's: the same seed gives the same batches."""

import pytest

torch = pytest.importorskip("torch")

import pytensor  # noqa: E402
import pytensor.utils.data  # noqa: E402


def batches(lib, options, seed):
    data = lib.utils.data
    x = lib.arange(23)
    dataset = data.TensorDataset(x, x * 10)
    lib.manual_seed(seed)
    generator = lib.Generator().manual_seed(seed + 1)
    first, second = data.random_split(dataset, [0.7, 0.3])
    made = {k: v(data, generator) if callable(v) else v for k, v in options.items()}
    loader = data.DataLoader(first, **made)
    passes = [[[field.tolist() for field in batch] for batch in loader] for _ in range(3)]
    return passes, second.indices, lib.rand(3).tolist(), generator.get_state().tolist()


OPTIONS = [
    {"batch_size": 4},
    {"batch_size": 4, "shuffle": True},
    {"batch_size": 4, "shuffle": True, "drop_last": True},
    {"batch_size": 4, "shuffle": True, "generator": lambda data, g: g},
    {"batch_size": None, "shuffle": True},
    {"batch_size": 5, "sampler": lambda data, g: data.RandomSampler(range(9), replacement=True, num_samples=40)},
    {"batch_size": 5, "sampler": lambda data, g: data.RandomSampler(range(9), num_samples=20, generator=g)},
    {"batch_size": 5, "sampler": lambda data, g: data.SubsetRandomSampler([3, 1, 4, 5, 9])},
    {"batch_size": 5, "sampler": lambda data, g: data.WeightedRandomSampler([0.1, 0.5, 2, 0.4], 11)},
    {"batch_size": 5, "sampler": lambda data, g: data.WeightedRandomSampler([1.0, 2, 3, 4], 3, False, g)},
    {"batch_sampler": lambda data, g: data.BatchSampler(data.RandomSampler(range(7)), 3, False)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
@pytest.mark.parametrize("seed", [0, 12345])
def test_batches_of_a_seed(options, seed):
    assert batches(pytensor, options, seed) == batches(torch, options, seed)
