"""In-place ops answered in C do what their Python definition does: values, aliases, versions, errors."""

from __future__ import annotations

import pytest

import pytensor as torch
from pytensor import _C

CALLS = {
    "add_": [(1,), (2.5,), ("other",), ("row",), ("int",), ("shifted",), ("transposed",), ("wide",), ("double",)],
    "mul_": [(2,), ("other",), ("self",), ("bool",)],
    "sub_": [(1,), ("other",), ("bool",)],
    "div_": [(2,), ("other",)],
    "pow_": [(2,), (3,), (1.5,), (0.5,), ("other",)],
    "clamp_": [(-1, 1), (None, 0.5), ("other",), ()],
    "relu_": [()],
    "exp_": [()],
    "neg_": [()],
    "lerp_": [("other", 0.3), ("other", "row")],
    "addcmul_": [("other", "row"), ("transposed", "transposed")],
    "__iadd__": [(1,), ("other",), ("text",)],
    "__imul__": [("other",), (0.5,)],
    "lt_": [(1,)],
}
TENSORS = {
    "float": lambda: torch.arange(16.0).reshape(4, 4) - 7,
    "double": lambda: torch.arange(16.0, dtype=torch.float64).reshape(4, 4) - 7,
    "int": lambda: torch.arange(16).reshape(4, 4),
    "half": lambda: torch.arange(16).reshape(4, 4).half(),
    "column-major": lambda: (torch.arange(16.0).reshape(4, 4) - 7).t(),
    "part": lambda: (torch.arange(24.0).reshape(4, 6) - 7)[:, 1:5],
    "expanded": lambda: torch.ones(4, 1).expand(4, 4),
    "leaf": lambda: torch.ones(4, 4, requires_grad=True),
    "inner": lambda: torch.ones(4, 4, requires_grad=True) * 2,
    "view": lambda: (torch.ones(4, 5, requires_grad=True) * 2)[:, :4],
}


def operands(x, names):
    x = x.detach()
    values = {
        "self": x,
        "other": (x * 0 + 3).clone(),
        "row": x[1].clone(),
        "int": torch.full((4, 4), 2),
        "bool": torch.ones(4, 4, dtype=torch.bool),
        "double": torch.ones(4, 4, dtype=torch.float64),
        "transposed": x.t(),
        "shifted": x.reshape(-1)[:4],
        "wide": torch.ones(2, 4, 4),
        "text": "text",
    }
    return [values[n] if isinstance(n, str) else n for n in names]


def run(function, make, names):
    x = make()
    version = x._version
    try:
        result = function(x, *operands(x, names))
    except Exception as error:
        return type(error), str(error), x._version - version, x.tolist()
    if result is NotImplemented:
        return result
    assert result is x
    return x.tolist(), x.dtype, x.stride(), x._version - version, x.grad_fn.name() if x.grad_fn else None


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.parametrize("name", CALLS)
def test_forms(name, kind):
    method = getattr(torch.Tensor, name)
    assert isinstance(method, _C.Op)
    for names in CALLS[name]:
        for grad in (True, False):
            with torch.set_grad_enabled(grad):
                quick = run(method, TENSORS[kind], names)
                defined = run(method.__wrapped__, TENSORS[kind], names)
            assert repr(quick) == repr(defined), names  # repr: NaN equals itself


def test_a_saved_tensor_may_not_be_overwritten():
    x = torch.ones(3, requires_grad=True)
    y = torch.ones(3)
    z = (x * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_read_only_arrays_stay_as_they_are():
    import numpy as np

    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        torch.from_numpy(array).add_(1)
