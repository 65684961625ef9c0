"""Step 4 for Bayesian linear regression: against the exact posterior, and on held-out points."""

from pathlib import Path

import numpy as np
import torch
from pyro import poutine, primitives

from stages.evaluation import regression
from stages.inference import posterior
from stages.inference.blr import read
from stages.models import blr

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them


def predict(params, seed: int, device: torch.device) -> dict[str, dict[str, np.ndarray]]:
    """Draw from the learned posterior, compute the exact one, and score held-out points.

    Returns:
        posterior: draws of intercept, slope and noise, each (posterior_samples,).
        exact: mean and covariance (in units of the noise variance) of the coefficients, shape and rate of the
        noise variance.
        cases: what `regression.predictive_cases` says of each held-out point.
        training: x and y that the posterior has seen.
    """
    model, guide = (part.to(device) for part in blr.build(params.blr))
    posterior.load(Path(f"posteriors/blr/{seed}/weights.safetensors"), model, guide)
    x, y = (part.cpu().double().numpy() for part in read("train", device))
    draws = _draw(guide, params.evaluate.blr.posterior_samples)
    exact = exact_posterior(params.blr, x, y)
    held_out = (part.cpu().double().numpy() for part in read(params.evaluate.split, device))
    return {
        "posterior": draws,
        "exact": {name: np.asarray(value) for name, value in vars(exact).items()},
        "cases": regression.predictive_cases(draws, *held_out),
        "training": {"x": x, "y": y},
    }


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """How far SVI is from the exact posterior, and the metrics of the held-out points."""
    draws, exact = predictions["posterior"], regression.NormalInverseGamma(**predictions["exact"])
    moments = {name: (float(draws[name].mean()), float(draws[name].std())) for name in draws}
    mean, sd = np.transpose([moments["intercept"], moments["slope"]])
    return {
        "posterior_mean_error": float(np.max(np.abs(mean - exact.mean) / exact.coefficient_sd)),
        "posterior_sd_error": float(np.max(np.abs(sd / exact.coefficient_sd - 1))),
        **regression.metrics(predictions["cases"]),
        **{f"{name}_mean": moments[name][0] for name in moments},
        **{f"{name}_sd": moments[name][1] for name in moments},
    }


def exact_posterior(params: blr.Params, x: np.ndarray, y: np.ndarray) -> regression.NormalInverseGamma:
    """The closed form for the prior that `params` describes."""
    prior = regression.NormalInverseGamma(
        mean=np.zeros(2),
        covariance=params.coefficient_sd**2 * np.eye(2),
        shape=params.noise_shape,
        rate=params.noise_rate,
    )
    return prior.given(np.column_stack([np.ones_like(x), x]), y)


@torch.no_grad()
def _draw(guide, samples: int) -> dict[str, np.ndarray]:
    nothing = torch.zeros(0)
    with primitives.plate("posterior_samples", samples, dim=-2):
        trace = poutine.trace(guide).get_trace(nothing)
    sites = {
        name: trace.nodes[name]["value"].flatten().double() for name in ("intercept", "slope", "noise_variance")
    }
    sites["noise"] = sites.pop("noise_variance").sqrt()
    return {name: value.cpu().numpy() for name, value in sites.items()}
