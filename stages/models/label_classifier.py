"""The classifier q(y | x) of the semi-supervised VAE and of its baselines: one of networks.py."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stages.datasets import binarise
from stages.models.networks import NETWORKS, Dropout

IMAGES_AT_ONCE = 1000


def build(params) -> nn.Sequential:
    """The network of the section `ssvae` of params.yaml: binary images (batch, 784) to class logits (batch, 10).

    Unlike that of the Bayesian network, its dropout ends with training.
    """
    layers = NETWORKS[params.network](params.width, params.dropout)
    return nn.Sequential(*(nn.Dropout(layer.rate) if isinstance(layer, Dropout) else layer for layer in layers))


@torch.no_grad()
def class_probabilities(networks: Sequence[nn.Module], pixels: Tensor, binarisations: int) -> Tensor:
    """The mean of q(y | x) over binary draws x of grey images: binary images are what it was trained on.

    Args:
        networks: from binary images to logits; all see the same draws.
        pixels: bytes, (images, 784).
        binarisations: number of draws.

    Returns:
        (networks, images, 10) float32.
    """
    parts = []
    for batch in pixels.split(IMAGES_AT_ONCE):
        draws = [binarise(batch) for _ in range(binarisations)]
        parts.append(torch.stack([torch.stack([of(x).softmax(-1) for x in draws]).mean(0) for of in networks]))
    return torch.cat(parts, dim=1)


@torch.no_grad()
def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Those of images in [0, 1], some at a time; (images, 784) -> (images, 10)."""
    return torch.cat([network(batch) for batch in images.split(IMAGES_AT_ONCE)])
