"""Step 3 for the baseline: maximum likelihood on the kept labels, augmented as for the semi-supervised model."""

import torch
from pyro.infer import Trace_ELBO

from stages.inference import svi
from stages.inference.partly_labelled import PartlyLabelled
from stages.models import labels_only

PARAMS = ("images", "labels_only", "ssvae")  # sections of params.yaml that the posterior depends on
DATA = ("data/MNIST", "data/labels/{seed}.csv")  # and the data


def problem(params, seed: int, device: torch.device) -> svi.Problem:
    """The labelled images of MNIST as data/labels/<seed>.csv has them."""
    model, guide = (part.to(device) for part in labels_only.build(params.ssvae))
    data = PartlyLabelled(params, seed, device)
    minibatches = data.labelled_minibatches(params.labels_only.batch_size)
    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(Trace_ELBO(), model, guide),
        batch=lambda step: data.labelled_batch(minibatches(step)),
        size=len(data.labelled),
        batch_size=minibatches.batch_size,
        validation=lambda: data.error_percent(model.classifier),
    )
