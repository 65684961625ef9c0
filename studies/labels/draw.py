"""Have one run draw digits on demand, and judge them by classifiers that it does not know.

Uses the first seed, and the judge that the study has trained. Writes studies/labels/predictions/<run>/drawn/ and,
computed from it, studies/labels/metrics/<run>/drawn.json: metrics, and ci95_test, half the width of their 95%
bootstrap intervals over digits.
"""

import argparse
import os

import yaml

from stages import artifacts, command
from stages.evaluation import intervals
from stages.evaluation import ssvae as evaluation
from studies import run
from studies.labels import STUDY

RESAMPLES = 200


def main() -> None:
    """Draw, judge and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.labels.draw", description=__doc__)
    parser.add_argument("--run", required=True, help="one of `drawing` in study.yaml")
    args = parser.parse_args()
    folder = run.ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    seed = study["seeds"][0]
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    import torch

    from stages import runtime
    from stages.models import judge, ssvae
    from stages.predictive import digits, label_classifier
    from studies.labels.trained import trained

    device = runtime.prepare(settings, seed)

    def of(name: str, section: str, module) -> list:
        path = folder / "runs" / name / "posteriors" / section / str(seed) / "weights.safetensors"
        return trained(module, getattr(settings, section), path, device)

    model, judge_of_all = of(args.run, "ssvae", ssvae)[0], of(study["drawing"][0], "judge", judge)[0]
    torch.manual_seed(seed)  # all runs draw the same styles
    real = label_classifier.shuffled(*label_classifier.held_out(settings, seed, device))
    groups = digits.on_demand(settings, model, judge_of_all.classifier, *real)
    artifacts.write_groups(folder / "predictions" / args.run / "drawn", groups)
    found = {
        "metrics": evaluation.digits(groups),
        "ci95_test": intervals.bootstrap(evaluation.digits, groups, set(groups) - {"digits"}, RESAMPLES),
    }
    artifacts.write_json(folder / "metrics" / args.run / "drawn.json", found)


if __name__ == "__main__":
    command.run(main)
