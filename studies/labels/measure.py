"""Measure one run, for one seed: its classifier on test images, and in some runs the digits that it draws.

Its metrics on resamples of the images are listed, so that the interval of a difference between models is paired.

Writes studies/labels/predictions/<run>/<seed>/ and, computed from it, studies/labels/metrics/<run>/<seed>.json.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import yaml

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
    study = yaml.safe_load((run.ROOT / "studies" / STUDY / "study.yaml").read_text())
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    import torch

    from stages import runtime
    from stages.inference import posterior
    from stages.models import judge, labels_only, ssvae
    from stages.predictive import digits, label_classifier

    device = runtime.prepare(settings, args.seed)

    def trained(module, section, path: Path) -> tuple:
        parts = [part.to(device).eval() for part in module.build(section)]
        posterior.load(path / "weights.safetensors", *parts)
        return parts

    if args.model == "ssvae":
        model, guide = trained(ssvae, settings.ssvae, Path(f"posteriors/ssvae/{args.seed}"))
        network = guide.classifier
    else:
        model, _ = trained(labels_only, settings.ssvae, Path(f"posteriors/labels_only/{args.seed}"))
        network = model.classifier
    torch.manual_seed(args.seed)  # all models see the same binary draws
    held_out, binary = label_classifier.held_out(settings, args.seed, device)
    cases = label_classifier.predicted(settings, args.seed, {"": network}, held_out.pixels)
    groups = {"cases": cases | {"labels": held_out.labels.cpu().numpy()}}
    metrics = evaluation.classified(groups["cases"], "")
    metrics["resampled"] = resampled(groups["cases"])
    if args.run in study["drawing"] and args.seed == study["seeds"][0]:
        judge_model, _ = trained(judge, settings.judge, run.ROOT / f"posteriors/judge/{args.seed}")
        groups |= digits.on_demand(settings, model, judge_model.classifier, held_out, binary)
        metrics |= evaluation.digits(groups)
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
