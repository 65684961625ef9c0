"""How alike the predictions of two posteriors are (Izmailov et al. 2021, section 5.1)."""

import numpy as np


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the cases that get the same most probable class from both.

    Args:
        one: class probabilities, (cases, classes).
        other: of the same cases, (cases, classes).
    """
    return float((one.argmax(axis=1) == other.argmax(axis=1)).mean())


def total_variation(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over cases of the total variation distance, half the sum of absolute differences; from 0 to 1.

    Args:
        one: class probabilities, (cases, classes).
        other: of the same cases, (cases, classes).
    """
    return float(0.5 * np.abs(one.astype(np.float64) - other).sum(axis=1).mean())
