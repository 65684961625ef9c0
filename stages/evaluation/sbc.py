"""Simulation-based calibration: are approximate posteriors calibrated? (Talts et al. 2018)

Draw parameters from the prior and data from the likelihood, then approximate the posterior of each data set. If
the approximation is exact, the rank of each true parameter among draws from its posterior is uniform on 0 ...
draws. A hump in the middle means that the posterior is too wide, a valley that it is too narrow, a slope that it
is biased.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import chisquare


def ranks(truth: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The number of draws that are smaller than the true value.

    Args:
        truth: for each parameter, (data sets,).
        draws: for each parameter, (draws, data sets).

    Returns:
        For each parameter, (data sets,) int64 in 0 ... draws.
    """
    return {name: (draws[name] < value).sum(axis=0) for name, value in truth.items()}


def histogram(ranks: np.ndarray, draws: int, bins: int) -> np.ndarray:
    """Histogram of the ranks, in bins that cover the same number of ranks each, (bins,).

    Raises:
        ValueError: if the `draws` + 1 possible ranks cannot be divided evenly among the bins.
    """
    if (draws + 1) % bins:
        raise ValueError(f"{draws} draws have {draws + 1} ranks, which cannot be divided evenly among {bins} bins")
    return np.bincount(ranks * bins // (draws + 1), minlength=bins)


def uniformity(ranks: np.ndarray, draws: int, bins: int) -> dict[str, float]:
    """Pearson's chi-squared test of uniform ranks.

    Returns:
        p_value; and chi2_per_bin, the statistic per degree of freedom, about 1 for uniform ranks.
    """
    test = chisquare(histogram(ranks, draws, bins))
    return {"p_value": float(test.pvalue), "chi2_per_bin": float(test.statistic / (bins - 1))}
