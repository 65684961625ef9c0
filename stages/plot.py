"""Draw every figure of the first seed, from its predictions and the histories of its training alone.

Writes plots/<model>/: PNG where people look, CSV where people compare (`dvc plots diff`).
"""

import argparse
import shutil
from importlib import import_module
from pathlib import Path

import pandas as pd

from stages import artifacts, command, params

# predictions of a model that other stages than its evaluation have made
MORE = {
    "blr": ["calibration/blr"],
    "bnn": ["ood/bnn/{seed}", "shift/bnn/{seed}", "samples/bnn/{seed}", "prior/bnn"],
    "vae": ["ood/vae/{seed}"],
}


def main() -> None:
    """Draw all models."""
    argparse.ArgumentParser(prog="python -m stages.plot", description=__doc__).parse_args()
    settings = params.load()
    seed = str(settings.seeds[0])
    for model in params.MODELS:
        folder = Path("plots") / model
        shutil.rmtree(folder, ignore_errors=True)  # no figure outlives the code that drew it
        figures = import_module(f"stages.figures.{model}")
        history = pd.read_csv(Path("posteriors") / model / seed / "elbo.csv")
        more = [read(name.format(seed=seed)) for name in MORE.get(model, [])]
        figures.draw(settings, read(f"{model}/{seed}"), *more, history, folder)


def read(name: str) -> dict[str, dict]:
    """All groups of predictions in one folder."""
    files = sorted(Path("predictions", name).glob("*.safetensors"))
    return {path.stem: artifacts.read_arrays(path) for path in files}


if __name__ == "__main__":
    command.run(main)
