"""A semi-supervised VAE, model M2 of Kingma et al. (2014): digits with a class that is mostly unobserved.

Generative story, for each image i
    y[i] ~ Categorical(1/10)                       observed where the label was kept
    z[i] ~ Normal(0, 1)                            (latents,) the style
    x[i] ~ Bernoulli(logits=decoder(z[i], y[i]))   (784,) binary pixels

Guide: q(y | x) = Categorical(classifier(x)), q(z | x, y) = Normal(encoder(features(x), y)), where the features are
the classifier's first layer: features that help to reconstruct images, which unlabelled images can teach, also
help to classify them.

Where the label is missing, the ELBO sums over all ten classes (an enumerated site, no sampling of y). The
classifier is part of the guide only, so the ELBO of labelled images does not train it. Therefore the likelihood of
their labels (stages/models/labels_only.py) is added to the ELBO, times `classifier_weight` (equation 9).

Dimensions: an enumerated class is a dimension to the left of the batch. So y is (batch,) or (10, 1). A layer with
two inputs is the sum of two products, which broadcast: the product with the image is computed once, not once per
class.
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

from stages.models.labels_only import Classifier
from stages.params import Count, NonNegative, Probability, Training

PIXELS, CLASSES = 784, 10


class Params(Training):
    """The section `ssvae` of params.yaml."""

    batch_size: Count  # unlabelled images per gradient step
    latents: Annotated[int, Field(ge=1, le=1000)]
    hidden: Annotated[int, Field(ge=1, le=10_000)]  # units in the hidden layer of encoder and decoder
    classifier_hidden: Annotated[int, Field(ge=1, le=10_000)]  # units in each hidden layer of the classifier
    dropout: Probability  # in the classifier
    labelled_batch_size: Annotated[int, Field(ge=1, le=50_000)]  # labelled images per gradient step
    kl_weight_start: Annotated[float, Field(ge=1, le=1000)]  # of the style; it falls to 1 over kl_weight_steps
    kl_weight_steps: Annotated[int, Field(ge=1, le=10_000_000)]  # gradient steps
    classifier_weight: (
        NonNegative  # of the labels' log likelihood, in the objective: the paper's alpha is one per label
    )
    max_shift: Annotated[int, Field(ge=0, le=8)]  # pixels by which training images are moved at random


def one_hot(y: Tensor) -> Tensor:
    """One-hot vectors (..., 10) float32 of classes (...,) int64."""
    return (y.unsqueeze(-1) == torch.arange(CLASSES, device=y.device)).float()  # F.one_hot reads the values


class TwoInputs(nn.Module):
    """A dense layer with two inputs that broadcast against each other: activation(W a + V b + c)."""

    def __init__(self, first: int, second: int, outputs: int):
        super().__init__()
        self.first = nn.Linear(first, outputs)
        self.second = nn.Linear(second, outputs, bias=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(..., first), (..., second) -> (..., outputs)."""
        return F.softplus(self.first(first) + self.second(second))


class Model(PyroModule):
    """Prior of class and style, and the decoder."""

    def __init__(self, params: Params):
        super().__init__()
        self.latents = params.latents
        self.hidden = TwoInputs(params.latents, CLASSES, params.hidden)
        self.output = nn.Linear(params.hidden, PIXELS)

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Pixel logits (..., 784) of styles z (..., latents) in classes y (...), which broadcast."""
        return self.output(self.hidden(z, one_hot(y)))

    def forward(
        self, x: Tensor, y: Tensor | None = None, size: int | None = None, kl_weight: float | Tensor = 1.0
    ) -> None:
        """Run the generative story for a batch.

        Args:
            x: binary pixels, (batch, 784).
            y: classes, (batch,) int64, or None if they are unobserved.
            size: number of images in the whole set that this batch represents; the batch size if None.
            kl_weight: of the style's KL term; with 1 the objective is the ELBO.
        """
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            y = pyro.sample("y", dist.Categorical(logits=x.new_zeros(CLASSES)), obs=y)
            with poutine.scale(scale=kl_weight):
                z = pyro.sample("z", dist.Normal(x.new_zeros(self.latents), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=self.decode(z, y)).to_event(1), obs=x)


class Guide(PyroModule):
    """The classifier q(y | x) and the encoder q(z | x, y)."""

    def __init__(self, params: Params):
        super().__init__()
        self.classifier = Classifier(params.classifier_hidden, params.dropout)
        self.hidden = TwoInputs(params.classifier_hidden, CLASSES, params.hidden)
        self.output = nn.Linear(params.hidden, 2 * params.latents)

    def q_z(self, features: Tensor, y: Tensor) -> dist.Distribution:
        """q(z | x, y) from the features of x: a normal with batch shape (..., latents)."""
        loc, rho = self.output(self.hidden(features, one_hot(y))).chunk(2, dim=-1)
        return dist.Normal(loc, F.softplus(rho) + 1e-4)  # the floor keeps log q finite

    def forward(
        self, x: Tensor, y: Tensor | None = None, size: int | None = None, kl_weight: float | Tensor = 1.0
    ) -> None:
        """Draw the latent sites for a batch; the arguments are those of the model."""
        features = self.classifier.features(x)
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            if y is None:
                q_y = dist.Categorical(logits=self.classifier.head(features))
                y = pyro.sample("y", q_y, infer={"enumerate": "parallel"})
            with poutine.scale(scale=kl_weight):
                pyro.sample("z", self.q_z(features, y).to_event(1))


def build(params: Params) -> tuple[Model, Guide]:
    """The generative model and its guide."""
    return Model(params), Guide(params)
