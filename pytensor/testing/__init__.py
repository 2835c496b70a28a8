"""Specifications of ops, and the checks that hold the ops against them.

Every public op has a spec in ``pytensor/testing/specs/<family>.py``: what samples it takes, what NumPy says the
result is, how exact the result has to be. ``tests/test_specs.py`` walks all specs; a public op without one
fails there. A new file is found by itself. It looks like this::

    import numpy as np

    from pytensor.testing import FLOATS, OpSpec, at


    def softmax_samples(s):
        x = s.array(values="finite", min_side=1)      # shape, values, strides, read-only or not: all drawn
        return s.sample(x, s.dim(x))                  # the arguments of one call: softmax(x, dim)


    def softmax(x, dim):                              # plain NumPy, obviously right, no care for speed
        e = np.exp(x - x.max(axis=dim, keepdims=True)) if x.ndim else np.ones(())
        return e / e.sum(axis=dim, keepdims=True) if x.ndim else e


    def softmax_scale(x, dim):                        # exp(t) has the error of t times |t|
        return softmax(x, dim) * (1 + np.abs(x - x.max(axis=dim, keepdims=True))) if x.ndim else 1


    SPECS = [
        OpSpec("softmax", softmax_samples, softmax, scale=softmax_scale, flops=lambda x, dim: 5 * x.size),
        OpSpec("relu", lambda s: s.sample(s.array()), lambda x: np.where(x <= 0, 0, x), kinks=at(0.0), tolerance=0),
        OpSpec("nn.functional.mse_loss", ..., ...),   # functions outside the top level by their path
        OpSpec("Tensor.view", ..., ...),              # methods that are not functions: the first argument is self
    ]

An op with several forms of call (``max(x)``, ``max(x, dim)``, ``max(x, y)``) has several specs that differ in
``variant``. Loops over tables of NumPy functions are welcome: ``SPECS += [unary(name, f) for ...]``.

The fields of :class:`OpSpec`
    ``name``            path below ``pytensor``: ``exp``, ``nn.functional.relu``, ``linalg.norm``, ``Tensor.view``
    ``samples``         function of a :class:`~pytensor.testing.source.Source` returning a :class:`Sample`
    ``reference``       the op in NumPy, called with the sample's arguments: NumPy arrays where the op gets Tensors.
                        Float arrays arrive in double precision (``upcast=False``: as drawn), the result is
                        rounded to the dtype of the op's result. Several results: a tuple. With ``upcast=False`` the
                        reference's dtype has to be the op's
    ``verify``          instead of a reference, for random ops and decompositions: ``verify(results, *args,
                        **kwargs)`` raises AssertionError; one result comes as itself, several as a list
    ``dtypes``          dtypes of the drawn arrays: ``FLOATS`` (default), ``INTEGERS``, ``REALS``, ``ANY``, names
    ``domain``          interval in which the op is differentiable, for gradient checks. Values are checked
                        everywhere: outside a function's domain NaN has to come out
    ``tolerance``       allowed error in units of the result dtype's eps (default 4), or a dict by dtype name.
                        0 for exact ops. Never widened to get a test green: mend the kernel
    ``scale``           what the error is relative to; default: the magnitude of the expected result. A function of
                        the sample's arguments, for ops that cancel: ``lambda x, dim: np.abs(x).sum(dim)``
    ``differentiable``  True, False, or the positions and keywords of arguments that have gradients: ``(0, "weight")``
    ``second_order``    False only for ops whose gradient PyTorch cannot differentiate either
    ``kinks``           function of the sample's arguments returning distances from points without derivative;
                        samples with one below 0.01 are redrawn. ``at(0.0)``: argument 0 at fixed points;
                        ``lambda a, b: a - b`` for maximum
    ``gradient_tolerance``  relative to the derivative plus the size of the values; 1e-6
    ``mutates``         the op writes to its first argument (``Tensor.copy_``): draw that with ``read_only=False``. What
                        it leaves there is the result if it returns none
    ``random``          the op draws random numbers: gradient checks seed every call
    ``inplace``, ``out``    whether there is ``x.op_()`` and ``op(out=)``; found out when None
    ``flops``, ``bytes``    work of one call, functions of the sample's arguments (``bytes`` defaults to the sum of
                        all arrays)

What a source ``s`` draws (see :class:`~pytensor.testing.source.Source`)
    ``s.array()``                           any shape, dtype ``s.dtype``, any values, any layout
    ``s.array((3, 4), dtype="int64", only=(0, 9))``   ``only``: an interval the op insists on
    ``s.array(dims=(1, 3), min_side=1, values="finite")``   ``any`` | ``finite`` | ``distinct`` (no ties)
    ``s.array(..., domain=(0, np.inf))``    a domain for this argument alone
    ``s.shape()``, ``s.broadcastable(2)``   shapes; shapes that broadcast
    ``s.dim(x)``, ``s.dims(x)``             a dimension, several; negative ones too
    ``s.integer(low, high)``, ``s.number(low, high)``, ``s.choose("sum", "mean")``, ``s.flag()``
    ``s.sample(*args, **kwargs)``           the sample; arrays may stand in lists, ``DType("float64")`` is a dtype
    ``s.gradient``                          true in gradient checks: arrays are float64, small, inside the domain
    ``s.require(condition)``                redraws unless it holds; for rare cases only

Draw what users will pass: every mode, every layout, 0-d and empty inputs. Use ``values="finite"`` only where
special values have no meaning that both PyTorch and the reference define.

Of a spec and its samples the checks make: value against reference (NaN for NaN, infinities with their sign),
dtype, inputs unchanged, the in-place and ``out=`` forms equal to the plain one, first and second gradients
against finite differences. With PyTorch installed, ``tests/parity`` holds the specs themselves against it.

To try a spec while writing it::

    pytest tests/test_specs.py -k softmax
    PYTENSOR_TESTS=intense pytest tests/test_specs.py -k softmax       # ten times the examples, new ones each run
    pytest tests/parity/test_specs.py -k softmax                       # is the spec what PyTorch does?

Kernel tests use the strategies directly::

    from pytensor.testing.strategies import arrays, shapes

    @given(arrays("float32", shapes(1, 3), values="any"))
    def test_exp(x): ...
"""

from pytensor.testing.spec import ANY, FLOATS, INTEGERS, REALS, DType, OpSpec, Sample, at

__all__ = ["ANY", "FLOATS", "INTEGERS", "REALS", "DType", "OpSpec", "Sample", "at"]
