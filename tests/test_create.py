"""New tensors: factories, data, and the errors of both."""

import numpy as np
import pytest

import pytensor as torch

FACTORIES = [
    ("empty", (2, 3)),
    ("zeros", (2, 3)),
    ("ones", (2, 3)),
    ("rand", (2, 3)),
    ("randn", (2, 3)),
]


@pytest.mark.parametrize("name, sizes", FACTORIES)
def test_sizes_in_all_forms(name, sizes):
    make = getattr(torch, name)
    for t in (make(*sizes), make(sizes), make(list(sizes)), make(torch.Size(sizes)), make(size=sizes)):
        assert t.shape == sizes and t.dtype is torch.float32 and t.is_contiguous() and not t.requires_grad
    assert make(()).shape == () and make(0).shape == (0,) and make(2, 0, 3).shape == (2, 0, 3)
    assert make(np.int64(2), torch.tensor(3)).shape == (2, 3)


@pytest.mark.parametrize("name, sizes", FACTORIES)
def test_options(name, sizes):
    make = getattr(torch, name)
    assert make(2, dtype=torch.float64).dtype is torch.float64
    assert make(2, requires_grad=True).requires_grad
    assert make(2, device="cpu", layout=torch.strided, pin_memory=False).device == torch.device("cpu")
    with pytest.raises(TypeError, match=r"must be torch\.dtype, not str"):
        make(2, dtype="float32")
    with pytest.raises(RuntimeError, match="must be non-negative"):
        make(2, -1)
    with pytest.raises(RuntimeError, match="pin_memory=True requires"):
        make(2, pin_memory=True)
    with pytest.raises(NotImplementedError, match="meta"):
        make(2, device="meta")


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.zeros(1).dtype is torch.float64
        assert torch.tensor([1.5]).dtype is torch.float64
        assert torch.tensor([1.5j]).dtype is torch.complex128
        assert torch.arange(0, 1, 0.5).dtype is torch.float64
        assert torch.tensor([1]).dtype is torch.int64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "data, dtype, values",
    [
        (3, "int64", 3),
        (True, "bool", True),
        (1.5, "float32", 1.5),
        (2j, "complex64", 2j),
        ([1, 2.5], "float32", [1, 2.5]),
        ([True, 2], "int64", [1, 2]),
        ([[1, 2], [3, 4]], "int64", [[1, 2], [3, 4]]),
        (((1,), (2,)), "int64", [[1], [2]]),
        (range(3), "int64", [0, 1, 2]),
        ([], "float32", []),
        ([[], []], "float32", [[], []]),
        (np.float64(1.5), "float64", 1.5),
        ([np.float32(1.5), 2], "float32", [1.5, 2]),
        ([np.int8(1), np.int16(2)], "int16", [1, 2]),
        (np.arange(3, dtype=np.int16), "int16", [0, 1, 2]),
        ([np.array([1.0, 2.0]), [3, 4]], "float64", [[1, 2], [3, 4]]),
    ],
)
def test_types_of_data(data, dtype, values):
    t = torch.tensor(data)
    assert t.dtype is getattr(torch, dtype) and t.tolist() == values


def test_tensors_of_tensors():
    t = torch.tensor([torch.tensor(1.0), torch.tensor(2, dtype=torch.float64), 3])
    assert t.dtype is torch.float64 and t.tolist() == [1, 2, 3]
    with pytest.warns(UserWarning, match="recommended to use sourceTensor"):
        copy = torch.tensor(t)
    copy[0] = 9
    assert t[0] == 1


