"""How well scores separate out-of-distribution data from data like those that a model was trained on.

Higher scores mean that an input looks less like the training data. Out-of-distribution data are the positives.
"""

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import auc, average_precision_score, roc_curve


def classifier_scores(cases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of a Bayesian classifier, each (cases,).

    Args:
        cases: probabilities (cases, classes) and expected_entropy (cases,) of the posterior predictive.

    Returns:
        entropy: H[y | x, data], the total uncertainty. mutual_information: its epistemic part, entropy minus
        expected entropy (Houlsby et al. 2011); 0 where the difference is within rounding error. max_probability:
        one minus the maximum probability (Hendrycks and Gimpel 2017).
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
        likelihood: -log p(x). It is known to fail, because simple images get a high likelihood (Nalisnick et al.
        2019). input_complexity: -log p(x) minus the nats of a general compressor for x (Serra et al. 2020).
    """
    return {"likelihood": -cases["iwae"], "input_complexity": -cases["iwae"] - cases["complexity"]}


def metrics(
    scores: dict[str, dict[str, np.ndarray]], in_distribution: str
) -> dict[str, dict[str, dict[str, float]]]:
    """How well each score separates each out-of-distribution data set from the in-distribution one.

    Args:
        scores: data set -> score name -> values (cases,).
        in_distribution: name of the data set that resembles the training data.
    """
    return {
        name: {score: separation(scores[in_distribution][score], of_set[score]) for score in of_set}
        for name, of_set in scores.items()
        if name != in_distribution
    }


def separation(in_distribution: np.ndarray, out_of_distribution: np.ndarray) -> dict[str, float]:
    """How well one score separates.

    Args:
        in_distribution: scores of data like the training data, (cases,).
        out_of_distribution: scores of other data, (other cases,).

    Returns:
        auroc; aupr (average precision); fpr95: share of the in-distribution cases that are flagged at the
        threshold that flags 95% of the out-of-distribution ones. All fractions.
    """
    positive = np.repeat([0, 1], [len(in_distribution), len(out_of_distribution)])
    scores = np.concatenate([in_distribution, out_of_distribution])
    false_positive_rate, true_positive_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
    return {
        "auroc": float(auc(false_positive_rate, true_positive_rate)),
        "aupr": float(average_precision_score(positive, scores)),
        "fpr95": float(false_positive_rate[np.argmax(true_positive_rate >= 0.95)]),
    }
