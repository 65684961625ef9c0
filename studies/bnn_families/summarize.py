"""Choose a family on validation data, and write the tables.

Writes metrics/bnn_families.json: {chosen, families: {name: {key: {mean, n, ci95_seeds}}}, validation: the same on
validation data}. Writes metrics/bnn_reverse.json: the same for networks that were trained on Fashion-MNIST, with
digits as out-of-distribution data.

Each family is ranked by its negative log likelihood on validation digits and by its mean AUROC (entropy) over
surrogates for Fashion-MNIST. The family with the lowest sum of ranks is chosen; the likelihood breaks ties. The
test set and Fashion-MNIST are not used.
"""

import argparse
from pathlib import Path

import numpy as np
import yaml
from scipy.stats import rankdata

from stages import artifacts, command
from stages.evaluation.intervals import over_seeds
from studies.bnn_families import STUDY, SURROGATES
from studies.run import ROOT

Summary = dict[str, dict]


def main() -> None:
    """Read the metrics of all families and seeds, and write the summary."""
    argparse.ArgumentParser(prog="python -m studies.bnn_families.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    forward, reverse = (table(folder / "metrics", study[rows], study["seeds"]) for rows in ("families", "reverse"))
    winner = {"chosen": chosen(forward["validation"])}
    artifacts.write_json(ROOT / "metrics/bnn_families.json", winner | forward)
    artifacts.write_json(ROOT / "metrics/bnn_reverse.json", winner | reverse)


def table(folder: Path, runs: list[str], seeds: list[int]) -> dict[str, dict[str, Summary]]:
    """Summaries of the families on test data and on validation data."""
    families = {run.removeprefix("reverse_"): summary(folder / run, seeds) for run in runs}
    validation = {name: metrics.pop("validation") for name, metrics in families.items()}
    return {"families": families, "validation": validation}


def summary(folder: Path, seeds: list[int]) -> Summary:
    """For each metric: its mean over seeds, the number of seeds, and the half width of the mean's 95% interval."""
    return over_seeds([artifacts.read_json(folder / f"{seed}.json") for seed in seeds])


def chosen(validation: dict[str, Summary]) -> str:
    """The name of the family that is best on validation data, given its metrics in `validation`."""
    names = list(validation)
    nll = np.array([validation[name]["nll"]["mean"] for name in names])
    auroc = [np.mean([validation[name][of]["mean"] for of in SURROGATES]) for name in names]
    ranks = rankdata(nll) + rankdata(-np.array(auroc))
    return names[min(range(len(names)), key=lambda place: (ranks[place], nll[place]))]


if __name__ == "__main__":
    command.run(main)
