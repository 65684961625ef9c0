"""Step 3 for the model of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO

from stages import datasets
from stages.inference.loop import svi
from stages.models import toy

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("toy",)
DATA = ("data/regression.csv",)


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """All data in every step."""
    model, guide = (part.to(device) for part in toy.build(settings.toy))
    _, y = datasets.regression("train", device)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(Trace_ELBO(), model, guide),
        batch=lambda step: (y,),
        size=len(y),
        batch_size=len(y),
        validation=lambda: 0.0,
    )
