"""Step 3 for the VAE: Fashion-MNIST, binarised anew in every batch."""

import torch
from pyro.infer import TraceMeanField_ELBO

from stages import datasets
from stages.inference import svi
from stages.models import vae


def problem(params, seed: int, device: torch.device) -> svi.Problem:
    """Fashion-MNIST's 50,000 training images, without labels."""
    model, guide = (part.to(device) for part in vae.build(params.vae))
    train = datasets.load("fashion_mnist", "train", params.images).to(device)
    validation = datasets.load("fashion_mnist", "validation", params.images).to(device)
    held_out = datasets.fixed_binarisation(validation.pixels)
    minibatches = datasets.Minibatches(len(train), params.vae.batch_size, seed, device)
    objective = svi.elbo(TraceMeanField_ELBO(), model, guide)

    return svi.Problem(
        model=model,
        guide=guide,
        objective=objective,
        batch=lambda step: (datasets.binarise(train.pixels[minibatches(step)]), len(train)),
        size=len(train),
        batch_size=minibatches.batch_size,
        validation=lambda: -objective(held_out) / len(held_out),
    )
