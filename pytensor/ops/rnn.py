"""Recurrent networks as functions: stacks of layers over whole sequences, and single steps (cells).

The modules in :mod:`pytensor.nn` are made of these; their names and arguments are PyTorch's ``torch.lstm`` and so on.
Sources: https://doi.org/10.1162/neco.1997.9.8.1735 (LSTM), https://arxiv.org/abs/1402.1128 (its projection),
https://arxiv.org/abs/1406.1078 (GRU).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import dtypes
from pytensor.ops.checks import check_tensor
from pytensor.ops.registry import op
from pytensor.ops.rnn_stack import Stack, run_cell, run_stack
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__: list[str] = []

_GATES = {"lstm": 4, "gru": 3}  # of the others 1
_NAMES = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")
_PACKED_NAMES = ("data", "batch_sizes", "hx", *_NAMES[2:-1])


def _arguments(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, tuple[Any, ...]]:
    """(whether packed, the arguments in order), in either form: padded input, or packed data with batch sizes."""
    if not kwargs and len(args) == 9:
        return _is_packed(args), args
    packed = "data" in kwargs or "batch_sizes" in kwargs or _is_packed(args)
    names = _PACKED_NAMES if packed else _NAMES
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or given.keys() & kwargs.keys() or (given | kwargs).keys() != set(names):
        kinds = ", ".join(type(a).__name__ for a in (*args, *kwargs.values()))
        raise TypeError(
            f"{function}() received an invalid combination of arguments - got ({kinds}), but expected one of:\n"
            f" * ({', '.join(_PACKED_NAMES)})\n * ({', '.join(_NAMES)})\n"
        )
    given |= kwargs
    return packed, tuple(given[name] for name in names)


def _is_packed(args: tuple[Any, ...]) -> bool:
    """Whether the fourth argument is the list of parameters, which is the third one of padded input."""
    return len(args) > 3 and isinstance(args[3], tuple | list)


def _check_dtypes(first: Any, *others: Any) -> None:
    if first.dtype.category != dtypes.FLOATING:
        name = scalar_type_name(first.dtype)
        if first.dtype.is_complex:
            raise NotImplementedError(f"recurrent layers of {name} are not there yet: only floating-point types")
        raise RuntimeError(f"\"addmm_impl_cpu_\" not implemented for '{name}'")
    dtype = first.dtype
    for other in others:
        if other is not None and other.dtype is not dtype:
            names = scalar_type_name(first.dtype), scalar_type_name(other.dtype)
            raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {names[0]} and {names[1]}")


def _batch_sizes(batch_sizes: Any, rows: int, batch: int) -> Any:
    if batch_sizes.dtype is not dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type_name(batch_sizes.dtype)}")
    sizes = np.ascontiguousarray(batch_sizes._array).reshape(-1)
    if sizes.size == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    if sizes[-1] <= 0 or (np.diff(sizes) > 0).any():
        raise RuntimeError(f"batch_sizes must be positive and must not grow, got {sizes.tolist()}")
    if sizes.sum() != rows:
        raise RuntimeError(f"batch_sizes {sizes.tolist()} add up to {sizes.sum()} rows, but data has {rows}")
    if sizes[0] != batch:
        raise RuntimeError(f"batch_sizes begin with {sizes[0]} sequences, but the hidden state has {batch}")
    return sizes


def _check_stack(stack: Stack, x: Any, hx: Any, cx: Any, params: Any) -> None:
    """Every shape, from the input upwards. PyTorch's words where it has any."""
    weights = stack.weights([p._array.shape for p in params])
    count = stack.layers * stack.directions
    layers, states, state = hx._array.shape
    hidden = state
    if cx is not None:
        cells, cell_states, hidden = cx._array.shape
        if cells != count:
            raise RuntimeError("Expected more hidden states in stacked_rnn")
    if layers != count:
        raise RuntimeError("Expected more hidden states in stacked_rnn")
    if len(weights) != count:
        raise RuntimeError("Expected more weights in stacked_rnn")
    shape = x._array.shape
    if stack.batch_sizes is not None:
        rows, width, batch = shape[0], shape[1], states
    else:
        rows, width, batch = shape[0] * shape[1], shape[2], shape[0 if stack.batch_first else 1]
    if states != batch:
        raise RuntimeError(f"Expected hidden state of batch size {batch}, got {tuple(hx.shape)}")
    if cx is not None and cell_states != batch:
        raise RuntimeError(f"Expected cell state of batch size {batch}, got {tuple(cx.shape)}")
    columns = _GATES.get(stack.mode, 1) * hidden
    for i, (w_ih, w_hh, b_ih, b_hh, w_hr) in enumerate(weights):
        expected = width if i < stack.directions else state * stack.directions
        if w_ih != (columns, expected) or w_hh != (columns, state):
            _refuse_weights(rows, expected, batch, state, columns, w_ih, w_hh)
        for bias in (b_ih, b_hh):
            if bias is not None and bias != (columns,):
                raise RuntimeError(f"Expected parameters with {columns} rows, got {bias}")
        if w_hr is not None and w_hr != (state, hidden):
            raise RuntimeError(f"Expected a projection of shape ({state}, {hidden}), got {w_hr}")


