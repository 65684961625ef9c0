"""Metrics of a posterior predictive as a function of the number of posterior samples."""

import numpy as np
from scipy.stats import entropy

from stages.evaluation import classification, ood


def metrics(
    predictions: dict[str, dict], in_distribution: str, out_of_distribution: str
) -> dict[str, dict[str, float]]:
    """{number of samples: {nll, ece, auroc}}; the AUROC is that of the predictive entropy.

    Args:
        predictions: for each data set, probabilities (counts, images, classes), counts and labels.
        in_distribution: the data set that resembles the training data.
        out_of_distribution: the data set to tell it from.
    """
    pair = predictions[in_distribution], predictions[out_of_distribution]
    digits, found = pair[0], {}
    for place, count in enumerate(digits["counts"]):
        all_metrics = classification.metrics(digits["probabilities"][place], digits["labels"])
        entropies = (entropy(of["probabilities"][place].astype(np.float64), axis=1) for of in pair)
        area = ood.separation(*entropies)["auroc"]
        found[str(count)] = {"nll": all_metrics["nll"], "ece": all_metrics["ece"], "auroc": area}
    return found
