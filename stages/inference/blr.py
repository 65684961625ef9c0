"""Step 3 for Bayesian linear regression: all data in every step."""

from pathlib import Path

import pandas as pd
import torch
from pyro.infer import Trace_ELBO
from torch import Tensor

from stages.inference import svi
from stages.models import blr

PARAMS = ("blr",)  # sections of params.yaml that the posterior depends on
DATA = ("data/regression.csv",)  # and the data


def read(split: str, device: torch.device, root: str | Path = "data") -> tuple[Tensor, Tensor]:
    """x and y of one split of data/regression.csv, both (n,) float32."""
    table = pd.read_csv(Path(root) / "regression.csv").query("split == @split")
    x, y = torch.tensor(table[["x", "y"]].to_numpy(), dtype=torch.float32, device=device).unbind(1)
    return x.contiguous(), y.contiguous()


def problem(params, seed: int, device: torch.device) -> svi.Problem:
    """The regression set, and an ELBO of many particles: little noise, an end near the optimum."""
    model, guide = (part.to(device) for part in blr.build(params.blr))
    train, validation = read("train", device), read("validation", device)
    estimator = Trace_ELBO(num_particles=params.blr.particles, vectorize_particles=True, max_plate_nesting=1)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(estimator, model, guide),
        batch=lambda step: train,
        size=len(train[0]),
        batch_size=len(train[0]),
        validation=lambda: svi.expected_log_likelihood(model, guide, *validation),
    )
