"""A convolutional network learns to read handwritten digits.

The data: 1,797 real handwritten digits of 43 people, scanned and reduced to 8x8 pixels of 17 grey levels
(https://archive.ics.uci.edu/dataset/80), which are installed with scikit-learn: nothing is downloaded.

    python examples/digits_cnn.py

trains on 70 % of them, stops when the loss on another 10 % has stopped falling, and prints the share of the last
20 % that it reads correctly. The model is saved, loaded again and tested again. Model and picture (the curves,
the confusion matrix, misread digits) go to examples/out.

This is an ordinary PyTorch program: with `torch` in place of `pytensor` in the three imports it runs there too.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import pytensor as torch
from pytensor import nn
from pytensor.utils.data import DataLoader, TensorDataset, random_split


class DigitsCNN(nn.Module):
    """Two blocks of convolutions, each halving the picture, and a linear reading of what they found."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 8x8 -> 4x4
            nn.Dropout(0.1),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 4x4 -> 2x2
        )
        self.reader = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(2 * width * 2 * 2, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.reader(self.features(images))


def load_data(seed: int) -> tuple[TensorDataset, list]:
    """The digits as images (n, 1, 8, 8) between 0 and 1, and their split into training, validation and test."""
    digits = load_digits()
    images = torch.tensor(digits.images.astype(np.float32) / 16.0).unsqueeze(1)
    dataset = TensorDataset(images, torch.tensor(digits.target))
    generator = torch.Generator().manual_seed(seed)
    return dataset, random_split(dataset, [0.7, 0.1, 0.2], generator=generator)


def shifted(images: torch.Tensor) -> torch.Tensor:
    """The images moved by up to one pixel: the same digits, written elsewhere."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, 1 + down : 9 + down, 1 + right : 9 + right]


def train_epoch(model, loader, loss_fn, optimizer, scheduler) -> tuple[float, float]:
    """One pass over the training data. Returns the mean loss and the share read correctly."""
    model.train()
    loss_sum = correct = seen = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        scores = model(shifted(images))
        loss = loss_fn(scores, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        scheduler.step()
        seen += len(labels)
        loss_sum += loss.item() * len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
    return loss_sum / seen, correct / seen


@torch.no_grad()
def evaluate(model, loader, loss_fn) -> tuple[float, float, torch.Tensor]:
    """The mean loss, the share read correctly, and the probabilities that the model gives to each class."""
    model.eval()
    loss_sum = correct = seen = 0.0
    probabilities = []
    for images, labels in loader:
        scores = model(images)
        probabilities.append(scores.softmax(1))
        seen += len(labels)
        loss_sum += loss_fn(scores, labels).item() * len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
    return loss_sum / seen, correct / seen, torch.cat(probabilities)


def train(model, loaders: dict, epochs: int, patience: int) -> dict[str, list[float]]:
    """Trains with Adam until the validation loss has not improved for `patience` epochs; keeps the best model."""
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    steps = epochs * len(loaders["train"])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=1e-5)
    history: dict[str, list[float]] = {key: [] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    best, best_loss, waited = None, float("inf"), 0
    progress = tqdm(range(epochs), unit="epoch")
    for _ in progress:
        loss, accuracy = train_epoch(model, loaders["train"], loss_fn, optimizer, scheduler)
        val_loss, val_accuracy, _ = evaluate(model, loaders["validation"], loss_fn)
        for key, value in zip(history, (loss, accuracy, val_loss, val_accuracy), strict=True):
            history[key].append(value)
        progress.set_postfix(loss=f"{loss:.3f}", val_loss=f"{val_loss:.3f}", val_accuracy=f"{val_accuracy:.1%}")
        waited += 1
        if val_loss < best_loss:
            best, best_loss, waited = copy.deepcopy(model.state_dict()), val_loss, 0
        if waited >= patience:
            progress.close()
            print(f"no improvement for {patience} epochs: stopping early")
            break
    model.load_state_dict(best)
    return history


def draw_curves(loss_axes, accuracy_axes, history: dict) -> None:
    """Loss and accuracy by epoch."""
    epochs = range(1, len(history["loss"]) + 1)
    for axes, key, title in ((loss_axes, "loss", "loss"), (accuracy_axes, "accuracy", "read correctly")):
        axes.plot(epochs, history[key], label="training (moved, with dropout)")
        axes.plot(epochs, history[f"val_{key}"], label="validation")
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    loss_axes.set_yscale("log")
    accuracy_axes.set_ylim(0.9, 1.002)


def draw_matrix(axes, labels: np.ndarray, read: np.ndarray) -> None:
    """How often each digit was read as each digit."""
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (labels, read), 1)
    axes.imshow(matrix, cmap="Blues")
    axes.set(title="test digits", xlabel="read as", ylabel="written", xticks=range(10), yticks=range(10))
    for i, j in np.argwhere(matrix):
        colour = "white" if matrix[i, j] > matrix.max() / 2 else "black"
        axes.text(j, i, matrix[i, j], ha="center", va="center", color=colour, fontsize=8)


def draw(path: Path, history: dict, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> None:
    """The curves, the confusion matrix, and the digits that were hardest to read, the misread ones first."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    read = probabilities.argmax(1)
    figure = plt.figure(figsize=(13, 7), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[3, 1])
    loss_axes, accuracy_axes, matrix_axes = top.subplots(1, 3)
    draw_curves(loss_axes, accuracy_axes, history)
    draw_matrix(matrix_axes, labels, read)
    right = probabilities[np.arange(len(labels)), labels]
    hardest = np.lexsort((right, labels == read))[:10]
    bottom.suptitle(f"{(labels != read).sum()} of {len(labels)} misread (red); the hardest to read")
    for axes, i in zip(np.ravel(bottom.subplots(1, 10)), hardest, strict=True):
        axes.imshow(images[i, 0], cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        title = f"{labels[i]} read as {read[i]}\n{probabilities[i].max():.0%} sure"
        axes.set_title(title, fontsize=9, color="red" if labels[i] != read[i] else "black")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--patience", type=int, default=8, help="epochs without improvement before stopping")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    start = time.perf_counter()
    torch.manual_seed(options.seed)
    dataset, splits = load_data(options.seed)
    loaders = {
        name: DataLoader(split, batch_size=options.batch_size, shuffle=name == "train")
        for name, split in zip(("train", "validation", "test"), splits, strict=True)
    }
    model = DigitsCNN()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(splits[0])} digits to learn from")
    history = train(model, loaders, options.epochs, options.patience)
    loss, accuracy, probabilities = evaluate(model, loaders["test"], nn.CrossEntropyLoss())
    seconds = time.perf_counter() - start
    print(f"test: {accuracy:.2%} of {len(splits[2])} digits read correctly, loss {loss:.4f}, in {seconds:.1f} s")

    torch.save(model.state_dict(), options.out / "digits_cnn.pt")
    again = DigitsCNN()
    again.load_state_dict(torch.load(options.out / "digits_cnn.pt"))
    _, accuracy_again, _ = evaluate(again, loaders["test"], nn.CrossEntropyLoss())
    print(f"saved, loaded again: {accuracy_again:.2%}")
    assert accuracy_again == accuracy

    images, labels = dataset[splits[2].indices]
    draw(options.out / "digits_cnn.png", history, images.numpy(), labels.numpy(), probabilities.numpy())
    print(f"picture: {options.out / 'digits_cnn.png'}")


if __name__ == "__main__":
    main()
