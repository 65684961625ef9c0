"""Step 4a for the semi-supervised VAE: classify held-out digits, draw digits, complete halves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stages import datasets
from stages.inference import posterior
from stages.models import judge, labels_only, ssvae
from stages.models.label_classifier import logits
from stages.predictive import class_bounds, digits, halves, label_classifier

if TYPE_CHECKING:
    from stages.settings import Settings

STYLES = 12  # columns of the grid of drawn digits, and rows of the analogies
PLANE = 9  # points along each side of the plane of styles
COMPLETED = 10  # half-hidden digits in a picture


class Trained(NamedTuple):
    """What was learned, without dropout."""

    model: ssvae.Model
    guide: ssvae.Guide
    baseline: labels_only.Model
    judge: labels_only.Model


def trained(settings: Settings, seed: int, device: torch.device) -> Trained:
    """The model, its learned posterior, the baseline, and the judge of drawn digits."""
    parts = {
        "ssvae": ssvae.build(settings.ssvae),
        "labels_only": labels_only.build(settings.ssvae),
        "judge": judge.build(settings.judge),
    }
    for name, (model, guide) in parts.items():
        posterior.load(Path(f"posteriors/{name}/{seed}/weights.safetensors"), model, guide)
        for part in (model, guide):
            part.to(device).eval()
    return Trained(*parts["ssvae"], parts["labels_only"][0], parts["judge"][0])


def predict(settings: Settings, seed: int, trained: Trained) -> dict[str, dict[str, np.ndarray]]:
    """Classify held-out digits, bound their likelihood without labels, draw digits and complete halves.

    Returns:
        cases: labels and kept_labels (images,); probabilities (images, 10) and their temperature (images,); the
            same of the baseline, labels_only_probabilities and labels_only_temperature; of one binary draw of each
            image, one_draw_probabilities (images, 10) of the classifier, log_joint (images, 10) and elbo
            (images,), nats.
        digits, drawn, real, real_variety: drawn digits, and what judges say of them and of real ones:
            stages/predictive/digits.py.
        halves: labels (images,); probabilities (images, 10) of the classes given the upper half; hidden and
            neighbours, log likelihoods of the lower half by the model and by a baseline, (images,), nats;
            neighbours_probabilities of the baseline; effective_samples of the importance samples, (images,).
        pictures: styles (10, 12, 784), one column per style z; analogies (12, 10, 784) in the style of originals
            (12, 784); planes (10, 9, 9, 784), two directions of style for each class; halves (10, 784), whole,
            and their completions (10, 6, 784).
    """
    model, guide, baseline, referee = trained
    device = next(model.parameters()).device
    held_out, binary = label_classifier.held_out(settings, seed, device)
    networks = {"": guide.classifier, "labels_only_": baseline.classifier}
    cases = label_classifier.predicted(settings, seed, networks, held_out.pixels) | {
        "labels": held_out.labels,
        "kept_labels": torch.full((len(held_out),), len(datasets.kept_labels(seed)[0])),
        "one_draw_probabilities": logits(guide.classifier, binary).softmax(-1),
        "elbo": class_bounds.unlabelled_elbo(model, guide, binary),
        "log_joint": class_bounds.log_joint(model, guide, binary, settings.evaluate.ssvae.importance_samples),
    }
    held_out, binary = label_classifier.shuffled(held_out, binary)
    half = settings.evaluate.ssvae.halves
    completed = halves.completed(model, guide, binary[: half.images], half)
    completions = completed.pop("completions")[:COMPLETED]
    train = datasets.load("mnist", "train", settings.images)
    groups = digits.on_demand(settings, model, referee.classifier, held_out, binary) | {
        "cases": cases,
        "halves": completed
        | halves.by_neighbours(binary[: half.images], train)
        | {"labels": held_out.labels[: half.images]},
        "pictures": _pictures(model, guide, held_out, binary)
        | {"halves": binary[:COMPLETED], "completions": completions},
    }
    return {group: {name: _array(value) for name, value in v.items()} for group, v in groups.items()}


def _array(value: Tensor | np.ndarray) -> np.ndarray:
    return value.cpu().numpy() if isinstance(value, Tensor) else value


@torch.no_grad()
def _pictures(
    model: ssvae.Model, guide: ssvae.Guide, held_out: datasets.Images, binary: Tensor
) -> dict[str, Tensor]:
    device = binary.device
    every = torch.arange(ssvae.CLASSES, device=device)
    originals, labels = held_out.pixels[:STYLES], held_out.labels[:STYLES]
    inferred = guide.style(binary[:STYLES], labels)
    drawn = torch.randn(STYLES, model.latents, device=device)
    return {
        "styles": torch.sigmoid(model.mean_logits(drawn, every.unsqueeze(1))),
        "analogies": torch.sigmoid(model.mean_logits(inferred.unsqueeze(1), every)),
        "originals": originals,
        "planes": torch.sigmoid(model.mean_logits(_plane(guide, held_out, binary), every.view(-1, 1, 1))),
    }


def _plane(guide: ssvae.Guide, held_out: datasets.Images, binary: Tensor) -> Tensor:
    """Styles on a grid of quantiles of the two dimensions that differ most between digits, (9, 9, latents)."""
    styles = guide.style(binary[:1000], held_out.labels[:1000])
    across, down = styles.var(0).topk(2).indices
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(PLANE) + 0.5) / PLANE)
    plane = styles.new_zeros(PLANE, PLANE, styles.shape[1])
    plane[..., across] = quantiles.to(styles.device)
    plane[..., down] = quantiles.to(styles.device).unsqueeze(1)
    return plane
