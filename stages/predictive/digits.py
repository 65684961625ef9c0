"""Digits that a semi-supervised VAE draws on demand, and what independent judges say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from pyro.infer import Trace_ELBO
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from stages import datasets
from stages.inference.loop import svi
from stages.models import judge as judges
from stages.models import ssvae
from stages.models.label_classifier import class_probabilities, logits

if TYPE_CHECKING:
    from stages.settings import Settings

NEIGHBOURS = 3  # of the nearest-neighbour judge


def on_demand(
    settings: Settings, model: ssvae.Model, judge: nn.Module, held_out: datasets.Images, binary: Tensor
) -> dict[str, dict[str, np.ndarray]]:
    """Draw digits, and judge them: by a network, and by the nearest of all training images.

    Neither judge shares parameters or training with the model.

    Args:
        settings: the whole of params.yaml.
        model: draws.
        judge: from images in [0, 1] (images, 784) to logits.
        held_out: real digits, in random order: the first ones, as many as are drawn, are compared with the drawn.
        binary: the same, binarised.

    Returns:
        digits: the binary pixels that were drawn, bytes, and their probabilities, means; both (digits, 784).
        drawn: labels, what they were drawn for; the classes that judges see, lenet in the pixels, lenet_means and
            neighbours in the means; distance and deviation of the means, from `variety`; (digits,).
        real: labels; the classes that lenet sees in binary pixels; those that the student sees, a classifier that
            has learned from drawn digits alone, and student_of_real, which has learned from real ones; (images,).
        real_variety: labels, distance and deviation of as many real digits, (digits,).
    """
    pixels, means, labels = drawn(model, settings.evaluate.ssvae.drawn_per_class)
    train = datasets.load("mnist", "train", settings.images)
    nearest = neighbours(train)
    grey, real_labels = datasets.unit_interval(held_out.pixels).cpu().numpy(), held_out.labels.cpu().numpy()
    some = slice(len(labels))
    verdicts = {
        "lenet": logits(judge, pixels).argmax(-1).cpu().numpy(),
        "lenet_means": logits(judge, means).argmax(-1).cpu().numpy(),
        "neighbours": nearest.predict(means.cpu().numpy()),
    }
    wanted = labels.cpu().numpy()
    return {
        "digits": {"pixels": pixels.byte().cpu().numpy(), "means": means.cpu().numpy()},
        "drawn": {"labels": wanted} | verdicts | variety(means.cpu().numpy(), wanted, nearest),
        "real": {
            "labels": real_labels,
            "lenet": logits(judge, binary).argmax(-1).cpu().numpy(),
            "student": student(drawing(model), settings, held_out.pixels).argmax(-1).cpu().numpy(),
            "student_of_real": student(choosing(train), settings, held_out.pixels).argmax(-1).cpu().numpy(),
        },
        "real_variety": {"labels": real_labels[some]} | variety(grey[some], real_labels[some], nearest),
    }


def drawn(model: ssvae.Model, per_class: int) -> tuple[Tensor, Tensor, Tensor]:
    """Digits of every class in styles from the prior.

    Returns:
        Pixels, zeros and ones, and their probabilities, both (digits, 784); what they were drawn for, (digits,).
    """
    device = next(model.parameters()).device
    labels = torch.arange(ssvae.CLASSES, device=device).repeat_interleave(per_class)
    return *model.draw(torch.randn(len(labels), model.latents, device=device), labels), labels


def neighbours(train: datasets.Images) -> KNeighborsClassifier:
    """The nearest-neighbour judge: real digits, all of them labelled."""
    real = datasets.unit_interval(train.pixels).cpu().numpy()
    return KNeighborsClassifier(NEIGHBOURS).fit(real, train.labels.cpu().numpy())


def variety(grey: np.ndarray, labels: np.ndarray, neighbours: KNeighborsClassifier) -> dict[str, np.ndarray]:
    """How far grey digits are from the nearest training image, and from the mean of their class.

    One prototype per class has no deviation. Copies of training images have no distance.

    Args:
        grey: in [0, 1], (digits, 784); for drawn digits, the probabilities of their pixels.
        labels: their classes, (digits,).
        neighbours: fitted to training images.

    Returns:
        distance, Euclidean; deviation, a squared distance whose mean over n digits of a class is their variance,
        with n - 1 for n in the divisor; (digits,) float32.
    """
    distance = neighbours.kneighbors(grey, n_neighbors=1)[0][:, 0]
    deviation = np.zeros(len(grey))
    for label in np.unique(labels):
        of_class = grey[labels == label].astype(np.float64)
        squares = ((of_class - of_class.mean(axis=0)) ** 2).sum(axis=1)
        deviation[labels == label] = squares * len(of_class) / max(len(of_class) - 1, 1)
    return {"distance": distance.astype(np.float32), "deviation": deviation.astype(np.float32)}


def drawing(model: ssvae.Model) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Batches of drawn digits, (size, 784) binary, and their labels, (size,)."""

    @torch.no_grad()
    def batch(size: int) -> tuple[Tensor, Tensor]:
        device = next(model.parameters()).device
        labels = torch.randint(ssvae.CLASSES, (size,), device=device)
        return model.draw(torch.randn(size, model.latents, device=device), labels)[0], labels

    return batch


def choosing(train: datasets.Images) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Batches of training images, (size, 784) binary, and their labels, (size,)."""

    def batch(size: int) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(train), (size,))
        return datasets.binarise(train.pixels[chosen]), train.labels[chosen]

    return batch


def student(teach: Callable[[int], tuple[Tensor, Tensor]], settings: Settings, pixels: Tensor) -> Tensor:
    """Class probabilities of real digits by a classifier that has seen some others alone.

    A network of the kind that `judge` describes, trained on fresh digits in every step. If these are drawn: what a
    model leaves out or confuses, its student gets wrong. The accuracy is the classification accuracy score of
    Ravuri and Vinyals (2019).

    Args:
        teach: makes a batch of binary images and labels.
        settings: the whole of params.yaml.
        pixels: of the real digits, bytes, (images, 784).

    Returns:
        (images, 10) float32, averaged over binary draws of each image.
    """
    device, size = pixels.device, settings.judge.batch_size
    network, no_latents = (part.to(device) for part in judges.build(settings.judge))
    problem = svi.Problem(
        model=network,
        guide=no_latents,
        objective=svi.elbo(Trace_ELBO(), network, no_latents),
        batch=lambda step: (*(part.to(device) for part in teach(size)), size),
        size=size,
        batch_size=size,
        validation=lambda: 0.0,  # nothing is chosen
    )
    steps = settings.evaluate.ssvae.student_steps
    svi.fit(problem, settings.judge.model_copy(update={"steps": steps}), "judge (student)")
    network.eval()
    return class_probabilities([network.classifier], pixels, settings.evaluate.ssvae.binarisations)[0]
