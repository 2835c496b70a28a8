"""Reading checkpoints: the unpickler, what it may build, and the archive. See serialization.py for the format."""

from __future__ import annotations

import collections
import importlib
import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from pytensor import _C, dtypes
from pytensor._checkpoint_write import STORAGE_NAMES
from pytensor.autograd.node import wrap
from pytensor.device import CPU
from pytensor.device import device as Device
from pytensor.layout import strided
from pytensor.ops.create import module_of, new_array
from pytensor.size import Size

__all__ = ["SAFE_GLOBALS", "read_archive"]

_STORAGE_DTYPES = {storage: getattr(dtypes, name) for name, storage in STORAGE_NAMES.items()}
SAFE_GLOBALS: list[Any] = []  # what the user allowed besides


class _Storage:
    """A loaded storage: its bytes as an array of one type, on its device."""

    def __init__(self, array: Any) -> None:
        self.array = array


class _StorageType:
    """What a name like ``torch.FloatStorage`` in a pickle stands for."""

    def __init__(self, dtype: dtypes.dtype) -> None:
        self.dtype = dtype


def _rebuild_tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool = False, *_: Any
) -> Any:
    flat = storage.array
    strides = tuple(s * flat.itemsize for s in stride)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if min((offset, *size, *stride), default=0) < 0 or (0 not in size and last >= flat.size):
        raise RuntimeError(f"load(): a tensor of size {tuple(size)} at {offset} does not fit into its storage")
    if 0 in size:
        array = flat[:0].reshape(size)
    elif isinstance(flat, np.ndarray):
        array = np.ndarray(tuple(size), flat.dtype, flat, offset * flat.itemsize, strides)
    else:
        array = module_of(Device("cuda")).lib.stride_tricks.as_strided(flat[offset:], size, strides)
    tensor = wrap(array)
    tensor._requires_grad = requires_grad
    return tensor


def _rebuild_parameter(data: Any, requires_grad: bool, *_: Any) -> Any:
    parameter = importlib.import_module("pytensor.nn.parameter").Parameter
    return parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Any, requires_grad: bool, hooks: Any, state: dict[str, Any]) -> Any:
    parameter = _rebuild_parameter(data, requires_grad)
    parameter.__dict__.update(state)
    return parameter


def _rebuild_from_type(function: Callable[..., Any], kind: Any, arguments: tuple[Any, ...], state: Any) -> Any:
    tensor = function(*arguments)
    if isinstance(kind, type) and kind is not type(tensor) and issubclass(kind, _C.TensorBase):
        array, wanted = tensor._array, tensor._requires_grad
        tensor = _C.TensorBase.__new__(kind)
        tensor._array = array
        tensor._requires_grad = wanted
    if isinstance(state, dict):
        tensor.__dict__.update(state)
    return tensor


def _layout_of(name: str) -> Any:
    if name != "torch.strided":
        raise NotImplementedError(f"load(): the layout {name} is not implemented")
    return strided


def _names() -> dict[str, Any]:
    """What may stand in a pickle of weights, under PyTorch's names."""
    tensor = importlib.import_module("pytensor.tensor").Tensor
    names: dict[str, Any] = {
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
        "torch._utils._rebuild_tensor": _rebuild_tensor,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
        "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
        "torch.serialization._get_layout": _layout_of,
        "torch.Size": Size,
        "torch.device": Device,
        "torch.Tensor": tensor,
        "torch.nn.parameter.Parameter": importlib.import_module("pytensor.nn.parameter").Parameter,
        "collections.OrderedDict": collections.OrderedDict,
        "collections.Counter": collections.Counter,
        "collections.defaultdict": collections.defaultdict,
        "_codecs.encode": lambda text, encoding: text.encode(_checked_encoding(encoding)),
        **{f"{module}.{t.__name__}": t for module in ("builtins", "__builtin__") for t in _PLAIN_TYPES},
    }
    names |= {f"torch.{name}": _StorageType(d) for name, d in _STORAGE_DTYPES.items()}
    names |= {f"torch.{d.name}": d for d in dtypes.ALL}
    return names


_PLAIN_TYPES = (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, slice, str, tuple)


