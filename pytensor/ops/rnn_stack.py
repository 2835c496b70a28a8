"""A stack of recurrent layers as one op: every layer and direction is one call of a kernel each way.

The gradient is an op too; its own gradient is taken through the same steps written with public ops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytensor import _C
from pytensor.autograd import grad as engine_grad
from pytensor.autograd.node import OUTPUT, Node, record
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.dropout import drop, masked_scale, scaled
from pytensor.ops.join import cat
from pytensor.ops.linear import linear
from pytensor.ops.recompose import gradient_through

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["Stack", "run_cell", "run_stack"]


class Stack(NamedTuple):
    """What a stack is besides its tensors."""

    mode: str  # tanh, relu, lstm or gru
    layers: int
    directions: int
    biases: bool
    projects: bool
    batch_sizes: Any = None  # of packed sequences: how many are running at each step, an int64 array
    batch_first: bool = False
    dropout: float = 0.0  # between layers; 0 outside training

    def weights(self, params: Any) -> list[tuple[Any, ...]]:
        """(w_ih, w_hh, b_ih, b_hh, w_hr) of every layer and direction, from the list that the modules hold."""
        each = 2 + 2 * self.biases + self.projects
        found = []
        for i in range(0, len(params), each):
            w_ih, w_hh, *rest = params[i : i + each]
            b_ih, b_hh = rest[:2] if self.biases else (None, None)
            found.append((w_ih, w_hh, b_ih, b_hh, rest[-1] if self.projects else None))
        return found

    def gradients(self, found: list[tuple[Any, ...]]) -> list[Any]:
        """The inverse: gradients in the order of the modules' list."""
        kept = [True, True, self.biases, self.biases, self.projects]
        return [g for each in found for g, k in zip(each, kept, strict=True) if k]

    def rows(self, array: Any) -> Any:
        """(steps, batch, features) or, batch first, (batch, steps, features) as rows, step after step."""
        if self.batch_sizes is not None:
            return array
        if self.batch_first:
            array = array.swapaxes(0, 1)
        steps, batch, width = array.shape
        return array.reshape(steps * batch, width)

    def unrows(self, array: Any, shape: Any) -> Any:
        """Rows in the form of a tensor of this shape, but for the number of features."""
        if self.batch_sizes is not None:
            return array
        one, two, _ = shape
        if self.batch_first:
            return array.reshape(two, one, array.shape[1]).swapaxes(0, 1)
        return array.reshape(one, two, array.shape[1])


def _empty(shape: tuple[int, ...], like: Any) -> Any:
    if type(like) is np.ndarray:
        return _C.new_array(shape, like.dtype.num)
    return array_module(like).empty(shape, like.dtype)


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor._array


def _at(array: Any, index: int) -> Any:
    return None if array is None else array[index]


def _columns(array: Any, direction: int, stack: Stack) -> Any:
    """The part of a layer's result that one direction writes."""
    if array is None or stack.directions == 1:
        return array
    size = array.shape[1] // 2
    return array[:, direction * size : (direction + 1) * size]


def _will_record(*tensors: Any) -> bool:
    return _C.will_record(*[t for t in tensors if t is not None])


# --- forward ---


def run_stack(stack: Stack, input: Tensor, hx: Tensor, cx: Tensor | None, params: Any) -> tuple[Tensor, ...]:
    """(y, h_n) or, for lstm, (y, h_n, c_n); arguments are checked."""
    keep = _will_record(input, hx, cx, *params)
    h0, c0 = hx._array, _array(cx)
    h_n, c_n = _empty(h0.shape, h0), None if c0 is None else _empty(c0.shape, c0)
    weights = stack.weights([p._array for p in params])
    x = stack.rows(input._array)
    backend, width = backend_of(x), stack.directions * h0.shape[2]
    kept_layers: list[Any] = []
    for layer in range(stack.layers):
        y, kept = _empty((x.shape[0], width), x), []
        for direction in range(stack.directions):
            i = layer * stack.directions + direction
            states = _columns(y, direction, stack), h_n[i], _at(c_n, i)
            one = stack.mode, x, stack.batch_sizes, h0[i], _at(c0, i), weights[i], direction == 1
            kept.append(backend.rnn_forward(one, *states, keep))
        mask, scale, result = None, 1.0, y
        if stack.dropout and layer < stack.layers - 1 and y.size:
            result, mask, scale = drop(y, stack.dropout)
        if keep:
            kept_layers.append((x, y if layer < stack.layers - 1 else None, kept, mask, scale))
        x = result
    y = stack.unrows(x, input.shape)
    outputs = (y, h_n) if c_n is None else (y, h_n, c_n)
    saved = (input, hx, cx, *params, OUTPUT[0], kept_layers)
    return record(_NODES[stack.mode], (input, hx, cx, *params), outputs, saved=saved, ctx=stack)


class _StackBackward(Node):
    def backward(self, grad_y: Any, grad_h_n: Any, grad_c_n: Any = None) -> Any:
        *tensors, y, kept_layers = self.saved
        grads = grad_y, grad_h_n, grad_c_n
        return _stack_gradient(self.ctx, grads, tuple(tensors), y, kept_layers, self.needs_input_grad)


