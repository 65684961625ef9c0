"""The posterior predictive of the LeNet, 100 samples x 10,000 images, against the best plain loop."""

import torch
import torch.nn.functional as F

from benchmarks.bnn import INITIAL_SD
from benchmarks.contest import Contestant, race, ratio
from stages import datasets, runtime
from stages.evaluation.predictive import class_probabilities
from stages.models import bnn

SAMPLES = 100


def row(settings, steps: int, rounds: int) -> dict:
    """Milliseconds per posterior sample of all images; `peak_memory_mb` is that of the whole process."""
    pixels = datasets.load("mnist", "test", settings.images).pixels
    network = bnn.NETWORKS["lenet"]()
    sites = {f"network.{name}": value.detach().clone() for name, value in network.named_parameters()}
    guide, model = bnn.MeanFieldGuide(sites, INITIAL_SD), bnn.Model(bnn.NETWORKS["lenet"](), 1.0)
    found = {}

    def ours(samples: int) -> None:
        found["ours"] = class_probabilities(model, guide, pixels, samples)["probabilities"]

    @torch.no_grad()
    def loop(samples: int) -> None:
        images = datasets.unit_interval(pixels)
        total = torch.zeros(len(images), 10)
        for _ in range(samples):
            weights = {
                name: guide.loc[name.replace(".", "_")]
                + F.softplus(guide.rho[name.replace(".", "_")]) * torch.randn_like(value)
                for name, value in sites.items()
            }
            state = {name.removeprefix("network."): value for name, value in weights.items()}
            for start in range(0, len(images), 1000):
                batch = images[start : start + 1000]
                logits = torch.func.functional_call(network, state, batch)
                total[start : start + 1000] += logits.softmax(-1)
        found["plain loop"] = total / samples

    no_loss = lambda: float("nan")  # noqa: E731
    times = race(
        [Contestant("ours", no_loss, ours), Contestant("plain loop", no_loss, loop)], SAMPLES, rounds=2, warm_up=3
    )
    largest = float((found["ours"] - found["plain loop"]).abs().mean())
    return {
        "loop_over_ours": ratio(times, "plain loop", "ours"),
        "peak_memory_mb": round(runtime.peak_memory_mb(), 1),
        "mean_difference": round(largest, 5),
        "contestants": {name: time.summary() for name, time in times.items()},
    }
