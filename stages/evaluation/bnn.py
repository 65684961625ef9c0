"""Step 4b for the Bayesian neural network: accuracy, likelihood and calibration, and how unsure it is of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.evaluation import classification, ood

if TYPE_CHECKING:
    from stages.settings import Settings

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them
ood_scores = ood.classifier_scores


def in_distribution(settings: Settings) -> str:
    """The data set that the network was trained on."""
    return settings.bnn.dataset


def out_of_distribution(settings: Settings) -> list[str]:
    """Those that it was not: `ood.bnn` of params.yaml, and what stages/ood_data.py makes."""
    inverted = f"inverted_{in_distribution(settings)}"
    return [settings.ood.bnn, "gaussian_noise", "uniform_noise", inverted, "sklearn_digits", "photographs"]


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Accuracy, likelihood and calibration."""
    return classification.metrics(predictions["cases"]["probabilities"], predictions["cases"]["labels"])
