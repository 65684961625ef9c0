"""Errors, calibration and entropy of a classifier under increasing shift of its inputs (Ovadia et al. 2019)."""

import numpy as np

from stages.evaluation import classification

KEYS = ("error_percent", "nll", "ece", "predictive_entropy")


def curve(prediction: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Each metric of `KEYS` as a function of the level of one shift: one number per level.

    Args:
        prediction: probabilities (levels, images, classes) and labels (images,).
    """
    along = [classification.metrics(p, prediction["labels"]) for p in prediction["probabilities"]]
    return {key: [metrics[key] for metrics in along] for key in KEYS}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, dict[str, float]]]:
    """{shift: {level: {key: value}}}, with the levels that each prediction lists in `levels`."""
    found = {}
    for name, prediction in predictions.items():
        curves = curve(prediction)
        found[name] = {
            f"{level:g}": {key: curves[key][place] for key in KEYS}
            for place, level in enumerate(prediction["levels"])
        }
    return found
