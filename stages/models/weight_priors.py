"""Priors of the weights of a Bayesian neural network.

    normal         w ~ Normal(0, sd)
    scale_mixture  w ~ narrow_share Normal(0, narrow_sd) + (1 - narrow_share) Normal(0, sd): many weights are
                   close to zero, some are large (Blundell et al. 2015, section 3.3)

The weights are independent. `scale` multiplies every sd, with a factor for each layer:

    constant   1
    fan_in     1 / sqrt(inputs of a unit) for weights, 1 for biases. The prior variance of a unit then does not
               depend on how many inputs it has (Neal 1996, section 2.1); with sd = sqrt(2), it is that of the
               layer before, for ReLU units (He et al. 2015)
    learned    starts there, and is learned with the posterior: a factor for each weight and bias, those with the
               highest bound on the evidence of the data. Given q(w), the best sd is the root of E_q[w^2], so a
               weight costs KL(q || prior) = log(1 + mean^2 / variance) / 2 nats, and one that explains nothing
               shrinks to zero with its prior, where it adds no noise (automatic relevance determination; MacKay
               1994, Neal 1996; Kharitonov et al. 2018). A Laplace approximation learns one sd, of the last
               layer alone, once the points are trained
"""

import math
from typing import Annotated, Literal

import pyro.distributions as dist
import torch
from pydantic import Field
from torch import Tensor, nn

from stages.params import Positive, Section


class Params(Section):
    """The prior of all weights and biases."""

    family: Literal["normal", "scale_mixture"]
    scale: Literal["constant", "fan_in", "learned"]
    weight_sd: Positive  # sd of the weights, times `scale`
    bias_sd: Positive  # sd of the biases, the same
    narrow_sd: Positive  # scale_mixture: sd of the narrow component, the same
    narrow_share: Annotated[float, Field(gt=0, lt=1)]  # scale_mixture: weight of the narrow component


def isotropic(sd: float) -> Params:
    """Normal, with the same sd for every weight and bias."""
    return Params(family="normal", scale="constant", weight_sd=sd, bias_sd=sd, narrow_sd=sd, narrow_share=0.5)


def factor(params: Params, layer: nn.Module, name: str) -> float:
    """The factor of the sds of a layer's `name` ("weight" or "bias"), before it is learned.

    Args:
        params: the priors of all weights and biases.
        layer: a dense layer or a convolution; its fan-in is inputs per unit, or channels times pixels of a filter.
        name: of the parameter.
    """
    if params.scale == "constant" or name == "bias":
        return 1.0
    return 1 / math.sqrt(layer.weight[0].numel())


def sd(params: Params, layer: nn.Module, name: str) -> float:
    """The prior sd of a layer's `name` ("weight" or "bias"), before it is learned."""
    return factor(params, layer, name) * (params.bias_sd if name == "bias" else params.weight_sd)


def prior(params: Params, name: str, shape: torch.Size, factor: Tensor) -> dist.Distribution:
    """The prior of one layer's weights or biases.

    Args:
        params: the priors of all weights and biases.
        name: `weight` or `bias`.
        shape: of that parameter.
        factor: of its sds, () or of a shape that broadcasts to `shape`.
    """
    factor = factor.expand(shape)
    wide = factor * (params.bias_sd if name == "bias" else params.weight_sd)
    if params.family == "normal":
        return dist.Normal(torch.zeros_like(wide), wide).to_event()
    shares = dist.Categorical(factor.new_tensor([params.narrow_share, 1 - params.narrow_share]))
    sds = torch.stack([factor * params.narrow_sd, wide], dim=-1)
    components = dist.Normal(torch.zeros_like(sds), sds)
    return dist.MixtureSameFamily(shares.expand(shape), components).to_event()


class Masked(dist.TorchDistribution):
    """The expected log prior density of weights that dropout switches off, as a function of their points.

    A weight whose input is dropped is 0, otherwise its point divided by the share that is kept ("inverted"
    dropout). So if `rate` of the weights are dropped, q(w) puts `rate` on 0 and the rest on loc / (1 - rate), and

        E_q[log p(w)] = (1 - rate) log p(loc / (1 - rate)) + rate log p(0),

    which is -|loc|^2 / (2 sd^2 (1 - rate)) and a constant for a normal prior (Gal and Ghahramani 2016, appendix).

    Args:
        base: the prior of the weights.
        rate: the share of inputs that is dropped, below 1.
    """

    def __init__(self, base: dist.Distribution, rate: float):
        self.base, self.rate = base, rate
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> dist.constraints.Constraint:
        """That of the prior."""
        return self.base.support

    def sample(self, *shape) -> Tensor:
        """Weights from the prior, none of them switched off."""
        return self.base.sample(*shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """E_q[log p(w)] for the points `value`, nats, summed over the event."""
        kept = 1 - self.rate
        dropped = self.base.log_prob(torch.zeros_like(value))
        return kept * self.base.log_prob(value / kept) + self.rate * dropped
