"""Metrics of a posterior predictive by more and more posterior samples."""

import numpy as np
from scipy.stats import entropy

from stages.evaluation import classification, ood


def metrics(predictions: dict[str, dict], inside: str, outside: str) -> dict[str, dict[str, float]]:
    """{number of samples: {nll, ece, auroc}}, the area being that of the entropy.

    Args:
        predictions: of each data set, probabilities (counts, images, classes), counts and labels.
        inside: the data set that the model knows.
        outside: one that it does not.
    """
    known, foreign = predictions[inside], predictions[outside]
    found = {}
    for place, count in enumerate(known["counts"]):
        all_metrics = classification.metrics(known["probabilities"][place], known["labels"])
        doubts = (entropy(of["probabilities"][place].astype(np.float64), axis=1) for of in (known, foreign))
        area = ood.separation(*doubts)["auroc"]
        found[str(count)] = {"nll": all_metrics["nll"], "ece": all_metrics["ece"], "auroc": area}
    return found
