"""Variational distributions over the weights of a network, q(w), for stages/models/bnn.py.

Each guide draws all latent sites of its model, in plain Pyro. `forward` takes the arguments of the model and
ignores all but `warmth`, the factor on the weight of the KL term.
"""

import math
from collections.abc import Mapping, Sequence

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn


class PointGuide(PyroModule):
    """q(w) = Delta(loc), so the ELBO is the log joint density and SVI finds the MAP estimate.

    Args:
        weights: initial value of each site.
        kl_weight: weight of the model's KL term.
    """

    def __init__(self, weights: Mapping[str, Tensor], kl_weight: float = 1.0):
        super().__init__()
        self.kl_weight = kl_weight
        self.loc = nn.ParameterDict({_key(site): value.detach().clone() for site, value in weights.items()})
        self.sites = list(weights)

    def q(self, site: str) -> dist.Distribution:
        """The variational distribution of one site."""
        loc = self.loc[_key(site)]
        return dist.Delta(loc, event_dim=loc.dim())

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        size: int | None = None,
        warmth: float | Tensor = 1.0,
    ) -> None:
        """Draw every weight."""
        with poutine.scale(scale=self.kl_weight * warmth):
            for site in self.sites:
                pyro.sample(site, self.q(site))


class MeanFieldGuide(PointGuide):
    """q(w) = Normal(loc, softplus(rho)), independent for every weight and bias."""

    def __init__(self, weights: Mapping[str, Tensor], initial_sd: float, kl_weight: float = 1.0):
        super().__init__(weights, kl_weight)
        self.rho = nn.ParameterDict({key: _rho(loc.shape, initial_sd) for key, loc in self.loc.items()})

    def q(self, site: str) -> dist.Distribution:
        """The variational distribution of one site."""
        loc, rho = self.loc[_key(site)], self.rho[_key(site)]
        return dist.Normal(loc, F.softplus(rho)).to_event()


class LastLayerGuide(PointGuide):
    """Points, except for the last layer, whose n weights and biases are jointly normal."""

    def __init__(self, weights: Mapping[str, Tensor], kl_weight: float = 1.0):
        super().__init__(weights, kl_weight)
        self.last = self.sites[-2:]  # weight and bias
        self.size = sum(weights[site].numel() for site in self.last)

    def last_loc(self) -> Tensor:
        """Mean of the last layer's normal, weights before biases, (n,)."""
        return torch.cat([self.loc[_key(site)].flatten() for site in self.last])

    def draw_last(self) -> Tensor:
        """Draw the last layer, (n,)."""
        raise NotImplementedError

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        size: int | None = None,
        warmth: float | Tensor = 1.0,
    ) -> None:
        """Draw every weight."""
        with poutine.scale(scale=self.kl_weight * warmth):
            for site in self.sites[:-2]:
                pyro.sample(site, self.q(site))
            shapes = [self.loc[_key(site)].shape for site in self.last]
            parts = self.draw_last().split([shape.numel() for shape in shapes])
            for site, part, shape in zip(self.last, parts, shapes, strict=True):
                pyro.sample(site, dist.Delta(part.view(shape), event_dim=len(shape)))


class FullCovarianceGuide(LastLayerGuide):
    """The covariance of the last layer is learned together with the points.

    Its Cholesky factor is diag(softplus(rho)) (I + lower / sqrt(n)). A step of Adam moves all entries of `lower`
    at once; divided by the root of n they change a draw no more than the other parameters do.
    """

    def __init__(self, weights: Mapping[str, Tensor], initial_sd: float, kl_weight: float = 1.0):
        super().__init__(weights, kl_weight)
        self.rho = _rho(torch.Size([self.size]), initial_sd)
        self.lower = nn.Parameter(torch.zeros(self.size, self.size))  # only the part below the diagonal is used

    def draw_last(self) -> Tensor:
        """Draw the last layer, (n,), and add its entropy to the ELBO.

        In closed form: the density at the draw needs a triangular system solved, which is slow and loses digits.
        """
        sd, noise = F.softplus(self.rho), torch.randn_like(self.rho)
        entropy = sd.log().sum() + self.size / 2 * math.log(2 * math.pi * math.e)
        pyro.factor("last_layer", -entropy, has_rsample=True)
        return self.last_loc() + sd * (noise + self.lower.tril(-1) @ noise / self.size**0.5)


class LaplaceGuide(LastLayerGuide):
    """The covariance of the last layer comes from a Laplace approximation at the MAP estimate.

    It is zero while the points are trained; stages/inference/laplace.py sets it afterwards.
    """

    def __init__(self, weights: Mapping[str, Tensor], kl_weight: float = 1.0):
        super().__init__(weights, kl_weight)
        self.register_buffer("scale_tril", torch.zeros(self.size, self.size))

    def draw_last(self) -> Tensor:
        """Draw the last layer, (n,)."""
        return self.last_loc() + self.scale_tril @ torch.randn_like(self.scale_tril[0])


class EnsembleGuide(PyroModule):
    """q(w) = mean of the members' q(w): independently trained networks (Lakshminarayanan et al. 2017).

    Members take turns, so if the number of draws is a multiple of their number, each is drawn equally often.
    """

    def __init__(self, members: Sequence[PointGuide]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.turn = 0

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        size: int | None = None,
        warmth: float | Tensor = 1.0,
    ) -> None:
        """Draw every weight from the next member."""
        member = self.members[self.turn % len(self.members)]
        self.turn += 1
        member(images, labels, size, warmth)


def _key(site: str) -> str:
    return site.replace(".", "_")  # ParameterDict allows no dots in keys


def _rho(shape: torch.Size, sd: float) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, math.log(math.expm1(sd))))  # the inverse of softplus
