"""Measure one family, for one seed, on the test set and on the validation data by which the family is chosen.

Writes studies/bnn_families/runs/<run>/predictions/<seed>/<split>/<data set>.safetensors and, computed from them
and the number of parameters, studies/bnn_families/metrics/<run>/<seed>.json: the metrics of the test set;
`validation`, those of validation digits and made images; `resampled`, some of both for resamples of the cases, the
same resamples in every file, so that two families can be compared case by case.
"""

import argparse
import os
from pathlib import Path

from stages import artifacts, command
from studies import run
from studies.bnn_families import STUDY


def main() -> None:
    """Predict and compute the metrics."""
    parser = argparse.ArgumentParser(prog="python -m studies.bnn_families.measure", description=__doc__)
    parser.add_argument("--run", required=True, help="one of `runs` in study.yaml")
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, args.run))
    settings = command.settings_of("params.yaml")

    from stages import ood_data, runtime
    from stages.evaluation import bnn as evaluation
    from stages.predictive import bnn as predictive
    from studies.bnn_families import compared

    device = runtime.prepare(settings, args.seed)
    learned, other = evaluation.in_distribution(settings), evaluation.out_of_distribution(settings)[0]
    folder = Path("predictions", str(args.seed))
    posterior = predictive.trained(settings, args.seed, device)
    scored = evaluation.ood_scorer(settings, predictive.reference(settings, posterior))
    predictions: dict[str, dict] = {"test": {}, "validation": {}}
    for split, names in (("test", (learned, other)), ("validation", (learned, *ood_data.SURROGATES["bnn"]))):
        for name in names:
            images = ood_data.load(name, split, settings, learned)
            costs = runtime.Costs(device)
            cases = predictive.predict_cases(settings, posterior, images)
            if (split, name) == ("test", learned):  # without the scores
                runtime.record(folder, costs.finish(len(images)))
            found = scored(cases | predictive.features_of(settings, posterior, images))
            predictions[split][name] = cases | {f"score_{score}": values for score, values in found.items()}
    for split, data_sets in predictions.items():
        artifacts.write_groups(folder / split, data_sets)

    metrics = compared.metrics(predictions, learned, other) | {
        "parameters": compared.parameters(*posterior),
        "members": settings.bnn.members if settings.bnn.inference == "ensemble" else 1,
        "networks": predictive.draws(settings),
        "steps": settings.bnn.steps,
    }
    artifacts.write_json(run.ROOT / "studies" / STUDY / "metrics" / args.run / f"{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
