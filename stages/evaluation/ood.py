"""Can a score tell data of another kind from the data a model was trained on?

A score is higher for what looks more foreign. Out-of-distribution data are the positive class throughout.
"""

import zlib

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import auc, average_precision_score, roc_curve


def classifier_scores(cases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of a Bayesian classifier, each (cases,).

    Args:
        cases: probabilities (cases, classes) and expected_entropy (cases,) of the posterior predictive.

    Returns:
        entropy: H[y | x, data], all uncertainty. mutual_information: what of it is epistemic, entropy minus
        expected entropy (Houlsby et al. 2011), 0 where rounding may have made it. max_probability: one minus it
        (Hendrycks and Gimpel 2017).
    """
    p = cases["probabilities"].astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    total = entropy(p, axis=1)
    epistemic, rounding = total - cases["expected_entropy"], 10 * np.finfo(cases["probabilities"].dtype).eps
    return {
        "entropy": total,
        "mutual_information": np.where(epistemic > rounding, epistemic, 0.0),
        "max_probability": 1.0 - p.max(axis=1),
    }


def likelihood_scores(cases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of a model of images, each (cases,).

    Args:
        cases: iwae, a bound on log p(x) in nats, and complexity, nats; both (cases,).

    Returns:
        likelihood: -log p(x), which is known to fail: simple images are likely ones (Nalisnick et al. 2019).
        input_complexity: -log p(x) minus the nats a general compressor needs for x (Serra et al. 2020).
    """
    return {"likelihood": -cases["iwae"], "input_complexity": -cases["iwae"] - cases["complexity"]}


def complexity(binary: np.ndarray) -> np.ndarray:
    """Length of each binary image compressed by DEFLATE, a bit per pixel before; nats, (images,).

    Args:
        binary: pixels 0 or 1, (images, pixels).
    """
    packed = np.packbits(binary.astype(bool), axis=1)
    return np.array([8 * len(zlib.compress(row.tobytes(), 9)) for row in packed]) * np.log(2)


def metrics(scores: dict[str, dict[str, np.ndarray]], inside: str) -> dict[str, dict[str, dict[str, float]]]:
    """How well each score separates each foreign data set from the known one.

    Args:
        scores: of each data set, each score (cases,).
        inside: name of the data set that the model knows.
    """
    return {
        name: {score: separation(scores[inside][score], outside[score]) for score in outside}
        for name, outside in scores.items()
        if name != inside
    }


def separation(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    """How well one score separates.

    Args:
        inside: scores of data like the training data, (cases,).
        outside: scores of other data, (other cases,).

    Returns:
        auroc; aupr (average precision); fpr95: share of the inside cases that are flagged at the threshold which
        flags 95% of the outside ones. All fractions.
    """
    positive = np.repeat([0, 1], [len(inside), len(outside)])
    scores = np.concatenate([inside, outside])
    false_positive_rate, true_positive_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
    return {
        "auroc": float(auc(false_positive_rate, true_positive_rate)),
        "aupr": float(average_precision_score(positive, scores)),
        "fpr95": float(false_positive_rate[np.argmax(true_positive_rate >= 0.95)]),
    }
