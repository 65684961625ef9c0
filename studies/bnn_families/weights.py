"""Compute the signal-to-noise ratio of each weight in the mean-field posterior, and prune by it, for one seed.

Writes studies/bnn_families/runs/mean_field/predictions/weights/: signal_to_noise.safetensors, the ratios of each
layer's weights; pruned.safetensors, the predictions of networks with a share of all weights pruned on held-out
digits; and, computed from that alone, studies/bnn_families/pruning.json.
"""

import argparse
import os
from pathlib import Path

from stages import artifacts, command
from studies import run
from studies.bnn_families import STUDY

RUN = "mean_field"
SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)  # of all weights and biases that are pruned


def main() -> None:
    """Compute the ratios, prune, predict and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.bnn_families.weights", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, RUN))
    settings = command.settings_of("params.yaml")

    import numpy as np

    from stages import datasets, runtime
    from stages.evaluation import classification
    from stages.predictive import bnn, weights
    from stages.predictive.classifier import class_probabilities

    device = runtime.prepare(settings, args.seed)
    model, guide = bnn.trained(settings, args.seed, device)
    held_out = datasets.load(settings.bnn.dataset, settings.evaluate.split, settings.images)
    pixels, samples = held_out.pixels.to(device), settings.evaluate.bnn.posterior_samples
    probabilities = [
        class_probabilities(model, weights.pruned(guide, share), pixels, samples)["probabilities"].cpu().numpy()
        for share in SHARES
    ]
    ratios = {site: ratio.cpu().numpy() for site, ratio in weights.signal_to_noise(guide).items()}

    folder = Path("predictions/weights")
    artifacts.write_arrays(folder / "signal_to_noise.safetensors", ratios)
    pruned = {
        "shares": np.array(SHARES),
        "probabilities": np.stack(probabilities),
        "labels": held_out.labels.numpy(),
    }
    artifacts.write_arrays(folder / "pruned.safetensors", pruned)
    found = [classification.metrics(p, pruned["labels"]) for p in pruned["probabilities"]]
    metrics = {
        f"{share:g}": {key: of[key] for key in ("error_percent", "nll")}
        for share, of in zip(SHARES, found, strict=True)
    }
    artifacts.write_json(run.ROOT / "studies" / STUDY / "pruning.json", metrics)


if __name__ == "__main__":
    command.run(main)
