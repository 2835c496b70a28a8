"""Attention, forward and with its gradients: the shapes of published nets, as their code calls it.

GPT-2 small (https://github.com/openai/gpt-2) and ViT-B/16 (https://arxiv.org/abs/2010.11929) have 12 heads of 64.
"""

from __future__ import annotations

from typing import Any

from benchmarks import Row, randn


def heads(lib: Any, batch: int, count: int, length: int, size: int, seed: int, gradient: bool) -> Any:
    """(batch, heads, length, size) as a projection's result comes: split and transposed, not copied."""
    x = randn(lib, batch, length, count, size, seed=seed, requires_grad=gradient)
    return x.transpose(1, 2)


def mask_of(lib: Any, kind: str, batch: int, queries: int, keys: int) -> Any:
    noise = randn(lib, batch, 1, queries, keys, seed=9)
    return {"bool": noise > -0.8, "float": noise}.get(kind)


def attention(
    what: str,
    batch: int,
    count: int,
    queries: int,
    size: int,
    *,
    keys: int = 0,
    shared: int = 0,
    mask: str = "",
    gradient: bool = False,
    **options: Any,
) -> Row:
    keys = keys or queries

    def setup(lib: Any) -> Any:
        q = heads(lib, batch, count, queries, size, 0, gradient)
        k, v = (heads(lib, batch, shared or count, keys, size, seed, gradient) for seed in (1, 2))
        attn_mask = mask_of(lib, mask, batch, queries, keys)
        weights = randn(lib, batch, queries, count, size, seed=3).transpose(1, 2)
        attend = lib.nn.functional.scaled_dot_product_attention

        def forward() -> Any:
            if options.get("dropout_p"):
                lib.manual_seed(0)
            return attend(q, k, v, attn_mask, enable_gqa=bool(shared), **options)

        def both() -> Any:
            out = forward()
            return out, lib.autograd.grad(out, (q, k, v), weights)

        return both if gradient else forward

    kind = "".join(
        part
        for part, there in (
            (" causal", options.get("is_causal")),
            (f" {mask} mask", mask),
            (" dropout", options.get("dropout_p")),
            (f" {shared} heads of keys", shared),
        )
        if there
    )
    lengths = f"T{queries}" if keys == queries else f"L{queries} S{keys}"
    name = f"{what} B{batch} H{count} {lengths} D{size}{kind}{' forward+backward' if gradient else ''}"
    flops = 4 * batch * count * queries * keys * size * (3.5 if gradient else 1)
    return Row(name, setup, flops=flops / (2 if options.get("is_causal") else 1))


def both_ways(*args: Any, **kwargs: Any) -> list[Row]:
    return [attention(*args, **kwargs, gradient=gradient) for gradient in (False, True)]


def module(name: str, make: Any, inputs: Any, gradient: bool) -> Row:
    """A layer's forward pass, as it is used in inference, or a training step without the optimizer."""

    def setup(lib: Any) -> Any:
        lib.manual_seed(0)
        layer = make(lib).train(gradient)
        arguments, options = inputs(lib)
        weights = randn(lib, *arguments[0].shape, seed=3)

        def forward() -> Any:
            with lib.no_grad():
                return first(layer(*arguments, **options))

        def both() -> Any:
            lib.manual_seed(0)
            out = first(layer(*arguments, **options))
            return out, lib.autograd.grad(out, (arguments[0], *layer.parameters()), weights)

        return both if gradient else forward

    return Row(f"{name}{' forward+backward' if gradient else ''}", setup)


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


def self_attention(batch: int, length: int, features: int, count: int) -> list[Row]:
    def inputs(lib: Any) -> Any:
        x = randn(lib, batch, length, features, requires_grad=True)
        return (x, x, x), {"need_weights": False}

    name = f"MultiheadAttention({features}, {count}) B{batch} T{length}"
    return [
        module(name, lambda lib: lib.nn.MultiheadAttention(features, count, batch_first=True), inputs, gradient)
        for gradient in (False, True)
    ]


def encoder_layer(batch: int, length: int, features: int, count: int, **options: Any) -> list[Row]:
    def make(lib: Any) -> Any:
        return lib.nn.TransformerEncoderLayer(features, count, 4 * features, batch_first=True, **options)

    def inputs(lib: Any) -> Any:
        return (randn(lib, batch, length, features, requires_grad=True),), {}

    kind = "".join(f" {key}={value}" for key, value in options.items())
    name = f"TransformerEncoderLayer({features}, {count}) B{batch} T{length}{kind}"
    return [module(name, make, inputs, gradient) for gradient in (False, True)]


ROWS = [
    row
    for rows in (
        *(both_ways("GPT-2 small", 4, 12, length, 64, is_causal=True) for length in (256, 512, 1024)),
        *(both_ways("GPT-2 small", 4, 12, length, 64) for length in (256, 512, 1024)),
        both_ways("ViT-B", 8, 12, 197, 64),
        both_ways("small", 32, 4, 64, 16, is_causal=True),
        both_ways("small", 1, 8, 128, 64),
        both_ways("cross", 8, 8, 100, 64, keys=400),
        both_ways("masked", 8, 8, 256, 64, mask="bool"),
        both_ways("masked", 8, 8, 256, 64, mask="float"),
        both_ways("training", 8, 8, 128, 64, dropout_p=0.1),
        both_ways("grouped", 2, 32, 256, 64, shared=8, is_causal=True),
        [attention("one more token", 8, 12, 1, 64, keys=512)],
        [attention("a few tokens", 8, 12, 16, 64, keys=512)],
        self_attention(8, 128, 512, 8),
        self_attention(16, 32, 128, 4),
        encoder_layer(8, 128, 512, 8),
        encoder_layer(16, 64, 128, 4, dropout=0.0, norm_first=True, activation="gelu"),
    )
    for row in rows
]
