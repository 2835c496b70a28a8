"""PyTorch's own operator samples for all ops that are there: values, dtypes, gradients."""

import itertools
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

import pytensor  # noqa: E402
from pytensor.testing.library import pytensor_library  # noqa: E402
from pytensor.testing.torch_samples import load  # noqa: E402

# Ops whose samples cannot be compared, and why.
NOT_COMPARED = {
    **dict.fromkeys("empty empty_like empty_permuted empty_strided new_empty new_empty_strided".split(), "any values"),
    **dict.fromkeys("rand_like nn.functional.rrelu nn.functional.alpha_dropout normal".split(), "its seed"),
    **dict.fromkeys("item allclose equal broadcast_shapes".split(), "no tensors"),
    **dict.fromkeys("H mH T mT".split(), "properties"),
    **dict.fromkeys("bfloat16 bool byte cdouble cfloat char double float half int long short".split(), "dtypes too"),
    **dict.fromkeys("to nn.functional.linear_cross_entropy".split(), "arguments of types of PyTorch's own"),
    **dict.fromkeys("einsum polygamma where zero_".split(), "samples in another order of arguments, or errors"),
    "nn.functional.triplet_margin_with_distance_loss": "a function of PyTorch's",
    "nn.functional.cosine_embedding_loss": "a function of PyTorch's",
    "as_strided": "samples are views whose memory is not copied with them",
    "nextafter": "no derivative in PyTorch either",
    "sgn": "PyTorch's gradient is a tensor without memory",
    "nn.functional.hinge_embedding_loss": "PyTorch differentiates by the target, which is a label",
    "linalg.matrix_power": "power 0 takes no part in the graph here; negative ones are not there yet",
    "sum_to_size": "PyTorch makes a boolean scalar an integer",
}
# Not there yet, which NotImplementedError says: ops of complex numbers.
NO_COMPLEX = {"nn.functional.silu", "logaddexp", "nn.functional.l1_loss"}
# Which of several equal elements is picked, and in which order, is not defined: their indices are not compared.
TIES = {"sort", "argsort", "topk", "kthvalue", "median", "nanmedian", "mode"}
# What is not the same on purpose, or not there yet: op, part of the sample's text, why.
SKIP = {
    "unique": "sorted=False: ours is sorted, theirs in no order",
}
# In float16 the order of operations shows beyond the tolerance, or PyTorch overflows where we do not; complex32 is not
# there.
NO_HALF = set(
    "addcmul complex view_as_complex nn.functional.normalize nn.functional.instance_norm native_batch_norm "
    "nn.functional.soft_margin_loss".split()
)
TOLERANCE = {"float16": 4e-3, "float32": 2e-5, "complex64": 2e-5}
OTHER_PLACES = ("_", "special.", "fft.", "signal.", "masked.", "torch.ops", "sparse")


def convert(value):
    if isinstance(value, torch.Tensor):
        array = value.detach().resolve_conj().resolve_neg().numpy()
        tensor = pytensor_library().to_tensor(array.copy() if array.ndim == 0 or 0 not in array.strides else array)
        return tensor.requires_grad_() if value.requires_grad else tensor
    if isinstance(value, torch.dtype):
        return getattr(pytensor, str(value).removeprefix("torch."))
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        return type(value)(convert(v) for v in value)
    if isinstance(value, dict):
        return {k: convert(v) for k, v in value.items()}
    return tuple(value) if isinstance(value, torch.Size) else value


def function_of(name):
    """The public function or method of this name."""
    place = pytensor
    for part in name.split("."):
        place = getattr(place, part, None)
        if place is None:
            return getattr(pytensor.Tensor, name)
    return place


def is_compared(op):
    if op.name.startswith(OTHER_PLACES) or op.name in NOT_COMPARED:
        return False
    try:
        return callable(function_of(op.name))
    except AttributeError:
        return False


def flat(result):
    return [r for v in result for r in flat(v)] if isinstance(result, (tuple, list)) else [result]


