"""Step 4b for the Bayesian neural network: accuracy, likelihood, calibration and uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.evaluation import classification, ood

if TYPE_CHECKING:
    from stages.settings import Settings

TEST_CASES = {"cases"}  # groups with one entry per test case, which the bootstrap resamples
DATA_SETS = (  # names in stages/ood_data.py
    *("mnist", "fashion_mnist", "gaussian_noise", "uniform_noise"),
    *("inverted_mnist", "sklearn_digits", "photographs"),
)

ood_scores = ood.classifier_scores


def in_distribution(settings: Settings) -> str:
    """The data set that the network was trained on."""
    return settings.bnn.dataset


def out_of_distribution(settings: Settings) -> list[str]:
    """All other data sets, starting with the other one of MNIST and Fashion-MNIST."""
    return [name for name in DATA_SETS if name != in_distribution(settings)]


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Accuracy, likelihood and calibration metrics."""
    return classification.metrics(predictions["cases"]["probabilities"], predictions["cases"]["labels"])
