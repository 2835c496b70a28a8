"""save() and load() in PyTorch's own file format.

A checkpoint is a zip archive without compression: ``data.pkl``, a pickle in which tensors stand as references to
storages, and one entry ``data/<key>`` per storage, the bytes of its memory. Tensors that share memory share it again
when they are loaded. PyTorch reads what save() writes, and load() reads what PyTorch's ``torch.save`` wrote
(https://docs.pytorch.org/docs/stable/notes/serialization.html).

By default load() builds only tensors and plain containers: a pickle can otherwise run any code.
"""

from __future__ import annotations

import os
import pickle
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pytensor._checkpoint_read import SAFE_GLOBALS, read_archive
from pytensor._checkpoint_write import PICKLE_PROTOCOL, write_archive

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]


def save(obj: Any, f: Any, pickle_module: Any = pickle, pickle_protocol: int = 2, **_: Any) -> None:
    """Writes an object with tensors (a state_dict, a list, a tensor ...) to a file that PyTorch can read too.

    A file is replaced at once, when all has been written: a crash leaves the old one.

    Args:
        f: a path, or a binary file that can be written and searched.

    Raises:
        RuntimeError: for tensors with a graph.

    >>> import io
    >>> import pytensor as torch
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'weight': tensor([1., 1.])}
    """
    if pickle_module is not pickle or pickle_protocol != PICKLE_PROTOCOL:
        raise NotImplementedError("save(): other pickle modules and protocols are not implemented")
    if hasattr(f, "write"):
        write_archive(obj, f, "archive")
        return
    path = os.fspath(f)
    prefix = os.path.splitext(os.path.basename(os.fsdecode(path)))[0] or "archive"
    if os.path.lexists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:  # a device or a pipe: nothing to rename over
            write_archive(obj, file, prefix)
        return
    target = os.path.realpath(path)
    if not os.path.isdir(os.path.dirname(target)):
        raise RuntimeError(f"Parent directory {os.path.dirname(os.fsdecode(path))} does not exist.")
    temporary = f"{os.fsdecode(target)}.{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            write_archive(obj, file, prefix)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Classes and functions that load() with ``weights_only=True`` may also use.

    >>> import pytensor as torch
    >>> torch.serialization.add_safe_globals([])
    """
    SAFE_GLOBALS.extend(safe_globals)


def get_safe_globals() -> list[Any]:
    """What :func:`add_safe_globals` added.

    >>> import pytensor as torch
    >>> torch.serialization.get_safe_globals()
    []
    """
    return list(SAFE_GLOBALS)


def clear_safe_globals() -> None:
    """Takes back what :func:`add_safe_globals` added.

    >>> import pytensor as torch
    >>> torch.serialization.clear_safe_globals()
    """
    SAFE_GLOBALS.clear()


@contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """:func:`add_safe_globals` for the duration of a block.

    >>> import pytensor as torch
    >>> with torch.serialization.safe_globals([]):
    ...     pass
    """
    before = list(SAFE_GLOBALS)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        SAFE_GLOBALS[:] = before


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads what save() or PyTorch's ``torch.save`` wrote.

    Args:
        f: a path, or a binary file that can be searched.
        map_location: where storages shall go: a device, a dict from saved to wanted locations, or a function
            ``(storage, location) -> storage or None``.
        weights_only: True (the default) builds only tensors and plain containers. False runs what the file says: for
            files from a trusted source only.
        mmap: map the file into memory instead of reading it; for paths.

    Raises:
        pickle.UnpicklingError: for objects that ``weights_only`` excludes.
        RuntimeError: for files that are no checkpoints.

    >>> import io
    >>> import pytensor as torch
    >>> file = io.BytesIO()
    >>> torch.save([torch.arange(3), 1.5], file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    [tensor([0, 1, 2]), 1.5]
    """
    if pickle_module is not None and pickle_module is not pickle:
        raise NotImplementedError("load(): other pickle modules are not implemented")
    weights_only = True if weights_only is None else weights_only
    pickle_load_args.setdefault("encoding", "utf-8")
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
        return read_archive(f, None, map_location, weights_only, False, pickle_load_args)
    with open(f, "rb") as file:
        return read_archive(file, f, map_location, weights_only, bool(mmap), pickle_load_args)
