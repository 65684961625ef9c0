"""Step 4a for Bayesian linear regression: draws from the learned posterior, the exact one, and held-out points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pyro import poutine, primitives
from pyro.nn import PyroModule
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

from stages import datasets
from stages.inference import posterior
from stages.models import blr

if TYPE_CHECKING:
    from stages.settings import Settings

Trained = tuple[PyroModule, PyroModule]  # the model and its learned posterior


def trained(settings: Settings, seed: int, device: torch.device) -> Trained:
    """The model and its learned posterior."""
    model, guide = (part.to(device) for part in blr.build(settings.blr))
    posterior.load(Path(f"posteriors/blr/{seed}/weights.safetensors"), model, guide)
    return model, guide


def predict(settings: Settings, seed: int, trained: Trained) -> dict[str, dict[str, np.ndarray]]:
    """Draw from the learned posterior, compute the exact one, and score held-out points.

    Returns:
        posterior: draws of intercept, slope and noise, each (posterior_samples,).
        exact: mean, sd and covariance (in units of the noise variance) of the coefficients, shape and rate of the
        noise variance.
        cases: what `predictive_cases` says of each held-out point.
        training: x and y that the posterior has seen.
    """
    _, guide = trained
    x, y = read("train")
    draws = _draw(guide, settings.evaluate.blr.posterior_samples)
    exact = exact_posterior(settings.blr, x, y)
    return {
        "posterior": draws,
        "exact": {name: np.asarray(value) for name, value in vars(exact).items()} | {"sd": exact.coefficient_sd},
        "cases": predictive_cases(draws, *read(settings.evaluate.split)),
        "training": {"x": x, "y": y},
    }


def read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """x and y of one split, both (points,) float64."""
    x, y = (part.double().numpy() for part in datasets.regression(split, torch.device("cpu")))
    return x, y


@dataclass(frozen=True)
class NormalInverseGamma:
    """noise_variance ~ InverseGamma(shape, rate); coefficients ~ Normal(mean, noise_variance * covariance)."""

    mean: np.ndarray  # (coefficients,)
    covariance: np.ndarray  # (coefficients, coefficients), in units of the noise variance
    shape: float
    rate: float

    def given(self, design: np.ndarray, y: np.ndarray) -> NormalInverseGamma:
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


def exact_posterior(params: blr.Params, x: np.ndarray, y: np.ndarray) -> NormalInverseGamma:
    """The closed form for the prior that `params` describes."""
    prior = NormalInverseGamma(
        mean=np.zeros(2),
        covariance=params.coefficient_sd**2 * np.eye(2),
        shape=params.noise_shape,
        rate=params.noise_rate,
    )
    return prior.given(np.column_stack([np.ones_like(x), x]), y)


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


@torch.no_grad()
def _draw(guide: PyroModule, samples: int) -> dict[str, np.ndarray]:
    nothing = torch.zeros(0)
    with primitives.plate("posterior_samples", samples, dim=-2):
        trace = poutine.trace(guide).get_trace(nothing)
    sites = {
        name: trace.nodes[name]["value"].flatten().double() for name in ("intercept", "slope", "noise_variance")
    }
    sites["noise"] = sites.pop("noise_variance").sqrt()
    return {name: value.cpu().numpy() for name, value in sites.items()}
