"""Complex tensors: parts are views, gradients follow PyTorch's convention."""

import numpy as np

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
