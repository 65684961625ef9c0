"""Step 3 for the judge of drawn digits: maximum likelihood on all of MNIST's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import Trace_ELBO

from stages import datasets
from stages.inference.loop import svi
from stages.models import judge, label_classifier

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("images", "judge")  # sections of params.yaml that the posterior depends on
DATA = ("data/images/mnist",)  # and the data


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """Digits as they are, grey, and binarised, since both kinds are drawn: half of a batch each."""
    model, guide = (part.to(device) for part in judge.build(settings.judge))
    train = datasets.load("mnist", "train", settings.images).to(device)
    held_out = datasets.load("mnist", "validation", settings.images).to(device)
    minibatches = datasets.Minibatches(len(train), settings.judge.batch_size, seed, device)

    def batch(step: int) -> tuple:
        chosen = minibatches(step)
        pixels, half = train.pixels[chosen], len(chosen) // 2
        both = torch.cat([datasets.unit_interval(pixels[:half]), datasets.binarise(pixels[half:])])
        return both, train.labels[chosen], len(train)

    def error_percent() -> float:
        guess = label_classifier.logits(model.classifier, datasets.unit_interval(held_out.pixels)).argmax(-1)
        return float((guess != held_out.labels).float().mean()) * 100

    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(Trace_ELBO(), model, guide),
        batch=batch,
        size=len(train),
        batch_size=minibatches.batch_size,
        validation=error_percent,
    )
