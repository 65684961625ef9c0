"""The state of a training run between two steps: everything that later steps depend on, except the data."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stages.params import Training


class State:
    """Parameters, optimiser, random state and history; training resumed from a saved state gives the same result.

    Args:
        tensors: the live parameters of model and guide by name.
        parameters: the ones to optimise.
        training: learning rate, schedule, and the longest gradient.
        size: data in the training set: the gradients that `descend` follows are sums over all of them.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], parameters: Iterable[nn.Parameter], training: Training, size: int = 1
    ):
        self.tensors, self.parameters = tensors, list(parameters)
        self.device = self.parameters[0].device
        self.step = 0  # gradient steps done
        self.history: list[tuple[int, float, float]] = []  # rows of elbo.csv
        # state on the device, updated in place, so that a step can be replayed without Python
        self.count = torch.zeros(1, dtype=torch.int64, device=self.device)  # steps that updated the parameters
        self.total = torch.zeros((), device=self.device)  # sum of the ELBO per datum since the last row
        self.failed = torch.zeros((), device=self.device)  # 1 after the first non-finite ELBO
        self.rates = torch.tensor(learning_rates(training), device=self.device)
        self.rate = self.rates[0].clone()
        on_gpu = self.device.type == "cuda"
        self.optimizer = torch.optim.Adam(self.parameters, self.rate, fused=True, capturable=on_gpu)
        self.steps, self.average_steps = training.steps, training.average_steps
        self.longest = training.clip_norm * size  # gradient
        self.mean: list[Tensor] = []  # of the parameters over the last steps so far
        self.optimizer.found_inf = self.failed  # if this is 1, Adam's fused kernel updates nothing

    @property
    def since(self) -> int:
        """Gradient steps since the last row of the history."""
        return self.step - (self.history[-1][0] if self.history else 0)

    def descend(self, elbo: Tensor) -> None:
        """Update the parameters from their gradients; after the first non-finite ELBO, leave them unchanged.

        Args:
            elbo: ELBO of the step, nats per datum, ().
        """
        self.total.add_(elbo)
        self.failed.copy_(~torch.isfinite(self.total))
        self.rate.copy_(self.rates.index_select(0, self.count).squeeze())
        if self.longest:
            # Adam divides by a running mean of squares: a single huge gradient would stop it for a thousand steps
            nn.utils.clip_grad_norm_(self.parameters, self.longest)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.count.add_(1 - self.failed.long())

    @torch.no_grad()
    def average(self) -> None:
        """After each of the last `average_steps` steps: include the parameters in their running mean."""
        number = self.step - max(0, self.steps - self.average_steps)
        if number == 1:
            self.mean = [parameter.detach().clone() for parameter in self.parameters]
        elif number > 1:
            torch._foreach_lerp_(self.mean, self.parameters, 1 / number)

    @torch.no_grad()
    def use_average(self) -> None:
        """After the last step: replace the parameters by their mean, if there is one (Izmailov et al. 2018)."""
        for parameter, mean in zip(self.parameters, self.mean, strict=bool(self.mean)):
            parameter.copy_(mean)

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state as tensors, and facts as JSON types."""
        tensors = {"total": self.total, "noise": generator_state(self.device), **self.tensors}
        for index, parameter in enumerate(self.parameters):
            averages = self.optimizer.state[parameter]
            tensors |= {f"adam.{index}.{name}": value for name, value in averages.items()}
        tensors |= {f"mean.{index}": value for index, value in enumerate(self.mean)}
        return tensors, {"step": self.step, "history": self.history}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Restore the state that `save` returned."""
        for name, value in self.tensors.items():
            value.copy_(tensors[name])
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, index, kind = name.split(".")
                self.optimizer.state[self.parameters[int(index)]][kind] = value.to(self.device)
        saved = [name for name in tensors if name.startswith("mean.")]
        self.mean = [tensors[f"mean.{index}"].to(self.device) for index in range(len(saved))]
        self.step, self.history = facts["step"], [tuple(row) for row in facts["history"]]
        self.count.fill_(self.step)
        self.total.copy_(tensors["total"])
        set_generator_state(self.device, tensors["noise"])


def learning_rates(training: Training) -> list[float]:
    """The learning rate of each gradient step."""
    schedulers = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], training.learning_rate)
    if training.schedule == "one_cycle":  # Smith and Topin (2017): rises for 30% of the steps, then falls
        # `+ 1`: the loop below also steps after the last rate, and OneCycleLR refuses to go past its total
        options = {"total_steps": training.steps + 1, "cycle_momentum": False}
        schedule = schedulers.OneCycleLR(optimizer, training.learning_rate, **options)
    elif training.schedule == "cosine":
        schedule = schedulers.CosineAnnealingLR(optimizer, training.steps)
    else:
        return [training.learning_rate] * training.steps
    rates = []
    for _ in range(training.steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def generator_state(device: torch.device) -> Tensor:
    """State of the global random number generator of `device`, uint8."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_generator_state(device: torch.device, state: Tensor) -> None:
    """Restore a state of the global random number generator of `device`."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
