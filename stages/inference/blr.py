"""Step 3 for Bayesian linear regression: all data in every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO
from torch import Tensor

from stages import datasets
from stages.inference.loop import svi
from stages.models import blr

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("blr",)  # sections of params.yaml that the posterior depends on
DATA = ("data/regression.csv",)  # and the data


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """The regression set, and an ELBO of many particles: little noise, an end near the optimum."""
    return of(settings.blr, *(datasets.regression(split, device) for split in ("train", "validation")))


def of(params: blr.Params, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> svi.Problem:
    """The model that `params` describes, and x and y of a toy set, each (n,)."""
    model, guide = (part.to(train[0].device) for part in blr.build(params))
    estimator = Trace_ELBO(num_particles=params.particles, vectorize_particles=True, max_plate_nesting=1)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(estimator, model, guide),
        batch=lambda step: train,
        size=len(train[0]),
        batch_size=len(train[0]),
        validation=lambda: svi.expected_log_likelihood(model, guide, *validation),
    )
