"""Dtype promotion, written out."""

import pytest

import pytensor as torch

TABLE = """
    | b   u1  i1  i2  i4  i8  f2  bf  f4  f8  c8  c16
b   | b   u1  i1  i2  i4  i8  f2  bf  f4  f8  c8  c16
u1  | u1  u1  i2  i2  i4  i8  f2  bf  f4  f8  c8  c16
i1  | i1  i2  i1  i2  i4  i8  f2  bf  f4  f8  c8  c16
i2  | i2  i2  i2  i2  i4  i8  f2  bf  f4  f8  c8  c16
i4  | i4  i4  i4  i4  i4  i8  f2  bf  f4  f8  c8  c16
i8  | i8  i8  i8  i8  i8  i8  f2  bf  f4  f8  c8  c16
f2  | f2  f2  f2  f2  f2  f2  f2  f4  f4  f8  c8  c16
bf  | bf  bf  bf  bf  bf  bf  f4  bf  f4  f8  c8  c16
f4  | f4  f4  f4  f4  f4  f4  f4  f4  f4  f8  c8  c16
f8  | f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8  | c8  c8  c8  c8  c8  c8  c8  c8  c8  c16 c8  c16
c16 | c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
"""
NAMES = {
    "b": torch.bool,
    "u1": torch.uint8,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "f2": torch.float16,
    "bf": torch.bfloat16,
    "f4": torch.float32,
    "f8": torch.float64,
    "c8": torch.complex64,
    "c16": torch.complex128,
}


def table():
    head, *lines = TABLE.strip("\n").splitlines()
    columns = head.split("|")[1].split()
    for line in lines:
        name, row = line.split("|")
        yield from ((name.strip(), other, expected) for other, expected in zip(columns, row.split(), strict=True))


@pytest.mark.parametrize("first, second, expected", list(table()))
def test_promote_types(first, second, expected):
    assert torch.promote_types(NAMES[first], NAMES[second]) is NAMES[expected]


def test_the_table_is_whole():
    assert len(list(table())) == len(NAMES) ** 2


def ones(dtype, *shape):
    return torch.ones(shape).to(dtype)


@pytest.mark.parametrize(
    "operands, expected",
    [
        ((ones(torch.int32, 2), 1), torch.int32),
        ((ones(torch.int32, 2), 1.0), torch.float32),
        ((ones(torch.int32, 2), 1j), torch.complex64),
        ((ones(torch.bool, 2), True), torch.bool),
        ((ones(torch.bool, 2), 1), torch.int64),
        ((ones(torch.float16, 2), 1.0), torch.float16),
        ((ones(torch.float64, 2), 1j), torch.complex128),
        ((ones(torch.float32, 2), ones(torch.float64)), torch.float32),
        ((ones(torch.float32, 2), ones(torch.float64, 1)), torch.float64),
        ((ones(torch.int64, 2), ones(torch.float64)), torch.float64),
        ((ones(torch.uint8, 2), ones(torch.int64)), torch.uint8),
        ((ones(torch.float16), ones(torch.float32)), torch.float32),
        ((ones(torch.float32, 2), ones(torch.complex128)), torch.complex64),
        ((ones(torch.bfloat16, 2), ones(torch.float64)), torch.bfloat16),
        ((1, 2.0), torch.float32),
    ],
    ids=str,
)
def test_result_type(operands, expected):
    assert torch.result_type(*operands) is expected
    if isinstance(operands[0], torch.Tensor):
        assert (operands[0] + operands[1]).dtype is expected
