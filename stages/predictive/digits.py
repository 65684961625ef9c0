"""Digits that a semi-supervised VAE draws on demand, and what independent judges say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pyro.infer import Trace_ELBO
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from stages import datasets
from stages.inference.loop import svi
from stages.models import labels_only, ssvae
from stages.models.label_classifier import answers, class_probabilities

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
        held_out: real digits.
        binary: the same, binarised.

    Returns:
        digits: the binary pixels that were drawn, bytes, and their probabilities, means; both (digits, 784).
        drawn: labels, what they were drawn for; the classes that judges see, lenet in the pixels, lenet_means and
            neighbours in the means; distance and deviation of the means, from `variety`; (digits,).
        real: labels; the classes that lenet sees in binary pixels; those that the student sees, a classifier that
            has learned from drawn digits alone; (images,).
        real_variety: labels, distance and deviation of as many real digits, (digits,).
    """
    pixels, means, labels = drawn(model, settings.evaluate.ssvae.drawn_per_class)
    nearest = neighbours(datasets.load("mnist", "train", settings.images))
    grey, real_labels = datasets.unit_interval(held_out.pixels).cpu().numpy(), held_out.labels.cpu().numpy()
    some = slice(len(labels))
    verdicts = {
        "lenet": answers(judge, pixels).cpu().numpy(),
        "lenet_means": answers(judge, means).cpu().numpy(),
        "neighbours": nearest.predict(means.cpu().numpy()),
    }
    wanted = labels.cpu().numpy()
    return {
        "digits": {"pixels": pixels.byte().cpu().numpy(), "means": means.cpu().numpy()},
        "drawn": {"labels": wanted} | verdicts | variety(means.cpu().numpy(), wanted, nearest),
        "real": {
            "labels": real_labels,
            "lenet": answers(judge, binary).cpu().numpy(),
            "student": student(model, settings, held_out.pixels).argmax(-1).cpu().numpy(),
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


def student(model: ssvae.Model, settings: Settings, pixels: Tensor) -> Tensor:
    """Class probabilities of real digits by a classifier that has seen drawn ones alone.

    A network of the kind that `judge` describes, trained on fresh draws in every step: what a model leaves out or
    confuses, its student gets wrong (Ravuri and Vinyals 2019).

    Args:
        model: draws the digits.
        settings: the whole of params.yaml.
        pixels: of the real digits, bytes, (images, 784).

    Returns:
        (images, 10) float32.
    """
    device, size = pixels.device, settings.judge.batch_size
    network, no_latents = (part.to(device) for part in labels_only.build(settings.judge))

    @torch.no_grad()
    def batch(step: int) -> tuple:
        labels = torch.randint(ssvae.CLASSES, (size,), device=device)
        images, _ = model.draw(torch.randn(size, model.latents, device=device), labels)
        return images, labels, size

    problem = svi.Problem(
        model=network,
        guide=no_latents,
        objective=svi.elbo(Trace_ELBO(), network, no_latents),
        batch=batch,
        size=size,
        batch_size=size,
        validation=lambda: 0.0,  # nothing is chosen
    )
    steps = settings.evaluate.ssvae.student_steps
    svi.fit(problem, settings.judge.model_copy(update={"steps": steps}), "judge (student of drawn digits)")
    network.eval()
    return class_probabilities([network.classifier], pixels, settings.evaluate.ssvae.binarisations)[0]