class RnnTanhBackward0(_StackBackward):
    pass


class RnnReluBackward0(_StackBackward):
    pass


class LstmBackward0(_StackBackward):
    pass


class GruBackward0(_StackBackward):
    pass


_NODES = {"tanh": RnnTanhBackward0, "relu": RnnReluBackward0, "lstm": LstmBackward0, "gru": GruBackward0}

# --- backward ---


def _stack_gradient(stack: Stack, grads: Any, tensors: Any, last: Tensor, kept_layers: Any, asked: Any) -> Any:
    """Gradients of (input, hx, cx, *params), None where not asked for."""
    input, hx, cx, *params = tensors
    grad_y, grad_h_n, grad_c_n = (_array(g) for g in grads)
    h0, c0 = hx._array, _array(cx)
    grad_h0, grad_c0 = _empty(h0.shape, h0), None if c0 is None else _empty(c0.shape, c0)
    weights = stack.weights([p._array for p in params])
    grad = None if grad_y is None else stack.rows(grad_y)
    backend, of_weights = backend_of(h0), [()] * len(weights)
    for layer in reversed(range(stack.layers)):
        x, y, kept, _, _ = kept_layers[layer]
        y = stack.rows(last._array) if y is None else y
        grad_x = None
        for direction in range(stack.directions):
            i = layer * stack.directions + direction
            one = stack.mode, x, stack.batch_sizes, h0[i], _at(c0, i), weights[i], direction == 1
            received = _columns(grad, direction, stack), _at(grad_h_n, i), _at(grad_c_n, i)
            states, y_part = (grad_h0[i], _at(grad_c0, i)), _columns(y, direction, stack)
            need_x, need_weights = layer > 0 or asked[0], any(asked[3:])
            found = backend.rnn_backward(one, y_part, kept[direction], received, states, need_x, need_weights)
            of_weights[i] = found[1:]
            if found[0] is not None:
                grad_x = found[0] if grad_x is None else _sum(grad_x, found[0])
        grad = grad_x
        if layer > 0 and kept_layers[layer - 1][3] is not None:  # what x was dropped with
            grad = scaled(grad, *kept_layers[layer - 1][3:])
    grad_input = stack.unrows(grad, input.shape) if asked[0] else None
    results = [grad_input, grad_h0, grad_c0, *stack.gradients(of_weights)]
    masks = [(mask, scale) for _, _, _, mask, scale in kept_layers]
    return _recorded(stack, grads, tensors, results, asked, masks)


def _sum(into: Any, other: Any) -> Any:
    into += other
    return into


def _recorded(stack: Stack, grads: Any, tensors: Any, results: list[Any], asked: Any, masks: Any) -> Any:
    """Records the results that were asked for, with None in the place of the others."""
    wanted = tuple(r for r, a in zip(results, asked, strict=True) if a)
    inputs = (*grads, *tensors)
    saved = (*inputs, masks)
    outputs = iter(record(RnnBackwardBackward0, inputs, wanted, saved=saved, ctx=(stack, asked)))
    return tuple(next(outputs) if a else None for a in asked)


class RnnBackwardBackward0(Node):
    def backward(self, *grads: Any) -> Any:
        *inputs, masks = self.saved
        stack, asked = self.ctx

        def composition(*inputs: Any) -> Any:
            received, tensors = inputs[:3], [_differentiable(t) for t in inputs[3:]]
            outputs = _composed(stack, *tensors[:3], tensors[3:], masks)
            pairs = [(o, g) for o, g in zip(outputs, received, strict=False) if g is not None]
            wanted = [t for t, a in zip(tensors, asked, strict=True) if a]
            outs, given = [o for o, _ in pairs], [g for _, g in pairs]
            found = engine_grad(outs, wanted, given, create_graph=True, allow_unused=True)
            return [t.new_zeros(t.shape) if g is None else g for g, t in zip(found, wanted, strict=True)]

        return gradient_through(composition, inputs, grads, self.needs_input_grad)


def _differentiable(tensor: Any) -> Any:
    return tensor if tensor is None or tensor.requires_grad else tensor.detach().requires_grad_()


# --- the same in public ops ---


def _composed(stack: Stack, input: Any, hx: Any, cx: Any, params: Any, masks: Any) -> Any:
    """(y, h_n) or (y, h_n, c_n)."""
    weights, batch = stack.weights(params), hx.shape[1]
    x, sizes = input, stack.batch_sizes
    if sizes is None:
        x = input.transpose(0, 1) if stack.batch_first else input
        sizes = [batch] * x.shape[0]
        x = x.reshape(len(sizes) * batch, x.shape[2])
    h_n, c_n = [], []
    for layer in range(stack.layers):
        parts = []
        for direction in range(stack.directions):
            i = layer * stack.directions + direction
            c = None if cx is None else cx[i]
            y, h, c = _composed_layer(stack.mode, x, sizes, hx[i], c, weights[i], direction == 1)
            parts.append(y)
            h_n.append(h)
            c_n.append(c)
        x = parts[0] if len(parts) == 1 else cat(parts, 1)
        mask, scale = masks[layer]
        x = x if mask is None else masked_scale(x, mask, scale)
    if stack.batch_sizes is None:
        x = x.reshape(len(sizes), batch, x.shape[1])
        x = x.transpose(0, 1) if stack.batch_first else x
    states = [cat([s.unsqueeze(0) for s in h_n])]
    if cx is not None:
        states.append(cat([s.unsqueeze(0) for s in c_n]))
    return [x, *states]


