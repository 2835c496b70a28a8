"""Datasets, samplers, collation and the loader."""

from collections import namedtuple

import numpy as np
import pytest

import pytensor as torch
from pytensor.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(i)
        return i * i


class Stream(IterableDataset):
    def __init__(self, n, told=None):
        self.n = n
        self.told = n if told is None else told

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.told


def lists(loader):
    return [batch.tolist() for batch in loader]


def test_tensor_dataset():
    x, y = torch.arange(6.0).reshape(3, 2), torch.arange(3)
    data = TensorDataset(x, y)
    assert len(data) == 3 and data[1][0].tolist() == [2, 3] and data[1][1].item() == 1
    assert [t.tolist() for t in data[[0, 2]]] == [[[0, 1], [4, 5]], [0, 2]]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(x, torch.arange(4))


def test_concatenated_stacked_and_chained():
    both = Squares(2) + Squares(3)
    assert isinstance(both, ConcatDataset) and [both[i] for i in range(5)] == [0, 1, 0, 1, 4] and both[-1] == 4
    assert both.cumulative_sizes == [2, 5]
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset length"):
        both[-6]
    for bad, text in ([], "should not be an empty iterable"), ([Stream(1)], "does not support IterableDataset"):
        with pytest.raises(AssertionError, match=text):
            ConcatDataset(bad)
    assert StackDataset(Squares(3), Squares(3))[2] == (4, 4)
    named = StackDataset(a=Squares(3), b=Subset(Squares(9), [8, 7, 6]))
    assert named[0] == {"a": 0, "b": 64} and named.__getitems__([0, 1]) == [{"a": 0, "b": 64}, {"a": 1, "b": 49}]
    assert StackDataset(Squares(3), Squares(3)).__getitems__([2, 0]) == [(4, 4), (0, 0)]
    for arguments, text in (
        (((Squares(1), Squares(2)), {}), "Size mismatch between datasets"),
        (((), {}), "At least one dataset should be passed"),
        (((Squares(1),), {"a": Squares(1)}), "both types are given"),
    ):
        with pytest.raises(ValueError, match=text):
            StackDataset(*arguments[0], **arguments[1])
    chain = Stream(2) + Stream(3)
    assert isinstance(chain, ChainDataset) and list(chain) == [0, 1, 0, 1, 2] and len(chain) == 5
    with pytest.raises(AssertionError, match="ChainDataset only supports IterableDataset"):
        list(ChainDataset([Squares(2)]))


