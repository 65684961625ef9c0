"""The data as tensors, their splits, and the order in which training sees them.

All of MNIST as bytes is 47 MB: it lives on the device, and a batch is an index into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

if TYPE_CHECKING:
    from stages.settings import DataSize

PIXELS = 28 * 28
VALIDATION = 6  # the last sixth of the training images is the validation split: of 60,000 the last 10,000
BINARISATION_SEED = 777  # of the fixed binarised sets in Norouzi et al. (2020), Exemplar VAE


@dataclass(frozen=True)
class Images:
    """Images of one split."""

    pixels: Tensor  # (images, 784) uint8
    labels: Tensor  # (images,) int64

    def to(self, device: torch.device) -> Images:
        """Copy to `device`."""
        return Images(self.pixels.to(device), self.labels.to(device))

    def __len__(self) -> int:
        return len(self.labels)


def load(name: str, split: str, sizes: DataSize | None, root: str | Path = "data") -> Images:
    """Read one split of a data set from the files that the stages download and convert wrote.

    Args:
        name: one of `data_sets` in params.yaml.
        split: `validation` (the last sixth of the training files), `train` (what is before) or `test`.
        sizes: how many images of each split to use, from the start (the params section `images`); None: all.
        root: the folder of all data.
    """
    prefix = "t10k" if split == "test" else "train"
    folder = Path(root) / "images" / name
    pixels = _idx(folder / f"{prefix}-images-idx3-ubyte", header=16).reshape(-1, PIXELS)
    labels = _idx(folder / f"{prefix}-labels-idx1-ubyte", header=8)
    first_held_out = len(labels) - len(labels) // VALIDATION
    start, end = {"train": (0, first_held_out), "validation": (first_held_out, None), "test": (0, None)}[split]
    pixels, labels = pixels[start:end], labels[start:end]
    part = slice(sizes and getattr(sizes, split))
    return Images(torch.from_numpy(pixels[part].copy()), torch.from_numpy(labels[part].astype(np.int64)))


def classes(name: str, root: str | Path = "data") -> int:
    """The number of classes of a data set: labels count from 0."""
    return 1 + int(_idx(Path(root) / "images" / name / "train-labels-idx1-ubyte", header=8).max())


def _idx(path: Path, header: int) -> np.ndarray:
    try:
        return np.fromfile(path, dtype=np.uint8, offset=header)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing: run `dvc repro download`, or `dvc repro convert` for a data set of your own"
        ) from None


def unit_interval(pixels: Tensor) -> Tensor:
    """Bytes to intensities in [0, 1], float32, same shape."""
    return pixels.float().div_(255.0)


def binarise(pixels: Tensor) -> Tensor:
    """Draw x ~ Bernoulli(pixel / 255) anew from the global generator; float32, same shape.

    A grey pixel is the probability of a white one: drawn afresh for each training batch, the binary images
    are data for which the Bernoulli is a likelihood (Salakhutdinov and Murray 2008).
    """
    probability = unit_interval(pixels)
    return (torch.rand_like(probability) < probability).float()  # torch.bernoulli takes three times as long


def published_binarisation(name: str, split: str, sizes: DataSize, root: str | Path = "data") -> Tensor:
    """The one binary draw of a held-out set that likelihoods are reported on; (images, 784) float32.

    As Norouzi et al. (2020) draw it in `utils/load_data/base_load_data.py`: NumPy's legacy generator with seed
    777, `binomial(1, grey / 255)` first for all validation images, then for all test images. `sizes` only shortens
    the result, so an image has the same pixels however many are used.

    Args:
        name: one of `data_sets` in params.yaml.
        split: `validation` or `test`.
        sizes: how many images of each split to use, from the start (the params section `images`).
        root: the folder of all data.
    """
    generator = np.random.RandomState(BINARISATION_SEED)
    for drawn in ("validation", "test"):
        binary = _binomial(generator, load(name, drawn, None, root).pixels)
        if drawn == split:
            return binary[: getattr(sizes, split)]
    raise ValueError(f"{split} images have no fixed binarisation: it is for validation and test")


def fixed_binarisation(pixels: Tensor) -> Tensor:
    """One binary draw of images for which none is published, such as noise; (images, 784) float32.

    A generator of their own with the same seed, from their first pixel to their last. For a held-out split of a
    data set use `published_binarisation`.
    """
    return _binomial(np.random.RandomState(BINARISATION_SEED), pixels)


def _binomial(generator: np.random.RandomState, pixels: Tensor) -> Tensor:
    binary = generator.binomial(1, pixels.cpu().numpy() / 255.0)  # float64
    return torch.from_numpy(binary.astype(np.float32)).to(pixels.device)


def regression(
    split: str, device: torch.device, root: str | Path = "data", name: str = "regression"
) -> tuple[Tensor, Tensor]:
    """x and y of one split of a toy set, `regression` or `criticism`, both (n,) float32."""
    table = pd.read_csv(Path(root) / f"{name}.csv").query("split == @split")
    x, y = torch.tensor(table[["x", "y"]].to_numpy(), dtype=torch.float32, device=device).unbind(1)
    return x.contiguous(), y.contiguous()


def kept_labels(seed: int, root: str | Path = "data") -> tuple[Tensor, Tensor]:
    """Indices and labels of the training images whose label was kept; both (kept,) int64."""
    table = pd.read_csv(Path(root) / "labels" / f"{seed}.csv", dtype={"label": "Int64"}).dropna()
    return torch.tensor(table["index"].to_numpy()), torch.tensor(table["label"].to_numpy(dtype=np.int64))


class Minibatches:
    """Indices of the training data in random order, without replacement within an epoch.

    The batch of a step depends on the seed and the step alone, drawn from a generator of its own: a resumed
    run sees the same data, and Pyro's draws from the global generator do not change the order.
    """

    def __init__(self, size: int, batch_size: int, seed: int, device: torch.device):
        self.size, self.batch_size = size, min(batch_size, size)
        self.seed, self.device = seed, device
        self.per_epoch = size // self.batch_size  # a last, smaller batch is left out: another one in each epoch
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __call__(self, step: int) -> Tensor:
        """Indices of the batch at `step`, shape (batch_size,), int64, on the device."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = torch.randperm(self.size, generator=generator).to(self.device)
            self._epoch = epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]
