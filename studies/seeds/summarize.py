"""Summarize every metric over the seeds: its mean and its spread.

Writes metrics/seeds.json: {model: {key: {mean, n, ci95_seeds}}}, for models that have been run with all seeds.
`make verify` takes its tolerances from it. `make study STUDY=seeds` makes the runs.
"""

import argparse
from pathlib import Path

import yaml

from stages import artifacts, command
from stages.evaluation.intervals import Metrics, over_seeds
from studies.run import ROOT

STUDY = ROOT / "studies/seeds"


def main() -> None:
    """Read the metrics of all seeds, and write the summary."""
    argparse.ArgumentParser(prog="python -m studies.seeds.summarize", description=__doc__).parse_args()
    seeds = yaml.safe_load((STUDY / "study.yaml").read_text())["seeds"]
    artifacts.write_json(ROOT / "metrics/seeds.json", summary(STUDY / "runs/five/metrics", seeds))


def summary(folder: Path, seeds: list[int]) -> dict[str, Metrics]:
    """The summary of each kind of metrics in a folder that has all of these seeds."""
    kinds = sorted({str(path.parent.relative_to(folder)) for path in folder.rglob("*.json")})
    files = {
        kind: [folder / kind / f"{seed}.json" for seed in seeds]
        for kind in kinds
        if not kind.startswith("intervals/")
    }
    return {
        kind: over_seeds([artifacts.read_json(file) for file in of_seeds])
        for kind, of_seeds in files.items()
        if all(file.exists() for file in of_seeds)
    }


if __name__ == "__main__":
    command.run(main)
