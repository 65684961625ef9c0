"""What the page is made from: params, metrics, predictions, figures, in the current folder."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages import artifacts
from stages.artifacts import Groups
from stages.command import Failure
from stages.settings import Settings

PREDICTIONS = (  # what the page shows, by the folder that has it
    "bnn/{seed}",
    "ood/bnn/{seed}",
    "shift/bnn/{seed}",
    "vae/{seed}",
    "ssvae/{seed}",
)


@dataclass(frozen=True)
class Run:
    """Results of the pipeline in the current folder; pictures are those of the first seed."""

    settings: Settings

    @property
    def seed(self) -> int:
        """The seed whose pictures are shown."""
        return self.settings.seeds[0]

    def metrics(self, name: str) -> dict[str, Any]:
        """metrics/<name>.json."""
        return artifacts.read_json(needed(Path("metrics", f"{name}.json")))

    def predictions(self, name: str) -> Groups:
        """All groups of arrays in predictions/<name>/<seed>."""
        return artifacts.read_groups(needed(Path("predictions", name, str(self.seed))))

    def history(self, model: str) -> pd.DataFrame:
        """How a model's training went: step, elbo, validation."""
        return pd.read_csv(needed(Path("plots", model, "elbo.csv")))


def needed(path: Path) -> Path:
    """The path, if something is there.

    Raises:
        Failure: if it is missing, or an empty folder.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        raise Failure(f"{path} is missing: `make pull` fetches the results of this commit, `dvc repro` makes them")
    return path


def check(run: Run) -> None:
    """Look for all that the page needs before anything is computed.

    Raises:
        Failure: naming the first thing that is missing.
    """
    paths = ["metrics/summary.json", f"metrics/referral/bnn/{run.seed}.json", f"metrics/shift/bnn/{run.seed}.json"]
    paths += [f"predictions/{name}".format(seed=run.seed) for name in PREDICTIONS]
    paths += [f"posteriors/bnn/{run.seed}/weights.safetensors", "data"]
    for path in paths:
        needed(Path(path))


def rounded(values: np.ndarray, decimals: int) -> list:
    """Numbers short enough for a page, as JSON types."""
    return np.asarray(values, dtype=np.float64).round(decimals).tolist()


def git(*words: str) -> str:
    """What a Git command prints, stripped; empty outside of a repository."""
    try:
        result = subprocess.run(["git", *words], capture_output=True, text=True)
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
