"""Simulation-based calibration: does a posterior approximation mean what it says? (Talts et al. 2018)

Draw parameters from the prior, data from the likelihood, and approximate posteriors for the data. If those are
right, the rank of each true parameter among draws from its posterior is uniform on 0 ... draws. A hump in the
middle says that the posterior is too wide, a valley that it is too narrow, a slope that it is biased.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import chisquare


def ranks(truth: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How many draws are smaller than the truth.

    Args:
        truth: of each parameter, (data sets,).
        draws: of each parameter, (draws, data sets).

    Returns:
        Of each parameter, (data sets,) int64 in 0 ... draws.
    """
    return {name: (draws[name] < value).sum(axis=0) for name, value in truth.items()}


def histogram(ranks: np.ndarray, draws: int, bins: int) -> np.ndarray:
    """Counts of ranks in bins of the same number of ranks, (bins,).

    Raises:
        ValueError: if the `draws` + 1 possible ranks cannot be shared out evenly.
    """
    if (draws + 1) % bins:
        raise ValueError(f"{draws} draws have {draws + 1} ranks, which {bins} bins do not share evenly")
    return np.bincount(ranks * bins // (draws + 1), minlength=bins)


def uniformity(ranks: np.ndarray, draws: int, bins: int) -> dict[str, float]:
    """Pearson's chi-squared test of uniform ranks.

    Returns:
        p_value; and chi2_per_bin, the statistic per degree of freedom, about 1 for uniform ranks.
    """
    test = chisquare(histogram(ranks, draws, bins))
    return {"p_value": float(test.pvalue), "chi2_per_bin": float(test.statistic / (bins - 1))}
