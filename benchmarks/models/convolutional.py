"""Convolutional classifiers, for 28x28, 8x8 and (most of them) 3x32x32 pictures."""

from __future__ import annotations


def lenet(lib):
    """LeNet-5 with ReLU and max pooling, for 28x28 pictures."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def digits_cnn(lib):
    """The network of examples/digits_cnn.py, without dropout: its random numbers are part of other groups."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def digits_cnn_with_dropout(lib):
    """The network of examples/digits_cnn.py."""
    nn = lib.nn
    layers = list(digits_cnn(lib))
    return nn.Sequential(*layers[:7], nn.Dropout(0.1), *layers[7:12], nn.Dropout(0.3), layers[12])


def alexnet(lib):
    """AlexNet's layers at the size of CIFAR's pictures, with dropout."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1024, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )


def vgg11(lib):
    """VGG-11 with batch normalisation (https://arxiv.org/abs/1409.1556) and one linear layer, as used for CIFAR."""
    nn = lib.nn
    layers, channels = [], 3
    for step in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
        if step == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, step, 3, padding=1), nn.BatchNorm2d(step), nn.ReLU()]
            channels = step
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def resnet18(lib):
    """ResNet-18 (https://arxiv.org/abs/1512.03385) with the stem for CIFAR: 3x3, stride 1, no pooling."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, ins, outs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outs)
            self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Sequential()
            if stride != 1 or ins != outs:
                self.shortcut = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.shortcut(x))

    blocks, ins = [], 64
    for outs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Block(ins, outs, stride), Block(outs, outs, 1)]
        ins = outs
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def densenet(lib, growth: int = 12, layers: tuple[int, ...] = (4, 4, 4)):
    """A small DenseNet (https://arxiv.org/abs/1608.06993): every layer sees all that came before it in its block."""
    nn = lib.nn

    class Layer(nn.Module):
        def __init__(self, ins):
            super().__init__()
            self.bn = nn.BatchNorm2d(ins)
            self.conv = nn.Conv2d(ins, growth, 3, padding=1, bias=False)

        def forward(self, x):
            return lib.cat([x, self.conv(self.bn(x).relu())], 1)

    channels = 2 * growth
    parts = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    for i, count in enumerate(layers):
        for _ in range(count):
            parts.append(Layer(channels))
            channels += growth
        parts += [nn.BatchNorm2d(channels), nn.ReLU()]
        if i + 1 < len(layers):
            parts += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def googlenet(lib):
    """Three inception blocks (https://arxiv.org/abs/1409.4842) for CIFAR's pictures."""
    nn = lib.nn

    def conv(ins, outs, size):
        return nn.Sequential(nn.Conv2d(ins, outs, size, padding=size // 2), nn.BatchNorm2d(outs), nn.ReLU())

    class Inception(nn.Module):
        def __init__(self, ins, one, before3, three, before5, five, pooled):
            super().__init__()
            self.one = conv(ins, one, 1)
            self.three = nn.Sequential(conv(ins, before3, 1), conv(before3, three, 3))
            self.five = nn.Sequential(conv(ins, before5, 1), conv(before5, five, 5))
            self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(ins, pooled, 1))

        def forward(self, x):
            return lib.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)

    return nn.Sequential(
        conv(3, 64, 3),
        nn.MaxPool2d(2),
        Inception(64, 32, 32, 64, 8, 16, 16),
        Inception(128, 64, 64, 96, 16, 48, 32),
        nn.MaxPool2d(2),
        Inception(240, 96, 48, 104, 8, 24, 32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def dcgan(lib, noise: int = 64, width: int = 32):
    """(generator, discriminator) for 1x28x28 pictures (https://arxiv.org/abs/1511.06434)."""
    nn = lib.nn
    generator = nn.Sequential(
        nn.ConvTranspose2d(noise, 2 * width, 7, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 7, bias=False),
        nn.Flatten(),
    )
    return generator, discriminator
