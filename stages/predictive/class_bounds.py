"""What a semi-supervised VAE says of unlabelled images: bounds on their likelihood, alone and with each class."""

import math

import torch
from torch import Tensor
from tqdm import tqdm

from stages.models import ssvae
from stages.predictive.likelihood import log_weights

IMAGES_AT_ONCE, SAMPLES_AT_ONCE = 100, 20  # times ten classes: 63 MB for each activation of 784 pixels


@torch.no_grad()
def unlabelled_elbo(
    model: ssvae.Model, guide: ssvae.Guide, images: Tensor, batch_size: int = IMAGES_AT_ONCE
) -> Tensor:
    """The ELBO of unlabelled images, sum_y q(y | x) (L(x, y) - log q(y | x)), equation 7 of Kingma et al. (2014).

    Args:
        model: prior and decoder.
        guide: classifier and encoder; one draw of their latent variables for each image and class.
        images: binary, (images, 784).
        batch_size: images per forward pass.

    Returns:
        The ELBO of each image, (images,), nats.
    """
    bounds = []
    for x in images.split(batch_size):
        log_q = guide.classifier(x).log_softmax(-1)  # (batch, classes)
        bounds.append((log_q.exp() * (_bounds(model, guide, x, 1) - log_q)).sum(-1))
    return torch.cat(bounds)


@torch.no_grad()
def log_joint(model: ssvae.Model, guide: ssvae.Guide, images: Tensor, samples: int) -> Tensor:
    """The IWAE bound on log p(x, y) for every class y; its logsumexp over y is one on log p(x).

    Normalised over y, it is the generative answer to which class an image has: Bayes' rule, no classifier.

    Args:
        model: prior and decoder.
        guide: encoder.
        images: binary, (images, 784).
        samples: importance samples per image and class.

    Returns:
        (images, 10), nats.
    """
    batches = tqdm(images.split(IMAGES_AT_ONCE), desc="log p(x, y)", unit="batch", disable=None)
    return torch.cat([_bounds(model, guide, x, samples) for x in batches])


def _bounds(model: ssvae.Model, guide: ssvae.Guide, x: Tensor, samples: int) -> Tensor:
    """(batch, classes), nats: all classes at once, as a dimension to the left of samples and batch."""
    y = torch.arange(ssvae.CLASSES, device=x.device).view(-1, 1, 1)
    parts, left = [], samples
    while left:
        count = min(left, SAMPLES_AT_ONCE)
        parts.append(log_weights(lambda x: model(x, y), lambda x: guide(x, y), x, count)[0])
        left -= count
    return (torch.cat(parts, dim=1).logsumexp(1) - math.log(samples)).T