def assert_same(ours, theirs, name, what):
    assert len(ours) == len(theirs), what
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert str(a.dtype) == str(b.dtype), f"{what}: dtype {a.dtype}, PyTorch {b.dtype}"
        assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {tuple(a.shape)}, PyTorch {tuple(b.shape)}"
        if name in TIES and b.dtype == torch.int64 and (i == 1 or name == "argsort"):
            continue
        x, y = a.detach().numpy(), b.detach().resolve_conj().resolve_neg().numpy()
        tolerance = TOLERANCE.get(x.dtype.name, 1e-9)
        scale = np.abs(y[np.isfinite(y)]).max(initial=0.1) if y.dtype.kind in "fc" else 0
        if name.endswith("layer_norm"):
            scale *= 1000  # of one element, whose gradient is 0: PyTorch has rounding errors over sqrt(eps)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale, err_msg=what)


OPS = [op for op in load("common_methods_invocations", "op_db") if is_compared(op)]


def samples_of(op, dtype):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = op.sample_inputs("cpu", dtype, requires_grad=dtype.is_floating_point and op.supports_autograd)
        return list(itertools.islice(samples, 40))


def run(op, dtype):
    ours = function_of(op.name)
    if "embedding" in op.name:  # the samples have the table first

        def ours(table, numbers, function=ours, **kwargs):
            return function(numbers, table, **kwargs)

    for sample in samples_of(op, dtype):
        what = f"{op.name}({str(sample.input)[:200]}, {str(sample.args)[:300]}, {str(sample.kwargs)[:200]})"
        if op.name in SKIP and any(part in str(sample.kwargs) for part in [SKIP[op.name].split(":")[0]]):
            continue
        theirs = op(sample.input, *sample.args, **sample.kwargs)
        pytensor.manual_seed(42)  # PyTorch's samples of random functions run with this seed (wrapper_set_seed)
        args = [convert(sample.input), *convert(tuple(sample.args))]
        result = ours(*args, **convert(sample.kwargs))
        assert_same(flat(result), flat(theirs), op.name, what)
        compare_gradients(op, sample, args, flat(result), flat(theirs), what)


def compare_gradients(op, sample, args, ours, theirs, what):
    if op.name in TIES:
        return
    leaves = [(a, b) for a, b in zip(flat(list(args)), flat([sample.input, *sample.args]), strict=False)]
    leaves = [(a, b) for a, b in leaves if isinstance(b, torch.Tensor) and b.requires_grad]
    outputs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b.requires_grad]
    if not leaves or not outputs:
        return
    assert all(a.requires_grad for a, _ in outputs), what
    weights = [
        torch.linspace(0.5, 1.5, b.numel(), dtype=torch.float64).reshape(b.shape).to(b.dtype) for _, b in outputs
    ]
    wanted = torch.autograd.grad([b for _, b in outputs], [b for _, b in leaves], weights, allow_unused=True)
    got = pytensor.autograd.grad(
        [a for a, _ in outputs], [a for a, _ in leaves], [convert(w) for w in weights], allow_unused=True
    )
    for a, b in zip(got, wanted, strict=True):
        if b is not None and a is not None:
            assert_same([a], [b], op.name, f"gradient of {what}")
        else:
            assert (a is None or not a.numpy().any()) and (b is None or not b.numpy().any()), what


@pytest.mark.parametrize("op", OPS, ids=lambda op: f"{op.name}-{op.variant_test_name}".rstrip("-"))
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool, torch.complex64, torch.float16], ids=str)
def test_samples(op, dtype):
    if dtype not in op.dtypes:
        pytest.skip(f"{op.name} is not defined for {dtype}")
    if dtype is torch.complex64 and op.name in NO_COMPLEX:
        pytest.skip(f"{op.name} of complex numbers is not there yet")
    if dtype is torch.float16 and op.name in NO_HALF:
        pytest.skip(f"{op.name} in float16: other roundings")
    if op.name == "logcumsumexp" and dtype is torch.complex64:
        pytest.skip("the phase is the principal one here; PyTorch's depends on the order of its additions")
    if op.name == "histc" and dtype is torch.float16:
        pytest.skip("bins of half precision: edges are rounded differently")
    run(op, dtype)
