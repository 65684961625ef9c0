"""Step 4b for the Bayesian neural network: accuracy, likelihood and calibration, and how unsure it is of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.evaluation import classification, ood

if TYPE_CHECKING:
    from stages.settings import Settings

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them
DATA_SETS = (  # stages/ood_data.py
    *("mnist", "fashion_mnist", "gaussian_noise", "uniform_noise"),
    *("inverted_mnist", "sklearn_digits", "photographs"),
)

ood_scores = ood.classifier_scores


def in_distribution(settings: Settings) -> str:
    """The data set that the network was trained on."""
    return settings.bnn.dataset


def out_of_distribution(settings: Settings) -> list[str]:
    """Those that it was not, the other one of the pair MNIST and Fashion-MNIST first."""
    return [name for name in DATA_SETS if name != in_distribution(settings)]


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Accuracy, likelihood and calibration."""
    return classification.metrics(predictions["cases"]["probabilities"], predictions["cases"]["labels"])
