"""A variational autoencoder: images generated from a few latent variables (Kingma and Welling 2014).

Generative story, for each image i
    z[i] ~ prior                             (latents,)  normal, or a learned mixture: image_priors.py
    x[i] ~ Bernoulli(logits=decoder(z[i]))   (784,) binary pixels

Guide: q(z[i] | x[i]) = Normal(encoder(x[i])), diagonal; all images share the encoder.

With two levels (`levels: 2`; the HVAE of Tomczak and Welling 2018) the first draw sets the theme of the second
    z2[i] ~ prior                                      (latents,)
    z1[i] ~ Normal(lower_prior(z2[i]))                 (latents,)
    x[i]  ~ Bernoulli(logits=decoder(z2[i], z1[i]))    (784,)
and the guide is q(z2 | x) q(z1 | x, z2). In this file, z is then z2 and z1 side by side, (2 * latents,).

With `pixels: autoregressive` a pixel also depends on those before it, row by row: their linear combination is
added to its log odds. So z need not explain what neighbouring pixels tell of each other.

The pixels are binary: x ~ Bernoulli(grey level), drawn in stages/datasets.py. A Bernoulli log density of grey
pixels would not be a likelihood, and thresholding at one half would give a different data set.
"""

from typing import Annotated, Literal

import pydantic
import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pydantic import Field
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from stages.models import image_priors
from stages.params import Count, Training

PIXELS = 784


class Params(Training):
    """The section `vae` of params.yaml."""

    dataset: str  # to learn: one of data_sets
    batch_size: Count  # images per gradient step
    latents: Annotated[int, Field(ge=2, le=1000)]  # of each level
    levels: Annotated[int, Field(ge=1, le=2)]  # of latent variables
    hidden: Annotated[int, Field(ge=1, le=10_000)]  # units in each of the two layers of encoder and decoder
    prior: Literal["normal", "mixture", "vamp"]
    components: Annotated[int, Field(ge=1, le=10_000)]  # of a mixture, or pseudo-inputs of a VampPrior
    pixels: Literal["independent", "autoregressive"]  # given z
    gradient: Literal["elbo", "stl", "dreg"]  # its estimator: stages/inference/path_gradients.py
    particles: Annotated[int, Field(ge=1, le=1000)]  # draws of z for each image and gradient step
    kl_warmup_steps: Count  # gradient steps over which the weight of the KL term rises to 1

    @pydantic.field_validator("gradient")
    @classmethod
    def _dreg_knows_one_level(cls, gradient, info: pydantic.ValidationInfo):
        if gradient == "dreg" and info.data.get("levels") == 2:
            raise ValueError("needs vae.levels = 1: with two levels use stl or elbo")
        return gradient

    @property
    def all_latents(self) -> int:
        """Dimensions of z, all levels together."""
        return self.levels * self.latents


class Gated(nn.Module):
    """A dense layer whose outputs are gated by a second one: (Wx + b) * sigmoid(Vx + c)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs)  # W and V in one matrix product

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return F.glu(self.linear(x), dim=-1)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two gated layers and a linear one."""
    return nn.Sequential(Gated(inputs, hidden), Gated(hidden, hidden), nn.Linear(hidden, outputs))


def normal(outputs: Tensor) -> dist.Distribution:
    """Outputs (..., 2 * n) of a network as a diagonal normal: batch shape (...), event shape (n,)."""
    loc, rho = outputs.chunk(2, dim=-1)
    return dist.Normal(loc, F.softplus(rho) + 1e-4).to_event(1)  # the floor keeps log densities finite


class TwoInputs(nn.Module):
    """Two gated layers side by side, one for each input, then a gated and a linear layer on both.

    The inputs broadcast against each other, except in their last dimension.
    """

    def __init__(self, first: int, second: int, hidden: int, outputs: int):
        super().__init__()
        self.first, self.second = Gated(first, hidden), Gated(second, hidden)
        self.both = nn.Sequential(Gated(2 * hidden, hidden), nn.Linear(hidden, outputs))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(..., first), (..., second) -> (..., outputs)."""
        features = self.first(first), self.second(second)
        shape = torch.broadcast_shapes(*(part.shape[:-1] for part in features))
        return self.both(torch.cat([part.expand(*shape, -1) for part in features], dim=-1))


class TwoLevelDecoder(TwoInputs):
    """The decoder of two levels."""

    def forward(self, z: Tensor) -> Tensor:
        """z2 and z1 side by side, (..., 2 * latents) -> logits of the pixels, (..., 784)."""
        return super().forward(*z.chunk(2, dim=-1))


class PixelsBefore(nn.Module):
    """A linear combination of the pixels before each pixel, in reading order: what they say about its log odds."""

    def __init__(self, pixels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(pixels, pixels))
        self.scale = (
            pixels**-0.5
        )  # one step of Adam moves all weights; together they must not move the sum too far

    def coefficients(self) -> Tensor:
        """Row i: what each pixel adds to the log odds of pixel i; zero from i on, (pixels, pixels)."""
        return self.scale * self.weight.tril(-1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., pixels) -> (..., pixels); the first is zero."""
        return (x - 0.5) @ self.coefficients().T


