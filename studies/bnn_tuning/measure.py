"""Measure one trial on validation images of the data set that it learns.

Writes studies/bnn_tuning/metrics/<run>/<seed>.json: error_percent, nll, brier and ece of these images, and
temperature, the one that would make their likelihood highest.
"""

import argparse
import os

from stages import artifacts, command
from studies import run
from studies.bnn_tuning import STUDY


def main() -> None:
    """Predict and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.bnn_tuning.measure", description=__doc__)
    parser.add_argument("--run", required=True, help="one of `runs` in study.yaml")
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    from stages import datasets, runtime, temperature
    from stages.evaluation import classification
    from stages.predictive import bnn

    device = runtime.prepare(settings, args.seed)
    validation = datasets.load(settings.bnn.dataset, "validation", settings.images)
    cases = bnn.predict_cases(settings, bnn.trained(settings, args.seed, device), validation)
    p, labels = cases["probabilities"], cases["labels"]
    metrics = classification.scores(p, labels) | {"temperature": temperature.fitted(p, labels)}
    artifacts.write_json(run.ROOT / "studies" / STUDY / "metrics" / args.run / f"{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
