"""What SWAG does after the training: gradient descent with a constant rate, whose points are collected."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stages.models import swag


def fit(
    guide: swag.SwagGuide, params: swag.Params, objective: nn.Module, batch: Callable[[int], tuple], size: int
) -> None:
    """Fit the guide's normal.

    Args:
        guide: trained, that is, at the MAP estimate.
        params: how to descend, and what to collect.
        objective: batch -> the negative ELBO of the training set, nats, ().
        batch: step -> the arguments of the objective.
        size: data in the training set.
    """

    def points() -> Iterator[Tensor]:
        descent = torch.optim.SGD(guide.locs(), lr=params.learning_rate)
        for step in tqdm(range(1, params.steps + 1), desc="SWAG", unit="step", disable=None):
            descent.zero_grad()
            (objective(*batch(step)) / size).backward()
            descent.step()
            if step % params.every == 0:
                yield guide.point()

    guide.collect(points())
