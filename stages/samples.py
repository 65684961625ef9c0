"""How many networks drawn from the posterior are enough? Likelihood and separation against their number.

A choice is made here, so the data are validation digits, and for foreign ones scikit-learn's digits.

Writes predictions/samples/<model>/<seed>/<data set>.safetensors and, computed from them alone,
metrics/samples/<model>/<seed>.json.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, command, params

IMAGES = 2000  # of each data set
SPLIT, FOREIGN = "validation", "sklearn_digits"
COUNTS = (1, 2, 5, 10, 20, 50, 100)  # posterior samples


def main() -> None:
    """Predict by more and more networks, measure."""
    parser = argparse.ArgumentParser(prog="python -m stages.samples", description=__doc__)
    parser.add_argument("--model", choices=("bnn",), required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load()

    import numpy as np

    from stages import foreign, runtime
    from stages.evaluation import samples
    from stages.evaluation.predictive import cumulative

    evaluation = import_module(f"stages.evaluation.{args.model}")
    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    model, guide = evaluation.trained(settings, args.seed, device)
    predictions = {}
    inside = evaluation.inside(settings)
    for name in (inside, FOREIGN):
        images = foreign.load(name, SPLIT, settings.images)
        probabilities = cumulative(model, guide, images.pixels[:IMAGES].to(device), COUNTS)
        predictions[name] = {
            "counts": np.array(COUNTS),
            "probabilities": probabilities.cpu().numpy(),
            "labels": images.labels[:IMAGES].numpy(),
        }

    folder = Path("predictions") / "samples" / args.model / str(args.seed)
    for name, arrays in predictions.items():
        artifacts.write_arrays(folder / f"{name}.safetensors", arrays)
    metrics = samples.metrics(predictions, inside, FOREIGN)
    artifacts.write_json(f"metrics/samples/{args.model}/{args.seed}.json", metrics)


if __name__ == "__main__":
    command.run(main)
