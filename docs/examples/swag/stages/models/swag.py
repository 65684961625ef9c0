"""SWAG: a normal fitted to the points that gradient descent visits around the MAP estimate (Maddox et al. 2019).

The points theta_1, theta_2, ... are n numbers each, all weights of the network in a row. With their mean m, their
variances v and the deviations d_k of the last K of them from the mean so far,

    q(w) = Normal(m, 1/2 diag(v) + 1/2 D D^T / (K - 1)),   D = (d_1 ... d_K)

which is drawn without ever forming an n by n matrix (their algorithm 1).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import pydantic
import pyro
import pyro.distributions as dist
import torch
from pydantic import Field
from pyro import poutine
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from stages.models.weight_guides import PointGuide
from stages.params import Count, Section


class Params(Section):
    """The section `bnn.swag` of params.yaml."""

    steps: Count  # of plain gradient descent, after the training
    learning_rate: Annotated[float, Field(gt=0, le=10)]  # its own, constant
    every: Count  # steps between two points that are collected
    rank: Annotated[int, Field(ge=2, le=100)]  # K, deviations that are kept

    @pydantic.model_validator(mode="after")
    def _enough_points(self):
        if self.steps < self.every * self.rank:
            raise ValueError(f"steps must be at least every * rank = {self.every * self.rank}, not {self.steps}")
        return self


class SwagGuide(PointGuide):
    """Points while they are trained, since both parts of the covariance are 0; then the normal that is fitted.

    Args:
        weights: of each site, where to start.
        rank: K.
        kl_weight: of the model's KL term.
    """

    def __init__(self, weights: Mapping[str, Tensor], rank: int, kl_weight: float = 1.0):
        super().__init__(weights, kl_weight)
        size = sum(value.numel() for value in weights.values())
        self.register_buffer("variance", torch.zeros(size))
        self.register_buffer("deviations", torch.zeros(rank, size))

    def collect(self, points: Iterable[Tensor]) -> None:
        """Fit the normal to the points, (n,) each and detached, of which one at a time is in memory."""
        mean, variance, deviations = (torch.zeros_like(t) for t in (self.variance, self.variance, self.deviations))
        for k, point in enumerate(points, start=1):
            before = mean
            mean = before + (point - before) / k
            variance += ((point - before) * (point - mean) - variance) / k
            deviations = torch.cat([deviations[1:], (point - mean).unsqueeze(0)])  # the oldest one goes
        self.variance.copy_(variance)
        self.deviations.copy_(deviations)
        vector_to_parameters(mean, self.locs())

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        size: int | None = None,
        warmth: float | Tensor = 1.0,
    ) -> None:
        """Draw every weight."""
        rank = len(self.deviations)
        noise = (self.variance / 2).sqrt() * torch.randn_like(self.variance)
        noise = noise + torch.randn_like(self.deviations[:, 0]) @ self.deviations / (2 * (rank - 1)) ** 0.5
        parts = noise.split([loc.numel() for loc in self.locs()])
        with poutine.scale(scale=self.kl_weight * warmth):
            for site, loc, part in zip(self.sites, self.locs(), parts, strict=True):
                pyro.sample(site, dist.Delta(loc + part.view_as(loc), event_dim=loc.dim()))

    def locs(self) -> list[Tensor]:
        """The points of all sites."""
        return [self.q(site).mean for site in self.sites]

    def point(self) -> Tensor:
        """The same in a row, (n,)."""
        return parameters_to_vector(self.locs()).detach()
