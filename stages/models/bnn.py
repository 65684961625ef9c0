"""A Bayesian neural network: an ordinary classifier whose weights are random variables.

Generative story
    w ~ prior                                       every weight and bias of the network (weight_priors.py)
    label[i] ~ Categorical(network(image[i]; w))    (images,)

Guides (`inference`; weight_guides.py)
    map               a point per weight, q(w) = Delta(loc): the baseline without weight uncertainty
    mean_field        an independent normal per weight, q(w) = Normal(loc, scale), trained under
                      stages.inference.local_reparameterization (Graves 2011; Blundell et al. 2015)
    last_layer_full   points, except for the last layer: one normal over all its weights, with full covariance
    laplace           the same, but the covariance is the inverse curvature of the log joint density at the MAP
                      estimate, Kronecker-factored (Ritter et al. 2018; Daxberger et al. 2021)
    mc_dropout        a point per weight; a fresh random mask switches activations off between layers, also in
                      prediction. A mask before a dense layer is a mask of its weights, and so a part of q(w), a
                      mixture of as many networks as there are masks (Gal and Ghahramani 2016), over which the log
                      prior density is averaged. A mask before a convolution is noise on its input
    ensemble          a mixture of `members` guides of the kind `member`, trained independently
                      (Lakshminarayanan et al. 2017)

The plate around the likelihood has the size of the whole data set, so the prior counts once, whatever the batch
size: the weight of the KL term is 1/N per datum. A `kl_weight` other than 1 tempers the posterior: the result no
longer approximates the posterior of the model, and a message says so.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import pydantic
import pyro
import pyro.distributions as dist
import torch
from pydantic import Field
from pyro import poutine
from pyro.nn import PyroModule, PyroSample
from pyro.nn.module import to_pyro_module_
from torch import Tensor, nn
from tqdm import tqdm

from stages.models import weight_priors
from stages.models.networks import NETWORKS, Dropout
from stages.models.weight_guides import (
    EnsembleGuide,
    FullCovarianceGuide,
    LaplaceGuide,
    MeanFieldGuide,
    PointGuide,
)
from stages.params import Count, Positive, Probability, Training


class Params(Training):
    """The section `bnn` of params.yaml."""

    dataset: str  # to train on: one of data_sets
    classes: Annotated[int, Field(ge=2, le=256)]  # of that data set
    batch_size: Count  # images per gradient step
    network: Literal["lenet", "mlp"]
    width: Annotated[int, Field(ge=1, le=16)]  # factor on the number of filters and units
    inference: Literal["map", "mean_field", "last_layer_full", "laplace", "mc_dropout", "ensemble"]
    members: Annotated[int, Field(ge=1, le=100)]  # ensemble: number of networks
    member: Literal["map", "mean_field", "last_layer_full", "mc_dropout"]  # ensemble: inference of each network
    dropout: Probability  # mc_dropout: rate at the inputs of the last layer
    prior: weight_priors.Params
    kl_weight: Positive  # of the weights' KL term; 1 is the ELBO
    kl_warmup_steps: Annotated[int, Field(ge=0, le=10_000_000)]  # over which that weight rises from 0
    initial_sd: Annotated[float, Field(ge=1e-6, le=10)]  # mean_field, last_layer_full: sd of q before training

    @pydantic.field_validator("prior")
    @classmethod
    def _laplace_knows_a_normal_prior(cls, prior, info: pydantic.ValidationInfo):
        if info.data.get("inference") == "laplace" and prior.family != "normal":
            raise ValueError(f"bnn.inference = laplace needs prior.family = normal, not {prior.family}")
        return prior

    @pydantic.field_validator("prior")
    @classmethod
    def _points_cannot_learn_a_scale(cls, prior, info: pydantic.ValidationInfo):
        kind = info.data.get("member" if info.data.get("inference") == "ensemble" else "inference")
        if prior.scale == "learned" and kind not in ("mean_field", "laplace"):
            raise ValueError(
                f"prior.scale = learned: {kind} would shrink weights and prior to zero together: use fan_in, or "
                "bnn.inference = mean_field or laplace"
            )
        return prior

    @pydantic.field_validator("kl_warmup_steps")
    @classmethod
    def _ends_before_the_training(cls, kl_warmup_steps: int, info: pydantic.ValidationInfo) -> int:
        if kl_warmup_steps > (steps := info.data.get("steps", kl_warmup_steps)):
            raise ValueError(
                f"must be at most bnn.steps = {steps}: a warm-up that goes on leaves a tempered posterior"
            )
        return kl_warmup_steps

    @property
    def single(self) -> str:
        """The inference of a single network; for an ensemble, that of its members."""
        return self.member if self.inference == "ensemble" else self.inference


class Model(PyroModule):
    """An ordinary network with each of its parameters turned into a sample site.

    Args:
        network: its initial weights are of no importance.
        prior: of its weights and biases.
        kl_weight: weight of the KL term; 1 is the ELBO.
        learned_priors: number of priors whose sds are parameters, one for each member of an ensemble, which start
            where they would be fixed; 0: the sds are fixed.
    """

    def __init__(
        self,
        network: nn.Module,
        prior: weight_priors.Params,
        kl_weight: float = 1.0,
        learned_priors: int = 0,
    ):
        super().__init__()
        self.prior_params, self.kl_weight = prior, kl_weight
        self.register_buffer("device", torch.empty(0), persistent=False)
        self.log_factors = nn.ParameterDict()  # of the prior's sds, where they are learned; (members, *weights)
        self.member = 0  # whose prior counts
        self.network = network
        rates = masked(network)
        to_pyro_module_(self.network)
        for place, layer in self.network.named_modules():
            for name, value in list(layer.named_parameters(recurse=False)):
                rate = rates.get(place, 0.0) if name == "weight" else 0.0
                factor = weight_priors.factor(prior, layer, name)
                if learned_priors:
                    start = torch.full([learned_priors, *value.shape], factor)
                    self.log_factors[f"{place}_{name}"] = nn.Parameter(start.log())
                site = partial(self.prior, place=place, name=name, shape=value.shape, factor=factor, rate=rate)
                setattr(layer, name, PyroSample(site))

    def prior(
        self, layer: nn.Module, place: str, name: str, shape: torch.Size, factor: float, rate: float
    ) -> dist.Distribution:
        """The prior of one layer's weights or biases; of weights that dropout masks, its average over masks."""
        learned = self.log_factors[f"{place}_{name}"][self.member].exp() if self.log_factors else None
        scale = self.device.new_tensor(factor) if learned is None else learned
        believed = weight_priors.prior(self.prior_params, name, shape, scale)
        return weight_priors.Masked(believed, rate) if rate else believed

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        size: int | None = None,
        warmth: float | Tensor = 1.0,
    ) -> Tensor:
        """Classify.

        Args:
            images: intensities in [0, 1], (batch, 784).
            labels: classes, (batch,) int64, or None to draw them.
            size: size of the whole data set that this batch represents; the batch size if None.
            warmth: factor on the weight of the KL term, 1 after its warm-up.

        Returns:
            Logits, (batch, classes).
        """
        with poutine.scale(scale=self.kl_weight * warmth):
            logits = self.network(images)
        with pyro.plate("data", size or len(images), subsample=torch.arange(len(images))):
            pyro.sample("label", dist.Categorical(logits=logits), obs=labels)
        return logits


