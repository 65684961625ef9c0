"""Step 4b for the Bayesian neural network: accuracy, likelihood and calibration, and how unsure it is of what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.evaluation import classification, ood

if TYPE_CHECKING:
    from stages.settings import Settings

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them
TITLE = "BNN"
RESULTS = {  # metrics worth a table, by their place in metrics/summary.json: what to call them, decimals
    "bnn.error_percent": ("error (%)", 2),
    "bnn.nll": ("negative log likelihood (nats)", 4),
    "bnn.brier": ("Brier score", 4),
    "bnn.ece": ("expected calibration error", 4),
    "bnn.coverage_at_risk_1e3": ("share that could be answered at one error in a thousand, in hindsight", 3),
    "ood/bnn.*.entropy.auroc": ("AUROC against {other}, entropy", 4),
    "ood/bnn.*.entropy.fpr95": ("digits flagged where 95% of {other} are, entropy", 3),
    "ood/bnn.*.mutual_information.auroc": ("AUROC against {other}, mutual information", 4),
    "ood/bnn.photographs.entropy.auroc": ("AUROC against patches of a photograph, entropy", 4),
    "ood/bnn.inverted_mnist.entropy.auroc": ("AUROC against inverted digits, entropy", 4),
}
HEADLINES = {  # the few that `dvc exp show` shows, by the name of their column
    "error_percent": "bnn.error_percent",
    "nll": "bnn.nll",
    "ece": "bnn.ece",
    "auroc": "ood/bnn.*.entropy.auroc",
}
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
