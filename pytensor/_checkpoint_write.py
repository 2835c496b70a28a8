"""Writing checkpoints: the pickler and the archive. See serialization.py for the format."""

from __future__ import annotations

import collections
import io
import pickle
import struct
import sys
import zipfile
from typing import Any, BinaryIO

import numpy as np

from pytensor import _C, dtypes
from pytensor.autograd.node import wrap
from pytensor.device import device as Device
from pytensor.layout import layout as Layout
from pytensor.size import Size
from pytensor.storage import root_of

__all__ = ["PICKLE_PROTOCOL", "STORAGE_NAMES", "write_archive"]

STORAGE_NAMES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
_ALIGNMENT = 64  # of storages in the file, so that it can be mapped into memory
PICKLE_PROTOCOL = 2


class _Global:
    """A name that is written into the pickle as it stands: PyTorch's names for our objects."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise TypeError("a name, not a function")


class _StorageReference:
    """Stands for a storage in the pickle; comes out as a persistent id."""

    def __init__(self, identity: tuple[Any, ...]) -> None:
        self.identity = identity


_REBUILD_TENSOR = _Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_REBUILD_SUBCLASS = _Global("torch._tensor", "_rebuild_from_type_v2")
_SIZE, _DEVICE = _Global("torch", "Size"), _Global("torch", "device")
_GET_LAYOUT = _Global("torch.serialization", "_get_layout")
_DTYPES = {d: _Global("torch", d.name) for d in dtypes.ALL}
_STORAGES = {d: _Global("torch", STORAGE_NAMES[d.name]) for d in dtypes.ALL}


class _Pickler(pickle._Pickler):  # the one written in Python: it lets a name be written without importing it
    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, PICKLE_PROTOCOL)
        self.storages: dict[str, np.ndarray] = {}
        self._keys: dict[tuple[int, dtypes.dtype], str] = {}
        self._alive: list[Any] = []  # what has an id() in the memo or in _keys must not be freed

    def save_name(self, value: _Global) -> None:
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        self.memoize(value)

    dispatch[_Global] = save_name

    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if type(obj) is _StorageReference else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _C.TensorBase):
            return self._reduce_tensor(obj)
        if isinstance(obj, Size):
            return _SIZE, (tuple(obj),)
        if isinstance(obj, Device):
            return _DEVICE, (obj.type,) if obj.index is None else (obj.type, obj.index)
        if isinstance(obj, Layout):
            return _GET_LAYOUT, (repr(obj),)
        return NotImplemented

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        super().save(_DTYPES[obj] if type(obj) is dtypes.dtype else obj, save_persistent_id)

    def _reduce_tensor(self, tensor: Any) -> Any:
        if not tensor.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) can be saved: detach() the tensor first"
            )
        kind = type(tensor)
        arguments = self._tensor_arguments(tensor)
        if kind.__name__ == "Parameter" and kind.__module__ == "pytensor.nn.parameter":
            data = _Reduced(_REBUILD_TENSOR, (*arguments[:4], False, collections.OrderedDict()))
            self._alive.append(data)
            return _REBUILD_PARAMETER, (data, tensor._requires_grad, collections.OrderedDict())
        state = {k: v for k, v in tensor.__dict__.items() if not k.startswith("_")}
        if kind.__module__.startswith("pytensor.") and not state:
            return _REBUILD_TENSOR, arguments
        if kind.__module__.startswith("pytensor."):
            return _REBUILD_SUBCLASS, (_REBUILD_TENSOR, _Global("torch", "Tensor"), arguments, state)
        return _REBUILD_SUBCLASS, (_REBUILD_TENSOR, kind, arguments, state)

    def _tensor_arguments(self, tensor: Any) -> tuple[Any, ...]:
        array, dtype, location = tensor._array, tensor.dtype, str(tensor.device)
        host = array if isinstance(array, np.ndarray) else array.get()
        root = _whole_storage(host)
        if root is None:
            host = np.ascontiguousarray(host).reshape(host.shape)
            root = root_of(host)
        address = root.__array_interface__["data"][0]
        key = self._keys.setdefault((address, dtype) if root.size else (id(root), dtype), str(len(self._keys)))
        self.storages[key] = root
        self._alive += [root, host]
        count = root.nbytes // dtype.itemsize
        reference = _StorageReference(("storage", _STORAGES[dtype], key, location, count))
        self._alive.append(reference)
        offset = (host.__array_interface__["data"][0] - address) // dtype.itemsize if host.size else 0
        strides = tensor.stride() if host is array else wrap(host).stride()
        return reference, offset, tuple(host.shape), strides, tensor._requires_grad, collections.OrderedDict()


class _Reduced:
    """An object that pickles as the call it was made with."""

    def __init__(self, function: _Global, arguments: tuple[Any, ...]) -> None:
        self._reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self._reduced


def _whole_storage(array: np.ndarray) -> np.ndarray | None:
    """The array that owns the memory, when its bytes can be written as they lie and the view fits into them."""
    root = root_of(array)
    if not root.flags.c_contiguous or any(s < 0 for s in array.strides):
        return None
    start = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    fits = 0 <= start and start + array.nbytes <= root.nbytes if array.size else True
    return root if fits and start % array.itemsize == 0 and root.nbytes % array.itemsize == 0 else None


def _write_entry(archive: zipfile.ZipFile, name: str, data: Any, align: bool = False) -> None:
    info = zipfile.ZipInfo(name)
    if align:
        # Padding goes into the extra field of the entry's header, as PyTorch's writer does it.
        used = archive.fp.tell() + 30 + len(name.encode()) + 4
        padding = -used % _ALIGNMENT
        info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
    with archive.open(info, "w", force_zip64=False if len(data) < 2**31 else True) as entry:
        entry.write(data)


def write_archive(obj: Any, file: BinaryIO, prefix: str) -> None:
    text = io.BytesIO()
    pickler = _Pickler(text)
    pickler.dump(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_entry(archive, f"{prefix}/data.pkl", text.getvalue())
        _write_entry(archive, f"{prefix}/byteorder", sys.byteorder.encode())
        for key, root in pickler.storages.items():
            flat = root.reshape(-1).view(np.uint8) if root.size else np.empty(0, np.uint8)
            _write_entry(archive, f"{prefix}/data/{key}", memoryview(flat), align=True)
        _write_entry(archive, f"{prefix}/version", b"3\n")