def build(params: Params, make: Callable[[], nn.Sequential] | None = None) -> tuple[Model, PyroModule]:
    """The model and the guide that `params.inference` selects; the guide starts at the initial weights.

    Args:
        params: the section `bnn`.
        make: makes a newly initialised network; by default the one that `params` selects.
    """
    if params.kl_weight != 1:
        tqdm.write(f"bnn.kl_weight = {params.kl_weight}: a tempered posterior, not the posterior of the model")
    make = make or partial(network, params)
    networks = [make() for _ in range(params.members if params.inference == "ensemble" else 1)]
    guides = [guide(params, alone) for alone in networks]
    learned = len(networks) if params.prior.scale == "learned" and params.single == "mean_field" else 0
    model = Model(networks[0], params.prior, params.kl_weight, learned)
    return model, EnsembleGuide(guides) if params.inference == "ensemble" else guides[0]


def network(params: Params, dropout: bool = True) -> nn.Sequential:
    """The network that `params` selects, with newly initialised weights.

    Args:
        params: of the network, and of its inference.
        dropout: whether there are the layers of MC dropout, if that is the inference.
    """
    rate = params.dropout if dropout and params.single == "mc_dropout" else 0.0
    return NETWORKS[params.network](params.width, rate, params.classes)


def masked(network: nn.Module) -> dict[str, float]:
    """The dense layers whose inputs dropout switches off, by name, and the share that it does."""
    return {
        name: before.rate
        for (_, before), (name, layer) in pairwise(network.named_children())
        if isinstance(before, Dropout) and isinstance(layer, nn.Linear)
    }


def guide(params: Params, network: nn.Sequential) -> PointGuide:
    """The guide of a single network, which starts at the network's weights."""
    weights = {f"network.{name}": value for name, value in network.named_parameters()}
    if params.single == "mean_field":
        return MeanFieldGuide(weights, params.initial_sd, params.kl_weight)
    if params.single == "last_layer_full":
        return FullCovarianceGuide(weights, params.initial_sd, params.kl_weight)
    if params.single == "laplace":
        return LaplaceGuide(weights, params.kl_weight)
    return PointGuide(weights, params.kl_weight)