def _refuse_weights(rows: int, width: int, batch: int, state: int, columns: int, w_ih: Any, w_hh: Any) -> None:
    for m, k, weight in ((rows, width, w_ih), (batch, state, w_hh)):
        if weight[1] != k:
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {weight[1]}x{weight[0]})")
        if weight[0] != columns:
            raise RuntimeError(f"Expected parameters with {columns} rows, got {weight}")


def _recurrent(function: str, mode: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The body of lstm, gru, rnn_tanh and rnn_relu."""
    packed, args = _arguments(function, args, kwargs)
    if packed:
        x, batch_sizes, states, params, biases, layers, dropout, train, bidirectional = args
        batch_first = False
    else:
        x, states, params, biases, layers, dropout, train, bidirectional, batch_first = args
    check_tensor(x, function, "data" if packed else "input", 1)
    hx, cx = states, None
    if mode == "lstm":
        if len(states) != 2:
            raise RuntimeError("lstm expects two hidden states")
        hx, cx = states
    check_tensor(hx, function, "hx", 3 if packed else 2)
    if x.ndim != (2 if packed else 3):
        raise RuntimeError(f"input must have {2 if packed else 3} dimensions, got {x.dim()}")
    if hx.ndim != 3 or (cx is not None and cx.ndim != 3):
        raise RuntimeError("For batched 3-D input, hx should also be 3-D")
    biases = bool(biases)
    projects = cx is not None and hx._array.shape[2] != cx._array.shape[2]
    if len(params) % (2 + 2 * biases + projects):
        raise RuntimeError("got an incorrect number of RNN parameters")
    _check_dtypes(x, hx, cx, *params)
    dropout = dropout if train else 0.0
    if dropout < 0.0 or dropout > 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout}")
    if not packed and x._array.shape[1 if batch_first else 0] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    sizes = _batch_sizes(batch_sizes, x.shape[0], hx.shape[1]) if packed else None
    stack = Stack(mode, layers, 2 if bidirectional else 1, biases, projects, sizes, bool(batch_first), dropout)
    _check_stack(stack, x, hx, cx, params)
    return run_stack(stack, x, hx, cx, params)


@op(method=False)
def lstm(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Layers of long short-term memory: (output, h_n, c_n).

    ``lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``, or, for packed
    sequences, ``lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)``.

    Args:
        input: (steps, batch, features), or (batch, steps, features) when ``batch_first``.
        hx: (h_0, c_0), each (num_layers * directions, batch, hidden); h_0 narrower where there is a projection.
        params: per layer and direction w_ih, w_hh, then b_ih and b_hh, then the projection w_hr.
        dropout: probability, between layers, when ``train``.

    Raises:
        RuntimeError: when sizes or dtypes do not fit together.

    >>> import pytensor as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 1)
    >>> y, h_n, c_n = torch.lstm(x, (h, h), [torch.ones(4, 2), torch.ones(4, 1)], False, 1, 0.0, False, False, False)
    >>> y.flatten()
    tensor([0.6083, 0.8726, 0.9353])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """
    return _recurrent("lstm", "lstm", args, kwargs)


@op(method=False)
def gru(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of gated recurrent units: (output, h_n). The arguments are those of :func:`lstm`, with hx = h_0.

    >>> import pytensor as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 1)
    >>> y, h_n = torch.gru(x, h, [torch.ones(3, 2), torch.ones(3, 1)], False, 1, 0.0, False, False, False)
    >>> y.flatten()
    tensor([0.1149, 0.2070, 0.2832])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """
    return _recurrent("gru", "gru", args, kwargs)


@op(method=False)
def rnn_tanh(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Recurrent layers with tanh: (output, h_n). The arguments are those of :func:`lstm`, with hx = h_0.

    >>> import pytensor as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 1)
    >>> y, h_n = torch.rnn_tanh(x, h, [torch.ones(1, 2), torch.ones(1, 1)], False, 1, 0.0, False, False, False)
    >>> y.flatten()
    tensor([0.9640, 0.9947, 0.9950])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """
    return _recurrent("rnn_tanh", "tanh", args, kwargs)


@op(method=False)
def rnn_relu(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Recurrent layers with ReLU: (output, h_n). The arguments are those of :func:`lstm`, with hx = h_0.

    >>> import pytensor as torch
    >>> x, h = torch.ones(3, 1, 2), torch.zeros(1, 1, 1)
    >>> y, h_n = torch.rnn_relu(x, h, [torch.ones(1, 2), torch.ones(1, 1)], False, 1, 0.0, False, False, False)
    >>> y.flatten()
    tensor([2., 4., 6.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """
    return _recurrent("rnn_relu", "relu", args, kwargs)


def _cell(function: str, mode: str, input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    check_tensor(input, function, "input", 1)
    states = hx if mode == "lstm" else (hx,)
    if mode == "lstm" and len(states) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    for state in states:
        check_tensor(state, function, "hx", 2)
    batch, width = input._array.shape
    if width != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {width} expected {w_ih.shape[1]}")
    hidden = w_hh.shape[1]
    for i, state in enumerate(states):
        rows, found = state._array.shape
        if rows != batch:
            raise RuntimeError(f"Input batch size {batch} doesn't match hidden{i} batch size {rows}")
        if found != hidden:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {found}, expected {hidden}")
    _check_dtypes(input, *states, w_ih, w_hh, b_ih, b_hh)
    columns = _GATES.get(mode, 1) * hidden
    for weight in (w_ih, w_hh, b_ih, b_hh):
        if weight is not None and weight._array.shape[0] != columns:
            raise RuntimeError(f"Expected parameters with {columns} rows, got {tuple(weight.shape)}")
    if (b_ih is None) != (b_hh is None):
        b_ih, b_hh = (w_ih.new_zeros(columns) if b is None else b for b in (b_ih, b_hh))
    return run_cell(mode, input, states[0], states[1] if mode == "lstm" else None, (w_ih, w_hh, b_ih, b_hh))


@op(method=False)
def lstm_cell(
    input: Tensor,
    hx: tuple[Tensor, Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of long short-term memory: (h, c).

    Args:
        input: (batch, features); hx: (h, c), each (batch, hidden).
        w_ih, w_hh: (4 * hidden, features) and (4 * hidden, hidden), the gates i, f, g, o one after the other.

    Raises:
        RuntimeError: when sizes or dtypes do not fit together.

    >>> import pytensor as torch
    >>> h, c = torch.lstm_cell(torch.ones(1, 2), (torch.zeros(1, 1),) * 2, torch.ones(4, 2), torch.ones(4, 1))
    >>> h, c
    (tensor([[0.6083]]), tensor([[0.8491]]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
    """
    return _cell("lstm_cell", "lstm", input, hx, w_ih, w_hh, b_ih, b_hh)


@op(method=False)
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of gated recurrent units: the next hidden state (batch, hidden).

    >>> import pytensor as torch
    >>> torch.gru_cell(torch.ones(1, 2), torch.zeros(1, 1), torch.ones(3, 2), torch.ones(3, 1))
    tensor([[0.1149]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
    """
    return _cell("gru_cell", "gru", input, hx, w_ih, w_hh, b_ih, b_hh)


@op(method=False)
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a recurrent layer: tanh(w_ih x + b_ih + w_hh h + b_hh).

    >>> import pytensor as torch
    >>> torch.rnn_tanh_cell(torch.ones(1, 2), torch.zeros(1, 1), torch.ones(1, 2), torch.ones(1, 1))
    tensor([[0.9640]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """
    return _cell("rnn_tanh_cell", "tanh", input, hx, w_ih, w_hh, b_ih, b_hh)


@op(method=False)
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a recurrent layer: relu(w_ih x + b_ih + w_hh h + b_hh).

    >>> import pytensor as torch
    >>> torch.rnn_relu_cell(torch.ones(1, 2), torch.zeros(1, 1), torch.ones(1, 2), torch.ones(1, 1))
    tensor([[2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """
    return _cell("rnn_relu_cell", "relu", input, hx, w_ih, w_hh, b_ih, b_hh)
