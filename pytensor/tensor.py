"""The Tensor class: what is not an op.

State lives in the C base class (csrc/core/tensor.cpp): the array, the graph node, the gradient, the version. The
mathematics lives in ``pytensor/ops``, whose registry attaches methods and operators to this class. Here is the rest:
autograd entry points, conversion to and from Python, NumPy and DLPack, copying and pickling.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pytensor import _C
from pytensor import autograd as _autograd
from pytensor import device as _device
from pytensor.autograd.node import RemovableHandle
from pytensor.dtypes import FLOATING, dtype

__all__ = ["Tensor", "is_tensor"]


class Tensor(_C.TensorBase):
    """An n-dimensional array that can record the operations on it.

    Made by :func:`pytensor.tensor`, :func:`pytensor.zeros` and their kin. The data is a ``numpy.ndarray`` (on the CPU)
    or a ``cupy.ndarray`` (CUDA); views share memory as PyTorch's do.

    >>> import pytensor as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])

    Source: https://docs.pytorch.org/docs/stable/tensors.html
    """

    __array_priority__ = 1000  # NumPy hands `ndarray * tensor` to us

    # ---- construction by type, the old way ----------------------------------------------------------------

    def __new__(cls, *args: Any, device: Any = None) -> Tensor:
        from pytensor.ops.legacy import legacy_tensor

        return legacy_tensor(cls, args, device)

    @staticmethod
    def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
        """A leaf of a derived class on the memory of ``data``."""
        new = _C.TensorBase.__new__(cls)
        new._array = data._array
        new.requires_grad = require_grad
        return new

    # ---- autograd --------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are wanted for this tensor. Can be set on leaves of a floating or complex type."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            if value:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if value and self.dtype.category < FLOATING:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        if value and self._inference and not _C.is_inference_mode_enabled():
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._requires_grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets ``requires_grad`` and returns the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have added up, None before the first."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value)}")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.dtype is not self.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{value.dtype}' to a tensor with dtype '{self.dtype}'. "
                    "The gradient must match the tensor's dtype (grad_dtype is set to None)."
                )
            if value.device != self.device:
                raise RuntimeError("assigned grad has data located on a different device")
            if value.shape != self.shape:
                raise RuntimeError("assigned grad has data of a different size")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def data(self) -> Tensor:
        """The same data outside any graph; writes to it are not counted."""
        return self._alias(False)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self._array = value._array

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradient of this tensor to the ``grad`` of the leaves it was computed from.

        Args:
            gradient: the gradient of something with respect to this tensor; may be left out for one element.
            retain_graph: keep what the graph saved, for another pass (default: ``create_graph``).
            create_graph: record the backward pass itself, for higher orders.
            inputs: only these tensors' ``grad`` is added to.

        Raises:
            RuntimeError: without a graph, for a second pass through a freed one, for a gradient of another shape.

        >>> import pytensor as torch
        >>> w = torch.tensor(3.0, requires_grad=True)
        >>> (w * w).backward()
        >>> w.grad
        tensor(6.)
        """
        plain = gradient is None and not retain_graph and not create_graph and inputs is None
        if not (plain and _C.backward(self)):
            _autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same data outside the graph. Writes to either are seen, and counted, by both.

        >>> import pytensor as torch
        >>> torch.ones(2, requires_grad=True).detach().requires_grad
        False
        """
        return self._alias(True)

    def detach_(self) -> Tensor:
        """Takes this tensor out of its graph."""
        if self._base is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
                "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
                "detach_() cannot be called on these gradients."
            )
        self._set_history(None)
        return self

    def retain_grad(self) -> None:
        """Makes backward passes keep this non-leaf tensor's ``grad``."""
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or self.retains_grad:
            return
        from pytensor.autograd.hooks import retain

        retain(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls ``hook(grad)`` when this tensor's gradient is computed; what it returns, if anything, replaces it.

        >>> import pytensor as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
        """
        from pytensor.autograd.hooks import register

        return register(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Calls ``hook(param)`` after a backward pass has added to this leaf's ``grad``."""
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        hooks = self.__dict__.setdefault("_post_accumulate_grad_hooks", {})
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def is_inference(self) -> bool:
        """Was this tensor made in inference mode?"""
        return self._inference

    # ---- layout --------------------------------------------------------------------------------------------

    @property
    def device(self) -> _device.device:
        """Where the data lives."""
        return _device.CPU if isinstance(self._array, np.ndarray) else _device.of_array(self._array)

    @property
    def is_cpu(self) -> bool:
        return isinstance(self._array, np.ndarray)

    @property
    def is_cuda(self) -> bool:
        return not isinstance(self._array, np.ndarray)

    def get_device(self) -> int:
        """The index of the CUDA device, -1 on the CPU."""
        return -1 if self.is_cpu else self.device.index

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        shape = self.shape
        if dim is None:
            return shape
        try:
            return shape[dim]
        except IndexError:
            from pytensor.ops.checks import normalize_dim

            if not shape:
                raise IndexError("Dimension specified as 0 but tensor has no dimensions") from None
            return normalize_dim(dim, len(shape))  # raises, in PyTorch's words

    def stride(self, dim: int | None = None) -> Any:
        """How many elements lie between neighbours along each axis (or one)."""
        array = self._array
        size = array.dtype.itemsize
        if array.size == 0:
            strides, step = [], 1
            for n in reversed(array.shape):
                strides.append(step)
                step *= max(n, 1)
            strides.reverse()
        else:
            strides = [s // size for s in array.strides]
        if dim is None:
            return tuple(strides)
        from pytensor.ops.checks import normalize_dim

        return strides[normalize_dim(dim, len(strides))]

    def storage_offset(self) -> int:
        """Where in its storage the first element lies, in elements."""
        from pytensor.storage import offset_of

        return offset_of(self._array)

    def untyped_storage(self) -> Any:
        """The storage behind this tensor."""
        from pytensor.storage import UntypedStorage

        return UntypedStorage(self._array)

    def storage(self) -> Any:
        """The storage behind this tensor."""
        return self.untyped_storage()

    def data_ptr(self) -> int:
        """The address of the first element, 0 for an empty tensor."""
        from pytensor.autograd.views import address

        return address(self._array) if self._array.size else 0

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Row-major without gaps?"""
        if memory_format is not None and str(memory_format) != "torch.contiguous_format":
            raise NotImplementedError(f"is_contiguous(): memory format {memory_format} is not there yet")
        return self._array.flags.c_contiguous

    @property
    def itemsize(self) -> int:
        return self._array.dtype.itemsize

    def element_size(self) -> int:
        """Bytes per element."""
        return self._array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def layout(self) -> Any:
        from pytensor.layout import strided

        return strided

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        return self.dtype.is_signed

    is_meta = False
    is_sparse = False
    is_quantized = False

    def is_conj(self) -> bool:
        return False

    def is_neg(self) -> bool:
        return False

    def resolve_conj(self) -> Tensor:
        return self

    def resolve_neg(self) -> Tensor:
        return self

    def is_pinned(self) -> bool:
        return False

    def is_shared(self) -> bool:
        return False

    def is_same_size(self, other: Tensor) -> bool:
        return self.shape == other.shape

    # ---- to Python and NumPy -----------------------------------------------------------------------------------

    def item(self) -> Any:
        """The one element, as a Python number.

        Raises:
            RuntimeError: for a tensor of more or fewer elements.
        """
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        return self._array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers (a number for a 0-d tensor)."""
        return self._array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The data as a NumPy array that shares memory.

        Args:
            force: detach and copy to the CPU where needed, instead of raising.

        Raises:
            RuntimeError: for a tensor that requires grad.
            TypeError: for a CUDA tensor.

        >>> import pytensor as torch
        >>> torch.arange(3).numpy()
        array([0, 1, 2])
        """
        if not force:
            if self._requires_grad:
                raise RuntimeError(
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
                )
            if not self.is_cpu:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                    "host memory first."
                )
        return self._array if self.is_cpu else self._array.get()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError("Unable to avoid copy while creating an array as requested.")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        if self._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __bool__(self) -> bool:
        if self._array.size == 1:
            return bool(self._array.item())
        if self._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.category >= FLOATING or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, (Tensor, bool, int, float, complex)):
            return bool((self == element).any())
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from pytensor.printing import tensor_str

        return tensor_str(self, tensor_contents=tensor_contents)

    def __format__(self, spec: str) -> str:
        if self._array.ndim == 0 and type(self) is Tensor:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    # ---- copying and pickling -----------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment.  If you were attempting to deepcopy a module, this may be because of a torch.nn.utils."
                "weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            return memo[id(self)]
        new = _C.TensorBase.__new__(type(self))
        new._array = self._array.copy(order="K")
        new._requires_grad = self._requires_grad
        memo[id(self)] = new
        if self._grad is not None:
            new._grad = copy.deepcopy(self._grad, memo)
        attributes = {k: v for k, v in self.__dict__.items() if k != "_accumulate_grad"}
        new.__dict__.update(copy.deepcopy(attributes, memo))
        return new

    def __copy__(self) -> Tensor:
        new = _C.TensorBase.__new__(type(self))
        new._array = self._array
        new._requires_grad = self._requires_grad and self.is_leaf
        new.__dict__.update(self.__dict__)
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise RuntimeError("a tensor with a graph cannot be pickled: detach() it first")
        attributes = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        return (_rebuild, (type(self), self.numpy(force=True), self.dtype, self._requires_grad, attributes))

    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("tensors have no state to set: they are rebuilt whole")


def _rebuild(cls: type[Tensor], array: np.ndarray, d: dtype, requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    tensor = _C.TensorBase.__new__(cls)
    tensor._array = array
    tensor._requires_grad = requires_grad
    tensor.__dict__.update(attributes)
    return tensor


def is_tensor(obj: Any) -> bool:
    """Is this a tensor?

    >>> import pytensor as torch
    >>> torch.is_tensor(torch.ones(1)), torch.is_tensor(1)
    (True, False)
    """
    return isinstance(obj, Tensor)
