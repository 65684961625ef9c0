"""The baseline of the semi-supervised VAE: its classifier, trained on the kept labels alone.

Generative story
    label[i] ~ Categorical(classifier(x[i]))        (images,), 10 classes; the weights are not sample sites

There are no latent variables, so the guide is empty, the ELBO is the log likelihood and SVI is maximum likelihood.
The semi-supervised model uses the same term to train the classifier in its guide on the labels.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from stages.models import label_classifier
from stages.params import Count, Training


class Params(Training):
    """The section `labels_only` of params.yaml; the section `ssvae` describes the network."""

    batch_size: Count  # labelled images per gradient step


class Model(PyroModule):
    """The likelihood of labels."""

    def __init__(self, classifier: nn.Module):
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor, labels: Tensor | None = None, size: int | None = None) -> Tensor:
        """Classify.

        Args:
            x: binary views of images, (batch, 784).
            labels: classes, (batch,) int64, or None to draw them.
            size: number of labels in the whole set that this batch represents; the batch size if None.

        Returns:
            Logits, (batch, 10).
        """
        logits = self.classifier(x)
        with pyro.plate("data", size or len(x), subsample=torch.arange(len(x))):
            pyro.sample("label", dist.Categorical(logits=logits), obs=labels)
        return logits


class Guide(PyroModule):
    """The empty guide of a model without latent sites."""

    def forward(self, x: Tensor, labels: Tensor | None = None, size: int | None = None) -> None:
        """Draw nothing."""


def build(network) -> tuple[Model, Guide]:
    """The likelihood and its empty guide.

    Args:
        network: the section of params.yaml that describes the network: `ssvae`, or `judge` for that model.
    """
    return Model(label_classifier.build(network)), Guide()