class Model(PyroModule):
    """The prior and the decoder.

    Args:
        params: the section `vae` of params.yaml.
        guide: encodes the pseudo-inputs of a VampPrior.
    """

    def __init__(self, params: Params, guide: "Guide"):
        super().__init__()
        self.levels, self.latents = params.levels, params.latents
        self.prior = image_priors.build(params, PIXELS, guide.encode)
        if params.levels == 2:
            self.lower_prior = perceptron(params.latents, params.hidden, 2 * params.latents)
            self.decoder = TwoLevelDecoder(params.latents, params.latents, params.hidden, PIXELS)
        else:
            self.decoder = perceptron(params.latents, params.hidden, PIXELS)
        self.before = PixelsBefore(PIXELS) if params.pixels == "autoregressive" else None

    def forward(self, x: Tensor, size: int | None = None, kl_weight: float | Tensor = 1.0) -> None:
        """Run the generative story for a batch.

        Args:
            x: binary pixels, (batch, 784).
            size: number of images in the whole set that this batch represents; the batch size if None.
            kl_weight: of the KL term; with 1 the objective is the ELBO.
        """
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            with poutine.scale(scale=kl_weight):
                z = self.draw_latents()
            pyro.sample("x", dist.Bernoulli(logits=self.logits(z, x)).to_event(1), obs=x)

    def draw_latents(self) -> Tensor:
        """Draw z, (..., all latents), in as many copies as the plates around it ask for."""
        if self.levels == 1:
            return pyro.sample("z", self.prior())
        z2 = pyro.sample("z2", self.prior())
        z1 = pyro.sample("z1", normal(self.lower_prior(z2)))
        return torch.cat([z2, z1], dim=-1)

    def logits(self, z: Tensor, x: Tensor) -> Tensor:
        """Log odds of each pixel given z (..., all latents) and the pixels of x before it; (..., 784)."""
        logits = self.decoder(z)
        return logits if self.before is None else logits + self.before(x)

    @torch.no_grad()
    def draw(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Draw images given z, (..., all latents).

        Returns:
            The pixels, and the probability with which each was white when it was drawn; both (..., 784).
        """
        logits = self.decoder(z)
        uniform = torch.rand_like(logits)
        if self.before is None:
            return (uniform < logits.sigmoid()).float(), logits.sigmoid()
        x = torch.full_like(logits, 0.5)  # pixels still to be drawn add nothing
        for pixel, coefficients in enumerate(self.before.coefficients()):
            logits[..., pixel] += (x - 0.5) @ coefficients
            x[..., pixel] = (uniform[..., pixel] < logits[..., pixel].sigmoid()).float()
        return x, logits.sigmoid()


class Guide(PyroModule):
    """The encoder: an amortised mean-field normal, at each level."""

    def __init__(self, params: Params):
        super().__init__()
        self.levels = params.levels
        self.encoder = perceptron(PIXELS, params.hidden, 2 * params.latents)
        if params.levels == 2:
            self.lower_encoder = TwoInputs(PIXELS, params.latents, params.hidden, 2 * params.latents)

    def q(self, x: Tensor) -> dist.Distribution:
        """q(z | x), or q(z2 | x), for images of shape (batch, 784): a normal with batch shape (batch, latents)."""
        return normal(self.encoder(x)).base_dist

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the sd of q(x), both (batch, latents)."""
        q = self.q(x)
        return q.loc, q.scale

    def forward(self, x: Tensor, size: int | None = None, kl_weight: float | Tensor = 1.0) -> None:
        """Draw z for a batch; the arguments are those of the model."""
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))), poutine.scale(scale=kl_weight):
            if self.levels == 1:
                pyro.sample("z", self.q(x).to_event(1))
            else:
                z2 = pyro.sample("z2", self.q(x).to_event(1))
                pyro.sample("z1", normal(self.lower_encoder(x, z2)))


def build(params: Params) -> tuple[Model, Guide]:
    """The decoder and the encoder."""
    guide = Guide(params)
    return Model(params, guide), guide


@torch.no_grad()
def prior_draws(model: Model, count: int) -> Tensor:
    """z of `count` images, drawn from the prior, (count, all latents)."""
    with pyro.plate("images", count):
        return model.draw_latents()
