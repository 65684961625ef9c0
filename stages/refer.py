"""Refer uncertain images to a person: choose a threshold on the entropy, and measure the effect, for one seed.

The threshold on the predictive entropy is chosen on one half of the validation images, the one on which no
temperature was fitted, such that the error rate among answered images is at most referral.risk with probability
referral.confidence. Writes metrics/referral/<model>/<seed>.json: the threshold, -1 if none can promise that, and
for held-out images, the learned classes in other forms, and each out-of-distribution data set the share that is
referred and, of images with labels, the error rate among those that the network answers.
"""

from importlib import import_module

from stages import command


def main() -> None:
    """Read predictions, choose the threshold and compute the metrics."""
    call = command.opened(__doc__, models=("bnn",), seed=True)
    settings, name = call.settings, f"{call.model}/{call.seed}"

    from stages import artifacts
    from stages.evaluation import referral

    evaluation = import_module(f"stages.evaluation.{call.model}")
    predictions = artifacts.read_groups(f"predictions/{name}")
    validation, held_out = predictions["validation"], predictions["cases"]
    validation = every_other(validation, evaluation.UNTEMPERED)
    if settings.evaluate.split == "validation":  # the same images: use the others to measure
        held_out = every_other(held_out, 1 - evaluation.UNTEMPERED)
    promise = settings.referral
    threshold = referral.guaranteed_threshold(
        entropy(validation), right(validation), promise.risk, promise.confidence
    )
    threshold = max(threshold, -1.0)  # below any entropy; JSON has no infinity
    digits = {"validation": validation, evaluation.in_distribution(settings): held_out}
    metrics = {"threshold_nats": threshold} | {
        of: referral.outcome(entropy(cases), threshold, right(cases)) for of, cases in digits.items()
    }
    scores = artifacts.read_groups(f"predictions/ood/{name}")
    for data_set in evaluation.out_of_distribution(settings):
        metrics[data_set] = referral.outcome(scores[data_set]["entropy"], threshold)
    forms = artifacts.read_groups(f"predictions/shift/{name}")
    for form in evaluation.other_forms(settings):
        p = forms[form]["probabilities"][0]  # there is one level
        cases = {"probabilities": p, "labels": forms[form]["labels"]}
        metrics[form] = referral.outcome(entropy(cases), threshold, right(cases))
    artifacts.write_json(f"metrics/referral/{name}.json", metrics)


def every_other(cases: dict, start: int) -> dict:
    """Every other case, from `start` on."""
    return {name: values[start::2] for name, values in cases.items()}


def entropy(cases: dict):
    """The score that the threshold applies to, (cases,)."""
    from stages.evaluation import ood

    return ood.predictive_entropy(cases["probabilities"])


def right(cases: dict):
    """Whether the most probable class is the true one, (cases,) bool."""
    return cases["probabilities"].argmax(axis=1) == cases["labels"]


if __name__ == "__main__":
    command.run(main)
