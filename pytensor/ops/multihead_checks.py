"""Argument checks of multi-head attention, in PyTorch's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "check_attention_mask",
    "check_extra_keys",
    "check_features",
    "check_padding_mask",
    "check_projections",
    "check_shapes",
]


def check_shapes(
    query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Any, attn_mask: Any, num_heads: int
) -> bool:
    """Whether the inputs are batched. AssertionError for wrong numbers of axes."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    batched = query.ndim == 3
    kind, size = ("batched (3-D)", 3) if batched else ("unbatched (2-D)", 2)
    if key.ndim != size or value.ndim != size:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {size}-D but found {key.ndim}-D and {value.ndim}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != size - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {size - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is None:
        return batched
    if attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor "
            "instead"
        )
    expected = (num_heads, query.shape[0], key.shape[0])
    if not batched and attn_mask.ndim == 3 and attn_mask.shape != expected:
        raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return batched


def check_attention_mask(mask: Tensor, batch: int, heads: int, queries: int, keys: int) -> None:
    """RuntimeError unless the mask is (queries, keys) or (batch * heads, queries, keys)."""
    expected = (queries, keys) if mask.ndim == 2 else (batch * heads, queries, keys)
    if mask.shape != expected:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}.")


def check_padding_mask(mask: Tensor, batch: int, keys: int) -> None:
    """AssertionError unless the mask is (batch, keys)."""
    for axis, expected in enumerate((batch, keys)):
        if mask.shape[axis] != expected:
            raise AssertionError(f"Expected key_padded_mask.shape[{axis}] to be {expected}, but got {mask.shape[axis]}")


def check_features(
    query: Tensor, key: Tensor, value: Tensor, expected: int, heads: int, weight: Any, separate: Any
) -> None:
    """AssertionError unless the sizes of the inputs fit each other and the number of heads, and weights are there."""
    features = query.shape[-1]
    if features != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {features}")
    if features // heads * heads != features:
        raise AssertionError(f"embed_dim {features} not divisible by num_heads {heads}")
    if separate is None:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        return
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    for name, given in zip("qkv", separate, strict=True):
        if given is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")


def check_extra_keys(bias_k: Any, bias_v: Any, static_k: Any, static_v: Any, heads: int, size: int) -> None:
    """AssertionError unless biases come in pairs and not beside static keys, and those are (batch * heads, keys,
    size)."""
    if bias_k is not None and bias_v is not None:
        for name, given in (("key", static_k), ("value", static_v)):
            if given is not None:
                raise AssertionError(f"bias cannot be added to static {name}.")
    elif bias_k is not None:
        raise AssertionError("bias_k is set but bias_v is None")
    elif bias_v is not None:
        raise AssertionError("bias_v is set but bias_k is None")
    for name, given in (("static_k", static_k), ("static_v", static_v)):
        if given is None:
            continue
        if given.shape[0] != heads:
            raise AssertionError(f"expecting {name}.size(0) of {heads}, but got {given.shape[0]}")
        if given.shape[2] != size:
            raise AssertionError(f"expecting {name}.size(2) of {size}, but got {given.shape[2]}")


def check_projections(query: Tensor, key: Tensor, value: Tensor, weights: Any, biases: Any) -> None:
    """AssertionError unless separate projection weights fit the inputs."""
    sizes = query.shape[-1], key.shape[-1], value.shape[-1]
    features = sizes[0]
    for name, weight, size in zip(("query", "key", "value"), weights, sizes, strict=True):
        if weight.shape != (features, size):
            raise AssertionError(f"expecting {name} weights shape of {(features, size)}, but got {weight.shape}")
    for name, bias in zip(("query", "key", "value"), biases, strict=True):
        if bias is not None and bias.shape != (features,):
            raise AssertionError(f"expecting {name} bias shape of {(features,)}, but got {bias.shape}")
