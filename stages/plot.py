"""Draw every figure of the first seed, from its predictions and the histories of its training alone.

Writes plots/<model>/: PNG where people look, CSV where people compare (`dvc plots diff`).
"""

import argparse
import shutil
from importlib import import_module
from pathlib import Path

import pandas as pd

from stages import artifacts, command, params


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
        figures.draw(settings, read(Path(model) / seed), read(Path("ood") / model / seed), history, folder)


def read(name: Path) -> dict[str, dict]:
    """All groups of predictions in one folder, none if there is no such folder."""
    return {
        path.stem: artifacts.read_arrays(path) for path in sorted(Path("predictions", name).glob("*.safetensors"))
    }


if __name__ == "__main__":
    command.run(main)
