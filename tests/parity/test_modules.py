"""Modules against PyTorch's: the samples of its own module tests, with the same parameters."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytensor  # noqa: E402
import pytensor.nn  # noqa: E402
from pytensor.testing.torch_samples import load  # noqa: E402

# Samples that ask for what is not there yet, by module: the reason.
NOT_YET: dict[str, str] = {}


def module_cases():
    for info in load("common_modules", "module_db"):
        name = info.module_cls.__name__
        own = getattr(pytensor.nn, name, None)
        if own is None or info.module_cls is not getattr(torch.nn, name, None):
            continue
        for training in (True, False) if info.train_and_eval_differ else (True,):
            samples = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            )
            for i, sample in enumerate(samples):
                label = f"{name}-{'train' if training else 'eval'}-{i}"
                yield pytest.param(name, sample, training, id=label)


def converted(value, lib):
    """A value of PyTorch's samples, copied for a library."""
    if isinstance(value, torch.Tensor):
        data = value.detach().clone()
        made = data if lib is torch else pytensor.tensor(data.numpy())
        return made.requires_grad_(value.requires_grad)
    if isinstance(value, torch.dtype):
        return getattr(lib, str(value).removeprefix("torch."))
    if isinstance(value, (torch.nn.TransformerEncoderLayer, torch.nn.TransformerDecoderLayer)):
        return value if lib is torch else transformer_layer(value, lib)
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        fields = {f.name: converted(getattr(value, f.name), lib) for f in dataclasses.fields(value)}
        return lib.nn.LinearCrossEntropyOptions(**fields)
    if callable(value) and getattr(torch.nn.functional, getattr(value, "__name__", ""), None) is value:
        return getattr(lib.nn.functional, value.__name__)
    if isinstance(value, dict):
        return {k: converted(v, lib) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(converted(v, lib) for v in value)
    return value


def transformer_layer(layer, lib):
    """A layer of the same class and options."""
    attention = layer.self_attn
    return getattr(lib.nn, type(layer).__name__)(
        attention.embed_dim,
        attention.num_heads,
        layer.linear1.out_features,
        layer.dropout.p,
        converted(layer.activation, lib),
        layer.norm1.eps,
        attention.batch_first,
        layer.norm_first,
        layer.linear1.bias is not None,
        dtype=lib.float64,
    )


def flat(value):
    if isinstance(value, tuple | list):
        return [t for v in value for t in flat(v)]
    return [value] if hasattr(value, "detach") else []


def build(lib, name, sample, training):
    cls = getattr(lib.nn, name)
    options = dict(sample.constructor_input.kwargs)
    if "dtype" in inspect.signature(cls.__init__).parameters or hasattr(cls, "flatten_parameters"):  # recurrent
        options["dtype"] = torch.float64
    module = cls(*converted(sample.constructor_input.args, lib), **converted(options, lib))
    return module.train(training)


def run(lib, module, sample):
    """Outputs, and the gradients of inputs and parameters of the sum of squares."""
    inputs, keywords = converted(sample.forward_input.args, lib), converted(sample.forward_input.kwargs, lib)
    lib.manual_seed(0)
    outputs = flat(module(*inputs, **keywords))
    loss = sum((o * o).sum() for o in outputs if o.requires_grad)
    if isinstance(loss, lib.Tensor):
        loss.backward()
    leaves = [t for t in flat(list(inputs)) if t.requires_grad]
    return outputs, [t.grad for t in (*leaves, *module.parameters())]


@pytest.mark.parametrize(("name", "sample", "training"), list(module_cases()))
def test_module(name, sample, training):
    if name in NOT_YET:
        pytest.skip(NOT_YET[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, own = build(torch, name, sample, training), build(pytensor, name, sample, training)
        own.load_state_dict({k: converted(v, pytensor) for k, v in theirs.state_dict().items()})
        expected, gradients = run(torch, theirs, sample)
        got, own_gradients = run(pytensor, own, sample)
    assert repr(own) == repr(theirs)
    assert list(own.state_dict()) == list(theirs.state_dict())
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-9)
    for a, b in zip(own_gradients, gradients, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-9)
