"""Predictive distributions of a classifier: class probabilities of networks drawn from the posterior or prior."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor
from tqdm import tqdm

from stages.datasets import unit_interval


@torch.no_grad()
def class_probabilities(
    model: PyroModule, guide: PyroModule, pixels: Tensor, samples: int, batch_size: int = 1000
) -> dict[str, Tensor]:
    """Average the class probabilities, not the logits, over `samples` draws of the weights.

    All images share the same draws of the weights; dropout masks, which the network itself draws, differ between
    images. Memory does not grow with `samples`.

    Args:
        model: called with images (batch, 784) in [0, 1], returns logits (batch, classes).
        guide: draws all of the model's latent sites.
        pixels: bytes, (images, 784).
        samples: number of networks to draw.
        batch_size: images per forward pass.

    Returns:
        probabilities: p(y | x, data), (images, classes) float32.
        expected_entropy: E_q[H[y | x, w]], the aleatoric part of the predictive entropy; (images,), nats.
    """
    total, total_entropy = 0.0, 0.0
    for _ in tqdm(range(samples), desc="posterior samples", unit="network", disable=None):
        network = poutine.replay(model, poutine.trace(guide).get_trace(unit_interval(pixels[:1])))
        log_p = torch.cat([network(unit_interval(b)).log_softmax(-1) for b in pixels.split(batch_size)])
        p = log_p.exp()
        total, total_entropy = total + p, total_entropy - (p * log_p).sum(-1)
    return {"probabilities": total / samples, "expected_entropy": total_entropy / samples}


@torch.no_grad()
def votes(model: PyroModule, guide: PyroModule, pixels: Tensor, samples: int) -> Tensor:
    """How many of the networks drawn find each class the most probable, (images, classes) int64.

    Args:
        model: called with images (batch, 784) in [0, 1], returns logits (batch, classes).
        guide: draws all of the model's latent sites.
        pixels: bytes, (images, 784).
        samples: number of networks to draw.
    """
    images, count = unit_interval(pixels), 0
    for _ in range(samples):
        logits = poutine.replay(model, poutine.trace(guide).get_trace(images[:1]))(images)
        count = count + F.one_hot(logits.argmax(-1), logits.shape[-1])
    return count


@torch.no_grad()
def cumulative(model: PyroModule, guide: PyroModule, pixels: Tensor, counts: Sequence[int]) -> Tensor:
    """Class probabilities averaged over the first n posterior samples, for each n in `counts`.

    Args:
        model: called with images (batch, 784) in [0, 1], returns logits (batch, classes).
        guide: draws all of the model's latent sites.
        pixels: bytes, (images, 784).
        counts: numbers of samples, ascending.

    Returns:
        (counts, images, classes) float32; each set of samples includes the smaller ones.
    """
    images, total, found = unit_interval(pixels), 0.0, []
    for drawn in range(1, max(counts) + 1):
        network = poutine.replay(model, poutine.trace(guide).get_trace(images[:1]))
        total = total + network(images).softmax(-1)
        if drawn in counts:
            found.append(total / drawn)
    return torch.stack(found)


@torch.no_grad()
def prior_probabilities(model: PyroModule, pixels: Tensor, networks: int) -> Tensor:
    """Class probabilities of each network drawn from the prior, (networks, images, classes) float32."""
    images = unit_interval(pixels)
    rounds = tqdm(range(networks), desc="prior samples", unit="network", disable=None)
    return torch.stack([model(images).softmax(-1) for _ in rounds])
