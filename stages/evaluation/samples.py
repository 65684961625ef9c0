"""Metrics of a posterior predictive by more and more posterior samples."""

import numpy as np
from scipy.stats import entropy

from stages.evaluation import classification, ood


def metrics(
    predictions: dict[str, dict], in_distribution: str, out_of_distribution: str
) -> dict[str, dict[str, float]]:
    """{number of samples: {nll, ece, auroc}}, the area being that of the entropy.

    Args:
        predictions: of each data set, probabilities (counts, images, classes), counts and labels.
        in_distribution: the data set like the training data.
        out_of_distribution: another one.
    """
    pair = predictions[in_distribution], predictions[out_of_distribution]
    digits, found = pair[0], {}
    for place, count in enumerate(digits["counts"]):
        all_metrics = classification.metrics(digits["probabilities"][place], digits["labels"])
        entropies = (entropy(of["probabilities"][place].astype(np.float64), axis=1) for of in pair)
        area = ood.separation(*entropies)["auroc"]
        found[str(count)] = {"nll": all_metrics["nll"], "ece": all_metrics["ece"], "auroc": area}
    return found
