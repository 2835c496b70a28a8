"""Attention against PyTorch: random numbers, initialisation, layouts, inference with padding, errors."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytensor  # noqa: E402
import pytensor.nn  # noqa: E402

LIBRARIES = (torch, pytensor)


def attend(lib, *args, **kwargs):
    return lib.nn.functional.scaled_dot_product_attention(*args, **kwargs)


def random(lib, *shape, seed=0):
    return lib.tensor(np.random.default_rng(seed).standard_normal(shape))


def both(run):
    """run(lib) in both libraries, as arrays."""
    results = []
    for lib in LIBRARIES:
        found = run(lib)
        results.append(
            [np.asarray(t.detach().numpy()) for t in (found if isinstance(found, (tuple, list)) else [found])]
        )
    return zip(*results, strict=True)


def assert_same(run, rtol=1e-9):
    for theirs, ours in both(run):
        assert theirs.shape == ours.shape
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"enable_gqa": True}])
def test_dropout_draws_the_same_numbers(p, options):
    def run(lib):
        heads = 2 if "enable_gqa" in options else 4
        x, y, z = (random(lib, 2, h, n, 8, seed=n).requires_grad_() for h, n in ((4, 6), (heads, 7), (heads, 7)))
        lib.manual_seed(5)
        out = attend(lib, x, y, z, dropout_p=p, **options)
        return [out, *lib.autograd.grad((out * out).sum(), (x, y, z)), lib.rand(3, dtype=lib.float64)]

    assert_same(run)


def test_the_result_lies_in_memory_as_the_query_does():
    def strides(lib):
        x = lib.ones(2, 5, 3, 8).transpose(1, 2)
        qkv = lib.ones(2, 5, 72).view(2, 5, 3, 3, 8)
        parts = [t.transpose(1, 2) for t in qkv.unbind(2)]
        return attend(lib, x, x, x).stride(), attend(lib, *parts).stride()

    assert strides(torch) == strides(pytensor)


CALLS = {
    "1-d": lambda lib: attend(lib, lib.ones(8), lib.ones(5, 8), lib.ones(5, 8)),
    "depths": lambda lib: attend(lib, lib.ones(2, 4, 8), lib.ones(2, 5, 9), lib.ones(2, 5, 7)),
    "depths of matrices": lambda lib: attend(lib, lib.ones(4, 8), lib.ones(5, 9), lib.ones(5, 9)),
    "lengths": lambda lib: attend(lib, lib.ones(2, 4, 8), lib.ones(2, 5, 8), lib.ones(2, 6, 8)),
    "batches": lambda lib: attend(lib, lib.ones(2, 3, 4, 8), lib.ones(3, 3, 5, 8), lib.ones(2, 3, 5, 8)),
    "types": lambda lib: attend(lib, lib.ones(1, 2), lib.ones(1, 2, dtype=lib.int64), lib.ones(1, 2).bool()),
    "integers": lambda lib: attend(lib, *[lib.ones(2, 2, dtype=lib.int64)] * 3),
    "complex": lambda lib: attend(lib, *[lib.ones(2, 2, dtype=lib.complex64)] * 3),
    "type of mask": lambda lib: attend(lib, *[lib.ones(2, 2)] * 3, lib.ones(2, 2, dtype=lib.int64)),
    "shape of mask": lambda lib: attend(lib, *[lib.ones(1, 1, 2, 2)] * 3, lib.ones(2, 3)),
    "larger mask": lambda lib: attend(lib, *[lib.ones(1, 2, 2)] * 3, lib.ones(3, 1, 2, 2)),
    "vector as mask": lambda lib: attend(lib, *[lib.ones(1, 1, 2, 2)] * 3, lib.ones(2)),
    "mask and causal": lambda lib: attend(lib, *[lib.ones(1, 2, 2)] * 3, lib.ones(2, 2), is_causal=True),
    "dropout": lambda lib: attend(lib, *[lib.ones(1, 1, 2, 2)] * 3, dropout_p=1.5),
    "groups": lambda lib: attend(lib, lib.ones(1, 3, 2, 2), *[lib.ones(1, 2, 2, 2)] * 2, enable_gqa=True),
    "no tensor": lambda lib: attend(lib, None, lib.ones(1, 2), lib.ones(1, 2)),
    "heads": lambda lib: lib.nn.MultiheadAttention(5, 2),
    "no heads": lambda lib: lib.nn.MultiheadAttention(4, 0),
    "features": lambda lib: lib.nn.MultiheadAttention(4, 2)(*[lib.ones(3, 1, 6)] * 3),
    "axes": lambda lib: lib.nn.MultiheadAttention(4, 2)(lib.ones(4), lib.ones(3, 4), lib.ones(3, 4)),
    "causal without mask": lambda lib: lib.nn.MultiheadAttention(4, 2)(*[lib.ones(3, 1, 4)] * 3, is_causal=True),
    "mask of a layer": lambda lib: lib.nn.MultiheadAttention(4, 2)(*[lib.ones(3, 1, 4)] * 3, attn_mask=lib.ones(2, 3)),
    "integer mask": lambda lib: lib.nn.MultiheadAttention(4, 2)(
        *[lib.ones(3, 1, 4)] * 3, attn_mask=lib.ones(3, 3, dtype=lib.int64)
    ),
    "activation": lambda lib: lib.nn.TransformerEncoderLayer(4, 2, activation="tanh"),
    "d_model": lambda lib: lib.nn.Transformer(4, 2, 1, 1, 8)(lib.ones(3, 1, 6), lib.ones(3, 1, 6)),
    "batch of target": lambda lib: lib.nn.Transformer(4, 2, 1, 1, 8)(lib.ones(3, 1, 4), lib.ones(3, 2, 4)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_errors(call):
    errors = []
    for lib in LIBRARIES:
        with pytest.raises(Exception) as caught:
            call(lib)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


MODULES = {
    "attention": lambda lib: lib.nn.MultiheadAttention(8, 2, dtype=lib.float64),
    "attention of other sizes": lambda lib: lib.nn.MultiheadAttention(8, 2, kdim=3, vdim=5, add_bias_kv=True),
    "encoder layer": lambda lib: lib.nn.TransformerEncoderLayer(8, 2, 16),
    "decoder layer": lambda lib: lib.nn.TransformerDecoderLayer(8, 2, 16, norm_first=True),
    "transformer": lambda lib: lib.nn.Transformer(8, 2, 2, 2, 16),
    "encoder": lambda lib: lib.nn.TransformerEncoder(lib.nn.TransformerEncoderLayer(8, 2, 16), 3, lib.nn.LayerNorm(8)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_initialisation(make):
    built = []
    for lib in LIBRARIES:
        lib.manual_seed(3)
        built.append(make(lib))
    theirs, ours = built
    assert repr(theirs) == repr(ours)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(state[name].numpy(), value.numpy(), err_msg=name)


def test_a_training_transformer_draws_the_same_numbers():
    def run(lib):
        lib.manual_seed(0)
        model = lib.nn.Transformer(8, 2, 1, 2, 16, dropout=0.2, batch_first=True, dtype=lib.float64)
        src, tgt = random(lib, 3, 6, 8).requires_grad_(), random(lib, 3, 5, 8, seed=1)
        mask = lib.nn.Transformer.generate_square_subsequent_mask(5, dtype=lib.float64)
        padding = lib.tensor(np.arange(6) >= np.array([[6], [4], [3]]))
        out = model(src, tgt, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        out.square().sum().backward()
        return [out, src.grad, *(p.grad for p in model.parameters())]

    assert_same(run, rtol=1e-7)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_inference_of_an_encoder_with_padding(aligned, norm):
    """Padded positions are zero before the last norm, where PyTorch leaves them out."""

    def run(lib):
        lib.manual_seed(0)
        layer = lib.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=lib.float64)
        last = lib.nn.LayerNorm(8, dtype=lib.float64) if norm else None
        encoder = lib.nn.TransformerEncoder(layer, 2, last).eval()
        lengths = np.array([[6], [4], [3]])
        padding = np.arange(6) >= lengths if aligned else np.arange(6)[::-1] >= lengths
        with lib.no_grad():
            return encoder(random(lib, 3, 6, 8), src_key_padding_mask=lib.tensor(padding.copy()))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same(run, rtol=1e-7)


def test_second_gradient_of_a_layer():
    """Through the projections; PyTorch's own kernel has none, so its composition is asked."""

    def run(lib):
        lib.manual_seed(0)
        layer = lib.nn.MultiheadAttention(8, 2, batch_first=True, dtype=lib.float64)
        x = random(lib, 2, 4, 8).requires_grad_()
        out, _ = layer(x, x, x, need_weights=lib is torch)
        (grad,) = lib.autograd.grad(out.square().sum(), x, create_graph=True)
        return [grad, *lib.autograd.grad(grad.square().sum(), (x, layer.in_proj_weight))]

    assert_same(run)
