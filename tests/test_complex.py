"""Complex tensors: parts are views, gradients follow PyTorch's convention."""

import numpy as np
import pytest

import pytensor as torch


def test_parts_are_views():
    z = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex128)
    z.real[0] = 9
    torch.view_as_real(z)[1, 1] = 7
    assert z.tolist() == [9 + 2j, 3 + 7j]
    assert z.conj().tolist() == [9 - 2j, 3 - 7j]


def test_gradients_of_parts():
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.standard_normal(3) + 1j * rng.standard_normal(3)).requires_grad_()
    w = torch.from_numpy(rng.standard_normal((3, 2))).requires_grad_()
    for f in (lambda z: z.real, lambda z: z.imag, lambda z: z.conj(), torch.view_as_real, lambda z: z * z.conj()):
        assert torch.autograd.gradcheck(f, (z,))
        assert torch.autograd.gradgradcheck(f, (z,))
    assert torch.autograd.gradcheck(torch.view_as_complex, (w,))
    assert torch.autograd.gradgradcheck(torch.view_as_complex, (w,))


def test_a_real_loss_of_complex_parameters():
    z = torch.tensor([3 + 4j], requires_grad=True)
    (z * z.conj()).real.sum().backward()
    assert z.grad.tolist() == [6 + 8j]


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_writing(dtype):
    """Complex numbers are copied by the functions that copy real ones in C, whatever the layouts."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)

    rows, columns, mask = np.array([4, 0, 2]), np.array([1, 1, 0]), rng.random((5, 4)) < 0.5
    keys = [np.s_[1], np.s_[:, 2], np.s_[::2, 1:], np.s_[rows], np.s_[:, columns], (rows, columns), mask, mask[:, 0]]
    for key in keys:
        expected = draw(5, 4)
        x = torch.from_numpy(expected.copy())
        values = draw(*expected[key].shape)
        torch_key = (
            tuple(torch.from_numpy(k) if isinstance(k, np.ndarray) else k for k in key)
            if isinstance(key, tuple)
            else torch.from_numpy(key)
            if isinstance(key, np.ndarray)
            else key
        )
        np.testing.assert_array_equal(x[torch_key].numpy(), expected[key])
        for value in (values, values.conj(), np.asarray(values[..., :1]) if values.ndim > 1 else values[:1], 2.5, 1j):
            expected[key] = value
            x[torch_key] = torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value
            np.testing.assert_array_equal(x.numpy(), expected)
    x = torch.from_numpy(draw(6, 6))
    diagonal = torch.from_numpy(draw(6))
    x.diagonal().copy_(diagonal)
    x.t()[0].copy_(torch.arange(6))
    assert x.diagonal()[1:].tolist() == diagonal[1:].tolist()
    assert x[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert x[::2].fill_(3j).sum().item() == 54j + 0 * x.zero_().sum().item()
