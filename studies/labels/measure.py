"""Measure the classifier of one run, for one seed, on test images.

Its metrics on resamples of the images are listed, so that the interval of a difference between models is paired.

Writes studies/labels/predictions/<run>/<seed>/ and, computed from it, studies/labels/metrics/<run>/<seed>.json.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from stages import artifacts, command
from stages.evaluation import intervals
from stages.evaluation import ssvae as evaluation
from studies import run
from studies.labels import COMPARED, STUDY

RESAMPLES = 200


def main() -> None:
    """Predict and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.labels.measure", description=__doc__)
    parser.add_argument("--model", choices=("ssvae", "labels_only"), required=True, help="what the run trains")
    parser.add_argument("--run", required=True, help="one of `runs` in study.yaml")
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    import torch

    from stages import runtime
    from stages.models import labels_only, ssvae
    from stages.predictive import label_classifier
    from studies.labels.trained import trained

    device = runtime.prepare(settings, args.seed)

    weights = Path(f"posteriors/{args.model}/{args.seed}/weights.safetensors")
    module = {"ssvae": ssvae, "labels_only": labels_only}[args.model]
    model, guide = trained(module, settings.ssvae, weights, device)
    network = (guide if args.model == "ssvae" else model).classifier
    torch.manual_seed(args.seed)  # all models see the same binary draws
    held_out, _ = label_classifier.held_out(settings, args.seed, device)
    cases = label_classifier.predicted(settings, args.seed, {"": network}, held_out.pixels)
    groups = {"cases": cases | {"labels": held_out.labels.cpu().numpy()}}
    metrics = evaluation.classified(groups["cases"], "")
    metrics["resampled"] = resampled(groups["cases"])
    folder = run.ROOT / "studies" / STUDY
    artifacts.write_groups(folder / "predictions" / args.run / str(args.seed), groups)
    artifacts.write_json(folder / "metrics" / args.run / f"{args.seed}.json", metrics)


def resampled(cases: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Metrics on bootstrap resamples of the images, with the same indices for every model.

    Args:
        cases: probabilities (images, 10), temperature and labels (images,).

    Returns:
        For each of `COMPARED`, one number per resample.
    """

    def metrics(groups: artifacts.Groups) -> dict[str, float]:
        return evaluation.classified(groups["cases"], "")

    rows = intervals.replicates(metrics, {"cases": cases}, {"cases"}, RESAMPLES)
    return {key: [row[key] for row in rows] for key in COMPARED}


if __name__ == "__main__":
    command.run(main)
