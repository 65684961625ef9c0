"""The table of the study: error and probabilities against the number of labels, and paired differences.

Writes metrics/ssvae_labels.json: {models: {name: {labels: {key: {mean, n, ci95_seeds}}}}, paired:
{"<name> - <other>": {labels: {key: {mean, n, ci95_seeds}}}}}. A difference is that of two models on the same
test images and, but for `default_random`, with the same labels; it is negative where the first is better. Its
interval is the t interval over seeds, each with its own labels and initial weights. ci95_test is the bootstrap
interval over test images of the mean over seeds, 1.96 standard deviations of the resamples. What judges say of
drawn digits is that of one seed, so it has ci95_test alone, half the width of a percentile interval.
"""

import argparse
from pathlib import Path

import numpy as np
import yaml

from stages import artifacts, command
from stages.evaluation import intervals
from studies.labels import COMPARED, STUDY
from studies.run import ROOT


def main() -> None:
    """Read the metrics of all runs, and write the summary."""
    argparse.ArgumentParser(prog="python -m studies.labels.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    measured = {run: seeds_of(folder / "metrics" / run, study["seeds"]) for run in study["runs"]}
    drawn = {run: artifacts.read_json(folder / "metrics" / run / "drawn.json") for run in study["drawing"]}
    artifacts.write_json(ROOT / "metrics/ssvae_labels.json", table(measured, drawn, study["compared"]))


def seeds_of(folder: Path, seeds: list[int]) -> list[dict]:
    """The metrics of a run, one entry per seed."""
    return [artifacts.read_json(folder / f"{seed}.json") for seed in seeds]


def table(measured: dict[str, list[dict]], drawn: dict[str, dict], compared: list[list[str]]) -> dict:
    """The summary.

    Args:
        measured: for each run, `<model>_<number of labels>`, its metrics by seed.
        drawn: metrics and ci95_test of the digits that some of the runs draw, with the first seed.
        compared: pairs of models.
    """
    models: dict[str, dict] = {}
    for run, of_seeds in measured.items():
        name, _, labels = run.rpartition("_")
        models.setdefault(name, {})[labels] = row(of_seeds) | digits(drawn.get(run))
    paired = {
        f"{name} - {other}": {
            labels: difference(measured[f"{name}_{labels}"], measured[f"{other}_{labels}"])
            for labels in models[name]
            if labels in models[other]
        }
        for name, other in compared
    }
    return {"models": models, "paired": paired}


def row(of_seeds: list[dict]) -> dict:
    """Each metric over the seeds."""
    return intervals.over_seeds([{k: v for k, v in of.items() if k != "resampled"} for of in of_seeds])


def digits(found: dict | None) -> dict:
    """What judges say of the digits that a run draws, in the form of the other metrics; empty if it draws none."""
    if found is None:
        return {}
    entries = intervals.over_seeds([found["metrics"]])
    return {key: entry | {"ci95_test": found["ci95_test"][key]} for key, entry in entries.items()}


def difference(first: list[dict], second: list[dict]) -> dict:
    """Metrics of one run minus those of another, seed by seed."""
    pairs = list(zip(first, second, strict=True))
    found = {}
    for key in COMPARED:
        of_pairs = [np.subtract(ours["resampled"][key], theirs["resampled"][key]) for ours, theirs in pairs]
        resamples = np.mean(of_pairs, axis=0)
        found[key] = intervals.over_seeds([ours[key] - theirs[key] for ours, theirs in pairs])
        found[key]["ci95_test"] = 1.96 * float(resamples.std())
    return found


if __name__ == "__main__":
    command.run(main)
