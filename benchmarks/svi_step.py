"""The benchmark rows of gradient steps: model, data and batch of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks import bnn, ssvae, vae
from benchmarks.contest import Contestant, Times, agree, race, ratio
from benchmarks.torch_contestants import RATE
from stages import datasets
from stages.params import Section, Training

BATCHES = 16  # number of different batches, used in turn
DRAWS = 40  # loss estimates per contestant, before timing
# Relative difference of losses allowed afterwards, beyond Monte Carlo error. With one network
# drawn for the whole batch, gradients are noisier and Adam is slower: 2.6% behind after 320 steps of the LeNet.
AFTER = 0.04
HAND = ("hand-written, eager", "hand-written, compiled")


@dataclass(frozen=True)
class Row:
    """The benchmark of one model."""

    contestants: Callable[..., list[Contestant]]  # batches, training, torch_alone
    section: str  # section of params.yaml
    execution: str  # execution mode of our step on a CPU
    data_set: str
    batch_size: int
    binary: bool  # otherwise grey images and labels

    def batches(self, settings: Section, device: str) -> list:
        """Prepared batches: images, and labels if the images are grey."""
        data = datasets.load(self.data_set, "train", settings.images).to(torch.device(device))
        minibatches = datasets.Minibatches(len(data), self.batch_size, 0, torch.device(device))
        indices = [minibatches(step) for step in range(BATCHES)]
        if self.binary:
            return [datasets.binarise(data.pixels[index]) for index in indices]
        return [(datasets.unit_interval(data.pixels[index]), data.labels[index]) for index in indices]

    def training(self, settings: Section, device: str) -> Training:
        """Settings of our loop, with the learning rate of all contestants; none clips gradients."""
        execution = self.execution if device == "cpu" else "traced"
        changes = {"learning_rate": RATE, "schedule": "constant", "clip_norm": 0.0}
        changes |= {"steps": 10**6, "execution": execution}
        return getattr(settings, self.section).model_copy(update=changes)


ROWS = {
    "bnn_mlp": Row(partial(bnn.contestants, network="mlp"), "bnn", "compiled", "mnist", bnn.BATCH, False),
    "bnn_lenet": Row(partial(bnn.contestants, network="lenet"), "bnn", "traced", "mnist", bnn.BATCH, False),
    "vae": Row(vae.contestants, "vae", "compiled", "fashion_mnist", vae.BATCH, True),
    "ssvae": Row(ssvae.contestants, "ssvae", "compiled", "mnist", ssvae.BATCH, True),
}


def row(name: str, settings: Section, steps: int, rounds: int, device: str = "cpu") -> dict:
    """Check agreement, time the steps, check agreement again; ratios are named as in the README.

    Args:
        name: one of `ROWS`.
        settings: the whole of params.yaml.
        steps: number of steps in a block.
        rounds: blocks per contestant.
        device: of all contestants; on devices other than the CPU, only those in PyTorch and Pyro take part.
    """
    of = ROWS[name]
    with torch.device(device):
        contestants = of.contestants(
            of.batches(settings, device), of.training(settings, device), torch_alone=device != "cpu"
        )
        rivals = [contestant for contestant in contestants if contestant.name != "floor"]
        start = agree(rivals, DRAWS, f"{name}, at the same parameters")
        times = race(contestants, steps, rounds)
        end = agree(rivals, DRAWS, f"{name}, after {steps * (rounds + 1)} steps", slack=AFTER)
    return {
        **ratios(times),
        "contestants": {
            name: time.summary() | ({"loss_before": start[name], "loss_after": end[name]} if name in start else {})
            for name, time in times.items()
        },
    }


def ratios(times: dict[str, Times]) -> dict:
    """Ratios of times; the faster of the hand-written contestants is the reference."""
    limit = min(HAND, key=lambda name: times[name].summary()["median_ms"])
    pairs = {
        "ours_over_handwritten": ("ours", limit),
        "tutorial_over_ours": ("tutorial", "ours"),
        "ours_over_numpyro": ("ours", "NumPyro"),
        "bayesian_torch_over_ours": ("bayesian-torch", "ours"),
        "ours_over_floor": ("ours", "floor"),
        "handwritten_over_floor": (limit, "floor"),
    }
    return {key: ratio(times, *pair) for key, pair in pairs.items() if all(name in times for name in pair)}
