"""What each guide of the linear regression can express, against the exact posterior."""

import math
from functools import cache

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO

from stages.inference.loop import svi
from stages.models import blr
from stages.predictive.blr import exact_posterior
from tests import tiny

DRAWS = 20_000
SD_ERROR = 5 / math.sqrt(2 * DRAWS)  # five standard errors of a normal's sd, relative: 2.5%
X, Y = tiny.regression(100)


@cache
def learned(guide_name):
    """Draws of (intercept, slope) from the guide after a short run, (DRAWS, 2); the exact posterior."""
    params = tiny.settings(blr={"guide": guide_name, "steps": 800, "learning_rate": 0.2, "schedule": "cosine"}).blr
    torch.manual_seed(0)
    model, guide = blr.build(params)
    estimator = Trace_ELBO(num_particles=512, vectorize_particles=True, max_plate_nesting=1)
    problem = svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(estimator, model, guide),
        batch=lambda step: (X, Y),
        size=len(X),
        batch_size=len(X),
        validation=lambda: 0.0,
    )
    svi.fit(problem, params, title="blr")
    with torch.no_grad(), pyro.plate("draws", DRAWS, dim=-2):
        trace = poutine.trace(guide).get_trace(X)
    draws = [trace.nodes[site]["value"].flatten() for site in ("intercept", "slope")]
    return torch.stack(draws, dim=1).double().numpy(), exact_posterior(
        params, X.double().numpy(), Y.double().numpy()
    )


def exact_correlation(exact):
    """Of intercept and slope."""
    return exact.covariance[0, 1] / math.sqrt(exact.covariance[0, 0] * exact.covariance[1, 1])


@pytest.mark.parametrize("guide", ["full_covariance", "mean_field"])
def test_both_guides_find_the_means(guide):
    draws, exact = learned(guide)
    assert (abs(draws.mean(axis=0) - exact.mean) < 0.1 * exact.coefficient_sd).all()


def test_full_covariance_has_the_sds_and_the_correlation_of_the_posterior():
    draws, exact = learned("full_covariance")
    assert draws.std(axis=0) == pytest.approx(exact.coefficient_sd, rel=0.03 + SD_ERROR)
    correlation_error = 5 * (1 - exact_correlation(exact) ** 2) / math.sqrt(DRAWS)
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(exact_correlation(exact), abs=0.02 + correlation_error)


def test_mean_field_underestimates_the_sds_by_the_correlation():
    """Its sds are those of one coefficient given the other: smaller by sqrt(1 - correlation^2)."""
    draws, exact = learned("mean_field")
    smaller = math.sqrt(1 - exact_correlation(exact) ** 2)
    assert smaller < 0.6  # inputs far from zero: a steeper line must start lower
    assert draws.std(axis=0) / exact.coefficient_sd == pytest.approx(np.full(2, smaller), rel=0.03 + SD_ERROR)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 5 / math.sqrt(DRAWS)
