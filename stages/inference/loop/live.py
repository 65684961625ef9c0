"""Figures of a training that is under way, written by dvclive where the environment variable LIVE asks for them.

`LIVE=1 dvc repro` writes the rows of elbo.csv, and the learning rate, as they come, to
.live/<model>/<seed>/plots/metrics/<figure>.tsv. `dvc plots show .live/<model>/<seed>/plots/metrics -x step` draws
them at any time; so does DVC's extension for VS Code while dvc.yaml lists that folder among `plots`. The training
does not change. Git ignores the folder and no stage knows it; named in .dvcignore, DVC would not draw it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.command import Failure

VARIABLE = "LIVE"  # unset, empty or 0: no figures
FOLDER = Path(".live")


class Live:
    """The figures of one training, those of an earlier one removed.

    Args:
        folder: for this model and seed alone.

    Raises:
        Failure: if dvclive is not installed.
    """

    def __init__(self, folder: Path):
        try:
            import dvclive
        except ImportError:
            raise Failure(
                f"{VARIABLE} is set, and dvclive, which it needs, is not installed: "
                f"run `pip install dvclive`, or unset {VARIABLE}"
            ) from None
        # its own dvc.yaml, experiments and reports would mix with those of the pipeline
        self.writer = dvclive.Live(
            str(folder), save_dvc_exp=False, dvcyaml=None, report=None, cache_images=False, monitor_system=False
        )

    def show(self, step: int, **figures: float) -> None:
        """Add one point to the curve of each figure."""
        self.writer.step = step
        for name, value in figures.items():
            self.writer.log_metric(name, value)
        self.writer.next_step()


@contextmanager
def opened(model: str, seed: int) -> Iterator[Live | None]:
    """The figures of one model and seed while it trains; None if nobody asked for them."""
    if os.environ.get(VARIABLE, "0") in ("", "0"):
        yield None
        return
    live = Live(FOLDER / model / str(seed))
    try:
        yield live
    finally:
        live.writer.end()
