"""Find the parameter or sample site where a non-finite number first appeared, to name it in an error."""

import pyro
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from stages.command import Failure

FALL = 10  # times the size of the best ELBO: no training comes back from there


class DivergedError(Failure):
    """The ELBO or its gradient is not finite, or the ELBO collapsed; the message names step, place and cause."""


def bad_parameter(objective: nn.Module) -> str | None:
    """A phrase that names the first parameter with a non-finite value."""
    for name, value in objective.named_parameters():
        if (found := _not_finite(value)) is not None:
            return f"parameter {name} became {found}"
    return None


def collapse(history: list[tuple[int, float, float]]) -> str | None:
    """A phrase for an ELBO, in the last row, that is finite and hopelessly below the best one before.

    Args:
        history: rows of step, ELBO in nats per datum, and a validation figure.
    """
    step, now, _ = history[-1]
    best = max(elbo for _, elbo, _ in history)
    if now < best - FALL * max(abs(best), 1.0):
        return f"step {step}: the ELBO has fallen from {best:.4g} to {now:.4g}"
    return None


class SiteWatch(Messenger):
    """Records, as a phrase in `first`, the first sample site whose value or log probability is not finite.

    Example:
        with SiteWatch() as watch:
            objective(*batch)
        print(watch.first)
    """

    def __init__(self):
        super().__init__()
        self.first: str | None = None
        self.observed = False  # whether the value was observed rather than drawn

    @torch.no_grad()
    def _pyro_post_sample(self, message) -> None:
        if self.first is not None or pyro.poutine.util.site_is_subsample(message):
            return
        kind = "observed" if message["is_observed"] else "drawn"
        if (found := _not_finite(message["value"])) is not None:
            self.first = f"sample site {message['name']!r} is {kind} as {found}"
            self.observed = message["is_observed"]
        elif (found := _not_finite(message["fn"].log_prob(message["value"]))) is not None:
            self.first = f"sample site {message['name']!r} has log probability {found}"


def _not_finite(value: Tensor) -> float | None:
    bad = value.detach()[~torch.isfinite(value)]
    return float(bad[0]) if bad.numel() else None
