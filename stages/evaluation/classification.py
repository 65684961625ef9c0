"""Metrics of probabilistic classifiers, computed from probabilities and labels alone.

Metrics that scikit-learn or SciPy provide come from there; the rest are implemented here. (torchmetrics has an
expected calibration error, but it puts a confidence of exactly 1 into a sixteenth bin.)
"""

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import brier_score_loss, log_loss

BINS = 15  # in both calibration errors, as in Guo et al. (2017)
RISK = 1e-3  # the error rate that coverage_at_risk_1e3 allows


def metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """All metrics of a classifier.

    Args:
        probabilities: (cases, classes).
        labels: classes, (cases,).

    Returns:
        What `scores` returns; adaptive_ece; aurc; coverage_at_risk_1e3, a fraction; predictive_entropy in nats.
    """
    p = _normalised(probabilities)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    return scores(probabilities, labels) | {
        "adaptive_ece": adaptive_calibration_error(confidence, correct),
        "aurc": area_under_risk_coverage(confidence, correct),
        "coverage_at_risk_1e3": coverage_at_risk(confidence, correct, RISK),
        "predictive_entropy": float(entropy(p, axis=1).mean()),
    }


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The most used metrics, which also take the least time.

    Args:
        probabilities: (cases, classes).
        labels: classes, (cases,).

    Returns:
        error_percent; nll in nats (scikit-learn clips probabilities below 2.2e-16); brier, summed over classes;
        ece.
    """
    p = _normalised(probabilities)
    classes, correct = np.arange(p.shape[1]), p.argmax(axis=1) == labels
    return {
        "error_percent": 100 * float(1 - correct.mean()),
        "nll": float(log_loss(labels, p, labels=classes)),
        "brier": float(brier_score_loss(labels, p, labels=classes, scale_by_half=False)),
        "ece": calibration_error(p.max(axis=1), correct),
    }


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    p = probabilities.astype(np.float64)
    return p / p.sum(axis=1, keepdims=True)  # float32 rows sum to 1 only up to rounding


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error with bins of equal width (Guo et al. 2017).

    Args:
        confidence: probability of the predicted class, (cases,).
        correct: whether the prediction is correct, (cases,) bool.
        bins: number of bins on [0, 1]; a confidence of 1 falls into the last.
    """
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(index, weights=confidence - correct)).sum() / len(confidence))


def adaptive_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error with bins of equal mass (Nguyen and O'Connor 2015).

    Args:
        confidence: probability of the predicted class, (cases,).
        correct: whether the prediction is correct, (cases,) bool.
        bins: number of bins; their sizes differ by at most one case.
    """
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(confidence[part].mean() - correct[part].mean()) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return float(sum(gaps) / len(confidence))


def selective_risk(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Error rate among the k most confident cases, for k = 1 ... cases; shape (cases,).

    Cases of equal confidence are tied: each counts with the mean error of its group, so their order does not
    matter.
    """
    order = np.argsort(-confidence, kind="stable")
    _, group, size = np.unique(-confidence[order], return_inverse=True, return_counts=True)
    errors, end = np.bincount(group, weights=~correct[order]), np.cumsum(size)
    answered = np.arange(1, len(confidence) + 1)
    before, into = (np.cumsum(errors) - errors)[group], answered - (end - size)[group]
    return (before + errors[group] * into / size[group]) / answered


def area_under_risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean selective risk over all coverages (Geifman, Uziel and El-Yaniv 2019); lower is better."""
    return float(selective_risk(confidence, correct).mean())


def coverage_at_risk(confidence: np.ndarray, correct: np.ndarray, risk: float) -> float:
    """Largest share of cases, most confident first, that can be answered with an error rate of at most `risk`."""
    allowed = np.flatnonzero(selective_risk(confidence, correct) <= risk)
    return float((allowed[-1] + 1) / len(confidence)) if len(allowed) else 0.0
