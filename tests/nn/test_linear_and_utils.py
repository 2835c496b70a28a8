"""Linear, lazy, embedding and flatten layers; gradient clipping, parameter vectors, folding of batch norms."""

import copy
import pickle

import numpy as np
import pytest

import pytensor as torch
from pytensor import nn
from pytensor.nn import utils


def test_linear_starts_uniform_within_its_bound():
    torch.manual_seed(0)
    layer = nn.Linear(16, 200)
    for values in (layer.weight, layer.bias):
        assert values.abs().max().item() <= 0.25 and values.std().item() > 0.1
    x = torch.randn(5, 16)
    expected = x.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert nn.Linear(2, 3, bias=False).bias is None
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        assert nn.Linear(0, 3).bias.tolist() == [0, 0, 0]
    assert nn.Linear(2, 3, dtype=torch.float64).weight.dtype is torch.float64


def test_linear_with_a_tensor_in_place_of_its_weight():
    layer = nn.Linear(2, 1, bias=False)
    del layer.weight
    layer.weight = torch.tensor([[1.0, 2.0]])
    assert layer(torch.ones(1, 2)).tolist() == [[3]]


def test_lazy_linear():
    layer = nn.LazyLinear(3)
    assert repr(layer.weight) == "<UninitializedParameter>" and layer.has_uninitialized_params()
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        _ = layer.weight.shape
    copied = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    assert copied(torch.zeros(1, 5)).shape == (1, 3)
    assert layer(torch.randn(4, 2)).shape == (4, 3)
    assert type(layer) is nn.Linear and layer.in_features == 2 and type(layer.weight) is nn.Parameter
    assert not layer._forward_pre_hooks and not layer._load_state_dict_pre_hooks
    loaded = nn.LazyLinear(3)
    loaded.load_state_dict(layer.state_dict())
    assert loaded.weight.tolist() == layer.weight.tolist()


def test_embedding():
    table = nn.Embedding(5, 3, padding_idx=-1)
    assert table.padding_idx == 4 and table.weight[4].tolist() == [0, 0, 0]
    table(torch.tensor([1, 1, 4])).sum().backward()
    assert table.weight.grad[:, 0].tolist() == [0, 2, 0, 0, 0]
    frozen = nn.Embedding.from_pretrained(torch.arange(6.0).reshape(3, 2))
    assert not frozen.weight.requires_grad and frozen(torch.tensor(2)).tolist() == [4, 5]
    with pytest.raises(AssertionError, match="Padding_idx must be within num_embeddings"):
        nn.Embedding(3, 2, padding_idx=3)
    bag = nn.EmbeddingBag.from_pretrained(torch.arange(6.0).reshape(3, 2), mode="sum")
    assert bag(torch.tensor([0, 1, 2]), torch.tensor([0, 2])).tolist() == [[2, 4], [4, 5]]


def test_flatten_and_unflatten():
    assert nn.Flatten()(torch.zeros(2, 3, 4)).shape == (2, 12)
    assert nn.Unflatten(1, (2, -1))(torch.zeros(3, 10)).shape == (3, 2, 5)
    with pytest.raises(TypeError, match="unflattened_size must be tuple of ints, but found element of type str at pos"):
        nn.Unflatten(1, (2, "a"))


def with_gradients(*gradients):
    params = [nn.Parameter(torch.zeros(len(g))) for g in gradients]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = torch.tensor(gradient)
    return params


def test_clipping_by_norm():
    params = [*with_gradients([3.0], [4.0, 0.0]), nn.Parameter(torch.zeros(1))]
    assert utils.clip_grad_norm_(params, 10.0).item() == 5 and params[0].grad.tolist() == [3]
    assert utils.clip_grad_norm_(iter(params), 1.0).item() == 5
    np.testing.assert_allclose(params[1].grad.tolist(), [0.8, 0], rtol=1e-5)
    assert utils.get_total_norm([]).item() == 0
    assert utils.get_total_norm([torch.tensor([1.0, -7.0])], float("inf")).item() == 7
    assert utils.clip_grad_norm_(with_gradients([2.0, 1.0]), 1.0, norm_type=1).item() == 3
    assert utils.clip_grad_norm_(with_gradients([2.0])[0], 1.0).item() == 2
    infinite = with_gradients([float("inf")])
    with pytest.raises(
        RuntimeError, match=r"The total norm of order 2.0 for gradients from `parameters` is non-finite"
    ):
        utils.clip_grad_norm_(infinite, 1.0, error_if_nonfinite=True)
    with pytest.warns(UserWarning, match="`parameters` is an empty generator, no gradient clipping will occur"):
        utils.clip_grad_norm_((p for p in ()), 1.0)
    with pytest.warns(FutureWarning, match=r"`torch.nn.utils.clip_grad_norm` is now deprecated"):
        utils.clip_grad_norm(params, 1.0)


def test_clipping_by_value():
    params = with_gradients([3.0, -0.5], [-4.0])
    utils.clip_grad_value_(params, 1.0)
    assert [p.grad.tolist() for p in params] == [[1, -0.5], [-1]]


def test_parameter_vectors():
    params = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(3))]
    vector = utils.parameters_to_vector(params)
    assert vector.tolist() == [1, 1, 1, 1, 0, 0, 0] and vector.requires_grad
    utils.vector_to_parameters(torch.arange(7.0), params)
    assert params[0].tolist() == [[0, 1], [2, 3]] and params[1].tolist() == [4, 5, 6]
    with pytest.raises(TypeError, match=r"expected torch.Tensor, but got: int"):
        utils.vector_to_parameters(3, params)


def warmed(norm, features):
    norm(torch.randn(9, *features))
    return norm.eval()


def test_folding_batch_norms():
    torch.manual_seed(0)
    for conv, norm, features, transpose in (
        (nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), (3, 4, 4), False),
        (nn.ConvTranspose2d(2, 3, 3), nn.BatchNorm2d(3, affine=False), (3, 4, 4), True),
    ):
        x = torch.randn(4, 2, 6, 6)
        norm = warmed(norm, features)
        fused = utils.fuse_conv_bn_eval(conv.eval(), norm, transpose)
        np.testing.assert_allclose(fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    linear, norm = nn.Linear(4, 3).eval(), warmed(nn.BatchNorm1d(3), (3,))
    x = torch.randn(5, 4)
    fused = utils.fuse_linear_bn_eval(linear, norm)
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(linear(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="Fusion only for eval!"):
        utils.fuse_linear_bn_eval(linear.train(), norm)
