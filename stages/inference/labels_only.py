"""Step 3 for the baseline: maximum likelihood on the kept labels, augmented as for the semi-supervised VAE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO

from stages import datasets
from stages.inference.loop import svi
from stages.inference.partly_labelled import PartlyLabelled
from stages.models import labels_only

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("images", "labels_only", "ssvae")  # sections of params.yaml that the posterior depends on
DATA = ("data/images/mnist", "data/labels/{seed}.csv")  # and the data


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """The labelled MNIST images that data/labels/<seed>.csv lists."""
    model, guide = (part.to(device) for part in labels_only.build(settings.ssvae))
    data = PartlyLabelled(settings, seed, device)
    minibatches = datasets.Minibatches(len(data.labelled), settings.labels_only.batch_size, seed, device)

    def batch(step: int) -> tuple:
        chosen = minibatches(step)
        return data.view(data.labelled[chosen]), data.labels[chosen], len(data.labelled)

    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(Trace_ELBO(), model, guide),
        batch=batch,
        size=len(data.labelled),
        batch_size=minibatches.batch_size,
        validation=lambda: data.error_percent(model.classifier),
    )
