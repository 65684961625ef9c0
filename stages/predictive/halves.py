"""Digits whose lower half is hidden: which class they have, and how they may go on.

The encoder has learned from whole digits. So the posterior of the latent variables given the upper half and a
class is found by gradient steps for each image, from the encoder's answer to a digit whose lower half is black,
and corrected by importance sampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from tqdm import tqdm

from stages import datasets
from stages.models import ssvae
from stages.predictive.likelihood import log_weights
from stages.predictive.refined import Moved, refine, unmoved

if TYPE_CHECKING:
    from stages.settings import Halves

SEEN = torch.arange(ssvae.PIXELS) < ssvae.PIXELS // 2  # the upper half of an image
NEIGHBOURS = 50  # training images that the baseline looks at
SAMPLES_AT_ONCE = 20
COMPLETIONS = 6  # of each image


def completed(model: ssvae.Model, guide: ssvae.Guide, x: Tensor, params: Halves) -> dict[str, Tensor]:
    """Read and complete half-hidden digits.

    Args:
        model: prior and decoder; not changed.
        guide: encoder; not changed.
        x: whole images, binary, (images, 784). Their lower halves are used to judge the model alone.
        params: the section `evaluate.ssvae.halves` of params.yaml.

    Returns:
        probabilities: p(y | upper half), (images, 10).
        hidden: log p(image) - log p(upper half), (images,), nats. Both are lower bounds of the same kind, so their
            errors cancel in part; neither more nor less than the truth is guaranteed.
        effective_samples: effective sample size of the importance samples given the upper half, of all classes
            together, (images,).
        completions: pixels drawn from p(image | upper half), with the upper half as it is, (images, 6, 784). This
            is approximate, by sampling importance resampling (Rubin 1987): where there are few effective samples,
            several completions share style and features.
    """
    seen, everything = SEEN.to(x.device), torch.ones_like(SEEN, device=x.device)
    of_upper, of_whole, drawn = [], [], Resampled(x, seen)
    for label in tqdm(range(ssvae.CLASSES), desc="halves", unit="class", disable=None):
        y = torch.full((len(x),), label, device=x.device)
        of_upper.append(_weights(model, guide, x * seen, y, seen, params, drawn))
        of_whole.append(_weights(model, guide, x, y, everything, params))
    upper, whole = torch.stack(of_upper), torch.stack(of_whole)  # (classes, samples, images)
    return {
        "probabilities": upper.logsumexp(1).softmax(0).T,
        "hidden": whole.logsumexp((0, 1)) - upper.logsumexp((0, 1)),
        "effective_samples": (2 * upper.logsumexp((0, 1)) - (2 * upper).logsumexp((0, 1))).exp(),
        "completions": drawn.pixels(),
    }


def _weights(
    model, guide, x: Tensor, y: Tensor, seen: Tensor, params: Halves, drawn: Resampled | None = None
) -> Tensor:
    """Log importance weights of draws from a posterior fitted to each image, (samples, images), nats.

    The logarithm of the weights' mean is the IWAE bound on log p(seen pixels, y). Each draw is offered to `drawn`.
    """
    moved, parts = fitted(model, guide, x, y, seen, params), []
    with torch.no_grad():
        while (done := len(parts) * SAMPLES_AT_ONCE) < params.samples:
            count = min(SAMPLES_AT_ONCE, params.samples - done)
            weights, log_odds = weighted(model, moved, x, y, seen, count)
            parts.append(weights)
            if drawn:
                drawn.offer(weights, log_odds.sigmoid())
    return torch.cat(parts)


def fitted(model, guide, x: Tensor, y: Tensor, seen: Tensor, params: Halves) -> Callable:
    """The guide, moved for each image until the bound on the seen pixels is best."""
    moves = unmoved(guide, x, y)
    moved = Moved(moves)(guide)
    refine(moves, lambda: weighted(model, moved, x, y, seen, 1)[0].squeeze(0), params.steps, params.learning_rate)
    return moved


def weighted(model, guide, x: Tensor, y: Tensor, seen: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """Draws from the guide for images in classes y, weighted by the seen pixels.

    Returns:
        Log importance weights (samples, images), nats, and log odds of all pixels (samples, images, 784).
    """
    log_odds = []

    def of_seen(x: Tensor) -> None:
        log_odds.append(model(x, y, seen=seen))

    weights, _ = log_weights(of_seen, lambda x: guide(x, y), x, samples)
    return weights, log_odds[0]


class Resampled:
    """Draws from all that was offered, with probabilities in proportion to weights, without keeping it.

    The place of the largest of log weight + Gumbel noise is such a draw (Yellott 1977).

    Args:
        x: images (images, 784), binary.
        seen: their pixels that stay, (784,) bool.
    """

    def __init__(self, x: Tensor, seen: Tensor):
        self.x, self.seen = x, seen
        self.best = x.new_full((COMPLETIONS, len(x)), -math.inf)
        self.white = x.new_zeros(COMPLETIONS, len(x), ssvae.PIXELS)

    def offer(self, log_weights: Tensor, white: Tensor) -> None:
        """Log weights (samples, images) and probabilities of pixels (samples, images, 784)."""
        images = torch.arange(len(self.x), device=self.x.device)
        for slot in range(COMPLETIONS):
            noise = -torch.empty_like(log_weights).exponential_().log()
            best, place = (log_weights + noise).max(0)
            better = best > self.best[slot]
            self.white[slot, better] = white[place, images][better]
            self.best[slot] = torch.maximum(best, self.best[slot])

    def pixels(self) -> Tensor:
        """Seen pixels as they are, and a draw of the others; (images, slots, 784)."""
        drawn = (torch.rand_like(self.white) < self.white).float()
        return torch.where(self.seen, self.x, drawn).transpose(0, 1)


def by_neighbours(x: Tensor, train: datasets.Images) -> dict[str, Tensor]:
    """A baseline without a model: what is true of the 50 training images with the most similar upper half.

    Args:
        x: whole images, binary, (images, 784).
        train: training images, all of whose labels are used.

    Returns:
        neighbours: log p(lower half | upper half), pixels as often white as in those 50, independently; (images,),
            nats.
        neighbours_probabilities: of classes, as often as among those 50; (images, 10).
        Half a white pixel in 1, and a tenth of a digit of each class, is added, so that nothing is impossible.
    """
    grey = datasets.unit_interval(train.pixels).cpu()
    search = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(grey[:, SEEN].numpy())
    found = torch.from_numpy(search.kneighbors(x.cpu()[:, SEEN].numpy(), return_distance=False))
    white = (grey[:, ~SEEN][found].sum(1) + 0.5) / (NEIGHBOURS + 1)
    classes = ssvae.one_hot(train.labels.cpu())[found].sum(1)
    return {
        "neighbours": torch.distributions.Bernoulli(white).log_prob(x.cpu()[:, ~SEEN]).sum(-1),
        "neighbours_probabilities": (classes + 1 / ssvae.CLASSES) / (NEIGHBOURS + 1),
    }