def _composed_layer(mode: str, x: Any, sizes: Any, h: Any, c: Any, weights: Any, reverse: bool) -> Any:
    """(y, h_n, c_n) of one direction; x and y are rows."""
    from_x = linear(x, weights[0], weights[2])
    steps, end = [], 0
    for size in sizes:
        steps.append((end, int(size)))
        end += int(size)
    outputs = []
    for first, size in reversed(steps) if reverse else steps:
        new_h, new_c = _composed_cell(
            mode, from_x[first : first + size], h[:size], None if c is None else c[:size], weights
        )
        outputs.append(new_h)
        h = new_h if size == h.shape[0] else cat([new_h, h[size:]])
        if c is not None:
            c = new_c if size == c.shape[0] else cat([new_c, c[size:]])
    return cat(outputs[::-1] if reverse else outputs), h, c


def _composed_cell(mode: str, from_x: Any, h: Any, c: Any, weights: Any) -> Any:
    """(h, c) after a step, from W_ih x + b_ih."""
    from_h = linear(h, weights[1], weights[3])
    if mode == "tanh":
        return (from_x + from_h).tanh(), None
    if mode == "relu":
        return (from_x + from_h).relu(), None
    if mode == "lstm":
        i, f, g, o = (from_x + from_h).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h if weights[4] is None else linear(h, weights[4])), c
    x_r, x_z, x_n = from_x.chunk(3, 1)
    h_r, h_z, h_n = from_h.chunk(3, 1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return (h - n) * z + n, None


# --- a single step ---


def run_cell(mode: str, input: Tensor, hx: Tensor, cx: Tensor | None, weights: Any) -> Any:
    """The next h or, for lstm, (h, c); arguments are checked. ``weights``: (w_ih, w_hh, b_ih, b_hh)."""
    keep = _will_record(input, hx, cx, *weights)
    h0, c0 = hx._array, _array(cx)
    h, c = _empty(h0.shape, h0), None if c0 is None else _empty(c0.shape, c0)
    layer = mode, input._array, None, h0, c0, (*(_array(w) for w in weights), None), False
    kept = backend_of(h0).rnn_forward(layer, h, h, c, keep)
    inputs = (input, hx, cx, *weights)
    outputs = h if c is None else (h, c)
    return record(CellBackward0, inputs, outputs, saved=(*inputs, OUTPUT[0], kept), ctx=mode)


class CellBackward0(Node):
    def backward(self, grad_h: Any, grad_c: Any = None) -> Any:
        input, hx, cx, *weights, h, kept = self.saved
        asked = self.needs_input_grad
        h0, c0 = hx._array, _array(cx)
        grad_h0, grad_c0 = _empty(h0.shape, h0), None if c0 is None else _empty(c0.shape, c0)
        layer = self.ctx, input._array, None, h0, c0, (*(_array(w) for w in weights), None), False
        received, states = (None, _array(grad_h), _array(grad_c)), (grad_h0, grad_c0)
        found = backend_of(h0).rnn_backward(layer, h._array, kept, received, states, asked[0], any(asked[3:]))
        results = [found[0], *states, *found[1:5]]
        wanted = tuple(r for r, a in zip(results, asked, strict=True) if a)
        inputs = (grad_h, grad_c, input, hx, cx, *weights)
        outputs = iter(record(CellBackwardBackward0, inputs, wanted, saved=inputs, ctx=(self.ctx, asked)))
        return tuple(next(outputs) if a else None for a in asked)


class CellBackwardBackward0(Node):
    def backward(self, *grads: Any) -> Any:
        mode, asked = self.ctx

        def composition(grad_h: Any, grad_c: Any, *inputs: Any) -> Any:
            tensors = [_differentiable(t) for t in inputs]
            input, hx, cx, *weights = tensors
            outputs = _composed_cell(mode, linear(input, weights[0], weights[2]), hx, cx, (*weights, None))
            pairs = [(o, g) for o, g in zip(outputs, (grad_h, grad_c), strict=True) if g is not None]
            wanted = [t for t, a in zip(tensors, asked, strict=True) if a]
            outs, given = [o for o, _ in pairs], [g for _, g in pairs]
            found = engine_grad(outs, wanted, given, create_graph=True, allow_unused=True)
            return [t.new_zeros(t.shape) if g is None else g for g, t in zip(found, wanted, strict=True)]

        return gradient_through(composition, self.saved, grads, self.needs_input_grad)