def _checked_encoding(encoding: str) -> str:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"load(): unexpected encoding {encoding!r}")
    return encoding


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, storage: Callable[..., _Storage], weights_only: bool, **options: Any) -> None:
        super().__init__(file, **options)
        self._storage = storage
        self._weights_only = weights_only
        self._known = _names()
        if weights_only:
            self._known |= {f"{g.__module__}.{g.__qualname__}": g for g in SAFE_GLOBALS}

    def find_class(self, module: str, name: str) -> Any:
        path = f"{module}.{name}"
        if path in self._known:
            return self._known[path]
        if self._weights_only:
            raise pickle.UnpicklingError(
                "Weights only load failed. In PyTorch 2.6 and here, the default value of the `weights_only` argument in "
                "`torch.load` is `True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, "
                "but it can result in arbitrary code execution. Do it only if you got the file from a trusted source. "
                f"Unsupported global: GLOBAL {path} was not an allowed global by default. Please use "
                f"`torch.serialization.add_safe_globals([{name}])` to allowlist this global if you trust this class/"
                "function."
            )
        if module.partition(".")[0] == "torch":
            module = "pytensor" + module.removeprefix("torch")
        return super().find_class(module, name)

    def persistent_load(self, identity: Any) -> _Storage:
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise pickle.UnpicklingError(f"load(): unknown persistent id {identity!r}")
        _, kind, key, location, count = identity
        if not isinstance(kind, _StorageType):
            raise NotImplementedError(f"load(): storages of type {kind!r} are not implemented")
        return self._storage(kind.dtype, key, location, count)


def _place(flat: np.ndarray, location: str, map_location: Any) -> Any:
    """The storage's array, on the device where it shall be."""
    if callable(map_location) and not isinstance(map_location, Device):
        placed = map_location(_Storage(flat), location)
        if placed is not None:
            return placed.array if isinstance(placed, _Storage) else placed._array
    elif isinstance(map_location, dict):
        location = str(map_location.get(location, location))
    elif map_location is not None:
        location = str(map_location)
    device = Device(location)
    if device.type == "cpu":
        return flat
    if device.type != "cuda":
        raise RuntimeError(f"don't know how to restore data location of a storage (tagged with {location})")
    try:
        xp = module_of(device)
    except AssertionError:
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are "
            "running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        ) from None
    with xp.cuda.Device(device.index or 0):
        return xp.asarray(flat)


def _read_storage(archive: zipfile.ZipFile, info: zipfile.ZipInfo, count: int, dtype: dtypes.dtype) -> np.ndarray:
    flat = new_array((count,), dtype, CPU)
    if count:
        with archive.open(info) as entry:
            space = memoryview(flat.view(np.uint8))
            while len(space) and (n := entry.readinto(space)):
                space = space[n:]
            entry.read()  # to the end, where the checksum is held against the bytes
    return flat


def _entry_offset(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where an entry's bytes start: after its local header."""
    file.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return info.header_offset + 30 + name + extra


def read_archive(
    file: BinaryIO, path: Any, map_location: Any, weights_only: bool, mmap: bool, options: dict[str, Any]
) -> Any:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise _no_archive(file) from None
    with archive:
        pickles = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        prefix = pickles[0].removesuffix("data.pkl")
        if f"{prefix}constants.pkl" in archive.namelist():
            raise RuntimeError("load(): TorchScript archives are not supported")
        order = sys.byteorder
        if f"{prefix}byteorder" in archive.namelist():
            order = archive.read(f"{prefix}byteorder").decode()
        loaded: dict[str, _Storage] = {}

        def storage(dtype: dtypes.dtype, key: str, location: str, count: int) -> _Storage:
            if key not in loaded:
                info = archive.getinfo(f"{prefix}data/{key}")
                if info.file_size < count * dtype.itemsize:
                    raise RuntimeError(f"load(): storage {key} has {info.file_size} bytes, {count} elements expected")
                if mmap and info.file_size and info.compress_type == zipfile.ZIP_STORED:
                    start = _entry_offset(file, info)
                    flat = np.asarray(np.memmap(path, dtype.numpy, "c", start, count))
                else:
                    flat = _read_storage(archive, info, count, dtype)
                if order != sys.byteorder:
                    flat = flat.byteswap()
                loaded[key] = _Storage(_place(flat, location, map_location))
            return loaded[key]

        return _Unpickler(io.BytesIO(archive.read(pickles[0])), storage, weights_only, **options).load()


def _no_archive(file: BinaryIO) -> Exception:
    """Why a file that is no zip archive cannot be loaded."""
    file.seek(0)
    start = file.read(64)
    if not start:
        return EOFError("Ran out of input")
    if start[:1] == b"\x80":
        return NotImplementedError(
            "load(): this is a file of torch.save's format from before PyTorch 1.6, or a plain pickle; only the zip "
            "format is implemented. Load it with PyTorch and save it again."
        )
    return RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central directory")
