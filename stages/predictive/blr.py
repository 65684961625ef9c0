"""Step 4a for Bayesian linear regression: draws from the learned posterior, the exact one, and held-out points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pyro import poutine, primitives
from pyro.nn import PyroModule
from scipy import stats
from scipy.special import gammaln, logsumexp

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
        posterior: draws of each coefficient, of noise (the sd of normal noise, the scale of Student's t), and of
        degrees_of_freedom where the model has them; each (posterior_samples,).
        exact: mean, sd and covariance (in units of the noise variance) of the coefficients, shape and rate of the
        noise variance; missing if the noise is not normal, since the posterior is then not known.
        cases: what `predictive_cases` says of each held-out point.
        training: x and y of the training points.
        checks: what `residuals` says of the training points.
    """
    _, guide = trained
    x, y = read("train")
    draws = draw(guide, settings.blr, settings.evaluate.blr.posterior_samples)
    exact = {}
    if settings.blr.noise == "normal":
        found = exact_posterior(settings.blr, x, y)
        exact["exact"] = {name: np.asarray(value) for name, value in vars(found).items()}
        exact["exact"]["sd"] = found.coefficient_sd
    return exact | {
        "posterior": draws,
        "cases": predictive_cases(settings.blr, draws, *read(settings.evaluate.split)),
        "training": {"x": x, "y": y},
        "checks": residuals(settings.blr, draws, x, y, settings.evaluate.blr.replicates, seed),
    }


def read(split: str, name: str = "regression") -> tuple[np.ndarray, np.ndarray]:
    """x and y of one split of a toy set, both (points,) float64."""
    x, y = (part.double().numpy() for part in datasets.regression(split, torch.device("cpu"), name=name))
    return x, y


def design(params: blr.Params, x: np.ndarray) -> np.ndarray:
    """What each coefficient is multiplied by, (points, coefficients)."""
    columns = [np.ones_like(x), x]
    if params.mean == "quadratic":
        columns.append((x - params.centre) ** 2)
    return np.column_stack(columns)


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
    """The closed form for the mean and the prior that `params` describes, with normal noise."""
    regressors = design(params, x)
    prior = NormalInverseGamma(
        mean=np.zeros(regressors.shape[1]),
        covariance=params.coefficient_sd**2 * np.eye(regressors.shape[1]),
        shape=params.noise_shape,
        rate=params.noise_rate,
    )
    return prior.given(regressors, y)


def means(params: blr.Params, draws: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The mean of y at each x, for each draw: (draws, points)."""
    return np.column_stack([draws[site] for site in blr.coefficients(params)]) @ design(params, x).T


def noise(params: blr.Params, draws: dict[str, np.ndarray]) -> stats.rv_continuous:
    """The distribution of y about its mean, for each draw."""
    if params.noise == "student_t":
        return stats.t(draws["degrees_of_freedom"], scale=draws["noise"])
    return stats.norm(scale=draws["noise"])


def residuals(
    params: blr.Params, draws: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, replicates: int, seed: int
) -> dict[str, np.ndarray]:
    """Distances of data from the mean, in units of the noise, for posterior draws: of the real data and of others.

    A posterior predictive check compares the two (stages/evaluation/criticism.py).

    Args:
        params: of the model.
        draws: from its posterior, each (draws,).
        x: inputs, (points,).
        y: outputs, (points,).
        replicates: how many of the draws to take, with one replicated data set each.
        seed: of the replicated data.

    Returns:
        x, (points,); observed and replicated residuals, both (replicates, points) float32.
    """
    generator = np.random.default_rng(seed)
    some = generator.choice(len(draws["noise"]), replicates)
    chosen = {site: values[some] for site, values in draws.items()}
    of_y = (y - means(params, chosen, x)) / chosen["noise"][:, None]
    if params.noise == "student_t":
        replicated = generator.standard_t(chosen["degrees_of_freedom"][:, None], of_y.shape)
    else:
        replicated = generator.standard_normal(of_y.shape)
    return {"x": x, "observed": of_y.astype(np.float32), "replicated": replicated.astype(np.float32)}


def predictive_cases(
    params: blr.Params, draws: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray
) -> dict[str, np.ndarray]:
    """Score held-out points under the posterior predictive, a mixture of one distribution per posterior draw.

    Args:
        params: of the model.
        draws: of the coefficients and the noise, each (draws,).
        x: inputs, (points,).
        y: outputs, (points,).

    Returns:
        Per point: x, y, the predictive mean, nll (nats) and cdf, the predictive probability of a smaller y.
    """
    rows, about_mean = [], noise(params, draws)
    for xi, yi in zip(x, y, strict=True):
        mean = means(params, draws, np.array([xi]))[:, 0]
        log_density = logsumexp(about_mean.logpdf(yi - mean)) - np.log(len(mean))
        rows.append((xi, yi, mean.mean(), -log_density, about_mean.cdf(yi - mean).mean()))
    return dict(zip(("x", "y", "mean", "nll", "cdf"), np.array(rows, dtype=np.float64).T, strict=True))


@torch.no_grad()
def draw(guide: PyroModule, params: blr.Params, samples: int) -> dict[str, np.ndarray]:
    """Draw coefficients, noise and degrees of freedom from the learned posterior, each (samples,)."""
    nothing = torch.zeros(0)
    with primitives.plate("posterior_samples", samples, dim=-2):
        trace = poutine.trace(guide).get_trace(nothing)
    drawn = {site: trace.nodes[site]["value"].flatten().double() for site in blr.sites(params)}
    drawn["noise"] = drawn.pop("noise_variance").sqrt()
    return {name: value.cpu().numpy() for name, value in drawn.items()}