@pytest.mark.parametrize(
    "data, options, kind, text",
    [
        ([[1, 2], [3]], {}, ValueError, "expected sequence of length 2 at dim 1 \\(got 1\\)"),
        ([[1], 2], {}, TypeError, "not a sequence"),
        ([1, [2]], {}, TypeError, "'list' object cannot be interpreted as an integer"),
        ("abc", {}, TypeError, "invalid data type 'str'"),
        (["abc"], {}, ValueError, "too many dimensions 'str'"),
        (None, {}, RuntimeError, "Could not infer dtype of NoneType"),
        ([1, None], {}, RuntimeError, "Could not infer dtype of NoneType"),
        ({}, {}, RuntimeError, "Could not infer dtype of dict"),
        (2**63, {}, ValueError, "Overflow"),
        ([-(2**63) - 1], {}, ValueError, "Overflow"),
        (300, {"dtype": torch.uint8}, RuntimeError, "uint8 without overflow"),
        ([128], {"dtype": torch.int8}, RuntimeError, "int8 without overflow"),
        (1e20, {"dtype": torch.int64}, RuntimeError, "int64 without overflow"),
        (float("nan"), {"dtype": torch.int32}, RuntimeError, "int32 without overflow"),
        (1j, {"dtype": torch.float32}, TypeError, "must be real number, not complex"),
        ([1], {"requires_grad": True}, RuntimeError, "Only Tensors of floating point"),
        (np.array(["a"]), {}, TypeError, "can't convert np.ndarray"),
        (np.arange(3, dtype=">i4"), {}, ValueError, "byte order"),
    ],
)
def test_data_that_is_refused(data, options, kind, text):
    with pytest.raises(kind, match=text):
        torch.tensor(data, **options)


def test_data_is_copied():
    a = np.zeros(3)
    t = torch.tensor(a)
    a[0] = 1
    assert t[0] == 0
    assert torch.tensor(np.asfortranarray(np.zeros((2, 3)))).stride() == (1, 2)


@pytest.mark.parametrize("shape", [(1000,), (64, 64), (1024, 1024)])
def test_copied_arrays_begin_with_a_cache_line(shape):
    for dtype in (None, torch.float64, torch.bfloat16):
        t = torch.tensor(np.ones(shape, np.float32), dtype=dtype)
        assert t.data_ptr() % 64 == 0 and t.eq(1).all()


def test_memory_is_shared():
    a = np.zeros((2, 3), np.float32)
    for t in (torch.from_numpy(a), torch.as_tensor(a), torch.asarray(a), torch.from_dlpack(a)):
        t[0, 0] += 1
    assert a[0, 0] == 4
    assert torch.as_tensor(t) is t
    assert torch.as_tensor(a, dtype=torch.float64).dtype is torch.float64
    buffer = bytearray(8)
    t = torch.frombuffer(buffer, dtype=torch.int16, offset=2, count=2)
    t += 257
    assert bytes(buffer) == b"\0\0\1\1\1\1\0\0"


def test_reversed_arrays_are_taken_as_they_are():
    a = np.arange(4.0)
    t = torch.from_numpy(a[::-1])
    assert t.tolist() == [3, 2, 1, 0] and t.stride() == (-1,)
    t[0] = 9
    assert a[3] == 9
    assert torch.tensor(a[::-1]).tolist() == [9, 2, 1, 0]
    for like in (torch.zeros_like(t), torch.rand_like(t)):
        assert like.shape == (4,)
    t.uniform_()
    assert ((a >= 0) & (a < 1)).all()


def test_asarray_copies_when_told():
    t = torch.ones(2)
    assert torch.asarray(t) is t
    assert torch.asarray(t, copy=True) is not t
    assert torch.asarray(t, requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="can't alias"):
        torch.asarray(t, dtype=torch.float64, copy=False)
    with pytest.raises(ValueError, match="can't alias arbitrary sequence"):
        torch.asarray([1, 2], copy=False)


def test_out():
    for fill, value in ((torch.zeros, 0), (torch.ones, 1)):
        out = torch.full((2,), 5.0)
        assert fill(2, out=out) is out and out.tolist() == [value, value]
    out = torch.empty(3, dtype=torch.int64)
    assert torch.arange(3, out=out) is out and out.tolist() == [0, 1, 2]
    assert torch.full((3,), 7, out=out).tolist() == [7, 7, 7]
    assert torch.rand(3, out=torch.empty(3)).shape == (3,)


