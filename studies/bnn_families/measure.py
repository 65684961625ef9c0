"""Measure one family, for one seed: on the test set, and on the validation data by which families are chosen.

Writes studies/bnn_families/runs/<run>/predictions/<seed>/<split>/<data set>.safetensors and, computed from them
and the run's costs alone, studies/bnn_families/metrics/<run>/<seed>.json.
"""

import argparse
import os
import time
from pathlib import Path

from stages import artifacts, command, params
from studies import run
from studies.bnn_families import STUDY, SURROGATES, training_seconds


def main() -> None:
    """Predict, measure."""
    parser = argparse.ArgumentParser(prog="python -m studies.bnn_families.measure", description=__doc__)
    parser.add_argument("--run", required=True, help="one of `runs` in study.yaml")
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    os.chdir(run.prepare(STUDY, args.run))
    settings = params.load()

    from stages import foreign, runtime
    from stages.evaluation import bnn, classification, ood
    from stages.models.weight_guides import FullCovarianceGuide

    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    inside, outside = bnn.inside(settings), bnn.outside(settings)[0]
    predictions = {"test": {}, "validation": {}}
    start = time.monotonic()
    for split, names in (("test", (inside, outside)), ("validation", (inside, *SURROGATES))):
        for name in names:
            images = foreign.load(name, split, settings.images)
            predictions[split][name] = bnn.predict_cases(settings, args.seed, device, images)
            if (split, name) == ("test", inside):
                seconds = time.monotonic() - start
    for split, data_sets in predictions.items():
        for name, cases in data_sets.items():
            artifacts.write_arrays(Path("predictions", str(args.seed), split, f"{name}.safetensors"), cases)

    def measured(split: str) -> tuple[dict, dict]:
        known = predictions[split][inside]
        scores = {name: ood.classifier_scores(cases) for name, cases in predictions[split].items()}
        return classification.metrics(known["probabilities"], known["labels"]), ood.metrics(scores, inside)

    metrics, separations = measured("test")
    validation, surrogates = measured("validation")
    _, guide = bnn.trained(settings, args.seed, device)
    unused = guide.size * (guide.size + 1) // 2 if isinstance(guide, FullCovarianceGuide) else 0
    folder = Path("posteriors") / "bnn" / str(args.seed)
    metrics |= {
        "auroc_entropy": separations[outside]["entropy"]["auroc"],
        "auroc_mutual_information": separations[outside]["mutual_information"]["auroc"],
        "fpr95_entropy": separations[outside]["entropy"]["fpr95"],
        "parameters": sum(parameter.numel() for parameter in guide.parameters()) - unused,
        "train_seconds": training_seconds(folder, settings.bnn.steps),
        "predict_seconds": round(seconds, 2),
        "validation": validation | {name: of["entropy"]["auroc"] for name, of in surrogates.items()},
    }
    artifacts.write_json(run.ROOT / "studies" / STUDY / "metrics" / args.run / f"{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
