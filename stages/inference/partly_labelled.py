"""MNIST for semi-supervised learning: labelled and unlabelled images, and a small validation set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stages import datasets, views
from stages.models import label_classifier

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
        self.augment = settings.ssvae.augment

    def view(self, pixels: Tensor) -> Tensor:
        """One binary view of each image, as the classifier sees it in training; (batch, 784)."""
        return views.draw(pixels, self.augment)

    def error_percent(self, classifier: nn.Module) -> float:
        """Error of a classifier on the validation images, binarised: so are those that it learned from."""
        guess = label_classifier.logits(classifier, datasets.binarise(self.validation.pixels)).argmax(-1)
        return float((guess != self.validation.labels).float().mean()) * 100
