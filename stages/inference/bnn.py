"""Step 3 for the Bayesian neural network: analytic KL terms, local reparameterisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor, nn

from stages import datasets
from stages.command import Failure
from stages.inference import laplace
from stages.inference.local_reparameterization import LocalReparameterization
from stages.inference.loop import svi
from stages.models import bnn
from stages.models.weight_guides import EnsembleGuide, LaplaceGuide

if TYPE_CHECKING:
    from stages.settings import Settings

PARAMS = ("bnn", "images")  # sections of params.yaml that the posterior depends on
DATA = ("data/images/{settings.bnn.dataset}",)  # and the data


class MeanELBO(nn.Module):
    """The mean negative ELBO of networks that are trained in parallel, each on its own batches.

    Args:
        model: of all members; a learned prior is each member's own.
        members: the negative ELBO of each network, nats.
    """

    def __init__(self, model: bnn.Model, members: list[nn.Module]):
        super().__init__()
        self.model, self.members = model, nn.ModuleList(members)

    def forward(self, *batches: tuple) -> Tensor:
        """The mean over networks, given one batch for each; nats, ()."""
        losses = []
        for place, (member, batch) in enumerate(zip(self.members, batches, strict=True)):
            self.model.member = place
            losses.append(member(*batch))
        return torch.stack(losses).mean()


def problem(settings: Settings, seed: int, device: torch.device) -> svi.Problem:
    """The training images with all their labels.

    Raises:
        Failure: if the data set has another number of classes than the network.
    """
    name, classes = settings.bnn.dataset, settings.bnn.classes
    if (found := datasets.classes(name)) != classes:
        raise Failure(f"params.yaml: bnn.classes = {classes}: {name} has {found} classes: set it to {found}")
    model, guide = (part.to(device) for part in bnn.build(settings.bnn))
    train = datasets.load(settings.bnn.dataset, "train", settings.images).to(device)
    validation = datasets.load(settings.bnn.dataset, "validation", settings.images).to(device)
    guides = list(guide.members) if isinstance(guide, EnsembleGuide) else [guide]
    orders = [
        datasets.Minibatches(len(train), settings.bnn.batch_size, len(guides) * seed + member, device)
        for member in range(len(guides))
    ]

    def batch(step: int) -> tuple:
        warm, indices = warmth(settings.bnn, step, device), [order(step) for order in orders]
        return tuple((datasets.unit_interval(train.pixels[i]), train.labels[i], len(train), warm) for i in indices)

    def log_likelihood() -> float:
        images = datasets.unit_interval(validation.pixels)
        figures = [svi.expected_log_likelihood(model, alone, images, validation.labels) for alone in guides]
        return sum(figures) / len(figures)

    def finish() -> None:
        if isinstance(guide, LaplaceGuide):
            images = datasets.unit_interval(train.pixels)
            laplace.fit(guide, bnn.network(settings.bnn), settings.bnn.prior, images, train.labels)

    return svi.Problem(
        model=model,
        guide=guide,
        objective=MeanELBO(model, [svi.elbo(TraceMeanField_ELBO(), model, alone) for alone in guides]),
        batch=batch,
        size=len(train),
        batch_size=len(guides) * orders[0].batch_size,
        validation=log_likelihood,
        context=LocalReparameterization,
        finish=finish,
    )


def warmth(params: bnn.Params, step: int, device: torch.device) -> Tensor:
    """The factor on the weight of the KL term, (): it rises to 1 over `kl_warmup_steps`.

    A normal posterior that pays the whole price from the start gives up units before they have learned anything,
    and does not get them back (Sønderby et al. 2016; Trippe and Turner 2018).
    """
    rising = (step + 1) / params.kl_warmup_steps if params.kl_warmup_steps else 1.0
    return torch.tensor(min(1.0, rising), device=device)
