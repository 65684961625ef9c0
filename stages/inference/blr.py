"""Step 3 for Bayesian linear regression: all data in every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO

from stages import datasets
from stages.inference.loop import svi
from stages.models import blr

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("blr",)  # sections of params.yaml that the posterior depends on
DATA = ("data/regression.csv",)  # and the data


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """The regression set, and an ELBO of many particles: little noise, an end near the optimum."""
    model, guide = (part.to(device) for part in blr.build(settings.blr))
    train, validation = (datasets.regression(split, device) for split in ("train", "validation"))
    estimator = Trace_ELBO(num_particles=settings.blr.particles, vectorize_particles=True, max_plate_nesting=1)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(estimator, model, guide),
        batch=lambda step: train,
        size=len(train[0]),
        batch_size=len(train[0]),
        validation=lambda: svi.expected_log_likelihood(model, guide, *validation),
    )
