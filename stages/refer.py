"""Hand the digits that the network is unsure of to a person: choose the threshold, and see what comes of it.

The threshold on the predictive entropy is chosen on validation digits. Writes
metrics/referral/<model>/<seed>.json: the threshold, and for held-out digits and each foreign data set the share
that is referred and the error rate among those that the network answers.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, command, params


def main() -> None:
    """Read predictions, choose, measure."""
    parser = argparse.ArgumentParser(prog="python -m stages.refer", description=__doc__)
    parser.add_argument("--model", choices=("bnn",), required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load()

    from stages.evaluation import referral

    evaluation = import_module(f"stages.evaluation.{args.model}")
    own = Path("predictions") / args.model / str(args.seed)
    validation = artifacts.read_arrays(own / "validation.safetensors")
    held_out = artifacts.read_arrays(own / "cases.safetensors")
    if settings.evaluate.split == "validation":  # the same digits: every other one chooses, the rest judge
        validation, held_out = every_other(validation, 0), every_other(held_out, 1)
    threshold = referral.threshold(entropy(evaluation, validation), right(validation))
    threshold = max(threshold, -1.0)  # below any entropy; JSON knows no infinity
    metrics = {
        "threshold_nats": threshold,
        "validation": referral.outcome(entropy(evaluation, validation), threshold, right(validation)),
        evaluation.inside(settings): referral.outcome(entropy(evaluation, held_out), threshold, right(held_out)),
    }
    for name in evaluation.outside(settings):
        scores = artifacts.read_arrays(f"predictions/ood/{args.model}/{args.seed}/{name}.safetensors")
        metrics[name] = referral.outcome(scores["entropy"], threshold)
    artifacts.write_json(f"metrics/referral/{args.model}/{args.seed}.json", metrics)


def every_other(cases: dict, start: int) -> dict:
    """Half of the cases."""
    return {name: values[start::2] for name, values in cases.items()}


def entropy(evaluation, cases: dict):
    """The score that decides, (cases,)."""
    return evaluation.ood_scores(cases)["entropy"]


def right(cases: dict):
    """Whether the likeliest class is the true one, (cases,) bool."""
    return cases["probabilities"].argmax(axis=1) == cases["labels"]


if __name__ == "__main__":
    command.run(main)