def test_subsets_and_splits():
    part = Subset(Squares(5), [4, 1])
    assert len(part) == 2 and part[0] == 16 and part.__getitems__([1, 0]) == [1, 16]
    torch.manual_seed(0)
    parts = random_split(Squares(10), [3, 7])
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10)) and len(parts[0]) == 3
    assert [len(p) for p in random_split(Squares(10), [0.55, 0.45])] == [6, 4]
    generator = torch.Generator().manual_seed(1)
    first = random_split(Squares(10), [5, 5], generator)[0].indices
    assert first == random_split(Squares(10), [5, 5], generator.manual_seed(1))[0].indices
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length of the input dataset!"):
        random_split(Squares(10), [3, 3])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        random_split(Squares(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(Squares(3), [0.99, 0.01])

    class Half(Subset):
        def __getitem__(self, i):
            return 1

    with pytest.raises(NotImplementedError, match="Half overrides __getitem__ but not __getitems__"):
        Half(Squares(2), [0])


def test_samplers():
    assert list(SequentialSampler(Squares(3))) == [0, 1, 2]
    torch.manual_seed(0)
    order = list(RandomSampler(Squares(20)))
    assert sorted(order) == list(range(20)) and order != list(range(20))
    assert len(list(RandomSampler(Squares(4), num_samples=10))) == 10
    drawn = list(RandomSampler(Squares(4), replacement=True, num_samples=70))
    assert len(drawn) == 70 and set(drawn) <= set(range(4))
    assert sorted(SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    assert set(WeightedRandomSampler([0, 1, 0, 1], 50)) == {1, 3}
    assert sorted(WeightedRandomSampler([1, 1, 1], 3, replacement=False)) == [0, 1, 2]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]] and len(BatchSampler(range(5), 2, True)) == 2
    assert len(BatchSampler(range(5), 2, False)) == 3
    for make, error, text in (
        (lambda: RandomSampler(Squares(0)), ValueError, "num_samples should be a positive integer value, but got"),
        (lambda: RandomSampler(Squares(1), replacement=1), TypeError, "replacement should be a boolean value"),
        (lambda: WeightedRandomSampler([1], 0), ValueError, "num_samples should be a positive integer value"),
        (lambda: WeightedRandomSampler([[1]], 1), ValueError, "weights should be a 1d sequence but given weights"),
        (lambda: BatchSampler(range(3), 0, False), ValueError, "batch_size should be a positive integer value"),
        (lambda: BatchSampler(range(3), 1, 0), ValueError, "drop_last should be a boolean value"),
    ):
        with pytest.raises(error, match=text):
            make()


def test_collation():
    Point = namedtuple("Point", "x y")
    batch = default_collate(
        [
            {"t": torch.ones(2), "n": np.arange(2), "f": 1.5, "i": 3, "s": "a", "p": Point(1, 2.0), "l": [1, 2]},
            {"t": torch.zeros(2), "n": np.arange(2), "f": 2.5, "i": 4, "s": "b", "p": Point(3, 4.0), "l": [3, 4]},
        ]
    )
    assert batch["t"].tolist() == [[1, 1], [0, 0]] and batch["n"].tolist() == [[0, 1], [0, 1]]
    assert batch["f"].dtype is torch.float64 and batch["i"].dtype is torch.int64 and batch["s"] == ["a", "b"]
    assert isinstance(batch["p"], Point) and batch["p"].y.tolist() == [2, 4]
    assert isinstance(batch["l"], list) and batch["l"][1].tolist() == [2, 4]
    assert default_collate([np.float32(1), np.float32(2)]).dtype is torch.float32
    assert isinstance(default_collate([(1, 2), (3, 4)]), list)
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors, numpy arrays, numbers, dicts or"):
        default_collate([object()])
    with pytest.raises(TypeError, match="found <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1], [1, 2]])
    converted = default_convert({"a": np.arange(2), "b": [np.float64(1)], "c": "x", "d": (1, np.ones(1))})
    assert converted["a"].tolist() == [0, 1] and converted["b"][0].item() == 1 and converted["c"] == "x"
    assert converted["d"][1].tolist() == [1] and isinstance(default_convert(Point(1, 2)), Point)


def test_batches():
    assert lists(DataLoader(Squares(5), batch_size=2)) == [[0, 1], [4, 9], [16]]
    assert lists(DataLoader(Squares(5), batch_size=2, drop_last=True)) == [[0, 1], [4, 9]]
    assert list(DataLoader(Squares(3), batch_size=None)) == [0, 1, 4]
    assert len(DataLoader(Squares(5), batch_size=2)) == 3 and len(DataLoader(Squares(5), batch_size=None)) == 5
    assert lists(DataLoader(Squares(5), batch_sampler=[[0, 4], [1]])) == [[0, 16], [1]]
    assert lists(DataLoader(Squares(5), sampler=[3, 1], batch_size=2)) == [[9, 1]]
    assert list(DataLoader(Squares(4), batch_size=2, collate_fn=sum)) == [1, 13]
    assert get_worker_info() is None


def test_batches_of_tensors_are_what_collating_samples_gives():
    x, y = torch.randn(7, 3), torch.arange(7)
    data = TensorDataset(x, y)

    class Moved(TensorDataset):
        def __getitem__(self, i):
            return tuple(t + 1 for t in super().__getitem__(i))

    for dataset in (data, Subset(data, [6, 2, 3]), Subset(Subset(data, [6, 2, 3]), [1, 0]), Moved(x, y)):
        for got, samples in zip(
            DataLoader(dataset, batch_size=2), DataLoader(dataset, batch_size=2, collate_fn=list), strict=True
        ):
            expected = default_collate(samples)
            assert type(got) is type(expected)
            for a, b in zip(got, expected, strict=True):
                assert a.dtype is b.dtype and a.tolist() == b.tolist()


def test_shuffled_batches():
    data = Squares(30)
    torch.manual_seed(3)
    first, second = lists(DataLoader(data, 10, shuffle=True)), lists(DataLoader(data, 10, shuffle=True))
    assert first != second and sorted(i for batch in first for i in batch) == [i * i for i in range(30)]
    torch.manual_seed(3)
    assert lists(DataLoader(data, 10, shuffle=True)) == first
    generator = torch.Generator().manual_seed(9)
    one = lists(DataLoader(data, 10, shuffle=True, generator=generator))
    assert one == lists(DataLoader(data, 10, shuffle=True, generator=generator.manual_seed(9)))


def test_every_pass_draws_once_from_the_generator():
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(Squares(3), generator=generator)
    before = generator.get_state().tolist()
    list(loader)
    assert generator.get_state().tolist() != before


def test_streams():
    assert lists(DataLoader(Stream(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Stream(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    loader = DataLoader(Stream(5, told=2), batch_size=2)
    assert len(loader) == 1
    with pytest.warns(UserWarning, match="Length of IterableDataset .* was reported to be 2"):
        list(loader)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"num_workers": 2}, NotImplementedError, "worker processes are missing"),
        ({"num_workers": -1}, ValueError, "num_workers option should be non-negative"),
        ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor option could only be specified in multiprocessing"),
        ({"persistent_workers": True}, ValueError, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, ValueError, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, ValueError, "batch_sampler option is mutually exclusive with"),
        ({"batch_size": None, "drop_last": True}, ValueError, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, ValueError, "batch_size should be a positive integer value"),
        ({"multiprocessing_context": "fork"}, ValueError, "multiprocessing_context can only be used with"),
    ],
)
def test_options_that_exclude_each_other(options, error, text):
    with pytest.raises(error, match=text):
        DataLoader(Squares(3), **options)


def test_streams_take_no_order():
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="DataLoader with IterableDataset: expected unspecified"):
            DataLoader(Stream(3), **options)


def test_a_loader_stays_what_it_is():
    loader = DataLoader(Squares(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 3
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        list(DataLoader(Squares(1), pin_memory=True))
