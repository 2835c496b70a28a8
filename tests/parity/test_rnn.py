"""Recurrent modules and packed sequences against PyTorch: seeds, dropout, second gradients, errors."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytensor  # noqa: E402

MODULES = [
    ("RNN", (3, 5, 2), {"dropout": 0.5}),
    ("RNN", (3, 5, 1, "relu"), {"bidirectional": True}),
    ("LSTM", (3, 5, 2), {"dropout": 0.3, "bidirectional": True}),
    ("LSTM", (3, 5, 2), {"proj_size": 2, "batch_first": True}),
    ("LSTM", (3, 5, 2), {"bias": False, "dropout": 1.0}),
    ("GRU", (3, 5, 3), {"dropout": 0.5, "batch_first": True}),
    ("GRU", (3, 5, 2), {"bidirectional": True, "bias": False}),
]
CELLS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {"bias": False}), ("GRUCell", {})]
both = (torch, pytensor)


def flat(value):
    if isinstance(value, tuple | list):
        return [t for v in value for t in flat(v)]
    return [] if value is None else [value]


def same(theirs, own, tolerance=1e-5):
    assert len(theirs) == len(own)
    for a, b in zip(theirs, own, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=tolerance, atol=tolerance)


def numbers(lib, *shape, dtype="float32", seed=0):
    return lib.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("name", "args", "options"), MODULES)
def test_same_seed_gives_the_same_parameters_dropout_and_gradients(name, args, options):
    results = []
    for lib in both:
        lib.manual_seed(7)
        module = getattr(lib.nn, name)(*args, **options)
        x = numbers(lib, 4, 4, 3).requires_grad_()
        out = flat(module(x))
        sum((o * o).sum() for o in out).backward()
        results.append([*module.state_dict().values(), *out, x.grad, *(p.grad for p in module.parameters())])
        results[-1].append(lib.rand(3))  # as many random numbers were drawn
    same(*results)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("name", "args", "options"), MODULES)
@pytest.mark.parametrize("given_state", [False, True])
def test_packed_sequences(name, args, options, given_state):
    results = []
    for lib in both:
        lib.manual_seed(3)
        rnn = lib.nn.utils.rnn
        module = getattr(lib.nn, name)(*args, **options)
        x = numbers(lib, 5, 4, 3).requires_grad_()
        packed = rnn.pack_padded_sequence(x, lib.tensor([2, 5, 1, 5]), enforce_sorted=False)
        hx = None
        if given_state:
            d, h = module.num_layers * (2 if module.bidirectional else 1), module.proj_size or 5
            hx = numbers(lib, d, 4, h, seed=1)
            hx = (hx, numbers(lib, d, 4, 5, seed=2)) if name == "LSTM" else hx
        y, state = module(packed, hx)
        padded, lengths = rnn.pad_packed_sequence(y, padding_value=-1.0, total_length=6)
        (padded.square().sum() + sum(s.sum() for s in flat(state))).backward()
        grads = [x.grad, *(p.grad for p in module.parameters())]
        results.append([y.data, y.batch_sizes, y.sorted_indices, padded, lengths, *flat(state), *grads])
    same(*results)


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("batched", [True, False])
def test_cells(name, options, batched):
    results = []
    for lib in both:
        lib.manual_seed(5)
        cell = getattr(lib.nn, name)(3, 4, **options)
        x = numbers(lib, *((2, 3) if batched else (3,))).requires_grad_()
        state = cell(x)
        state = cell(x, state)
        state = cell(x, state)
        sum((s * s).sum() for s in flat(state)).backward()
        results.append([*flat(state), x.grad, *(p.grad for p in cell.parameters())])
        results[-1].append(lib.rand(1))
        text = repr(cell)
    assert text == repr(getattr(torch.nn, name)(3, 4, **options))
    same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU"])  # PyTorch's own LSTM has no second gradient on the CPU
def test_second_gradients(name):
    results = []
    for lib in both:
        lib.manual_seed(1)
        module = getattr(lib.nn, name)(3, 4, 2, bidirectional=True, dtype=lib.float64)
        x = numbers(lib, 5, 2, 3, dtype="float64").requires_grad_()
        y, h = module(x)
        leaves = [x, *module.parameters()]
        first = lib.autograd.grad(y.square().sum() + h.sum(), leaves, create_graph=True)
        results.append(list(lib.autograd.grad(sum((g * g).sum() for g in first), leaves)))
    same(*results, tolerance=1e-9)


def outcome(lib, action):
    with np.errstate(all="ignore"):
        try:
            return flat(action(lib))
        except Exception as error:
            return type(error).__name__, str(error).replace("pytensor", "torch")


def lstm(lib, x, *args, **options):
    return lib.nn.LSTM(3, 4, **options)(numbers(lib, *x), *args)


def zeros(lib, *shapes):
    return tuple(lib.zeros(*s) for s in shapes)


def pack(lib, *args, **options):
    return lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(3, 2), *args, **options)


ERRORS = {
    "mode": lambda lib: lib.nn.RNN(3, 4, nonlinearity="sigmoid"),
    "projection": lambda lib: lib.nn.GRU(3, 4, proj_size=2),
    "wide projection": lambda lib: lib.nn.LSTM(3, 4, proj_size=4),
    "negative projection": lambda lib: lib.nn.LSTM(3, 4, proj_size=-1),
    "dropout": lambda lib: lib.nn.LSTM(3, 4, dropout=1.5),
    "bias": lambda lib: lib.nn.LSTM(3, 4, bias=1),
    "input_size": lambda lib: lib.nn.LSTM(3.0, 4),
    "hidden_size": lambda lib: lib.nn.LSTM(3, 0),
    "num_layers": lambda lib: lib.nn.LSTM(3, 4, 0),
    "4-D": lambda lib: lstm(lib, (2, 2, 2, 3)),
    "GRU 1-D": lambda lib: lib.nn.GRU(3, 4)(lib.zeros(3)),
    "RNN 1-D": lambda lib: lib.nn.RNN(3, 4)(lib.zeros(3)),
    "features": lambda lib: lstm(lib, (2, 2, 5)),
    "dtype": lambda lib: lib.nn.LSTM(3, 4)(numbers(lib, 2, 2, 3, dtype="float64")),
    "state": lambda lib: lstm(lib, (2, 2, 3), zeros(lib, (1, 3, 4), (1, 2, 4))),
    "cell state": lambda lib: lstm(lib, (2, 2, 3), zeros(lib, (1, 2, 4), (1, 2, 5))),
    "2-D state": lambda lib: lstm(lib, (2, 2, 3), zeros(lib, (1, 4), (1, 4))),
    "3-D state": lambda lib: lib.nn.GRU(3, 4)(lib.zeros(2, 3), lib.zeros(1, 1, 4)),
    "no steps": lambda lib: lstm(lib, (0, 2, 3)),
    "one state": lambda lib: lib.lstm(lib.zeros(2, 2, 3), (lib.zeros(1, 2, 4),), [], True, 1, 0.0, True, False, False),
    "cell 3-D": lambda lib: lib.nn.LSTMCell(3, 4)(lib.zeros(1, 1, 3)),
    "cell hidden 3-D": lambda lib: lib.nn.GRUCell(3, 4)(lib.zeros(1, 3), lib.zeros(1, 1, 4)),
    "cell hx 3-D": lambda lib: lib.nn.LSTMCell(3, 4)(lib.zeros(1, 3), (lib.zeros(1, 4), lib.zeros(1, 1, 4))),
    "cell features": lambda lib: lib.nn.GRUCell(3, 4)(lib.zeros(1, 2)),
    "cell batch": lambda lib: lib.nn.GRUCell(3, 4)(lib.zeros(2, 3), lib.zeros(1, 4)),
    "cell hidden": lambda lib: lib.nn.LSTMCell(3, 4)(lib.zeros(2, 3), zeros(lib, (2, 4), (2, 5))),
    "unsorted": lambda lib: pack(lib, [2, 3]),
    "length 0": lambda lib: pack(lib, [3, 0]),
    "lengths": lambda lib: pack(lib, [3]),
    "nothing": lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(0, 2), [1, 1]),
    "no sequences": lambda lib: lib.nn.utils.rnn.pad_sequence([]),
    "no iterable": lambda lib: lib.nn.utils.rnn.pad_sequence(3),
    "side": lambda lib: lib.nn.utils.rnn.pad_sequence([lib.zeros(2)], padding_side="top"),
    "total_length": lambda lib: lib.nn.utils.rnn.pad_packed_sequence(pack(lib, [3, 2]), total_length=2),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.filterwarnings("ignore")
def test_errors(name):
    theirs, own = (outcome(lib, ERRORS[name]) for lib in both)
    assert isinstance(theirs, tuple), f"PyTorch accepts this: {theirs}"
    assert own == theirs


@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_and_packing(batch_first):
    results = []
    for lib in both:
        rnn = lib.nn.utils.rnn
        parts = [numbers(lib, n, 2, seed=n).requires_grad_() for n in (2, 4, 1)]
        padded = rnn.pad_sequence(parts, batch_first, 5.0)
        left = rnn.pad_sequence(parts, batch_first, padding_side="left")
        packed = rnn.pack_sequence(parts, enforce_sorted=False)
        unpacked = rnn.unpack_sequence(packed)
        unpadded = rnn.unpad_sequence(padded.detach().clone(), lib.tensor([2, 4, 1]), batch_first)
        (padded.square().sum() + left.sum() + packed.data.exp().sum()).backward()
        double = packed.double()
        values = [padded, left, *packed, *unpacked, *unpadded, *(p.grad for p in parts), double.data]
        results.append(values)
        assert packed.to(lib.float32) is packed
        results[-1].append(rnn.invert_permutation(lib.tensor([2, 0, 3, 1])))
    same(*results)


def test_state_dicts_and_weights():
    theirs, own = (lib.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2) for lib in both)
    assert list(own.state_dict()) == list(theirs.state_dict())
    assert [[tuple(w.shape) for w in ws] for ws in own.all_weights] == [
        [tuple(w.shape) for w in ws] for ws in theirs.all_weights
    ]
    assert own.flatten_parameters() is None
    own.double()
    assert own(pytensor.zeros(1, 1, 3, dtype=pytensor.float64))[0].dtype == pytensor.float64
    own.weight_hh_l0 = pytensor.nn.Parameter(own.weight_hh_l0.detach() * 2)
    assert own._flat_weights[1] is own.weight_hh_l0
