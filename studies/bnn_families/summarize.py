"""Choose a family on validation data, and write the tables.

Writes metrics/bnn_families.json: {chosen, headline, families: {name: {key: {mean, n, ci95_seeds}}}, validation:
the same on validation data, choice: {name: {key: {mean, ci95}}}, paired: the same, unrestricted: {chosen,
choice}, starts: {name: {key: {mean, ci95}}}}. `paired` are differences on the test set: of rows with the larger
budget to the chosen family with that budget, and of all others, and that one, to the chosen family. `choice` are
those on validation data by which it was chosen, and `unrestricted` says what the same rule would choose among all
families. `starts` are differences between two starts of a family. Writes metrics/bnn_reverse.json: the same,
without choices, for networks that were trained on Fashion-MNIST, with digits as out-of-distribution data.

The rule. The candidates are distributions over weights that SVI learns, and ensembles of such (`candidates` in
study.yaml). Two families are level in a metric if the 95% interval of their difference includes 0. The interval
adds two variances: of the difference over seeds, by the t distribution, and of its mean over seeds, by a
bootstrap over cases that are the same for both. Of the families that are level with the lowest negative log
likelihood of validation digits, those stay that are level with the highest mean AUROC (entropy) over made
images. Of these the one is chosen that averages its predictions over the fewest networks, then the one with the
fewest parameters: training takes all as long. Rows with the larger budget have one seed: they are shown, and not
chosen. The score in the headline is the one with the highest mean AUROC over made images for the chosen family,
in each direction. The test set and the other data set are not used.
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from stages import artifacts, command
from stages.evaluation.intervals import over_seeds, t_interval
from studies.bnn_families import STUDY
from studies.run import ROOT

Summary = dict[str, dict]
Measured = Mapping[str, list[dict]]  # of each family: its metrics by seed
PAIRED = ("error_percent", "nll")
LONG = "_long"  # ends the name of a row with the larger budget


def main() -> None:
    """Read the metrics of all families and seeds, and write the summary."""
    argparse.ArgumentParser(prog="python -m studies.bnn_families.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    first = study["seeds"][:1]
    families = read(folder / "metrics", study["families"], study["seeds"])
    long, reverse = (read(folder / "metrics", study[rows], first) for rows in ("long", "reverse"))
    winner, reasons = chosen({name: families[name] for name in study["candidates"]})
    if long and winner + LONG not in long:
        raise command.Failure(f"study.yaml: long: has no {winner}{LONG}, but {winner} is chosen: add it")
    among_all = chosen({name: of for name, of in families.items() if name not in study["other_starts"]})
    starts = {}
    for name in study["other_starts"]:
        usual = families[name.removesuffix("_other_start")]
        starts[name] = {key: paired(families[name], usual, "test", key) for key in PAIRED}
    more = {"choice": reasons, "unrestricted": dict(zip(("chosen", "choice"), among_all, strict=True))}
    more["starts"] = starts
    for name, measured, choices in (("families", families | long, more), ("reverse", reverse, {})):
        if winner not in measured:
            raise command.Failure(f"study.yaml: reverse: has no reverse_{winner}, but {winner} is chosen: add it")
        headline = best_score(measured[winner])
        table = {"chosen": winner, "headline": headline} | summary(measured, winner, headline) | choices
        artifacts.write_json(ROOT / f"metrics/bnn_{name}.json", table)


def read(folder: Path, runs: list[str], seeds: list[int]) -> dict[str, list[dict]]:
    """The metrics of all runs by family."""
    return {
        run.removeprefix("reverse_"): [artifacts.read_json(folder / run / f"{seed}.json") for seed in seeds]
        for run in runs
    }


def chosen(measured: Measured) -> tuple[str, dict[str, Summary]]:
    """The name of the family that the rule chooses.

    Args:
        measured: the metrics of each family.

    Returns:
        The name, and for each family its differences on validation data, as `paired` gives them: `nll` to the best
        one, and `auroc_entropy` to the best one of those that are level in the first.
    """
    likely = to_the_best(measured, "nll", lowest=True)
    sharp = to_the_best({name: measured[name] for name in level(likely)}, "auroc_entropy", lowest=False)
    costs = ("networks", "parameters")
    winner = min(level(sharp), key=lambda name: tuple(mean(measured[name], key) for key in costs))
    steps = {"nll": likely, "auroc_entropy": sharp}
    return winner, {name: {key: of[name] for key, of in steps.items() if name in of} for name in measured}


def to_the_best(measured: Measured, key: str, lowest: bool) -> Summary:
    """The difference of each family to the best one in a metric of validation data."""
    figures = {name: mean([of["validation"] for of in seeds], key) for name, seeds in measured.items()}
    best = (min if lowest else max)(figures, key=lambda name: figures[name])
    return {name: paired(seeds, measured[best], "validation", key) for name, seeds in measured.items()}


def level(differences: Summary) -> list[str]:
    """The families whose 95% interval includes 0."""
    return [name for name, of in differences.items() if abs(of["mean"]) <= of["ci95"]]


def mean(of_seeds: list[dict], key: str) -> float:
    """A metric's mean over seeds."""
    return float(np.mean([of[key] for of in of_seeds]))


def paired(first: list[dict], second: list[dict], split: str, key: str) -> dict[str, float]:
    """A metric of one family minus that of another, over the seeds that both have.

    Returns:
        mean: over seeds. ci95: half the width of its 95% interval, over cases and, if there are several, seeds.
    """
    pairs = list(zip(first, second, strict=False))
    resampled = np.mean([np.subtract(*(of["resampled"][split][key] for of in pair)) for pair in pairs], axis=0)
    whole = [np.subtract(*((of if split == "test" else of[split])[key] for of in pair)) for pair in pairs]
    over_cases, among_seeds = 1.96 * float(resampled.std()), t_interval(whole) or 0.0
    return {"mean": float(np.mean(whole)), "ci95": math.hypot(over_cases, among_seeds)}


def best_score(of_seeds: list[dict]) -> str:
    """The score with the highest mean AUROC over made images."""
    validation = over_seeds([of["validation"] for of in of_seeds])
    areas = {key: of["mean"] for key, of in validation.items() if key.startswith("auroc_")}
    return max(areas, key=lambda key: areas[key]).removeprefix("auroc_")


def summary(measured: Measured, winner: str, headline: str) -> dict[str, dict[str, Summary]]:
    """Means and intervals over seeds, on test and on validation data, and differences to the chosen family.

    A row with the larger budget is compared with the chosen family's own, and only that one with the smaller.
    """
    families, validation = {}, {}
    for name, of_seeds in measured.items():
        plain = [
            {key: value for key, value in of.items() if key not in ("validation", "resampled")} for of in of_seeds
        ]
        for of in plain:
            of |= {f"{key}_headline": of[f"{key}_{headline}"] for key in ("auroc", "fpr95")}
        families[name] = over_seeds(plain)
        validation[name] = over_seeds([of["validation"] for of in of_seeds])
    keys = (*PAIRED, f"auroc_{headline}")
    differences = {
        name: {key: paired(of_seeds, measured[rival(name, winner)], "test", key) for key in keys}
        for name, of_seeds in measured.items()
        if winner in measured and name != winner
    }
    return {"families": families, "validation": validation, "paired": differences}


def rival(name: str, winner: str) -> str:
    """What a row is compared with: the chosen family, with the same budget if it is another family."""
    return winner + LONG if name.endswith(LONG) and name != winner + LONG else winner


if __name__ == "__main__":
    command.run(main)
