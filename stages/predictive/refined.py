"""Posteriors of single images: gradient steps from the encoder's answer, which raise the bound.

Known as semi-amortised variational inference (Kim et al. 2018).
"""

from collections.abc import Callable

import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor


class Moved(poutine.messenger.Messenger):
    """Changes the normals of a guide.

    Args:
        moves: for each site what is added to its mean and to the logarithm of its sd, (2, batch, latents).
    """

    def __init__(self, moves: dict[str, Tensor]):
        super().__init__()
        self.moves = moves

    def _pyro_sample(self, site: dict) -> None:
        if site["name"] in self.moves:
            (shift, log_factor), q = self.moves[site["name"]], site["fn"].base_dist
            site["fn"] = dist.Normal(q.loc + shift, q.scale * log_factor.exp()).to_event(1)


def unmoved(guide: Callable, *args: Tensor) -> dict[str, Tensor]:
    """Moves that change nothing, one for each latent site of a guide; they require a gradient.

    Args:
        guide: all of whose sites are normals.
        args: its arguments; the first is a batch of images.
    """
    trace = poutine.util.prune_subsample_sites(poutine.trace(guide).get_trace(*args))
    moves = {name: torch.zeros(2, *site["value"].shape) for name, site in trace.iter_stochastic_nodes()}
    return {name: move.to(args[0].device).requires_grad_() for name, move in moves.items()}


def refine(moves: dict[str, Tensor], bound: Callable[[], Tensor], steps: int, learning_rate: float) -> None:
    """Change moves in place by gradient steps of Adam, so that the bound rises; nothing else is changed.

    Args:
        moves: from `unmoved`.
        bound: estimates the bound of each image with the moves as they are, (batch,) nats.
        steps: how many.
        learning_rate: Adam's at the first step. It falls to 0 linearly, so that the noise of the last estimates
            does not decide where the moves end.
    """
    optimiser = torch.optim.Adam(moves.values(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        (-bound().sum()).backward(inputs=list(moves.values()))  # of nothing else: the networks stay
        optimiser.step()
        schedule.step()
