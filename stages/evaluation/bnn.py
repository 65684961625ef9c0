"""Step 4b for the Bayesian neural network: accuracy, likelihood, calibration and uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from stages import temperature
from stages.evaluation import classification, ood

if TYPE_CHECKING:
    from stages.settings import Settings

UNTEMPERED = 1  # validation cases 1, 3, 5, ... are left for the threshold: the temperature saw 0, 2, 4, ...
TEST_CASES = {"cases"}  # groups with one entry per test case, which the bootstrap resamples
TITLE = "BNN"
RESULTS = {  # rows of the table of results, by their place in metrics/summary.json: label, decimals
    "bnn.error_percent": ("error (%)", 2),
    "bnn.nll": ("negative log likelihood (nats)", 4),
    "bnn.brier": ("Brier score", 4),
    "bnn.ece": ("expected calibration error", 4),
    "bnn.nll_temperature": ("negative log likelihood after temperature scaling (nats)", 4),
    "bnn.ece_temperature": ("expected calibration error after temperature scaling", 4),
    "bnn.coverage_at_risk_1e3": ("largest share that can be answered with one error in a thousand", 3),
    "ood/bnn.*.entropy.auroc": ("AUROC against {other}, entropy", 4),
    "ood/bnn.*.entropy.fpr95": ("digits flagged if 95% of {other} are (FPR95), entropy", 3),
    "ood/bnn.*.mutual_information.auroc": ("AUROC against {other}, mutual information", 4),
    "ood/bnn.photographs.entropy.auroc": ("AUROC against patches of a photograph, entropy", 4),
}
HEADLINES = {  # the columns of `dvc exp show`: name, and place in metrics/summary.json
    "error_percent": "bnn.error_percent",
    "nll": "bnn.nll",
    "ece": "bnn.ece",
    "auroc": "ood/bnn.*.entropy.auroc",  # the score that is `ood.headline_bnn`
}
ood_scores = ood.classifier_scores


def ood_scorer(settings: Settings, reference: dict[str, np.ndarray]) -> Callable[[dict], dict[str, np.ndarray]]:
    """The function from predictions, with features, to scores.

    Args:
        settings: not needed here.
        reference: features of training images and their labels.
    """
    of_features = ood.FeatureScores(reference["features"], reference["labels"])
    return lambda cases: ood_scores(cases) | of_features(cases["features"])


def in_distribution(settings: Settings) -> str:
    """The data set that the network was trained on."""
    return settings.bnn.dataset


def out_of_distribution(settings: Settings) -> list[str]:
    """Other data sets: `ood.bnn` of params.yaml, and those made by stages/ood_data.py that hold no class of it."""
    return [settings.ood.bnn, "gaussian_noise", "uniform_noise", "strokes", "photographs", "shuffled_blocks"]


def other_forms(settings: Settings) -> list[str]:
    """Images of the learned classes in other forms, which have labels: `ood_data.labelled`."""
    learned = in_distribution(settings)
    return [f"inverted_{learned}", *(["sklearn_digits"] if learned == "mnist" else [])]


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Accuracy, likelihood and calibration metrics, with and without the temperature.

    Args:
        predictions: the group `cases`, as stages/predictive/bnn.py describes it.
    """
    cases = predictions["cases"]
    scaled = classification.scores(tempered(cases), cases["labels"])
    return (
        classification.metrics(cases["probabilities"], cases["labels"])
        | {f"{name}_temperature": scaled[name] for name in ("nll", "brier", "ece")}
        | {"temperature": float(cases["temperature"].mean(dtype=np.float64))}
    )


def tempered(cases: dict[str, np.ndarray]) -> np.ndarray:
    """Class probabilities of cases with their temperature, (cases, classes) float64."""
    found = np.empty(cases["probabilities"].shape)
    for value in np.unique(cases["temperature"]):
        same = cases["temperature"] == value
        found[same] = temperature.scaled(cases["probabilities"][same], float(value))
    return found
