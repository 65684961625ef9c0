"""Step 4 for the Bayesian neural network: its posterior predictive on held-out digits, and on anything else."""

import math
from pathlib import Path

import numpy as np
import torch
from pyro.nn import PyroModule

from stages import datasets
from stages.evaluation import classification, ood
from stages.evaluation.predictive import class_probabilities
from stages.inference import posterior
from stages.models import bnn

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them
DATA_SETS = (  # stages/foreign.py
    *("mnist", "fashion_mnist", "gaussian_noise", "uniform_noise"),
    *("inverted_mnist", "sklearn_digits", "photographs"),
)
PICTURED = 24  # digits kept for each picture

ood_scores = ood.classifier_scores


def inside(params) -> str:
    """The data set that the network was trained on."""
    return params.bnn.dataset


def outside(params) -> list[str]:
    """Those that it was not, the other one of the pair MNIST and Fashion-MNIST first."""
    return [name for name in DATA_SETS if name != inside(params)]


def predict(params, seed: int, device: torch.device) -> dict[str, dict[str, np.ndarray]]:
    """Predict the held-out digits.

    Returns:
        cases: probabilities (images, 10), expected_entropy (images,), labels (images,).
        validation: the same for the validation digits, on which thresholds are chosen.
        least_sure, most_aleatoric, most_epistemic: the same for the held-out digits of largest predictive entropy,
            and of its largest aleatoric and epistemic parts, with their pixels (digits, 784).
    """
    held_out = datasets.load(inside(params), params.evaluate.split, params.images)
    cases = predict_cases(params, seed, device, held_out)
    validation = datasets.load(inside(params), "validation", params.images)
    scores = ood_scores(cases)
    pictures = {
        "least_sure": scores["entropy"],
        "most_aleatoric": cases["expected_entropy"],
        "most_epistemic": scores["mutual_information"],
    }
    return {"cases": cases, "validation": predict_cases(params, seed, device, validation)} | {
        name: largest(score, cases, held_out) for name, score in pictures.items()
    }


def largest(score: np.ndarray, cases: dict[str, np.ndarray], images: datasets.Images) -> dict[str, np.ndarray]:
    """The cases of largest score, with their pixels."""
    worst = np.argsort(-score, kind="stable")[:PICTURED]
    return {name: values[worst] for name, values in cases.items()} | {"pixels": images.pixels.numpy()[worst]}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Accuracy, likelihood and calibration."""
    return classification.metrics(predictions["cases"]["probabilities"], predictions["cases"]["labels"])


def trained(params, seed: int, device: torch.device) -> tuple[bnn.Model, PyroModule]:
    """The model and its learned posterior."""
    model, guide = (part.to(device) for part in bnn.build(params.bnn))
    posterior.load(Path(f"posteriors/bnn/{seed}/weights.safetensors"), model, guide)
    return model, guide


def predict_cases(params, seed: int, device: torch.device, images: datasets.Images) -> dict[str, np.ndarray]:
    """The posterior predictive of any images."""
    model, guide = trained(params, seed, device)
    cases = class_probabilities(model, guide, images.pixels.to(device), draws(params))
    return {name: value.cpu().numpy() for name, value in cases.items()} | {"labels": images.labels.numpy()}


def draws(params) -> int:
    """How many networks to draw: as many of each member of an ensemble, and of points every one there is."""
    members = params.bnn.members if params.bnn.inference == "ensemble" else 1
    rounds = 1 if params.bnn.single == "map" else math.ceil(params.evaluate.bnn.posterior_samples / members)
    return members * rounds
