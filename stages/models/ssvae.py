"""Semi-supervised VAEs, M2 and M1+M2 of Kingma et al. (2014): digits with a class that is mostly unobserved.

Generative story of M2 (`stack: m2`), for each image i
    y[i] ~ Categorical(1/10)                       observed where the label was kept
    z[i] ~ Normal(0, 1)                            (latents,) the style
    x[i] ~ Bernoulli(logits=decoder(z[i], y[i]))   (784,) binary pixels

In M1+M2 (`stack: m1_m2`) class and style decide on features, and these on the pixels
    f[i] ~ Normal(feature_prior(z[i], y[i]))       (features,)
    x[i] ~ Bernoulli(logits=decoder(f[i]))         (784,)
Kingma et al. train M1, f and x, first and then M2 on its features. Here both are trained at once, and the
classifier reads the image.

Guide: q(y | x) = Categorical(classifier(x)) and q(z | x, y), a normal; in M1+M2 q(f | x) q(z | f, y).

Where the label is missing, the ELBO sums over all ten classes (an enumerated site, no sampling of y). The
classifier is part of the guide only, so the ELBO of labelled images does not train it. Therefore the likelihood of
their labels (stages/models/labels_only.py) is added to the ELBO: stages/inference/ssvae.py.

Dimensions: an enumerated class is a dimension to the left of the batch. So y is (batch,) or (10, 1). A layer with
two inputs is the sum of two products, which broadcast: the product with the image, or with its features, is
computed once, not once per class. In M1+M2 the decoder does not see the class at all and runs once per image.
"""

from typing import Annotated, Literal

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pydantic import Field
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from stages.models import label_classifier
from stages.models.vae import normal, perceptron
from stages.params import Count, NonNegative, Probability, Training

PIXELS, CLASSES = 784, 10


class Params(Training):
    """The section `ssvae` of params.yaml."""

    stack: Literal["m2", "m1_m2"]
    latents: Annotated[int, Field(ge=1, le=1000)]  # of the style
    features: Annotated[int, Field(ge=1, le=1000)]  # m1_m2
    hidden: Annotated[int, Field(ge=1, le=10_000)]  # units in each hidden layer of encoder and decoder
    network: Literal["lenet", "mlp"]  # of the classifier
    width: Annotated[int, Field(ge=1, le=64)]  # factor on its number of filters and units
    dropout: Probability  # in the classifier
    augment: Literal["none", "shift", "affine"]  # how the classifier's view differs from the image
    alpha: NonNegative  # weight of the labels; 1 is the paper's rule
    elbo_weight: NonNegative  # of both bounds
    consistency: NonNegative  # weight of the agreement of two views of an unlabelled image, in the unit of alpha
    consistency_steps: Count  # gradient steps over which it rises to that
    kl_weight_start: Annotated[float, Field(ge=0, le=1000)]  # of the style; it moves to 1 over kl_weight_steps
    kl_weight_steps: Count  # gradient steps
    batch_size: Count  # unlabelled images per gradient step
    labelled_batch_size: Annotated[int, Field(ge=1, le=50_000)]  # labelled images per gradient step


def one_hot(y: Tensor) -> Tensor:
    """One-hot vectors (..., 10) float32 of classes (...,) int64."""
    return (y.unsqueeze(-1) == torch.arange(CLASSES, device=y.device)).float()  # F.one_hot reads the values


class WithClass(nn.Module):
    """A network with one hidden layer, softplus(W a + V one_hot(y) + b); the inputs a and y broadcast."""

    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__()
        self.inputs = nn.Linear(inputs, hidden)
        self.label = nn.Linear(CLASSES, hidden, bias=False)
        self.outputs = nn.Linear(hidden, outputs)

    def forward(self, inputs: Tensor, y: Tensor) -> Tensor:
        """(..., inputs), (...) -> (..., outputs)."""
        return self.outputs(F.softplus(self.inputs(inputs) + self.label(one_hot(y))))


