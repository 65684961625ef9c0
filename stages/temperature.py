"""Temperature scaling of predicted probabilities (Guo et al. 2017)."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

SMALLEST = 1e-12  # probabilities below are taken for it
RANGE = 0.05, 20.0  # of temperatures
PRIOR_SD = (
    0.5  # of log temperature: of few cases, all may be right, and the likelihood alone would go to the bound
)


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """p ** (1 / temperature), normalised: flatter above 1, sharper below.

    Args:
        probabilities: (cases, classes).
        temperature: positive.

    Returns:
        (cases, classes), float64.
    """
    return np.exp(_log_scaled(probabilities, temperature))


def fitted(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The most probable temperature given some labels, with a prior log T ~ Normal(0, 0.5).

    Args:
        probabilities: of labelled cases that are not those to report on, (cases, classes).
        labels: their classes, (cases,).
    """

    def cost(log_temperature: float) -> float:
        log_p = _log_scaled(probabilities, np.exp(log_temperature))
        nll = -float(log_p[np.arange(len(labels)), labels].sum())
        return nll + 0.5 * (log_temperature / PRIOR_SD) ** 2

    return float(np.exp(minimize_scalar(cost, bounds=np.log(RANGE), method="bounded").x))


def _log_scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    log_p = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    return log_softmax(log_p / temperature, axis=1)
