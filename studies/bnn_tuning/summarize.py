"""Gather the trials.

Writes metrics/bnn_tuning.json: {families: {name: {chosen: run, trials: {run: {key: number}}}}}. The chosen trial
of a family is the one with the lowest negative log likelihood of validation images.
"""

import argparse
from pathlib import Path

import yaml

from stages import artifacts, command
from studies.bnn_tuning import STUDY
from studies.run import ROOT


def main() -> None:
    """Read the metrics of all trials, and write the table."""
    argparse.ArgumentParser(prog="python -m studies.bnn_tuning.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    (seed,) = study["seeds"]
    found = {family: tuned(folder / "metrics", runs, seed) for family, runs in study["families"].items()}
    artifacts.write_json(ROOT / "metrics/bnn_tuning.json", {"families": found})


def tuned(folder: Path, runs: list[str], seed: int) -> dict:
    """The trials of one family, and the one with the best likelihood.

    Args:
        folder: of the metrics of each run.
        runs: the trials.
        seed: of all of them.
    """
    trials = {run: artifacts.read_json(folder / run / f"{seed}.json") for run in runs}
    return {"chosen": min(trials, key=lambda run: trials[run]["nll"]), "trials": trials}


if __name__ == "__main__":
    command.run(main)
