"""A Bayesian neural network: an ordinary classifier whose weights are random variables.

Generative story
    w ~ Normal(0, prior_sd)                         every weight and bias of the network
    label[i] ~ Categorical(network(image[i]; w))    (images,), 10 classes

Guides (`inference`)
    mean_field   an independent normal per weight, q(w) = Normal(loc, scale) (Graves 2011; Blundell et al. 2015);
                 trained under stages.inference.local_reparameterization
    map          a point per weight, q(w) = Delta(loc): the baseline that knows no weight uncertainty

The likelihood stands in a plate of the size of the whole data set, so the prior counts once however the data
are batched: the weight of the KL term is 1/N per datum, no tempering.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Literal

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro.nn import PyroModule, PyroSample
from pyro.nn.module import to_pyro_module_
from torch import Tensor, nn

from stages.params import Count, Positive, Training


class Params(Training):
    """The section `bnn` of params.yaml."""

    batch_size: Count  # images per gradient step
    network: Literal["lenet", "mlp"]
    inference: Literal["mean_field", "map"]
    prior_sd: Positive  # of every weight and bias
    initial_sd: Positive  # of the mean-field guide's normals, before training


def lenet() -> nn.Sequential:
    """A network of LeNet's type (LeCun et al. 1998): two convolutions, two dense layers, 80 thousand weights."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 16, 5),  # -> (batch, 16, 24, 24)
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5),  # -> (batch, 32, 8, 8)
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def mlp() -> nn.Sequential:
    """Two hidden layers of 400, as in Blundell et al. (2015)."""
    return nn.Sequential(
        nn.Linear(784, 400),
        nn.ReLU(),
        nn.Linear(400, 400),
        nn.ReLU(),
        nn.Linear(400, 10),
    )


NETWORKS = {"lenet": lenet, "mlp": mlp}


class Model(PyroModule):
    """An ordinary network, each of its parameters turned into a sample site."""

    def __init__(self, network: nn.Module, prior_sd: float):
        super().__init__()
        self.register_buffer("prior_loc", torch.tensor(0.0), persistent=False)
        self.register_buffer("prior_sd", torch.tensor(prior_sd), persistent=False)
        self.network = network
        to_pyro_module_(self.network)
        for module in self.network.modules():
            for name, value in list(module.named_parameters(recurse=False)):
                setattr(module, name, PyroSample(partial(self.prior, shape=value.shape)))

    def prior(self, _module: PyroModule, shape: torch.Size) -> dist.Distribution:
        """The prior of one tensor of weights or biases."""
        return dist.Normal(self.prior_loc, self.prior_sd).expand(shape).to_event()

    def forward(self, images: Tensor, labels: Tensor | None = None, size: int | None = None) -> Tensor:
        """Classify.

        Args:
            images: intensities in [0, 1], (batch, 784).
            labels: classes, (batch,) int64, or None to draw them.
            size: number of data in the whole set that this batch stands for, `batch` if None.

        Returns:
            Logits, (batch, 10).
        """
        logits = self.network(images)
        with pyro.plate("data", size or len(images), subsample=torch.arange(len(images))):
            pyro.sample("label", dist.Categorical(logits=logits), obs=labels)
        return logits


class PointGuide(PyroModule):
    """q(w) = Delta(loc): with it the ELBO is the log joint density, and SVI finds the MAP estimate."""

    def __init__(self, weights: Mapping[str, Tensor]):
        super().__init__()
        self.loc = nn.ParameterDict({_key(site): value.detach().clone() for site, value in weights.items()})
        self.sites = list(weights)

    def q(self, site: str) -> dist.Distribution:
        """The variational distribution of one site."""
        loc = self.loc[_key(site)]
        return dist.Delta(loc, event_dim=loc.dim())

    def forward(self, images: Tensor, labels: Tensor | None = None, size: int | None = None) -> None:
        """Draw every weight; the arguments are those of the model, and unused."""
        for site in self.sites:
            pyro.sample(site, self.q(site))


class MeanFieldGuide(PointGuide):
    """q(w) = Normal(loc, softplus(rho)), independent for every weight and bias."""

    def __init__(self, weights: Mapping[str, Tensor], initial_sd: float):
        super().__init__(weights)
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
    network = NETWORKS[params.network]()
    weights = {f"network.{name}": value for name, value in network.named_parameters()}
    guide = PointGuide(weights) if params.inference == "map" else MeanFieldGuide(weights, params.initial_sd)
    return Model(network, params.prior_sd), guide
