"""Priors of the latent variables of a VAE (stages/models/vae.py), normal or learned.

    normal    Normal(0, 1), independent for each dimension
    mixture   a mixture of many diagonal normals, whose weights, means and sds are learned
    vamp      a mixture of the posteriors of images that are learned too: with pseudo-inputs u_1 ... u_K,
              p(z) = sum_k w_k q(z | u_k) (Tomczak and Welling 2018)

The prior that maximises the ELBO, given the guide, is the average of q(z | x) over the training images. A normal
cannot be that average, which has many modes; a mixture can come close, and the rate falls.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn

from stages.params import Section

LOG_2_PI = math.log(2 * math.pi)


class NormalMixture(TorchDistribution):
    """A mixture of diagonal normals: p(z) = sum_k weight_k prod_d Normal(z_d; loc_kd, scale_kd).

    The exponents of all components come from two matrix products,

        -1/2 sum_d (z_d - loc_kd)^2 / scale_kd^2 = z @ (loc / scale^2)^T - 1/2 z^2 @ (1 / scale^2)^T - const_k

    so a batch of z's and hundreds of components cost little.

    Args:
        logits: log weights, up to a constant, (components,).
        loc: means, (components, dimensions).
        scale: sds, (components, dimensions).
        batch_shape: of independent draws from the same mixture.
    """

    arg_constraints: ClassVar = {
        "logits": constraints.real_vector,
        "loc": constraints.independent(constraints.real, 2),
        "scale": constraints.independent(constraints.positive, 2),
    }
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        logits: Tensor,
        loc: Tensor,
        scale: Tensor,
        batch_shape: tuple[int, ...] = (),
        validate_args=None,
    ):
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(torch.Size(batch_shape), loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: tuple[int, ...], _instance=None) -> "NormalMixture":
        """The same mixture for a batch of independent draws."""
        return NormalMixture(self.logits, self.loc, self.scale, batch_shape, validate_args=False)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), (...), of z (..., dimensions)."""
        precision = self.scale**-2
        constant = (
            self.logits.log_softmax(0)
            - 0.5 * (self.loc**2 * precision + LOG_2_PI).sum(-1)
            - self.scale.log().sum(-1)
        )
        exponents = z @ (self.loc * precision).T - 0.5 * (z * z) @ precision.T
        return torch.logsumexp(exponents + constant, -1)

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """Choose a component, then draw from it; (*sample_shape, *batch_shape, dimensions)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        chosen = torch.multinomial(self.logits.softmax(0), math.prod(shape[:-1]), replacement=True)
        return torch.normal(self.loc[chosen], self.scale[chosen]).view(shape)


class StandardNormal(nn.Module):
    """Normal(0, 1) for each of `latents` dimensions."""

    def __init__(self, latents: int):
        super().__init__()
        self.register_buffer("zeros", torch.zeros(latents), persistent=False)

    def forward(self) -> dist.Distribution:
        """The prior; event shape (latents,)."""
        return dist.Normal(self.zeros, 1.0).to_event(1)


class LearnedMixture(nn.Module):
    """`components` normals with learned weights, means and sds; the means start as draws from Normal(0, 1)."""

    def __init__(self, components: int, latents: int):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, latents))
        self.rho = nn.Parameter(torch.zeros(components, latents))

    def forward(self) -> NormalMixture:
        """The prior; event shape (latents,)."""
        return NormalMixture(
            self.logits, self.loc, F.softplus(self.rho) + 1e-3
        )  # a component cannot become a point


class VampPrior(nn.Module):
    """The posteriors of `components` learned images, the pseudo-inputs.

    Args:
        components: number of pseudo-inputs.
        pixels: of each.
        encode: images (components, pixels) -> the mean and the sd of q(z | x), both (components, latents). Its
            parameters are the guide's, and are not registered here a second time.
    """

    def __init__(self, components: int, pixels: int, encode: Callable[[Tensor], tuple[Tensor, Tensor]]):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        # the pixels' log odds; the start is noise around a dim grey, as an average image is
        self.pseudo_inputs = nn.Parameter(torch.randn(components, pixels) - 1.0)
        self.encode = encode

    def forward(self) -> NormalMixture:
        """The prior; event shape (latents,)."""
        return NormalMixture(self.logits, *self.encode(self.pseudo_inputs.sigmoid()))


def build(
    params: Section, pixels: int, encode: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> StandardNormal | LearnedMixture | VampPrior:
    """The module for `params.prior`, whose call returns the prior as a distribution.

    Args:
        params: with `prior`, `components` and `latents`.
        pixels: of an image.
        encode: as for `VampPrior`.
    """
    if params.prior == "mixture":
        return LearnedMixture(params.components, params.latents)
    if params.prior == "vamp":
        return VampPrior(params.components, pixels, encode)
    return StandardNormal(params.latents)
