"""The exact posterior of Bayesian linear regression, and metrics of a regression's posterior predictive."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import norm


@dataclass(frozen=True)
class NormalInverseGamma:
    """noise_variance ~ InverseGamma(shape, rate); coefficients ~ Normal(mean, noise_variance * covariance)."""

    mean: np.ndarray  # (coefficients,)
    covariance: np.ndarray  # (coefficients, coefficients), in units of the noise variance
    shape: float
    rate: float

    def given(self, design: np.ndarray, y: np.ndarray) -> "NormalInverseGamma":
        """The posterior after data: conjugate update (Gelman et al., BDA3, section 14.8).

        Args:
            design: a row of regressors per datum, (data, coefficients).
            y: outputs, (data,).
        """
        prior_precision = np.linalg.inv(self.covariance)
        precision = prior_precision + design.T @ design
        covariance = np.linalg.inv(precision)
        mean = covariance @ (prior_precision @ self.mean + design.T @ y)
        residual = y @ y + self.mean @ prior_precision @ self.mean - mean @ precision @ mean
        return NormalInverseGamma(mean, covariance, self.shape + len(y) / 2, self.rate + residual / 2)

    @property
    def coefficient_sd(self) -> np.ndarray:
        """Marginal sds of the coefficients, a Student t with 2 * shape degrees of freedom; (coefficients,)."""
        return np.sqrt(self.rate / (self.shape - 1) * np.diag(self.covariance))

    @property
    def noise_mean(self) -> float:
        """Mean of the noise sd, the square root of an inverse gamma."""
        return float(np.sqrt(self.rate) * np.exp(gammaln(self.shape - 0.5) - gammaln(self.shape)))

    @property
    def noise_sd(self) -> float:
        """Sd of the noise sd."""
        return float(np.sqrt(self.rate / (self.shape - 1) - self.noise_mean**2))


def predictive_cases(draws: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Score held-out points under the posterior predictive, a mixture of one normal per posterior draw.

    Args:
        draws: intercept, slope and noise, each (draws,).
        x: inputs, (points,).
        y: outputs, (points,).

    Returns:
        Per point: x, y, the predictive mean, nll (nats) and cdf, the predictive probability of a smaller y.
    """
    rows = []
    for xi, yi in zip(x, y, strict=True):
        line = draws["intercept"] + draws["slope"] * xi
        log_density = logsumexp(norm.logpdf(yi, line, draws["noise"])) - np.log(len(line))
        rows.append((xi, yi, line.mean(), -log_density, norm.cdf(yi, line, draws["noise"]).mean()))
    return dict(zip(("x", "y", "mean", "nll", "cdf"), np.array(rows, dtype=np.float64).T, strict=True))


def metrics(cases: dict[str, np.ndarray]) -> dict[str, float]:
    """coverage_90 (share of points inside the central 90% interval), nll in nats and rmse in units of y."""
    return {
        "coverage_90": float(((cases["cdf"] >= 0.05) & (cases["cdf"] <= 0.95)).mean()),
        "nll": float(cases["nll"].mean()),
        "rmse": float(np.sqrt(np.mean((cases["y"] - cases["mean"]) ** 2))),
    }
