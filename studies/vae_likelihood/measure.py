"""Measure one run, for one seed: bounds on the likelihood of the test images, and of the validation images.

The first seed gets the published number of importance samples, 5,000; for the others, and for the validation
images by which a row is chosen, 500 are enough. Writes
studies/vae_likelihood/runs/<run>/predictions/<seed>/<split>.safetensors and, computed from them and the number of
parameters, studies/vae_likelihood/metrics/<run>/<seed>.json.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from stages import artifacts, command
from studies import run
from studies.vae_likelihood import EXACT, STUDY, USUAL


def main() -> None:
    """Predict and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.vae_likelihood.measure", description=__doc__)
    parser.add_argument("--run", required=True, help="one of `runs` in study.yaml")
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    from stages import datasets, runtime
    from stages.predictive import likelihood
    from stages.predictive import vae as predictive

    device = runtime.prepare(settings, args.seed)
    folder = Path("predictions", str(args.seed))
    costs = runtime.Costs(device)
    trained = predictive.trained(settings, args.seed, device)
    first = args.seed == settings.seeds[0]
    predictions = {}
    for split, samples in (("test", EXACT if first else USUAL), ("validation", USUAL)):
        if split == "test" or first:
            images = datasets.published_binarisation(settings.vae.dataset, split, settings.images).to(device)
            bounds = likelihood.bounds(*trained, images, samples)
            predictions[split] = {name: value.cpu().numpy() for name, value in bounds.items()}
            predictions[split]["samples"] = np.array(likelihood.sample_counts(samples))
    runtime.record(folder, costs.finish(len(predictions["test"]["iwae"])))
    artifacts.write_groups(folder, predictions)
    parameters = sum(parameter.numel() for part in trained for parameter in part.parameters())
    measured = {split: metrics(cases) for split, cases in predictions.items()}
    result = measured.pop("test") | {"parameters": parameters} | measured
    artifacts.write_json(run.ROOT / "studies" / STUDY / "metrics" / args.run / f"{args.seed}.json", result)


def metrics(cases: dict[str, np.ndarray]) -> dict:
    """Costs of one split, nats per image, all positive: lower is better.

    Args:
        cases: what `likelihood.bounds` returns, and the `samples` (counts,) that iwae_by_samples is for.

    Returns:
        iwae_500, iwae_5000 if there are so many samples, elbo, rate, distortion, active_units, and `by_samples`,
        the bound for each number of samples.
    """
    from stages.evaluation.vae import active_units

    bound = -cases["iwae_by_samples"].mean(axis=0, dtype=np.float64)
    by_samples = {str(count): float(value) for count, value in zip(cases["samples"], bound, strict=True)}
    rate, distortion = (float(cases[name].mean(dtype=np.float64)) for name in ("rate", "distortion"))
    return {
        **{f"iwae_{count}": by_samples[str(count)] for count in (EXACT, USUAL) if str(count) in by_samples},
        "elbo": rate + distortion,
        "rate": rate,
        "distortion": distortion,
        "active_units": active_units(cases["latent_mean"]),
        "by_samples": by_samples,
    }


if __name__ == "__main__":
    command.run(main)
