"""Convolutions of real networks: forward, input gradient and weight gradient apart, so that each can be compared.

Names: batch x channels x image, kernel, output channels; s2 is stride 2, dw depthwise, g32 32 groups, T transposed.
ResNet (3x3, 1x1), VGG (large images, few of them), Inception (1x7, 7x1), LeNet (5x5), MobileNet and EfficientNet
(dw), ResNeXt (g32), a temporal network of speech (1d), a network of videos (3d), DCGAN (T).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks import Row, randn

WINOGRAD = "forward, 3x3 stride 1, 64 channels and more"


@dataclass(frozen=True)
class Shape:
    """A convolution; one number stands for both axes of a square image or kernel."""

    name: str
    batch: int
    channels: int
    image: int | tuple[int, ...]
    outs: int
    taps: int | tuple[int, ...]
    stride: int = 1
    padding: int | tuple[int, ...] = 0
    groups: int = 1
    transposed: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        return (self.image,) * 2 if isinstance(self.image, int) else self.image

    @property
    def kernel(self) -> tuple[int, ...]:
        return (self.taps,) * len(self.size) if isinstance(self.taps, int) else self.taps

    @property
    def flops(self) -> float:
        """Every element of the smaller side meets every tap."""
        pads = (self.padding,) * len(self.size) if isinstance(self.padding, int) else self.padding
        windows = [(n + 2 * p - k) // self.stride + 1 for n, p, k in zip(self.size, pads, self.kernel, strict=True)]
        positions = math.prod(self.size if self.transposed else windows)
        return 2.0 * self.batch * self.outs * positions * self.channels // self.groups * math.prod(self.kernel)

    @property
    def winograd(self) -> bool:
        """Whether Winograd's method is the natural one for the forward pass."""
        wide = min(self.channels, self.outs) >= 64 and self.groups == 1
        return wide and self.kernel == (3, 3) and self.stride == 1

    def operands(self, lib, requires_grad: tuple[bool, bool]):
        x = randn(lib, self.batch, self.channels, *self.size, requires_grad=requires_grad[0])
        sides = (self.channels, self.outs) if self.transposed else (self.outs, self.channels)
        size = (sides[0], sides[1] // self.groups, *self.kernel)
        return x, randn(lib, *size, seed=1, requires_grad=requires_grad[1])

    def forward(self, lib, x, w, b=None):
        kind = "conv_transpose" if self.transposed else "conv"
        function = getattr(lib.nn.functional, f"{kind}{len(self.size)}d")
        return function(x, w, b, stride=self.stride, padding=self.padding, groups=self.groups)


SHAPES = [
    Shape("3x3 16x64x56x56 to 64", 16, 64, 56, 64, 3, padding=1),
    Shape("3x3 16x128x28x28 to 128", 16, 128, 28, 128, 3, padding=1),
    Shape("3x3 16x256x14x14 to 256", 16, 256, 14, 256, 3, padding=1),
    Shape("3x3 16x512x7x7 to 512", 16, 512, 7, 512, 3, padding=1),
    Shape("3x3 1x64x224x224 to 64", 1, 64, 224, 64, 3, padding=1),
    Shape("3x3 1x256x56x56 to 256", 1, 256, 56, 256, 3, padding=1),
    Shape("3x3 s2 16x64x56x56 to 128", 16, 64, 56, 128, 3, 2, 1),
    Shape("3x3 s2 16x256x14x14 to 512", 16, 256, 14, 512, 3, 2, 1),
    Shape("1x1 16x64x56x56 to 64", 16, 64, 56, 64, 1),
    Shape("1x1 16x512x28x28 to 128", 16, 512, 28, 128, 1),
    Shape("1x1 16x256x14x14 to 1024", 16, 256, 14, 1024, 1),
    Shape("1x1 s2 8x256x56x56 to 512", 8, 256, 56, 512, 1, 2),
    Shape("1x7 8x192x17x17 to 192", 8, 192, 17, 192, (1, 7), padding=(0, 3)),
    Shape("7x1 8x192x17x17 to 192", 8, 192, 17, 192, (7, 1), padding=(3, 0)),
    Shape("first 7x7 s2 8x3x224x224 to 64", 8, 3, 224, 64, 7, 2, 3),
    Shape("first 3x3 64x3x32x32 to 32", 64, 3, 32, 32, 3, padding=1),
    Shape("first 5x5 64x1x28x28 to 6", 64, 1, 28, 6, 5, padding=2),
    Shape("5x5 64x6x14x14 to 16", 64, 6, 14, 16, 5),
    Shape("dw 3x3 16x64x56x56", 16, 64, 56, 64, 3, padding=1, groups=64),
    Shape("dw 3x3 s2 8x64x112x112", 8, 64, 112, 64, 3, 2, 1, groups=64),
    Shape("dw 3x3 16x256x14x14", 16, 256, 14, 256, 3, padding=1, groups=256),
    Shape("dw 3x3 16x1024x7x7", 16, 1024, 7, 1024, 3, padding=1, groups=1024),
    Shape("dw 5x5 16x240x14x14", 16, 240, 14, 240, 5, padding=2, groups=240),
    Shape("3x3 g32 16x256x14x14 to 256", 16, 256, 14, 256, 3, padding=1, groups=32),
    Shape("1d 5 8x64x1000 to 128", 8, 64, (1000,), 128, 5, padding=2),
    Shape("1d dw 7 8x256x1000", 8, 256, (1000,), 256, 7, padding=3, groups=256),
    Shape("3d 3x3x3 2x16x16x32x32 to 32", 2, 16, (16, 32, 32), 32, 3, padding=1),
    Shape("T 4x4 s2 16x256x8x8 to 128", 16, 256, 8, 128, 4, 2, 1, transposed=True),
]


def forward(shape: Shape) -> Row:
    def setup(lib):
        x, w = shape.operands(lib, (False, False))
        return lambda: shape.forward(lib, x, w)

    return Row(f"{shape.name} forward", setup, flops=shape.flops, section=shape.winograd * WINOGRAD)


def gradient(shape: Shape, what: str, wanted: tuple[bool, bool]) -> Row:
    def setup(lib):
        leaves = shape.operands(lib, wanted)
        y = shape.forward(lib, *leaves)
        g = randn(lib, *y.shape, seed=2)
        inputs = [leaf for leaf, want in zip(leaves, wanted, strict=True) if want]
        return lambda: lib.autograd.grad(y, inputs, g, retain_graph=True)

    return Row(f"{shape.name} {what}", setup, flops=shape.flops * sum(wanted))


def first_layer(shape: Shape) -> Row:
    """Forward and backward together, with the gradients a first layer needs: weight and bias."""

    def setup(lib):
        x, w = shape.operands(lib, (False, True))
        b = randn(lib, shape.outs, seed=3, requires_grad=True)
        g = None

        def run():
            nonlocal g
            y = shape.forward(lib, x, w, b)
            if g is None:
                g = randn(lib, *y.shape, seed=2)
            return lib.autograd.grad(y, (w, b), g)

        return run

    return Row(f"{shape.name} forward and backward", setup, flops=2 * shape.flops)


ROWS = [
    *(
        row
        for shape in SHAPES
        for row in (
            forward(shape),
            gradient(shape, "input gradient", (True, False)),
            gradient(shape, "weight gradient", (False, True)),
        )
    ),
    *(first_layer(shape) for shape in SHAPES if shape.name.startswith("first")),
]
