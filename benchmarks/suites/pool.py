"""Max and average pooling of NCHW images, forward and backward."""

from __future__ import annotations

from math import prod

from benchmarks import Row, randn

FLOAT = 4  # bytes


def pool(function: str, shape: tuple[int, ...], kernel: int, stride: int, padding: int, backward: bool) -> Row:
    outs = [(n + 2 * padding - kernel) // stride + 1 for n in shape[2:]]
    out_elements = shape[0] * shape[1] * outs[0] * outs[1]
    elements = shape[0] * shape[1] * shape[2] * shape[3]

    def setup(lib):
        op = getattr(lib.nn.functional, function)
        x = randn(lib, *shape, requires_grad=backward)
        if not backward:
            return lambda: op(x, kernel, stride, padding)
        y = op(x, kernel, stride, padding)
        g = randn(lib, *y.shape, seed=1)
        return lambda: lib.autograd.grad(y, x, g, retain_graph=True)

    size = "x".join(map(str, shape))
    name = f"{function} {kernel}x{kernel} stride {stride} of {size}{', backward' if backward else ''}"
    return Row(name, setup, bytes=FLOAT * (elements + out_elements))


def adaptive(shape: tuple[int, ...], size: int, backward: bool) -> Row:
    def setup(lib):
        x = randn(lib, *shape, requires_grad=backward)
        if not backward:
            return lambda: lib.nn.functional.adaptive_avg_pool2d(x, size)
        y = lib.nn.functional.adaptive_avg_pool2d(x, size)
        g = randn(lib, *y.shape, seed=1)
        return lambda: lib.autograd.grad(y, x, g, retain_graph=True)

    dims = "x".join(map(str, shape))
    name = f"adaptive_avg_pool2d to {size}x{size} of {dims}{', backward' if backward else ''}"
    return Row(name, setup, bytes=FLOAT * shape[0] * shape[1] * shape[2] * shape[3])


def general(function: str, shape: tuple[int, ...], *args, backward: bool, channels_last: bool = False) -> Row:
    """Any pooling function with positional arguments."""

    def setup(lib):
        x = randn(lib, *shape)
        if channels_last:  # what permuting an NHWC array gives
            x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        x = x.requires_grad_(backward)
        op = getattr(lib.nn.functional, function)
        if not backward:
            return lambda: op(x, *args)
        y = op(x, *args)
        g = randn(lib, *y.shape, seed=1)
        return lambda: lib.autograd.grad(y, x, g, retain_graph=True)

    layout = " channels last" if channels_last else ""
    name = f"{function}{args} of {'x'.join(map(str, shape))}{layout}{', backward' if backward else ''}"
    return Row(name, setup, bytes=FLOAT * prod(shape))


def unpool(shape: tuple[int, ...], backward: bool) -> Row:
    """Maxima back to where 2x2 pooling found them."""

    def setup(lib):
        f = lib.nn.functional
        x, indices = f.max_pool2d(randn(lib, *shape[:2], 2 * shape[2], 2 * shape[3]), 2, return_indices=True)
        if not backward:
            return lambda: f.max_unpool2d(x, indices, 2)
        y = f.max_unpool2d(x.requires_grad_(), indices, 2)
        g = randn(lib, *y.shape, seed=1)
        return lambda: lib.autograd.grad(y, x, g, retain_graph=True)

    name = f"max_unpool2d 2x2 of {'x'.join(map(str, shape))}{', backward' if backward else ''}"
    return Row(name, setup, bytes=5 * FLOAT * prod(shape))


IMAGES = (16, 64, 56, 56)

ROWS = [
    pool(function, IMAGES, kernel, stride, padding, backward)
    for function in ("max_pool2d", "avg_pool2d")
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1))
    for backward in (False, True)
]
ROWS += [
    pool("max_pool2d", (64, 6, 28, 28), 2, 2, 0, False),
    pool("max_pool2d", (64, 6, 28, 28), 2, 2, 0, True),
    adaptive((16, 512, 7, 7), 1, False),
    adaptive((16, 512, 7, 7), 1, True),
    adaptive(IMAGES, 7, False),
]
ROWS += [
    general(*row, backward=backward)
    for row in (
        ("max_pool2d", (1, 64, 112, 112), 3, 2, 1),
        ("max_pool2d", (8, 64, 224, 224), 2, 2),
        ("max_pool2d", (8, 192, 28, 28), 3, 1, 1),
        ("avg_pool2d", (8, 192, 28, 28), 3, 1, 1),
        ("avg_pool2d", (64, 6, 28, 28), 2),
        ("max_pool1d", (16, 128, 1000), 2),
        ("avg_pool1d", (16, 128, 1000), 3, 2),
        ("max_pool3d", (2, 64, 16, 56, 56), 2, 2),
        ("avg_pool3d", (2, 64, 16, 28, 28), 2, 2),
        ("adaptive_avg_pool2d", (8, 256, 13, 13), 6),
        ("adaptive_max_pool2d", (8, 256, 13, 13), 6),
        ("lp_pool2d", (8, 64, 56, 56), 2.0, 2),
    )
    for backward in (False, True)
]
ROWS += [general("max_pool2d", IMAGES, 3, 2, 1, backward=backward, channels_last=True) for backward in (False, True)]
ROWS += [
    general(*row, backward=backward)
    for row in (
        ("avg_pool2d", (16, 256, 28, 28), 2),  # DenseNet's transitions
        ("max_pool2d", (8, 256, 20, 20), 5, 1, 2),  # YOLOv5's pyramid
        ("max_pool1d", (16, 256, 100), 100),  # sentence classification: maximum over time
    )
    for backward in (False, True)
]
ROWS += [unpool((4, 512, 22, 30), backward) for backward in (False, True)]  # SegNet's decoder
ROWS += [
    adaptive((16, 1280, 7, 7), 1, False),  # MobileNetV2's head
    general("adaptive_avg_pool2d", (16, 2048, 7, 7), 1, backward=False, channels_last=True),  # ResNet-50's
]
