"""Convolutions of real networks: forward, input gradient and weight gradient apart, so that each can be compared.

Names: batch x channels x height x width, kernel, output channels; s2 is stride 2, dw depthwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import Row, randn

WINOGRAD = "forward, 3x3 stride 1, 64 channels and more"


@dataclass(frozen=True)
class Shape:
    """A square 2-d convolution."""

    name: str
    batch: int
    channels: int
    side: int
    outs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def flops(self) -> float:
        side = (self.side + 2 * self.padding - self.kernel) // self.stride + 1
        return 2.0 * self.batch * self.outs * side**2 * self.channels // self.groups * self.kernel**2

    @property
    def winograd(self) -> bool:
        """Whether Winograd's method is the natural one for the forward pass."""
        wide = min(self.channels, self.outs) >= 64 and self.groups == 1
        return wide and self.kernel == 3 and self.stride == 1

    def operands(self, lib, requires_grad: tuple[bool, bool]):
        x = randn(lib, self.batch, self.channels, self.side, self.side, requires_grad=requires_grad[0])
        size = (self.outs, self.channels // self.groups, self.kernel, self.kernel)
        return x, randn(lib, *size, seed=1, requires_grad=requires_grad[1])

    def forward(self, lib, x, w):
        return lib.nn.functional.conv2d(x, w, None, self.stride, self.padding, 1, self.groups)


SHAPES = [
    Shape("3x3 16x64x56x56 to 64", 16, 64, 56, 64, 3, padding=1),
    Shape("3x3 16x128x28x28 to 128", 16, 128, 28, 128, 3, padding=1),
    Shape("3x3 16x256x14x14 to 256", 16, 256, 14, 256, 3, padding=1),
    Shape("3x3 16x512x7x7 to 512", 16, 512, 7, 512, 3, padding=1),
    Shape("3x3 s2 16x64x56x56 to 128", 16, 64, 56, 128, 3, 2, 1),
    Shape("3x3 s2 16x256x14x14 to 512", 16, 256, 14, 512, 3, 2, 1),
    Shape("1x1 16x64x56x56 to 64", 16, 64, 56, 64, 1),
    Shape("1x1 16x512x28x28 to 128", 16, 512, 28, 128, 1),
    Shape("1x1 16x256x14x14 to 1024", 16, 256, 14, 1024, 1),
    Shape("1x1 s2 8x256x56x56 to 512", 8, 256, 56, 512, 1, 2),
    Shape("first 7x7 s2 8x3x224x224 to 64", 8, 3, 224, 64, 7, 2, 3),
    Shape("first 3x3 64x3x32x32 to 32", 64, 3, 32, 32, 3, padding=1),
    Shape("first 5x5 64x1x28x28 to 6", 64, 1, 28, 6, 5, padding=2),
    Shape("5x5 64x6x14x14 to 16", 64, 6, 14, 16, 5),
    Shape("dw 3x3 16x64x56x56", 16, 64, 56, 64, 3, padding=1, groups=64),
    Shape("dw 3x3 16x256x14x14", 16, 256, 14, 256, 3, padding=1, groups=256),
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
            y = lib.nn.functional.conv2d(x, w, b, shape.stride, shape.padding, 1, shape.groups)
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
