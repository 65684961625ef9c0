"""Measure one model's uncertainty on data of a kind it was never trained on, for one seed.

Writes predictions/ood/<model>/<seed>/<data set>.safetensors, the scores of each image, and, computed from them
alone, metrics/ood/<model>/<seed>.json.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, command, params


def main() -> None:
    """Score the data that the model knows and data that it does not; measure how well each score separates."""
    parser = argparse.ArgumentParser(prog="python -m stages.ood", description=__doc__)
    parser.add_argument("--model", choices=("bnn", "vae"), required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load()

    from stages import foreign, runtime
    from stages.evaluation import ood

    evaluation = import_module(f"stages.evaluation.{args.model}")
    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    known, inside = (
        artifacts.read_arrays(f"predictions/{args.model}/{args.seed}/cases.safetensors"),
        evaluation.inside(settings),
    )
    scores = {inside: evaluation.ood_scores(known)}
    for name in evaluation.outside(settings):
        images = foreign.load(name, settings.evaluate.split, settings.images)
        cases = evaluation.predict_cases(settings, args.seed, device, images)
        scores[name] = evaluation.ood_scores(cases)

    folder = Path("predictions") / "ood" / args.model / str(args.seed)
    for name, arrays in scores.items():
        artifacts.write_arrays(folder / f"{name}.safetensors", arrays)
    artifacts.write_json(f"metrics/ood/{args.model}/{args.seed}.json", ood.metrics(scores, inside))


if __name__ == "__main__":
    command.run(main)
