"""Measure one family, for one seed, on the test set and on the validation data by which the family is chosen.

Writes studies/bnn_families/runs/<run>/predictions/<seed>/<split>/<data set>.safetensors and, computed from them
and the number of parameters, studies/bnn_families/metrics/<run>/<seed>.json.
"""

import argparse
import os
from pathlib import Path

from stages import artifacts, command
from studies import run
from studies.bnn_families import STUDY, SURROGATES


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
    from stages.evaluation import classification, ood
    from stages.models.weight_guides import FullCovarianceGuide
    from stages.predictive import bnn as predictive

    device = runtime.prepare(settings, args.seed)
    learned, other = evaluation.in_distribution(settings), evaluation.out_of_distribution(settings)[0]
    predictions: dict[str, dict] = {"test": {}, "validation": {}}
    folder = Path("predictions", str(args.seed))
    costs = runtime.Costs(device)
    posterior = predictive.trained(settings, args.seed, device)
    for split, names in (("test", (learned, other)), ("validation", (learned, *SURROGATES))):
        for name in names:
            images = ood_data.load(name, split, settings)
            predictions[split][name] = predictive.predict_cases(settings, posterior, images)
            if (split, name) == ("test", learned):
                runtime.record(folder, costs.finish(len(images)))
    for split, data_sets in predictions.items():
        artifacts.write_groups(folder / split, data_sets)

    def measured(split: str) -> tuple[dict, dict]:
        cases = predictions[split][learned]
        scores = {name: ood.classifier_scores(cases) for name, cases in predictions[split].items()}
        return classification.metrics(cases["probabilities"], cases["labels"]), ood.metrics(scores, learned)

    metrics, separations = measured("test")
    validation, surrogates = measured("validation")
    _, guide = posterior
    unused = guide.size * (guide.size + 1) // 2 if isinstance(guide, FullCovarianceGuide) else 0
    metrics |= {
        "auroc_entropy": separations[other]["entropy"]["auroc"],
        "auroc_mutual_information": separations[other]["mutual_information"]["auroc"],
        "fpr95_entropy": separations[other]["entropy"]["fpr95"],
        "parameters": sum(parameter.numel() for parameter in guide.parameters()) - unused,
        "validation": validation | {name: of["entropy"]["auroc"] for name, of in surrogates.items()},
    }
    artifacts.write_json(run.ROOT / "studies" / STUDY / "metrics" / args.run / f"{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
