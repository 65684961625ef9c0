"""Priors of the weights of a Bayesian neural network.

    normal         w ~ Normal(0, sd)
    scale_mixture  w ~ narrow_share Normal(0, narrow_sd) + (1 - narrow_share) Normal(0, sd): many weights are
                   close to zero, some are large (Blundell et al. 2015, section 3.3)

The weights are independent, with an sd for each type of layer: a unit that sums over 500 inputs needs smaller
weights than one that sums over 25, or its activation is large before training.
"""

from typing import Annotated, Literal

import pyro.distributions as dist
import torch
from pydantic import Field
from torch import Tensor, nn

from stages.params import Positive, Section


class Params(Section):
    """The prior of all weights and biases."""

    family: Literal["normal", "scale_mixture"]
    convolution_sd: Positive  # sd of the weights of convolutions
    dense_sd: Positive  # sd of the weights of dense layers
    bias_sd: Positive  # sd of all biases
    narrow_sd: Positive  # scale_mixture: sd of the narrow component
    narrow_share: Annotated[float, Field(gt=0, lt=1)]  # scale_mixture: weight of the narrow component


def isotropic(sd: float) -> Params:
    """Normal, with the same sd for every weight and bias."""
    same = dict.fromkeys(("convolution_sd", "dense_sd", "bias_sd"), sd)
    return Params(family="normal", **same, narrow_sd=sd, narrow_share=0.5)


def sd(params: Params, layer: nn.Module, name: str) -> float:
    """The prior sd of the parameter `name` ("weight" or "bias") of a layer."""
    if name == "bias":
        return params.bias_sd
    return params.convolution_sd if isinstance(layer, nn.Conv2d) else params.dense_sd


def prior(params: Params, layer: nn.Module, name: str, shape: torch.Size, like: Tensor) -> dist.Distribution:
    """The prior of one layer's weights or biases.

    Args:
        params: the priors of all weights and biases.
        layer: a dense layer or a convolution.
        name: `weight` or `bias`.
        shape: of that parameter.
        like: any tensor on its device.
    """
    wide = like.new_tensor(sd(params, layer, name))
    if params.family == "normal":
        return dist.Normal(like.new_tensor(0.0), wide).expand(shape).to_event()
    shares = dist.Categorical(like.new_tensor([params.narrow_share, 1 - params.narrow_share]))
    components = dist.Normal(like.new_zeros(2), torch.stack([like.new_tensor(params.narrow_sd), wide]))
    return dist.MixtureSameFamily(shares, components).expand(shape).to_event()
