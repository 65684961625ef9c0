"""Draw all figures of one model, for the first seed, from its predictions and training history alone.

Writes plots/<model>/: PNG files to look at, and CSV files to compare (`dvc plots diff`).
"""

import shutil
from importlib import import_module
from pathlib import Path

from stages import command
from stages.params import MODELS


def main() -> None:
    """Read predictions and history, and draw the figures."""
    call = command.opened(__doc__, models=MODELS)
    settings, seed = call.settings, call.settings.seeds[0]

    import pandas as pd

    from stages import artifacts

    figures = import_module(f"stages.figures.{call.model}")
    predictions = {
        name: artifacts.read_groups(Path("predictions", path.format(seed=seed)))
        for name, path in figures.PREDICTIONS.items()
    }
    history = pd.read_csv(Path("posteriors", call.model, str(seed), "elbo.csv"))
    folder = Path("plots") / call.model
    shutil.rmtree(folder, ignore_errors=True)  # remove figures that the code no longer draws
    figures.draw(settings, predictions, history, folder)


if __name__ == "__main__":
    command.run(main)
