"""What a tensor is besides its ops: Python protocols, copies, memory, threads, processes."""

import copy
import gc
import os
import pickle
import threading

import numpy as np
import pytest

import pytensor as torch


def test_numbers_and_truth():
    x = torch.tensor(2.5)
    assert float(x) == 2.5 and int(x) == 2 and bool(x) and complex(x) == 2.5 + 0j
    assert f"{x:.3f}" == "2.500"
    assert [10, 20, 30][torch.tensor(1)] == 20
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        torch.ones(2).item()
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index"):
        [1, 2][torch.tensor(0.5)]


def test_sequence_protocol():
    x = torch.arange(6).view(3, 2)
    assert len(x) == 3 and [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    assert 4 in x and 7 not in x
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))
    with pytest.raises(TypeError, match="len\\(\\) of a 0-d tensor"):
        len(torch.tensor(1))


def test_tensors_hash_by_identity_and_take_attributes():
    x, y = torch.ones(1), torch.ones(1)
    assert len({x, y, x}) == 2
    x.note = "kept"
    assert x.note == "kept"


def test_shape_strides_and_storage():
    x = torch.zeros(2, 3, dtype=torch.float64)
    assert x.shape == (2, 3) and x.size(-1) == 3 and x.stride() == (3, 1) and x.stride(0) == 3
    t = x.t()
    assert t.stride() == (1, 3) and not t.is_contiguous() and t.contiguous().is_contiguous()
    v = x[1, 1:]
    assert v.storage_offset() == 4 and v.data_ptr() == x.data_ptr() + 32
    assert v.untyped_storage() == x.untyped_storage()
    assert x.nbytes == 48 and x.element_size() == 8 and x.numel() == 6 and x.dim() == 2
    assert repr(x.shape) == "torch.Size([2, 3])" and x.shape.numel() == 6 and isinstance(x.shape[:1], torch.Size)
    assert torch.zeros(0, 3).stride() == (3, 1)


def test_numpy_shares_memory_both_ways():
    a = np.zeros((2, 3))
    x = torch.from_numpy(a)
    a[0, 0] = 5
    x[1, 1] = 7
    assert x[0, 0] == 5 and a[1, 1] == 7
    assert np.shares_memory(x.numpy(), a)
    assert np.array_equal(np.sin(x), np.sin(a))
    assert (np.ones(3) * torch.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_dlpack_shares_memory():
    x = torch.arange(4, dtype=torch.float32)
    y = torch.from_dlpack(x)
    a = np.from_dlpack(x)
    x[0] = 9
    assert y[0] == 9 and a[0] == 9
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(1, requires_grad=True).__dlpack__()


@pytest.mark.parametrize("through", ["deepcopy", "pickle"])
def test_copies_keep_everything(through):
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    x.grad = torch.ones(2, 3)
    y = copy.deepcopy(x) if through == "deepcopy" else pickle.loads(pickle.dumps(x))
    assert y.requires_grad and y.tolist() == x.tolist() and y.data_ptr() != x.data_ptr()
    if through == "deepcopy":
        assert y.grad.tolist() == x.grad.tolist()
        with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
            copy.deepcopy(x * 2)


def test_shared_tensors_stay_shared_in_a_deepcopy():
    x = torch.ones(2)
    a, b = copy.deepcopy([x, x])
    assert a is b


def test_dtype_and_size_pickle_as_themselves():
    for value in (torch.float32, torch.bool, torch.Size([2, 3]), torch.device("cuda:1"), torch.strided):
        again = pickle.loads(pickle.dumps(value))
        assert again == value and type(again) is type(value)


def test_conversions():
    x = torch.tensor([1.7, -1.7])
    assert x.long().tolist() == [1, -1] and x.to(torch.float64).dtype is torch.float64
    assert x.to(torch.float32) is x and x.to("cpu") is x and x.to(x.device, copy=True) is not x
    assert x.type() == "torch.FloatTensor" and x.type("torch.DoubleTensor").dtype is torch.float64
    assert x.half().float().tolist() == pytest.approx([1.7, -1.7], rel=1e-3)
    with pytest.raises(RuntimeError, match="Invalid device string"):
        x.to("Nowhere!")


def test_memory_formats_that_are_not_there_say_so():
    x = torch.zeros(1, 2, 3, 4)
    assert x.to(memory_format=torch.contiguous_format) is x
    calls = [x.contiguous, x.clone, x.to, x.double, x.cpu]
    for call in calls:
        with pytest.raises(NotImplementedError, match="channels_last is not there yet"):
            call(memory_format=torch.channels_last)


def test_bfloat16_needs_its_package_and_works_with_it():
    pytest.importorskip("ml_dtypes")
    x = torch.tensor([1.0, 2.5]).bfloat16()
    assert x.dtype is torch.bfloat16 and (x + x).float().tolist() == [2.0, 5.0]


def test_cuda_without_cupy_says_so():
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(AssertionError, match="CuPy"):
            torch.ones(1).cuda()


def test_memory_returns_to_the_pool():
    gc.collect()
    before = torch.cpu.memory_stats()["in_use_bytes"]
    x = torch.zeros(1000, 1000)
    y = x + 1
    assert torch.cpu.memory_stats()["in_use_bytes"] >= before + 4_000_000
    del x, y
    assert torch.cpu.memory_stats()["in_use_bytes"] == before
    torch.cpu.empty_cache()
    assert torch.cpu.memory_stats()["cached_bytes"] == 0


def test_the_pool_keeps_to_its_limit():
    limit = torch.cpu.memory_stats()["limit_bytes"]
    try:
        torch.cpu.empty_cache()
        torch.cpu.set_memory_limit(1 << 20)
        tensors = [torch.zeros(1 << 18) + 1 for _ in range(8)]
        del tensors
        assert torch.cpu.memory_stats()["cached_bytes"] <= 1 << 20
        with pytest.raises(ValueError, match="bytes >= 0"):
            torch.cpu.set_memory_limit(-1)
    finally:
        torch.cpu.set_memory_limit(limit)


def test_training_steps_leak_nothing():
    w = torch.ones(50, 50, requires_grad=True)
    x = torch.ones(8, 50)

    def step():
        loss = (x @ w).relu().sum()
        loss.backward()
        w.grad = None

    for _ in range(5):
        step()
    gc.collect()
    before = torch.cpu.memory_stats()["in_use_bytes"]
    for _ in range(200):
        step()
    assert torch.cpu.memory_stats()["in_use_bytes"] == before


def test_a_tensor_too_big_is_refused():
    with pytest.raises((MemoryError, RuntimeError)):
        torch.empty(1 << 40, 1 << 20)


def test_threads_have_modes_of_their_own():
    seen = []

    def work():
        seen.append(torch.is_grad_enabled())
        w = torch.ones(3, requires_grad=True)
        (w * 2).sum().backward()
        seen.append(w.grad.tolist())

    with torch.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [True, [2.0, 2.0, 2.0]]


def test_a_forked_child_computes_and_does_not_hang():
    x = torch.ones(2000, 2000)
    total = (x @ x).sum().item()  # the thread pool is running now
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        same = (x @ x).sum().item() == total and torch.get_num_threads() == 1
        os.write(writer, b"1" if same else b"0")
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"1"
    os.waitpid(child, 0)


def test_number_of_threads():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert torch.get_num_threads() == 1
        with pytest.raises(RuntimeError, match="positive"):
            torch.set_num_threads(0)
    finally:
        torch.set_num_threads(before)
