"""A Bayesian neural network: an ordinary classifier whose weights are random variables.

Generative story
    w ~ prior                                       every weight and bias of the network (weight_priors.py)
    label[i] ~ Categorical(network(image[i]; w))    (images,), 10 classes

Guides (`inference`)
    mean_field   an independent normal per weight, q(w) = Normal(loc, scale) (Graves 2011; Blundell et al. 2015);
                 trained under stages.inference.local_reparameterization
    mc_dropout   a point per weight, whose unit is switched off by chance, in prediction too: a mixture of as many
                 networks as there are subsets of units (Gal and Ghahramani 2016)
    map          a point per weight, q(w) = Delta(loc): the baseline that knows no weight uncertainty

The likelihood stands in a plate of the size of the whole data set, so the prior counts once however the data
are batched: the weight of the KL term is 1/N per datum. Another `kl_weight` than 1 tempers: what is learned then
is no approximation of the posterior, and whatever uses it says so.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pydantic import Field
from pyro import poutine
from pyro.nn import PyroModule, PyroSample
from pyro.nn.module import to_pyro_module_
from torch import Tensor, nn
from tqdm import tqdm

from stages.models import weight_priors
from stages.models.networks import NETWORKS
from stages.params import Count, Positive, Probability, Training


class Params(Training):
    """The section `bnn` of params.yaml."""

    batch_size: Count  # images per gradient step
    network: Literal["lenet", "mlp"]
    width: Annotated[int, Field(ge=1, le=16)]  # number of filters and units, relative to the network's own
    inference: Literal["mean_field", "mc_dropout", "map"]
    dropout: Probability  # mc_dropout: rate at the inputs of the last layer
    prior: weight_priors.Params
    kl_weight: Positive  # of the weights' KL term; 1 is the ELBO
    initial_sd: Positive  # of the mean-field guide's normals, before training


class Model(PyroModule):
    """An ordinary network, each of its parameters turned into a sample site."""

    def __init__(self, network: nn.Module, prior: weight_priors.Params, kl_weight: float = 1.0):
        super().__init__()
        self.prior_params, self.kl_weight = prior, kl_weight
        self.register_buffer("device", torch.empty(0), persistent=False)
        self.network = network
        to_pyro_module_(self.network)
        for layer in self.network.modules():
            for name, value in list(layer.named_parameters(recurse=False)):
                sd = weight_priors.sd(prior, layer, name)
                setattr(layer, name, PyroSample(partial(self.prior, sd=sd, shape=value.shape)))

    def prior(self, _layer: PyroModule, sd: float, shape: torch.Size) -> dist.Distribution:
        """The prior of one tensor of weights or biases."""
        return weight_priors.distribution(self.prior_params, sd, shape, self.device)

    def forward(self, images: Tensor, labels: Tensor | None = None, size: int | None = None) -> Tensor:
        """Classify.

        Args:
            images: intensities in [0, 1], (batch, 784).
            labels: classes, (batch,) int64, or None to draw them.
            size: number of data in the whole set that this batch stands for, `batch` if None.

        Returns:
            Logits, (batch, 10).
        """
        with poutine.scale(scale=self.kl_weight):
            logits = self.network(images)
        with pyro.plate("data", size or len(images), subsample=torch.arange(len(images))):
            pyro.sample("label", dist.Categorical(logits=logits), obs=labels)
        return logits


class PointGuide(PyroModule):
    """q(w) = Delta(loc): with it the ELBO is the log joint density, and SVI finds the MAP estimate."""

    def __init__(self, weights: Mapping[str, Tensor], kl_weight: float = 1.0):
        super().__init__()
        self.kl_weight = kl_weight
        self.loc = nn.ParameterDict({_key(site): value.detach().clone() for site, value in weights.items()})
        self.sites = list(weights)

    def q(self, site: str) -> dist.Distribution:
        """The variational distribution of one site."""
        loc = self.loc[_key(site)]
        return dist.Delta(loc, event_dim=loc.dim())

    def forward(self, images: Tensor, labels: Tensor | None = None, size: int | None = None) -> None:
        """Draw every weight; the arguments are those of the model, and unused."""
        with poutine.scale(scale=self.kl_weight):
            for site in self.sites:
                pyro.sample(site, self.q(site))


class MeanFieldGuide(PointGuide):
    """q(w) = Normal(loc, softplus(rho)), independent for every weight and bias."""

    def __init__(self, weights: Mapping[str, Tensor], initial_sd: float, kl_weight: float = 1.0):
        super().__init__(weights, kl_weight)
        rho = math.log(math.expm1(initial_sd))  # the inverse of softplus
        self.rho = nn.ParameterDict({key: torch.full_like(loc, rho) for key, loc in self.loc.items()})

    def q(self, site: str) -> dist.Distribution:
        """The variational distribution of one site."""
        loc, rho = self.loc[_key(site)], self.rho[_key(site)]
        return dist.Normal(loc, F.softplus(rho)).to_event()


def _key(site: str) -> str:
    return site.replace(".", "_")  # a ParameterDict takes no dots


def build(params: Params) -> tuple[Model, PointGuide]:
    """The model, and the guide that `params.inference` names; the network's initial weights start the guide."""
    if params.kl_weight != 1:
        tqdm.write(f"bnn.kl_weight = {params.kl_weight}: a tempered posterior, not that of the model")
    dropout = params.dropout if params.inference == "mc_dropout" else 0.0
    network = NETWORKS[params.network](params.width, dropout)
    weights = {f"network.{name}": value for name, value in network.named_parameters()}
    if params.inference == "mean_field":
        guide = MeanFieldGuide(weights, params.initial_sd, params.kl_weight)
    else:
        guide = PointGuide(weights, params.kl_weight)
    return Model(network, params.prior, params.kl_weight), guide