class Model(PyroModule):
    """Prior of class and style, and the decoder: M2."""

    def __init__(self, params: Params):
        super().__init__()
        self.latents = params.latents
        self.decoder = WithClass(params.latents, params.hidden, PIXELS)

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        size: int | None = None,
        kl_weight: float | Tensor = 1.0,
        class_logits: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Run the generative story for a batch.

        Args:
            x: binary pixels, (batch, 784).
            y: classes, (batch,) int64, or None if they are unobserved.
            size: number of images in the whole set that this batch represents; the batch size if None.
            kl_weight: of the style's KL term; with 1 the objective is the ELBO.
            class_logits: not used; the guide's, and Pyro gives both the same arguments.
            seen: which pixels are observed, (784,) bool; all if None.

        Returns:
            Log odds of the pixels, (..., 784).
        """
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            y = pyro.sample("y", dist.Categorical(logits=x.new_zeros(CLASSES)), obs=y)
            with poutine.scale(scale=kl_weight):
                z = pyro.sample("z", dist.Normal(x.new_zeros(self.latents), 1.0).to_event(1))
            log_odds = self.logits(z, y)
            pixels = dist.Bernoulli(logits=log_odds)
            pixels = pixels if seen is None else pixels.mask(seen)
            pyro.sample("x", pixels.to_event(1), obs=x)
        return log_odds

    def logits(self, z: Tensor, y: Tensor) -> Tensor:
        """Log odds of the pixels (..., 784) of styles z (..., latents) in classes y (...), which broadcast."""
        return self.decoder(z, y)

    def mean_logits(self, z: Tensor, y: Tensor) -> Tensor:
        """The same, without the noise of features in M1+M2; M2 has none."""
        return self.decoder(z, y)

    @torch.no_grad()
    def draw(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Draw images given styles z (..., latents) in classes y (...), which broadcast.

        Returns:
            The pixels, zeros and ones, and their probabilities; both (..., 784) float32.
        """
        probabilities = self.logits(z, y).sigmoid()
        return (torch.rand_like(probabilities) < probabilities).float(), probabilities


class StackedModel(Model):
    """M1+M2: class and style decide on features, and these on the pixels."""

    def __init__(self, params: Params):
        PyroModule.__init__(self)
        self.latents = params.latents
        self.feature_prior = WithClass(params.latents, params.hidden, 2 * params.features)
        self.decoder = perceptron(params.features, params.hidden, PIXELS)

    def logits(self, z: Tensor, y: Tensor) -> Tensor:
        """Draw features, which are a site, and decode them: log odds of the pixels, (..., 784)."""
        return self.decoder(pyro.sample("f", normal(self.feature_prior(z, y))))

    def mean_logits(self, z: Tensor, y: Tensor) -> Tensor:
        """Log odds of the pixels (..., 784) for the mean of the features."""
        return self.decoder(normal(self.feature_prior(z, y)).mean)


class Guide(PyroModule):
    """The classifier q(y | x) and the encoder q(z | x, y)."""

    def __init__(self, params: Params):
        super().__init__()
        self.classifier = label_classifier.build(params)
        self.encoder = WithClass(PIXELS, params.hidden, 2 * params.latents)

    def forward(
        self,
        x: Tensor,
        y: Tensor | None = None,
        size: int | None = None,
        kl_weight: float | Tensor = 1.0,
        class_logits: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> None:
        """Draw the latent sites for a batch.

        Args:
            x: binary pixels, (batch, 784).
            y: classes, (batch,) int64, or None if they are unobserved.
            size: number of images in the whole set that this batch represents; the batch size if None.
            kl_weight: of the style's KL term.
            class_logits: those of q(y | x), (batch, 10), if they are known already.
            seen: not used; the model's.
        """
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            features = self.features(x)
            if y is None:
                q_y = dist.Categorical(logits=self.classifier(x) if class_logits is None else class_logits)
                y = pyro.sample("y", q_y, infer={"enumerate": "parallel"})
            with poutine.scale(scale=kl_weight):
                pyro.sample("z", self.q_z(features, y))

    def features(self, x: Tensor) -> Tensor:
        """What the encoder of the style reads beside the class: the image itself, (batch, 784)."""
        return x

    def style(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean style of images (batch, 784) in classes (batch,), (batch, latents)."""
        return self.q_z(x, y).mean

    def q_z(self, features: Tensor, y: Tensor) -> dist.Distribution:
        """q(z | x, y), or q(z | f, y): batch shape (...), event shape (latents,)."""
        return normal(self.encoder(features, y))


class StackedGuide(Guide):
    """The guide of M1+M2: q(f | x), the classifier q(y | x), and q(z | f, y)."""

    def __init__(self, params: Params):
        PyroModule.__init__(self)
        self.classifier = label_classifier.build(params)
        self.feature_encoder = perceptron(PIXELS, params.hidden, 2 * params.features)
        self.encoder = WithClass(params.features, params.hidden, 2 * params.latents)

    def features(self, x: Tensor) -> Tensor:
        """Draw features, which are a site, (batch, features)."""
        return pyro.sample("f", normal(self.feature_encoder(x)))

    def style(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean style given the mean features."""
        return self.q_z(normal(self.feature_encoder(x)).mean, y).mean


def build(params: Params) -> tuple[Model, Guide]:
    """The generative model and its guide."""
    if params.stack == "m2":
        return Model(params), Guide(params)
    return StackedModel(params), StackedGuide(params)