@pytest.mark.parametrize(
    "args, values",
    [
        ((3,), [0, 1, 2]),
        ((1, 4), [1, 2, 3]),
        ((5, 0, -2), [5, 3, 1]),
        ((0, 5, 5), [0]),
        ((3, 3), []),
        ((0.0, 1.0, 0.25), [0, 0.25, 0.5, 0.75]),
        ((2**53, 2**53 + 2), [2**53, 2**53 + 1]),
    ],
)
def test_arange(args, values):
    assert torch.arange(*args).tolist() == values


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: torch.arange(1, 5, 0), "step must be nonzero"),
        (lambda: torch.arange(5, 1), "inconsistent with step sign"),
        (lambda: torch.arange(0, float("inf")), "unsupported range: 0 -> inf"),
        (lambda: torch.linspace(0, 1, -1), "number of steps must be non-negative"),
        (lambda: torch.eye(-1), "n must be greater or equal to 0"),
        (lambda: torch.tril_indices(-1, 2), "row must be non-negative"),
        (lambda: torch.meshgrid(indexing="ij"), "non-empty"),
        (lambda: torch.combinations(torch.ones(1, 2)), "Expect a 1D vector"),
        (lambda: torch.vander(torch.ones(1, 2)), "one-dimensional"),
        (lambda: torch.empty_strided((2,), (1, 1)), "dimensionality of sizes"),
        (lambda: torch.complex(torch.ones(1), torch.ones(1).double()), "Expected object of scalar type Float"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


def test_linspace_meets_both_ends():
    for dtype in (torch.float32, torch.float64, torch.float16):
        for n in (2, 3, 10, 101):
            t = torch.linspace(-0.3, 0.7, n, dtype=dtype)
            assert (
                t.shape == (n,) and t[0] == torch.tensor(-0.3, dtype=dtype) and t[-1] == torch.tensor(0.7, dtype=dtype)
            )
            assert (t[1:] > t[:-1]).all()


def test_complex_parts_have_gradients():
    real = torch.tensor([1.0, 2.0], requires_grad=True)
    imag = torch.tensor([3.0, 4.0], requires_grad=True)
    z = torch.complex(real, imag)
    (z.real * 2 + z.imag * 3).sum().backward()
    assert real.grad.tolist() == [2, 2] and imag.grad.tolist() == [3, 3]


def test_meshgrid_gives_views():
    x = torch.arange(3)
    grid, _ = torch.meshgrid(x, torch.arange(2), indexing="ij")
    x[0] = 9
    assert grid.tolist() == [[9, 9], [1, 1], [2, 2]]


def test_new_tensors_take_type_and_form():
    x = torch.ones(2, 3, dtype=torch.float64).t()
    for name in ("empty_like", "zeros_like", "ones_like", "rand_like", "randn_like"):
        t = getattr(torch, name)(x)
        assert t.dtype is torch.float64 and t.stride() == (1, 3)
        assert getattr(torch, name)(x, dtype=torch.float32, requires_grad=True).requires_grad
    assert torch.randint_like(x, 5).stride() == (1, 3)
    assert x.new_zeros(2, 2).dtype is torch.float64 and x.new_ones((1,)).tolist() == [1]
    assert x.new_tensor([1]).dtype is torch.float64 and x.new_full((2,), 3).tolist() == [3, 3]
    assert x.new_empty(2, dtype=torch.int8).dtype is torch.int8
    assert x.new_empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    image = torch.empty(2, 3, 4, 5, memory_format=torch.channels_last)
    assert image.stride() == (60, 1, 15, 3)
    assert torch.empty_like(image).stride() == (60, 1, 15, 3)
    assert torch.empty_like(image, memory_format=torch.contiguous_format).stride() == (60, 20, 5, 1)
    with pytest.raises(RuntimeError, match="required rank 4"):
        torch.empty(2, 3, memory_format=torch.channels_last)


def test_uninitialised_memory_is_writable_and_separate():
    a, b = torch.empty(5), torch.empty(5)
    a.fill_(1)
    b.fill_(2)
    assert a.tolist() == [1] * 5
