"""Measure the parts of the predictive entropy of test digits for one network.

Writes studies/more_data/metrics/<run>/<seed>.json: error_percent, nll, entropy, expected_entropy and
mutual_information, means over test digits, nats; mutual_information_share, the last divided by the first of these.
"""

import argparse
import os

from stages import artifacts, command
from studies import run
from studies.more_data import STUDY


def main() -> None:
    """Predict and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.more_data.measure", description=__doc__)
    parser.add_argument("--run", required=True, help="one of `runs` in study.yaml")
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    from stages import datasets, runtime
    from stages.evaluation import classification, ood
    from stages.predictive import bnn

    device = runtime.prepare(settings, args.seed)
    test = datasets.load(settings.bnn.dataset, "test", settings.images)
    cases = bnn.predict_cases(settings, bnn.trained(settings, args.seed, device), test)
    scores = classification.scores(cases["probabilities"], cases["labels"])
    parts = ood.classifier_scores(cases)
    metrics = {key: scores[key] for key in ("error_percent", "nll")} | {
        "entropy": float(parts["entropy"].mean()),
        "expected_entropy": float(cases["expected_entropy"].mean(dtype=float)),
        "mutual_information": float(parts["mutual_information"].mean()),
    }
    metrics["mutual_information_share"] = metrics["mutual_information"] / metrics["entropy"]
    artifacts.write_json(run.ROOT / "studies" / STUDY / "metrics" / args.run / f"{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
