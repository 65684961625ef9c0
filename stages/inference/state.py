"""Where a training stands between two steps: all that its further course depends on, but for the data."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stages.params import Training


class State:
    """Parameters, optimiser, schedule, random numbers and history; from its saved form the same course follows.

    Args:
        tensors: the parameters of model and guide by name, as they are in use.
        parameters: those to optimise.
        training: learning rate and schedule.
    """

    def __init__(self, tensors: Mapping[str, Tensor], parameters: Iterable[nn.Parameter], training: Training):
        self.tensors, parameters = tensors, list(parameters)
        self.device = parameters[0].device
        self.optimizer = torch.optim.Adam(parameters, training.learning_rate, fused=True)
        self.schedule = learning_rate_schedule(self.optimizer, training)
        self.step = 0  # gradient steps done
        self.history: list[tuple[int, float, float]] = []  # rows of elbo.csv
        self.total = torch.zeros((), device=self.device)  # of the ELBO per datum, since the last row
        self.since = 0  # steps since the last row

    def descend(self, elbo: Tensor) -> None:
        """Follow the gradients that lie in the parameters.

        Args:
            elbo: of the step, nats per datum, ().
        """
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        self.step += 1
        self.total, self.since = self.total + elbo, self.since + 1

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors, and facts as JSON types."""
        adam = self.optimizer.state_dict()
        tensors = {"total": self.total, "noise": generator_state(self.device), **self.tensors}
        for index, averages in adam["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in averages.items()}
        facts = {"step": self.step, "since": self.since, "history": self.history}
        return tensors, facts | {"groups": adam["param_groups"], "schedule": self.schedule.state_dict()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go back to where `save` was called."""
        for name, value in self.tensors.items():
            value.copy_(tensors[name])
        averages: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, index, kind = name.split(".")
                averages.setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict({"state": averages, "param_groups": facts["groups"]})
        self.schedule.load_state_dict(facts["schedule"])
        self.step, self.since = facts["step"], facts["since"]
        self.history = [tuple(row) for row in facts["history"]]
        self.total = tensors["total"].to(self.device)
        set_generator_state(self.device, tensors["noise"])


def learning_rate_schedule(optimizer, training: Training) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule that `training.schedule` names, over `training.steps` steps."""
    schedulers = torch.optim.lr_scheduler
    if training.schedule == "one_cycle":  # Smith and Topin (2017): a third of the way up, the rest down
        # `+ 1`: it also steps after the last gradient, and refuses to go past its total
        return schedulers.OneCycleLR(optimizer, training.learning_rate, total_steps=training.steps + 1)
    if training.schedule == "cosine":
        return schedulers.CosineAnnealingLR(optimizer, training.steps)
    return schedulers.ConstantLR(optimizer, factor=1.0)


def generator_state(device: torch.device) -> Tensor:
    """State of the global generator that draws on `device`, uint8."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_generator_state(device: torch.device, state: Tensor) -> None:
    """Go back to a state of the global generator that draws on `device`."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
