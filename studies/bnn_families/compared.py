"""The metrics of one trained family, and those that are compared with another one's on the same cases."""

import numpy as np
from sklearn.metrics import roc_auc_score
from torch import nn

from stages import temperature
from stages.artifacts import Groups
from stages.evaluation import classification, intervals, ood
from stages.models.weight_guides import FullCovarianceGuide, LaplaceGuide

RESAMPLES = 200
Cases = dict[str, np.ndarray]  # probabilities, expected_entropy, labels, and scores under `score_<name>`


def metrics(predictions: dict[str, dict[str, Cases]], learned: str, other: str) -> dict:
    """All metrics.

    Args:
        predictions: of the splits `test` and `validation`, by data set; surrogates are in the latter.
        learned: the data set that the network was trained on.
        other: the foreign data set among the test images.

    Returns:
        Those of `classification.metrics` for test images; nll_, brier_ and ece_temperature, after a temperature
        that was fitted on half of the validation images; auroc_<score> and fpr95_<score> of `other`. `validation`:
        those of validation images, and auroc_<score>, the mean over surrogates. `resampled`: see `resampled`.
    """
    test, validation = predictions["test"][learned], predictions["validation"][learned]
    fitted = temperature.fitted(validation["probabilities"][::2], validation["labels"][::2])
    scaled = classification.scores(temperature.scaled(test["probabilities"], fitted), test["labels"])
    found = classification.metrics(test["probabilities"], test["labels"])
    found |= {f"{name}_temperature": scaled[name] for name in ("nll", "brier", "ece")} | {"temperature": fitted}
    separations = {
        split: ood.metrics({name: scores(cases) for name, cases in of.items()}, learned)
        for split, of in predictions.items()
    }
    for score, separation in separations["test"][other].items():
        found |= {f"auroc_{score}": separation["auroc"], f"fpr95_{score}": separation["fpr95"]}
    surrogates = separations["validation"]
    means = {
        f"auroc_{score}": float(np.mean([of[score]["auroc"] for of in surrogates.values()]))
        for score in ood.CLASSIFIER_SCORES
    }
    found["validation"] = classification.metrics(validation["probabilities"], validation["labels"]) | means
    found["resampled"] = {
        "test": resampled(predictions["test"], learned),
        "validation": resampled(predictions["validation"], learned),
    }
    return found


def parameters(model: nn.Module, guide: nn.Module) -> int:
    """The numbers that were learned: of the prior and of the guide, and the covariance of a Laplace approximation.

    Of a triangular matrix, the half that is used.
    """
    learned = sum(parameter.numel() for part in (model, guide) for parameter in part.parameters())
    halves = {LaplaceGuide: 1, FullCovarianceGuide: -1}  # a buffer, and a square of parameters
    return learned + sum(
        sign * part.size * (part.size + 1) // 2
        for part in guide.modules()
        for kind, sign in halves.items()
        if isinstance(part, kind)
    )


def scores(cases: Cases) -> Cases:
    """The scores by their names."""
    return {name.removeprefix("score_"): values for name, values in cases.items() if name.startswith("score_")}


def resampled(predictions: dict[str, Cases], learned: str) -> dict[str, list[float]]:
    """Metrics on bootstrap resamples of the cases, with the same indices for every network.

    Args:
        predictions: by data set.
        learned: the data set that the network was trained on; AUROCs are means over the others.

    Returns:
        nll, error_percent and auroc_<score>, one number per resample.
    """
    own = predictions[learned]
    p, labels = own["probabilities"].astype(np.float64), own["labels"]
    p /= p.sum(axis=1, keepdims=True)
    likelihood = np.maximum(p[np.arange(len(p)), labels], np.finfo(np.float64).eps)
    cases = {name: scores(of) for name, of in predictions.items()}
    cases[learned] |= {"nll": -np.log(likelihood), "wrong": p.argmax(axis=1) != labels}
    others = [name for name in predictions if name != learned]

    def metrics(groups: Groups) -> dict[str, float]:
        drawn = groups[learned]
        areas = {
            f"auroc_{score}": float(np.mean([_area(drawn[score], groups[name][score]) for name in others]))
            for score in scores(own)
        }
        return {"nll": float(drawn["nll"].mean()), "error_percent": 100 * float(drawn["wrong"].mean())} | areas

    rows = intervals.replicates(metrics, cases, set(cases), RESAMPLES)
    return {key: [row[key] for row in rows] for key in rows[0]}


def _area(own: np.ndarray, foreign: np.ndarray) -> float:
    return roc_auc_score(np.repeat([0, 1], [len(own), len(foreign)]), np.concatenate([own, foreign]))
