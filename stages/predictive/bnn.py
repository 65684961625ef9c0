"""Step 4a for the Bayesian neural network: its posterior predictive on held-out images and on any others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pyro.nn import PyroModule
from scipy.stats import entropy, rankdata
from torch import Tensor

from stages import datasets, temperature
from stages.inference import posterior
from stages.models import bnn
from stages.predictive import classifier, features

if TYPE_CHECKING:
    from stages.settings import Settings

PICTURED = 24  # images saved for each figure
UNSURE = 4  # times as many are unsure enough for a figure
Trained = tuple[bnn.Model, PyroModule]  # the model and its learned posterior


def trained(settings: Settings, seed: int, device: torch.device) -> Trained:
    """The model and its learned posterior."""
    model, guide = (part.to(device) for part in bnn.build(settings.bnn))
    posterior.load(Path(f"posteriors/bnn/{seed}/weights.safetensors"), model, guide)
    return model, guide


def predict(settings: Settings, seed: int, trained: Trained) -> dict[str, dict[str, np.ndarray]]:
    """Predict the held-out images.

    Returns:
        cases: probabilities (images, 10), expected_entropy (images,), labels (images,), and temperature (images,),
            fitted on half of the validation images; for validation images, on the half that they are not in.
        validation: the same for the validation images.
        least_sure: the same for the held-out images with the largest predictive entropy, and their pixels (images,
            784) and votes (images, 10): of networks drawn anew, how many find each class the most probable.
        most_aleatoric: the same for those of the 96 images with the largest entropy whose rank by expected entropy
            exceeds their rank by mutual information the most. most_epistemic: the reverse.
    """
    held_out = datasets.load(settings.bnn.dataset, settings.evaluate.split, settings.images)
    cases = predict_cases(settings, trained, held_out)
    validation_images = datasets.load(settings.bnn.dataset, "validation", settings.images)
    validation = predict_cases(settings, trained, validation_images)
    fitted = [
        temperature.fitted(*(validation[of][half::2] for of in ("probabilities", "labels"))) for half in (0, 1)
    ]
    validation["temperature"] = np.resize(np.array(fitted[::-1], dtype=np.float32), len(validation["labels"]))
    if settings.evaluate.split == "validation":
        cases["temperature"] = validation["temperature"]
    else:
        cases["temperature"] = np.full(len(cases["labels"]), fitted[0], dtype=np.float32)
    pictured = {
        name: _pictured(settings, trained, cases, held_out, places) for name, places in to_picture(cases).items()
    }
    return {"cases": cases, "validation": validation} | pictured


def to_picture(cases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The places of the cases in each figure, the most remarkable first."""
    total = entropy(cases["probabilities"].astype(np.float64), axis=1)
    unsure = np.argsort(-total, kind="stable")[: UNSURE * PICTURED]
    aleatoric = cases["expected_entropy"][unsure]
    more = rankdata(aleatoric) - rankdata(total[unsure] - aleatoric)
    return {
        "least_sure": unsure[:PICTURED],
        "most_aleatoric": unsure[np.argsort(-more, kind="stable")][:PICTURED],
        "most_epistemic": unsure[np.argsort(more, kind="stable")][:PICTURED],
    }


def _pictured(
    settings: Settings, trained: Trained, cases: dict[str, np.ndarray], images: datasets.Images, places: np.ndarray
) -> dict[str, np.ndarray]:
    pixels = images.pixels[torch.from_numpy(places)]
    model, guide = trained
    votes = classifier.votes(model, guide, pixels.to(model.device.device), draws(settings))
    shown = {"pixels": pixels.numpy(), "votes": votes.cpu().numpy()}
    return {name: values[places] for name, values in cases.items()} | shown


def predict_cases(settings: Settings, trained: Trained, images: datasets.Images) -> dict[str, np.ndarray]:
    """The posterior predictive of any images."""
    model, guide = trained
    pixels = images.pixels.to(model.device.device)
    cases = classifier.class_probabilities(model, guide, pixels, draws(settings))
    return {name: value.cpu().numpy() for name, value in cases.items()} | {"labels": images.labels.numpy()}


def ood_cases(settings: Settings, trained: Trained, images: datasets.Images) -> dict[str, np.ndarray]:
    """What scores of any images are computed from: their posterior predictive and their features."""
    return predict_cases(settings, trained, images) | features_of(settings, trained, images)


def answered(cases: dict[str, np.ndarray], images: datasets.Images) -> dict[str, dict[str, np.ndarray]]:
    """Foreign images for a figure, each group with probabilities and pixels.

    Args:
        cases: their posterior predictive.
        images: the same.

    Returns:
        surest: those with the lowest predictive entropy. others: some at equal distances in order of entropy.
    """
    order = np.argsort(entropy(cases["probabilities"].astype(np.float64), axis=1), kind="stable")
    places = {
        "surest": order[: PICTURED // 2],
        "others": order[np.linspace(0, len(order) - 1, PICTURED // 2 + 1).astype(int)[1:]],
    }
    return {
        name: {"probabilities": cases["probabilities"][of], "pixels": images.pixels.numpy()[of]}
        for name, of in places.items()
    }


def features_of(settings: Settings, trained: Trained, images: datasets.Images) -> dict[str, np.ndarray]:
    """features: what the last layer of each mean network is given, (images, networks, units)."""
    model, guide = trained
    networks = features.mean_networks(settings.bnn, guide)
    return {"features": features.features(networks, images.pixels.to(model.device.device)).cpu().numpy()}


def reference(settings: Settings, trained: Trained) -> dict[str, np.ndarray]:
    """The features of training images, to which densities are fitted, and their labels (images,)."""
    train = datasets.load(settings.bnn.dataset, "train", settings.images)
    some = datasets.Images(train.pixels[: settings.ood.reference], train.labels[: settings.ood.reference])
    return features_of(settings, trained, some) | {"labels": some.labels.numpy()}


def draws(settings: Settings) -> int:
    """Number of networks to draw: equally many from each ensemble member; for point estimates, each one once."""
    members = settings.bnn.members if settings.bnn.inference == "ensemble" else 1
    samples = settings.evaluate.bnn.posterior_samples
    return members * (1 if settings.bnn.single == "map" else math.ceil(samples / members))


def predict_from_prior(settings: Settings, pixels: Tensor, networks: int) -> dict[str, dict[str, np.ndarray]]:
    """Class probabilities of networks drawn from the prior, without dropout; of a learned prior, from its start.

    Returns:
        networks: probabilities (networks, images, 10). The same for each of `prior_check.others`, by its name.
    """
    own = settings.bnn.prior
    others = settings.prior_check.others.items()
    priors = {"networks": own} | {name: own.model_copy(update=other.model_dump()) for name, other in others}
    found = {}
    for name, prior in priors.items():
        model = bnn.Model(bnn.network(settings.bnn, dropout=False), prior).to(pixels.device)
        probabilities = classifier.prior_probabilities(model, pixels, networks)
        found[name] = {"probabilities": probabilities.cpu().numpy()}
    return found
