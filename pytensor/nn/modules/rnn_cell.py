"""Recurrent cells: single steps."""

from __future__ import annotations

import math
from typing import Any

import pytensor as torch
from pytensor.nn import init
from pytensor.nn.modules.module import Module
from pytensor.nn.parameter import Parameter
from pytensor.tensor import Tensor

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share: ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``, uniform in ±1/√hidden_size."""

    __constants__ = ["input_size", "hidden_size", "bias"]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        columns = num_chunks * hidden_size
        self.weight_ih = Parameter(torch.empty((columns, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(torch.empty((columns, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(torch.empty(columns, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def extra_repr(self) -> str:
        s = "{input_size}, {hidden_size}"
        if "bias" in self.__dict__ and self.bias is not True:
            s += ", bias={bias}"
        if "nonlinearity" in self.__dict__ and self.nonlinearity != "tanh":
            s += ", nonlinearity={nonlinearity}"
        return s.format(**self.__dict__)

    def reset_parameters(self) -> None:
        """Draws new parameters."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _check_dim(self, value: Any, what: str) -> None:
        if value.ndim not in (1, 2):
            name = type(self).__name__
            raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {value.dim()}D instead")

    def _zeros(self, input: Tensor) -> Tensor:
        return torch.zeros((input.shape[0], self.hidden_size), dtype=input.dtype, device=input.device)

    def _weights(self) -> tuple[Any, ...]:
        # Looked up where they usually are, as in Linear.
        found = self._parameters
        w_ih, w_hh, b_ih, b_hh = (found.get(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        if w_ih is None or w_hh is None or (self.bias and (b_ih is None or b_hh is None)):
            return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return w_ih, w_hh, b_ih, b_hh

    def _step(self, function: Any, input: Tensor, hx: Any) -> Tensor:
        """A step of a cell with one state."""
        self._check_dim(input, "input")
        if hx is not None:
            self._check_dim(hx, "hidden")
        if input.ndim == 2:
            return function(input, self._zeros(input) if hx is None else hx, *self._weights())
        input = input.unsqueeze(0)
        return function(input, self._zeros(input) if hx is None else hx.unsqueeze(0), *self._weights()).squeeze(0)


class RNNCell(RNNCellBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or with ReLU: (batch, input_size) to (batch, hidden_size).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html

    >>> import pytensor as torch
    >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10), torch.randn(3, 20)).shape
    torch.Size([3, 20])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        function = torch.rnn_tanh_cell if self.nonlinearity == "tanh" else torch.rnn_relu_cell
        return self._step(function, input, hx)


class LSTMCell(RNNCellBase):
    """One step of long short-term memory: input and (h, c) to the next (h, c).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html

    >>> import pytensor as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10))
    >>> h.shape, c.shape
    (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        self._check_dim(input, "input")
        for i, state in enumerate(hx or ()):
            self._check_dim(state, f"hx[{i}]")
        if input.ndim == 2:
            return torch.lstm_cell(input, (self._zeros(input),) * 2 if hx is None else hx, *self._weights())
        input = input.unsqueeze(0)
        hx = (self._zeros(input),) * 2 if hx is None else (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = torch.lstm_cell(input, hx, *self._weights())
        return h.squeeze(0), c.squeeze(0)


class GRUCell(RNNCellBase):
    """One step of gated recurrent units: (batch, input_size) and (batch, hidden_size) to the next state.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html

    >>> import pytensor as torch
    >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(torch.gru_cell, input, hx)
