"""Predictions of classifiers that have few labels, and the temperatures that suit them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from stages import datasets, temperature
from stages.command import Failure
from stages.models.label_classifier import class_probabilities

if TYPE_CHECKING:
    from stages.settings import Settings


def held_out(settings: Settings, seed: int, device: torch.device) -> tuple[datasets.Images, Tensor]:
    """The digits to report on, and the same in binary.

    On the validation split, those that temperatures are fitted on are left out.

    Raises:
        Failure: if no image is left.
    """
    which = "mnist", settings.evaluate.split, settings.images
    images, binary = datasets.load(*which).to(device), datasets.published_binarisation(*which).to(device)
    if settings.evaluate.split != "validation":
        return images, binary
    others = torch.ones(len(images), dtype=torch.bool)
    others[_fitted_on(seed, len(images))] = False
    if not others.any():
        kept = len(datasets.kept_labels(seed)[0])
        raise Failure(
            f"params.yaml: evaluate.split = validation: all {len(images)} validation images are needed to fit "
            f"temperatures with {kept} labels: lower drop_labels.kept or use the test split"
        )
    others = others.to(device)
    return datasets.Images(images.pixels[others], images.labels[others]), binary[others]


def shuffled(images: datasets.Images, binary: Tensor) -> tuple[datasets.Images, Tensor]:
    """Images, and the same in binary, in a random order, always the same.

    The first images of MNIST's test set are not like the last: they are harder, and vary less.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(binary.device)
    return datasets.Images(images.pixels[order], images.labels[order]), binary[order]


def _fitted_on(seed: int, images: int) -> Tensor:
    """Which of so many validation images temperatures are fitted on: as many as there are labels, by the seed.

    Runs with the same seed share them. Other seeds have others, so their spread includes what the choice does.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(images, generator=generator)[: len(datasets.kept_labels(seed)[0])]


def predicted(
    settings: Settings, seed: int, networks: Mapping[str, nn.Module], pixels: Tensor
) -> dict[str, np.ndarray]:
    """Classify digits with several networks, all on the same binary draws.

    Args:
        settings: the whole of params.yaml.
        seed: of the kept labels: temperatures are fitted on no more validation images than there are labels.
        networks: from binary images (batch, 784) to logits, by the prefix of their entries in the result.
        pixels: bytes, (images, 784), on the networks' device.

    Returns:
        For each prefix: <prefix>probabilities (images, 10), averaged over binary draws of each image, and
        <prefix>temperature (images,), the same for all, fitted on labelled validation images.
    """
    binarisations = settings.evaluate.ssvae.binarisations
    validation = datasets.load("mnist", "validation", settings.images)
    few = _fitted_on(seed, len(validation))
    labels = validation.labels[few].numpy()
    fitted_on = class_probabilities(
        list(networks.values()), validation.pixels[few].to(pixels.device), binarisations
    )
    reported = class_probabilities(list(networks.values()), pixels, binarisations)
    cases = {}
    for prefix, of_few, of_all in zip(networks, fitted_on, reported, strict=True):
        fitted = temperature.fitted(of_few.cpu().numpy(), labels)
        cases[f"{prefix}probabilities"] = of_all.cpu().numpy()
        cases[f"{prefix}temperature"] = np.full(len(pixels), fitted)
    return cases
