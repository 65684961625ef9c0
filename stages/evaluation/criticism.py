"""Posterior predictive checks: could the model have produced these data? (Gelman, Meng and Stern 1996)

A test quantity T is a number in which a failure of the model would show. It is computed from residuals in units of
the noise, so it depends on the data and on the unknowns. The posterior predictive p-value is the probability, over
posterior draws, that data replicated by the model have at least the quantity of the real data:
P(T(y_rep, theta) >= T(y, theta) | y). Near 0 or 1, the model does not produce such data.

Reference: Gelman et al., Bayesian Data Analysis, 3rd edition, section 6.3.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats


def curvature(residuals: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Quadratic coefficient of the least-squares parabola through residuals, noise per unit of x squared.

    Args:
        residuals: (data sets, points).
        x: inputs, (points,).

    Returns:
        (data sets,).
    """
    return np.polynomial.polynomial.polyfit(x - x.mean(), residuals.T, deg=2)[2]


def skewness(residuals: np.ndarray, x: np.ndarray) -> np.ndarray:
    """0 for a symmetric distribution; (data sets,)."""
    return stats.skew(residuals, axis=1)


def kurtosis(residuals: np.ndarray, x: np.ndarray) -> np.ndarray:
    """In excess of a normal's: about 0 for one, positive for heavier tails; (data sets,)."""
    return stats.kurtosis(residuals, axis=1)


def largest_residual(residuals: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Largest distance from the mean, in units of the noise; (data sets,)."""
    return np.abs(residuals).max(axis=1)


TEST_QUANTITIES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    quantity.__name__: quantity for quantity in (skewness, kurtosis, curvature, largest_residual)
}


def quantities(checks: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each test quantity of the real data and of the replicated data, both (replicates,).

    Args:
        checks: x (points,); observed and replicated residuals, both (replicates, points).
    """
    x = checks["x"]
    observed, replicated = (checks[name].astype(np.float64) for name in ("observed", "replicated"))
    return {name: (of(observed, x), of(replicated, x)) for name, of in TEST_QUANTITIES.items()}


def p_values(checks: dict[str, np.ndarray]) -> dict[str, float]:
    """The posterior predictive p-value of each test quantity, `p_<quantity>`, in [0, 1].

    Args:
        checks: as for `quantities`.
    """
    return {
        f"p_{name}": float((replicated >= observed).mean())
        for name, (observed, replicated) in quantities(checks).items()
    }
