"""Checkpoints: what comes back, what is refused, and that a crash leaves the old file."""

import collections
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

import pytensor as torch
from pytensor import serialization

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()


def through_file(obj, **options):
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return torch.load(file, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_tensors_come_back(dtype, shape):
    x = torch.ones(shape, dtype=getattr(torch, dtype))
    back = through_file(x)
    assert back.dtype is x.dtype and back.shape == x.shape and back.stride() == x.stride()
    assert back.tolist() == x.tolist()


def test_containers_and_values_come_back():
    obj = {
        "numbers": [1, 2.5, 1j, True, None, 2**70, -(2**40)],
        "texts": ("a", b"b", bytearray(b"c")),
        "set": {1, 2},
        "ordered": collections.OrderedDict(a=1, b=[2]),
        "nested": {"x": {"y": (torch.ones(1),)}},
        "dtype": torch.float16,
        "shape": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "layout": torch.strided,
    }
    back = through_file(obj)
    assert list(back) == list(obj)
    nested, expected = back.pop("nested"), obj.pop("nested")
    assert back == obj and nested["x"]["y"][0].tolist() == expected["x"]["y"][0].tolist()
    assert type(back["ordered"]) is collections.OrderedDict and back["layout"] is torch.strided


def test_gradients_wanted_and_parameters():
    back = through_file([torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.zeros(3))])
    assert back[0].requires_grad and back[0].is_leaf
    assert isinstance(back[1], torch.nn.Parameter) and back[1].requires_grad
    assert back[1].tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="graph leaves"):
        through_file(torch.ones(2, requires_grad=True) * 2)


def test_views_share_memory_again():
    x = torch.arange(12).reshape(3, 4)
    back = through_file({"x": x, "row": x[1], "column": x[:, 2], "t": x.t(), "same": x})
    assert back["same"] is back["x"]
    assert back["t"].stride() == (1, 4) and back["column"].storage_offset() == 2
    back["x"][1, 2] = 100
    assert back["row"][2] == 100 and back["column"][1] == 100 and back["t"][2, 1] == 100


def test_storages_are_written_once_and_aligned():
    x = torch.zeros(1000)
    file = io.BytesIO()
    torch.save([x, x[1:], x.reshape(10, 100)], file)
    assert len(file.getvalue()) < 6000
    with zipfile.ZipFile(file) as archive:
        (entry,) = (i for i in archive.infolist() if "/data/" in i.filename)
        file.seek(entry.header_offset + 26)
        lengths = np.frombuffer(file.read(4), np.uint16)
        assert (entry.header_offset + 30 + int(lengths.sum())) % 64 == 0


def test_reversed_and_read_only_arrays():
    a = np.arange(6.0)
    a.flags.writeable = False
    assert through_file(torch.from_numpy(a)).tolist() == [0, 1, 2, 3, 4, 5]
    loaded = through_file(torch.from_numpy(a))
    loaded += 1  # what is loaded can be written


def test_state_dicts(tmp_path):
    model = torch.nn.Sequential(torch.nn.ModuleList([torch.nn.Module()]))
    model.register_buffer("steps", torch.tensor(3))
    model.weight = torch.nn.Parameter(torch.ones(2, 2))
    path = tmp_path / "model.pt"
    torch.save(model.state_dict(), path)
    state = torch.load(path)
    assert list(state) == list(model.state_dict())
    model.weight.data.fill_(0)
    model.load_state_dict(state)
    assert model.weight.tolist() == [[1, 1], [1, 1]]


def test_paths_files_and_mapping(tmp_path):
    x = torch.arange(1000)
    for path in (tmp_path / "a.pt", str(tmp_path / "b")):
        torch.save({"x": x}, path)
        assert torch.load(path)["x"].tolist() == x.tolist()
        mapped = torch.load(path, mmap=True)["x"]
        mapped[0] = 5  # a private copy: the file stays
        assert mapped[0] == 5 and torch.load(path)["x"][0] == 0
    with open(tmp_path / "c", "wb") as file:
        torch.save(x, file)
    with open(tmp_path / "c", "rb") as file:
        assert torch.load(file).tolist() == x.tolist()
    with pytest.raises(ValueError, match="mmap"):
        torch.load(io.BytesIO(), mmap=True)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    torch.save([torch.ones(2)], path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        torch.save([torch.zeros(2), lambda: None], path)
    assert torch.load(path)[0].tolist() == [1, 1]
    assert os.listdir(tmp_path) == ["model.pt"]


def test_missing_folder_and_file(tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        torch.save([], tmp_path / "no" / "x.pt")
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "x.pt")


class Runs:
    def __reduce__(self):
        return (os.mkdir, ("/nonexistent/made",))


class Plain:
    def __init__(self, x):
        self.x = x


def archive_of(text):
    """A checkpoint with this pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", text)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    return file


@pytest.mark.parametrize(
    "text",
    [
        pickle.dumps(Runs(), 2),
        pickle.dumps(Plain(1), 2),
        b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.",
        b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.",
        b"\x80\x02c__builtin__\ngetattr\nX\x03\x00\x00\x001+1\x85R.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.",
        b"\x80\x02ctorch.utils.data\nDataLoader\n.",
    ],
)
def test_weights_only_runs_nothing(text):
    with pytest.raises(pickle.UnpicklingError, match="was not an allowed global by default"):
        torch.load(archive_of(text))


def test_allowed_classes():
    file = io.BytesIO()
    torch.save(Plain(torch.ones(1)), file)
    for loader in (lambda: torch.load(file, weights_only=False), None):
        file.seek(0)
        if loader is None:
            with serialization.safe_globals([Plain]):
                back = torch.load(file)
        else:
            back = loader()
        assert type(back) is Plain and back.x.tolist() == [1]
    assert serialization.get_safe_globals() == []


@pytest.mark.parametrize(
    "data, kind, text",
    [
        (b"", EOFError, "Ran out of input"),
        (b"garbage" * 100, RuntimeError, "failed finding central directory"),
        (pickle.dumps({"a": 1}, 2), NotImplementedError, "before PyTorch 1.6"),
    ],
)
def test_files_of_other_kinds(data, kind, text):
    with pytest.raises(kind, match=text):
        torch.load(io.BytesIO(data))


def test_damaged_archives():
    file = io.BytesIO()
    torch.save(torch.arange(1000), file)
    whole = file.getvalue()
    with pytest.raises(RuntimeError, match="central directory"):
        torch.load(io.BytesIO(whole[: len(whole) // 2]))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        torch.load(io.BytesIO(bytes(flipped)))


@pytest.mark.parametrize(
    "offset, size, stride", [(0, (5,), (1,)), (3, (2,), (1,)), (-1, (2,), (1,)), (0, (2,), (9,)), (3, (2,), (-1,))]
)
def test_tensors_stay_inside_their_storage(offset, size, stride):
    """A forged checkpoint must not read memory that is not its own."""
    from pytensor import _checkpoint_read as reader

    with pytest.raises(RuntimeError, match="does not fit into its storage"):
        reader._rebuild_tensor(reader._Storage(np.zeros(4, np.float32)), offset, size, stride)


def test_map_location():
    x = torch.arange(3)
    seen = []

    def to(storage, location):
        seen.append(location)
        return storage

    for where in (None, "cpu", torch.device("cpu"), {"cpu": "cpu"}, to, lambda storage, location: None):
        assert through_file(x, map_location=where).tolist() == [0, 1, 2]
    assert seen == ["cpu"]
    with pytest.raises(RuntimeError, match="restore data location"):
        through_file(x, map_location="meta")
