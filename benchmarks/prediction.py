"""The posterior predictive of the LeNet for 10,000 images, against the best hand-written loop."""

import argparse
import subprocess
import sys

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.bnn import INITIAL_SD
from benchmarks.contest import Contestant, race, ratio
from stages import command, datasets, runtime
from stages.models import bnn, weight_priors
from stages.models.networks import lenet
from stages.models.weight_guides import MeanFieldGuide
from stages.predictive.classifier import class_probabilities

SAMPLES, ROUNDS = 25, 4  # posterior samples per round, and number of rounds
FEW, MANY = 10, 100  # numbers of posterior samples whose peak memory is compared


def row(settings, steps: int, rounds: int) -> dict:
    """Milliseconds per posterior sample for all images, and peak memory with few and with many samples."""
    pixels = images(settings)
    network, model, guide = posterior()
    found = {}

    def ours(samples: int) -> None:
        found["ours"] = class_probabilities(model, guide, pixels, samples)["probabilities"]

    @torch.no_grad()
    def loop(samples: int) -> None:
        images = datasets.unit_interval(pixels)
        total = torch.zeros(len(images), 10)
        for _ in range(samples):
            state = {name: drawn(guide, name, value) for name, value in network.named_parameters()}
            for start in range(0, len(images), 1000):
                batch = images[start : start + 1000]
                logits = torch.func.functional_call(network, state, batch)
                total[start : start + 1000] += logits.softmax(-1)
        found["plain loop"] = total / samples

    no_loss = lambda: float("nan")  # noqa: E731
    rivals = [Contestant("ours", no_loss, ours), Contestant("plain loop", no_loss, loop)]
    times = race(rivals, SAMPLES, ROUNDS, warm_up=3)
    difference = float((found["ours"] - found["plain loop"]).abs().mean())
    return {
        "loop_over_ours": ratio(times, "plain loop", "ours"),
        **{f"peak_memory_mb_{samples}_samples": peak_memory_mb(samples) for samples in (FEW, MANY)},
        "mean_difference": round(difference, 5),
        "contestants": {name: time.summary() for name, time in times.items()},
    }


def images(settings) -> Tensor:
    """Bytes, (10,000, 784)."""
    return datasets.load("mnist", "test", settings.images).pixels


def posterior() -> tuple[torch.nn.Module, bnn.Model, MeanFieldGuide]:
    """An untrained LeNet, and the model and guide made from it."""
    network = lenet()
    sites = {f"network.{name}": value for name, value in network.named_parameters()}
    return (
        network,
        bnn.Model(lenet(), weight_priors.isotropic(1.0)),
        MeanFieldGuide(sites, INITIAL_SD),
    )


def drawn(guide: MeanFieldGuide, name: str, value: Tensor) -> Tensor:
    """One parameter of a network from the posterior, without Pyro."""
    key = f"network.{name}".replace(".", "_")
    return guide.loc[key] + F.softplus(guide.rho[key]) * torch.randn_like(value)


def peak_memory_mb(samples: int) -> float:
    """Peak resident memory of a process that only predicts, in MiB."""
    line = [sys.executable, "-m", "benchmarks.prediction", "--samples", str(samples)]
    return float(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Predict once, and print this process's peak memory in MiB."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    parser.add_argument("--samples", type=int, required=True, help="networks to draw")
    args = parser.parse_args()
    settings = command.settings_of("params.yaml")
    runtime.prepare(settings, 0)
    _, model, guide = posterior()
    class_probabilities(model, guide, images(settings), args.samples)
    print(round(runtime.peak_memory_mb(), 1))


if __name__ == "__main__":
    command.run(main)
