"""Step 3 for the VAE: images are binarised at random in every batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyro
import torch
from pyro.infer import TraceMeanField_ELBO

from stages import datasets
from stages.inference.loop import svi
from stages.inference.path_gradients import DReG, PathELBO
from stages.models import vae

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("images", "vae")  # sections of params.yaml that the posterior depends on
DATA = ("data/images/{settings.vae.dataset}",)  # and the data


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """The training images, without labels."""
    model, guide = (part.to(device) for part in vae.build(settings.vae))
    train = datasets.load(settings.vae.dataset, "train", settings.images).to(device)
    held_out = datasets.published_binarisation(settings.vae.dataset, "validation", settings.images).to(device)
    minibatches = datasets.Minibatches(len(train), settings.vae.batch_size, seed, device)
    objective = svi.elbo(estimator(settings.vae), model, guide)

    def batch(step: int) -> tuple:
        # before the decoder has learned to use them, the KL term would switch latent units off for good, so its
        # weight rises slowly (Bowman et al. 2016; Sønderby et al. 2016)
        kl_weight = torch.tensor(min(1.0, (step + 1) / settings.vae.kl_warmup_steps), device=device)
        return datasets.binarise(train.pixels[minibatches(step)]), len(train), kl_weight

    return svi.Problem(
        model=model,
        guide=guide,
        objective=objective,
        batch=batch,
        size=len(train),
        batch_size=minibatches.batch_size,
        validation=lambda: -objective(held_out) / len(held_out),
    )


def estimator(params: vae.Params) -> pyro.infer.ELBO:
    """Pyro's ELBO, with the KL in closed form where there is one, or an estimator with less noise."""
    if params.gradient == "stl":
        return PathELBO(num_particles=params.particles)
    if params.gradient == "dreg":
        return DReG(num_particles=params.particles)
    return TraceMeanField_ELBO(
        num_particles=params.particles, vectorize_particles=params.particles > 1, max_plate_nesting=1
    )
