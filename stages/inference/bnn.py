"""Step 3 for the Bayesian neural network: MNIST, analytic KL terms, local reparameterisation."""

import torch
from pyro.infer import TraceMeanField_ELBO

from stages import datasets
from stages.inference import svi
from stages.inference.local_reparameterization import LocalReparameterization
from stages.models import bnn

PARAMS = ("bnn", "images")  # sections of params.yaml that the posterior depends on
DATA = ("data/MNIST",)  # and the data


def problem(params, seed: int, device: torch.device) -> svi.Problem:
    """MNIST's 50,000 training images with all their labels."""
    model, guide = (part.to(device) for part in bnn.build(params.bnn))
    train = datasets.load("mnist", "train", params.images).to(device)
    validation = datasets.load("mnist", "validation", params.images).to(device)
    minibatches = datasets.Minibatches(len(train), params.bnn.batch_size, seed, device)

    def batch(step: int) -> tuple:
        index = minibatches(step)
        return datasets.unit_interval(train.pixels[index]), train.labels[index], len(train)

    def log_likelihood() -> float:
        images = datasets.unit_interval(validation.pixels)
        return svi.expected_log_likelihood(model, guide, images, validation.labels)

    return svi.Problem(
        model=model,
        guide=guide,
        objective=svi.elbo(TraceMeanField_ELBO(), model, guide),
        batch=batch,
        size=len(train),
        batch_size=minibatches.batch_size,
        validation=log_likelihood,
        context=LocalReparameterization,
    )
