"""A fair benchmark: contestants that are checked to compute the same thing, timed in turns in one process."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.command import Failure


@dataclass(frozen=True)
class Contestant:
    """One implementation of SVI for a model. All in a row share initial parameters and batches."""

    name: str
    loss: Callable[[], float]  # an estimate of -ELBO at the current parameters, nats per datum
    run: Callable[[int], None]  # run this many gradient steps, and wait until they are done


@dataclass
class Times:
    """Milliseconds per step, one number per round."""

    rounds: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Median, minimum and maximum."""
        return {
            "median_ms": round(statistics.median(self.rounds), 4),
            "min_ms": round(min(self.rounds), 4),
            "max_ms": round(max(self.rounds), 4),
        }


def agree(contestants: Sequence[Contestant], draws: int, what: str, slack: float = 0.0) -> dict[str, float]:
    """Check that the mean loss of each contestant equals that of the first, up to Monte Carlo error.

    Args:
        contestants: those of one row.
        draws: loss estimates per contestant.
        what: for the error message.
        slack: relative difference allowed beyond 4.5 standard errors.

    Returns:
        The mean losses.

    Raises:
        Failure: if two differ, since comparing their times would be meaningless.
    """
    means, errors = {}, {}
    for contestant in contestants:
        losses = [contestant.loss() for _ in range(draws)]
        means[contestant.name] = float(np.mean(losses))
        errors[contestant.name] = (
            float(np.std(losses, ddof=1)) / math.sqrt(draws) if np.isfinite(losses).all() else 0.0
        )
    first = contestants[0].name
    for name, mean in means.items():
        allowed = 4.5 * math.hypot(errors[name], errors[first]) + (slack + 1e-5) * abs(means[first])
        if not abs(mean - means[first]) <= allowed:
            both = f"{name} has loss {mean:.6g}, {first} has {means[first]:.6g}"
            raise Failure(f"{what}: {both}: more than {allowed:.2g} apart")
    return means


def race(
    contestants: Sequence[Contestant], steps: int, rounds: int, warm_up: int | None = None
) -> dict[str, Times]:
    """Time each contestant for `steps` steps, in turns; each round starts with the next contestant.

    First each runs `warm_up` steps (`steps` if None) untimed, for compilation, memory pools and caches.
    """
    times = {contestant.name: Times() for contestant in contestants}
    for contestant in contestants:
        contestant.run(warm_up or steps)
    for number in range(rounds):
        shift = number % len(contestants)
        for contestant in [*contestants[shift:], *contestants[:shift]]:
            start = time.perf_counter()
            contestant.run(steps)
            times[contestant.name].rounds.append((time.perf_counter() - start) / steps * 1e3)
    return times


def ratio(times: dict[str, Times], over: str, under: str) -> float:
    """Median over the rounds of the time of `over` divided by the time of `under` in the same round."""
    pairs = zip(times[over].rounds, times[under].rounds, strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)
