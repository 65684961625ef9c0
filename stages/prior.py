"""Look at what a Bayesian neural network believes before it has seen data: predictions under its prior.

Writes predictions/prior/<model>/networks.safetensors and, computed from it alone, metrics/prior/<model>.json.
"""

import argparse
from pathlib import Path

from stages import artifacts, command, params

IMAGES = 500  # held-out images that are shown
NETWORKS = 200  # drawn from the prior


def main() -> None:
    """Draw networks, predict, measure."""
    parser = argparse.ArgumentParser(prog="python -m stages.prior", description=__doc__)
    parser.add_argument("--model", choices=("bnn",), required=True)
    args = parser.parse_args()
    settings = params.load()

    import torch
    from tqdm import tqdm

    from stages import datasets, runtime
    from stages.evaluation import prior
    from stages.models import bnn

    device = runtime.prepare(settings.device, 0, settings.matmul_precision)
    model, _ = (part.to(device) for part in bnn.build(settings.bnn))
    held_out = datasets.load(settings.bnn.dataset, settings.evaluate.split, settings.images)
    images = datasets.unit_interval(held_out.pixels[:IMAGES].to(device))
    with torch.no_grad():
        rounds = tqdm(range(NETWORKS), desc="prior samples", unit="network", disable=None)
        probabilities = torch.stack([model(images).softmax(-1) for _ in rounds]).cpu().numpy()

    folder = Path("predictions") / "prior" / args.model
    artifacts.write_arrays(folder / "networks.safetensors", {"probabilities": probabilities})
    artifacts.write_json(f"metrics/prior/{args.model}.json", prior.metrics(probabilities))


if __name__ == "__main__":
    command.run(main)
