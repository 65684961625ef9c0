"""MNIST for semi-supervised learning: labelled and unlabelled images, and a small validation set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages import datasets

if TYPE_CHECKING:
    from stages.settings import Settings


class PartlyLabelled:
    """Training images with and without a label, and a validation set no larger than the number of labels.

    Args:
        settings: the whole of params.yaml.
        seed: which labels were kept (data/labels/<seed>.csv), and the order of the data.
        device: where the images are kept.
    """

    def __init__(self, settings: Settings, seed: int, device: torch.device):
        train = datasets.load("mnist", "train", settings.images).to(device)
        index, labels = (part.to(device) for part in datasets.kept_labels(seed))
        without = torch.ones(len(train), dtype=torch.bool, device=device)
        without[index] = False
        self.unlabelled, self.labelled, self.labels = train.pixels[without], train.pixels[index], labels
        validation = datasets.load("mnist", "validation", settings.images).to(device)
        # validation may use no more labels than the model was given
        self.validation = datasets.Images(validation.pixels[: len(index)], validation.labels[: len(index)])
        self.seed, self.device, self.max_shift = seed, device, settings.ssvae.max_shift

    def unlabelled_minibatches(self, batch_size: int) -> datasets.Minibatches:
        """The order in which unlabelled images are used."""
        return datasets.Minibatches(len(self.unlabelled), batch_size, self.seed, self.device)

    def labelled_minibatches(self, batch_size: int) -> datasets.Minibatches:
        """The order in which labelled images are used."""
        return datasets.Minibatches(len(self.labelled), batch_size, self.seed, self.device)

    def unlabelled_batch(self, index: Tensor) -> tuple[Tensor, None, int]:
        """Binary pixels (batch, 784), no labels, and the number of unlabelled images."""
        return self._draw(self.unlabelled[index]), None, len(self.unlabelled)

    def labelled_batch(self, index: Tensor) -> tuple[Tensor, Tensor, int]:
        """Binary pixels (batch, 784), labels (batch,), and the number of labelled images."""
        return self._draw(self.labelled[index]), self.labels[index], len(self.labels)

    def error_percent(self, classifier: nn.Module) -> float:
        """Error of a classifier on the validation images, which are not binarised."""
        guess = classifier(datasets.unit_interval(self.validation.pixels)).argmax(-1)
        return float((guess != self.validation.labels).float().mean()) * 100

    def _draw(self, pixels: Tensor) -> Tensor:
        return datasets.binarise(shifted(pixels, self.max_shift))


def shifted(pixels: Tensor, most: int) -> Tensor:
    """Move each image by up to `most` pixels along both axes, filling in with zeros; same shape, (batch, 784)."""
    if most == 0:
        return pixels
    batch, device = len(pixels), pixels.device
    padded = F.pad(pixels.view(batch, 28, 28), (most,) * 4)
    rows, columns = torch.randint(2 * most + 1, (2, batch, 1), device=device)
    side, image = torch.arange(28, device=device), torch.arange(batch, device=device).view(-1, 1, 1)
    return padded[image, (rows + side).unsqueeze(2), (columns + side).unsqueeze(1)].reshape(batch, -1)
