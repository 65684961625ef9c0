"""Measure one run, for one seed: its classifier on test images, and in some runs the digits that it draws.

Which images are classified wrongly is listed, so that models can be compared image by image.

Writes studies/labels/predictions/<run>/<seed>/ and, computed from it, studies/labels/metrics/<run>/<seed>.json.
"""

import argparse
import os
from pathlib import Path

import yaml

from stages import artifacts, command
from studies import run
from studies.labels import STUDY


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

    from stages import runtime
    from stages.evaluation import ssvae as evaluation
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
    held_out, binary = label_classifier.held_out(settings, args.seed, device)
    cases = label_classifier.predicted(settings, args.seed, {"": network}, held_out.pixels)
    groups = {"cases": cases | {"labels": held_out.labels.cpu().numpy()}}
    metrics = evaluation.classified(groups["cases"], "")
    wrong = groups["cases"]["probabilities"].argmax(axis=1) != groups["cases"]["labels"]
    metrics |= {"wrong": wrong.nonzero()[0].tolist(), "images": len(wrong)}
    if args.run in study["drawing"] and args.seed == study["seeds"][0]:
        judge_model, _ = trained(judge, settings.judge, run.ROOT / f"posteriors/judge/{args.seed}")
        groups |= digits.on_demand(settings, model, judge_model.classifier, held_out, binary)
        metrics |= evaluation.digits(groups)
    folder = run.ROOT / "studies" / STUDY
    artifacts.write_groups(folder / "predictions" / args.run / str(args.seed), groups)
    artifacts.write_json(folder / "metrics" / args.run / f"{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
