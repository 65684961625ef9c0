"""Evaluate one model's posterior predictive, for one seed.

Writes predictions/<model>/<seed>/*.safetensors and, computed from them alone, metrics/<model>/<seed>.json.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, command, params


def main() -> None:
    """Read params, posterior and data; predict; measure."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("--model", choices=params.MODELS, required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load()

    from stages import runtime

    evaluation = import_module(f"stages.evaluation.{args.model}")
    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    predictions = evaluation.predict(settings, args.seed, device)

    folder = Path("predictions") / args.model / str(args.seed)
    for name, arrays in predictions.items():
        artifacts.write_arrays(folder / f"{name}.safetensors", arrays)
    artifacts.write_json(f"metrics/{args.model}/{args.seed}.json", evaluation.metrics(predictions))


if __name__ == "__main__":
    command.run(main)
