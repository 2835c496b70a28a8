"""PyTorch's own operator samples for reductions, scans, sorting and indexing: values, dtypes, gradients."""

import itertools
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
common = pytest.importorskip("torch.testing._internal.common_methods_invocations")
pytestmark = pytest.mark.filterwarnings("ignore")

import pytensor  # noqa: E402
from pytensor.testing.library import pytensor_library  # noqa: E402

NAMES = """
sum mean prod max min amax amin aminmax argmax argmin any all count_nonzero nansum nanmean var std var_mean std_mean
cov corrcoef logsumexp norm linalg.vector_norm linalg.norm linalg.matrix_norm dist renorm
cumsum cumprod cummax cummin logcumsumexp diff trapezoid trapz cumulative_trapezoid
sort argsort msort topk kthvalue median nanmedian mode quantile nanquantile unique unique_consecutive
searchsorted bucketize isin histc bincount histogram
gather take_along_dim scatter scatter_add scatter_reduce index_select index_add index_copy index_fill index_put
index_reduce take put masked_fill masked_scatter masked_select nonzero nonzero_static argwhere
select_scatter slice_scatter diagonal_scatter nn.functional.embedding nn.functional.embedding_bag nn.functional.one_hot
nn.functional.scaled_dot_product_attention
""".split()
# Which of several equal elements is picked, and in which order, is not defined: their indices are not compared.
TIES = {"sort", "argsort", "topk", "kthvalue", "median", "nanmedian", "mode"}
# What is not the same on purpose, or not there yet: op, part of the sample's text, why.
SKIP = {
    "unique": "sorted=False: ours is sorted, theirs in no order",
}
TOLERANCE = {"float16": 4e-3, "float32": 2e-5, "complex64": 2e-5}
OPS = [op for op in common.op_db if op.name in NAMES]


def convert(value):
    if isinstance(value, torch.Tensor):
        array = value.detach().numpy()
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


def flat(result):
    return [r for v in result for r in flat(v)] if isinstance(result, (tuple, list)) else [result]


def assert_same(ours, theirs, name, what):
    assert len(ours) == len(theirs), what
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert str(a.dtype) == str(b.dtype), f"{what}: dtype {a.dtype}, PyTorch {b.dtype}"
        assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {tuple(a.shape)}, PyTorch {tuple(b.shape)}"
        if name in TIES and b.dtype == torch.int64 and (i == 1 or name == "argsort"):
            continue
        x, y = a.detach().numpy(), b.detach().numpy()
        tolerance = TOLERANCE.get(x.dtype.name, 1e-9)
        scale = np.abs(y[np.isfinite(y)]).max(initial=0.1) if y.dtype.kind in "fc" else 0
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale, err_msg=what)


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
    if op.name == "logcumsumexp" and dtype is torch.complex64:
        pytest.skip("the phase is the principal one here; PyTorch's depends on the order of its additions")
    if op.name == "histc" and dtype is torch.float16:
        pytest.skip("bins of half precision: edges are rounded differently")
    run(op, dtype)
