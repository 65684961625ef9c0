"""Step 4a for the semi-supervised VAE: classify held-out digits, bound their likelihood, generate digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from stages import datasets
from stages.inference import posterior
from stages.models import labels_only, ssvae
from stages.predictive.likelihood import log_weights

if TYPE_CHECKING:
    from stages.settings import Settings

STYLES = 12  # columns of the grid of generated digits, and rows of the analogies
NEIGHBOURS = 3  # of the independent classifier
Trained = tuple[ssvae.Model, ssvae.Guide, labels_only.Model]  # the model, its learned posterior, and the baseline


def trained(settings: Settings, seed: int, device: torch.device) -> Trained:
    """The model, its learned posterior, and the baseline, without dropout."""
    model, guide = (part.to(device).eval() for part in ssvae.build(settings.ssvae))
    posterior.load(Path(f"posteriors/ssvae/{seed}/weights.safetensors"), model, guide)
    baseline, no_latents = (part.to(device).eval() for part in labels_only.build(settings.ssvae))
    posterior.load(Path(f"posteriors/labels_only/{seed}/weights.safetensors"), baseline, no_latents)
    return model, guide, baseline


def predict(settings: Settings, seed: int, trained: Trained) -> dict[str, dict[str, np.ndarray]]:
    """Classify held-out digits, bound their likelihood without labels, and generate digits.

    Returns:
        cases: probabilities and labels_only_probabilities (images, 10), labels, elbo (nats) and
            kept_labels (images,).
        drawn: pixels (digits, 784) of generated digits, the `labels` (digits,) that they were generated for, and
            the classes (digits,) that they are `recognised` as.
        pictures: styles (10, 12, 784), one column per style z; analogies (12, 10, 784) in the style of originals
            (12, 784).
    """
    model, guide, baseline = trained
    device = next(model.parameters()).device
    which = "mnist", settings.evaluate.split, settings.images
    held_out = datasets.load(*which).to(device)
    binary = datasets.published_binarisation(*which).to(device)
    cases = {
        "labels": held_out.labels,
        "probabilities": _classify(guide.classifier, held_out.pixels),
        "labels_only_probabilities": _classify(baseline.classifier, held_out.pixels),
        "elbo": unlabelled_elbo(model, guide, binary),
        "kept_labels": torch.full((len(held_out),), len(datasets.kept_labels(seed)[0])),
    }
    drawn = _draw(model, settings.evaluate.ssvae.drawn_per_class, device)
    drawn["recognised"] = _recognise(drawn["pixels"], datasets.load("mnist", "train", settings.images))
    groups = {"cases": cases, "drawn": drawn, "pictures": _pictures(model, guide, held_out, binary)}
    return {group: {name: value.cpu().numpy() for name, value in v.items()} for group, v in groups.items()}


@torch.no_grad()
def unlabelled_elbo(model: ssvae.Model, guide: ssvae.Guide, images: Tensor, batch_size: int = 500) -> Tensor:
    """The ELBO of unlabelled images, sum_y q(y | x) (L(x, y) - log q(y | x)), equation 7 of Kingma et al. (2014).

    Args:
        model: prior and decoder.
        guide: classifier and encoder; one z is drawn for each image and class.
        images: binary, (images, 784).
        batch_size: images per forward pass.

    Returns:
        The ELBO of each image, (images,), nats.
    """
    bounds = []
    for x in images.split(batch_size):
        log_q = guide.classifier(x).log_softmax(-1)  # (batch, classes)
        labelled = torch.stack([_labelled_elbo(model, guide, x, c) for c in range(ssvae.CLASSES)], dim=-1)
        bounds.append((log_q.exp() * (labelled - log_q)).sum(-1))
    return torch.cat(bounds)


def _labelled_elbo(model: ssvae.Model, guide: ssvae.Guide, x: Tensor, label: int) -> Tensor:
    y = torch.full((len(x),), label, device=x.device)
    weights, _ = log_weights(lambda x: model(x, y), lambda x: guide(x, y), x, samples=1)
    return weights[0]


@torch.no_grad()
def _classify(classifier: nn.Module, pixels: Tensor) -> Tensor:
    return classifier(datasets.unit_interval(pixels)).softmax(-1)


@torch.no_grad()
def _draw(model: ssvae.Model, per_class: int, device: torch.device) -> dict[str, Tensor]:
    labels = torch.arange(ssvae.CLASSES, device=device).repeat_interleave(per_class)
    z = torch.randn(len(labels), model.latents, device=device)
    return {"pixels": torch.sigmoid(model.decode(z, labels)), "labels": labels}


def _recognise(drawn: Tensor, train: datasets.Images) -> Tensor:
    """Classify generated digits by their nearest neighbours among the real, fully labelled digits, (digits,).

    This classifier shares nothing with the generating model: no parameters, no training, no binarisation.
    """
    judge = KNeighborsClassifier(NEIGHBOURS).fit(
        datasets.unit_interval(train.pixels).numpy(), train.labels.numpy()
    )
    return torch.from_numpy(judge.predict(drawn.cpu().numpy()))


@torch.no_grad()
def _pictures(
    model: ssvae.Model, guide: ssvae.Guide, held_out: datasets.Images, binary: Tensor
) -> dict[str, Tensor]:
    classes = torch.arange(ssvae.CLASSES, device=held_out.pixels.device)
    styles = torch.randn(STYLES, model.latents, device=classes.device)
    originals, labels = held_out.pixels[:STYLES], held_out.labels[:STYLES]
    features = guide.classifier.features(binary[:STYLES])
    inferred = guide.q_z(features, labels).loc
    return {
        "styles": torch.sigmoid(model.decode(styles, classes.unsqueeze(1))),
        "analogies": torch.sigmoid(model.decode(inferred.unsqueeze(1), classes)),
        "originals": originals,
    }
