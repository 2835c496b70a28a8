"""`DataLoader`: batches of a dataset, in an order that a sampler gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from pytensor import Generator, empty
from pytensor.dtypes import int64
from pytensor.utils.data.collate import default_collate, default_convert
from pytensor.utils.data.dataset import Dataset, IterableDataset
from pytensor.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

_FROZEN = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def get_worker_info() -> None:
    """Information about the worker process this runs in; None in the main process."""
    return None


class _Endless(Sampler[None]):
    """The sampler of a stream: it only counts."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Iterates over batches of a dataset.

    `batch_size` samples are put together by `collate_fn` (`default_collate`); None gives single samples.
    ``shuffle=True`` takes them in a random order that is PyTorch's for the same seed. `sampler` gives indices,
    `batch_sampler` lists of them. `drop_last` leaves a last, shorter batch out. Raises ValueError for options
    that exclude each other and NotImplementedError for ``num_workers > 0``.

    >>> import pytensor as torch
    >>> for batch in torch.utils.data.DataLoader(range(5), batch_size=2):
    ...     print(batch)
    tensor([0, 1])
    tensor([2, 3])
    tensor([4])
    """

    __initialized = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            _check_stream_options(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._streams:
                sampler = _Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.persistent_workers = persistent_workers
        self._stream_length: int | None = None
        self.__initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in _FROZEN:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> Iterator[Any]:
        return _StreamIterator(self) if self._streams else _MapIterator(self)

    def __len__(self) -> int:
        if not self._streams:
            return len(self._index_sampler)
        length = self._stream_length = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0:
        if prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable"
                " multiprocessing, otherwise set prefetch_factor to None."
            )
        if persistent_workers:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if context is not None:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got"
                " num_workers=0"
            )
        return
    raise NotImplementedError(
        f"DataLoader(num_workers={num_workers}): worker processes are missing; use num_workers=0, which loads in the"
        " main process"
    )


def _check_stream_options(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    for name, value, absent in (
        ("shuffle", shuffle, shuffle in (False, None)),
        ("sampler", sampler, sampler is None),
        ("batch_sampler", batch_sampler, batch_sampler is None),
    ):
        if not absent:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


class _LoaderIterator:
    """One pass over the data."""

    def __init__(self, loader: DataLoader) -> None:
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be"
                " used.",
                stacklevel=3,
            )
        self._loader = loader
        self._indices = iter(loader._index_sampler)
        # PyTorch draws the seed of the workers on every pass, with or without workers: the draw keeps the
        # generator's sequence, and with it the order of the next shuffle, the same.
        self._base_seed = empty((), dtype=int64).random_(generator=loader.generator).item()

    def __iter__(self) -> _LoaderIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)


class _MapIterator(_LoaderIterator):
    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._dataset = loader.dataset
        self._collate = loader.collate_fn
        self._batches = loader._auto_collation
        # Datasets of tensors can make a whole batch at once, where the batch is the usual one.
        self._collated = getattr(loader.dataset, "collated", None) if self._collate is default_collate else None

    def __next__(self) -> Any:
        index = next(self._indices)
        if not self._batches:
            return self._collate(self._dataset[index])
        if self._collated is not None:
            batch = self._collated(index)
            if batch is not None:
                return batch
        if getattr(self._dataset, "__getitems__", None):
            return self._collate(self._dataset.__getitems__(index))
        return self._collate([self._dataset[i] for i in index])


class _StreamIterator(_LoaderIterator):
    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._samples = iter(loader.dataset)
        self._ended = False
        self._num_yielded = 0

    def __next__(self) -> Any:
        data = self._fetch(next(self._indices))
        self._num_yielded += 1
        expected = self._loader._stream_length
        if expected is not None and self._num_yielded > expected:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be {expected}(when accessing"
                f" len(dataloader)), but {self._num_yielded} samples have been fetched. ",
                stacklevel=2,
            )
        return data

    def _fetch(self, slots: Any) -> Any:
        loader = self._loader
        if not loader._auto_collation:
            return loader.collate_fn(next(self._samples))
        if self._ended:
            raise StopIteration
        data = []
        for _ in slots:
            try:
                data.append(next(self._samples))
            except StopIteration:
                self._ended = True
                break
        if not data or (loader.drop_last and len(data) < len(slots)):
            raise StopIteration
        return loader.collate_fn(data)
