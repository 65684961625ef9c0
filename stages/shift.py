"""Measure how errors and doubts grow as held-out images drift away from what was trained on, for one seed.

Writes predictions/shift/<model>/<seed>/<shift>.safetensors and, computed from them alone,
metrics/shift/<model>/<seed>.json.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, command, params

IMAGES = 1000  # held-out images that are shifted


def main() -> None:
    """Shift, predict, measure."""
    parser = argparse.ArgumentParser(prog="python -m stages.shift", description=__doc__)
    parser.add_argument("--model", choices=("bnn",), required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load()

    import numpy as np

    from stages import datasets, foreign, runtime
    from stages.evaluation import shift

    evaluation = import_module(f"stages.evaluation.{args.model}")
    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    held_out = datasets.load(evaluation.inside(settings), settings.evaluate.split, settings.images)
    pixels, labels = held_out.pixels[:IMAGES], held_out.labels[:IMAGES]
    predictions = {}
    for name, (transform, levels) in foreign.SHIFTS.items():
        shifted = (datasets.Images(transform(pixels, level), labels) for level in levels)
        cases = [evaluation.predict_cases(settings, args.seed, device, images) for images in shifted]
        predictions[name] = {
            "levels": np.array(levels, dtype=np.float64),
            "probabilities": np.stack([of["probabilities"] for of in cases]),
            "labels": labels.numpy(),
        }

    folder = Path("predictions") / "shift" / args.model / str(args.seed)
    for name, arrays in predictions.items():
        artifacts.write_arrays(folder / f"{name}.safetensors", arrays)
    artifacts.write_json(f"metrics/shift/{args.model}/{args.seed}.json", shift.metrics(predictions))


if __name__ == "__main__":
    command.run(main)
