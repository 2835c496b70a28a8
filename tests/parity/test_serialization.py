"""Checkpoints written by one library and read by the other."""

import collections
import io

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()


def everything(lib):
    x = lib.arange(24.0).reshape(4, 6)
    return {
        "x": x,
        "row": x[1],
        "t": x.t(),
        "step": x[::2, 1:4],
        "same": x,
        "empty": lib.empty(0, 3),
        "scalar": lib.tensor(3.5),
        "leaf": lib.ones(2, requires_grad=True),
        "parameter": lib.nn.Parameter(lib.ones(2, 2)),
        "frozen": lib.nn.Parameter(lib.ones(2, 2), requires_grad=False),
        "types": {name: lib.ones(2, 3).to(getattr(lib, name)) for name in DTYPES},
        "values": [1, 2.5, 1j, True, None, 2**70, "text", b"bytes", bytearray(b"x"), {1, 2}, (1, (2,))],
        "ordered": collections.OrderedDict(a=1),
        "names": [lib.float32, lib.Size([2, 3]), lib.device("cpu"), lib.strided],
    }


def assert_equal(a, b):
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif hasattr(a, "stride"):
        assert repr(a) == repr(b) and a.stride() == b.stride() and a.storage_offset() == b.storage_offset()
    else:
        assert repr(a) == repr(b)


@pytest.mark.parametrize("writer, reader", [(torch, pytensor), (pytensor, torch)], ids=["from torch", "to torch"])
@pytest.mark.parametrize("mmap", [False, True])
def test_exchange(writer, reader, mmap, tmp_path):
    path = tmp_path / "checkpoint.pt"
    writer.save(everything(writer), path)
    loaded = reader.load(path, weights_only=True, mmap=mmap)
    assert_equal(loaded, everything(reader))
    assert loaded["same"] is loaded["x"]
    assert loaded["row"].untyped_storage().data_ptr() == loaded["x"].untyped_storage().data_ptr()


def test_training_state_goes_there_and_back():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    net(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    ours = pytensor.load(file)
    again = io.BytesIO()
    pytensor.save(ours, again)
    again.seek(0)
    back = torch.load(again, weights_only=True)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(back["net"][name].numpy(), value.numpy())
    net.load_state_dict(back["net"])
    optimizer.load_state_dict(back["optimizer"])
    assert list(ours["net"]) == list(net.state_dict())


def test_compressed_archives_can_be_read():
    import zipfile

    file, packed = io.BytesIO(), io.BytesIO()
    torch.save({"x": torch.arange(100)}, file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    packed.seek(0)
    assert pytensor.load(packed)["x"].tolist() == list(range(100))
