"""A variational autoencoder: images generated from a few latent variables (Kingma and Welling 2014).

Generative story, for each image i
    z[i] ~ Normal(0, 1)                      (latents,)
    x[i] ~ Bernoulli(logits=decoder(z[i]))   (784,) binary pixels

Guide: q(z[i] | x[i]) = Normal(encoder(x[i])), diagonal; all images share the encoder.

The pixels are binary: x ~ Bernoulli(grey level), drawn in stages/datasets.py. A Bernoulli log density of grey
pixels would not be a likelihood, and thresholding at one half would give a different data set.
"""

from typing import Annotated

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pydantic import Field
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from stages.params import Count, Training

PIXELS = 784


class Params(Training):
    """The section `vae` of params.yaml."""

    dataset: str  # to learn: one of data_sets
    batch_size: Count  # images per gradient step
    latents: Annotated[int, Field(ge=2, le=1000)]
    hidden: Annotated[int, Field(ge=1, le=10_000)]  # units in each of the two layers of encoder and decoder
    kl_warmup_steps: Count  # gradient steps over which the weight of the KL term rises to 1


class Gated(nn.Module):
    """A dense layer whose outputs are gated by a second one: (Wx + b) * sigmoid(Vx + c)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs)  # W and V in one matrix product

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return F.glu(self.linear(x), dim=-1)


class Model(PyroModule):
    """The decoder and its prior."""

    def __init__(self, params: Params):
        super().__init__()
        self.latents = params.latents
        self.decoder = nn.Sequential(
            Gated(params.latents, params.hidden),
            Gated(params.hidden, params.hidden),
            nn.Linear(params.hidden, PIXELS),
        )

    def forward(self, x: Tensor, size: int | None = None, kl_weight: float | Tensor = 1.0) -> None:
        """Run the generative story for a batch.

        Args:
            x: binary pixels, (batch, 784).
            size: number of images in the whole set that this batch represents; the batch size if None.
            kl_weight: of the KL term; with 1 the objective is the ELBO.
        """
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            with poutine.scale(scale=kl_weight):
                z = pyro.sample("z", dist.Normal(x.new_zeros(self.latents), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)


class Guide(PyroModule):
    """The encoder: an amortised mean-field normal."""

    def __init__(self, params: Params):
        super().__init__()
        self.encoder = nn.Sequential(
            Gated(PIXELS, params.hidden),
            Gated(params.hidden, params.hidden),
            nn.Linear(params.hidden, 2 * params.latents),
        )

    def q(self, x: Tensor) -> dist.Distribution:
        """q(z | x) for images of shape (batch, 784): a normal with batch shape (batch, latents)."""
        loc, rho = self.encoder(x).chunk(2, dim=-1)
        return dist.Normal(loc, F.softplus(rho) + 1e-4)  # the floor keeps log q finite

    def forward(self, x: Tensor, size: int | None = None, kl_weight: float | Tensor = 1.0) -> None:
        """Draw z for a batch; the arguments are those of the model."""
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))), poutine.scale(scale=kl_weight):
            pyro.sample("z", self.q(x).to_event(1))


def build(params: Params) -> tuple[Model, Guide]:
    """The decoder and the encoder."""
    return Model(params), Guide(params)
