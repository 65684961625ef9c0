"""The table and the figure of the study.

Writes metrics/bnn_more_data.json: {families: {name: {digits: {key: {mean, n, ci95_seeds}}}}}, and
studies/more_data/plots/mutual_information.png.
"""

import argparse
from pathlib import Path

import yaml

from stages import artifacts, command
from stages.evaluation.intervals import over_seeds
from stages.figures.style import BLUE, ORANGE, figure
from studies.more_data import STUDY
from studies.run import ROOT

SHOWN = {"mutual_information": "mutual information (nats)", "mutual_information_share": "its share of the entropy"}
NAMES = {"mean_field": ("mean field", BLUE), "mc_dropout": ("MC dropout", ORANGE)}


def main() -> None:
    """Read all metrics, write the table and draw the figure."""
    argparse.ArgumentParser(prog="python -m studies.more_data.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    found = table(folder / "metrics", study["families"], study["digits"], study["seeds"])
    artifacts.write_json(ROOT / "metrics/bnn_more_data.json", {"families": found})
    draw(folder / "plots/mutual_information.png", found)


def table(folder: Path, families: list[str], digits: list[int], seeds: list[int]) -> dict[str, dict[str, dict]]:
    """Each metric over the seeds, by family and number of digits."""
    return {
        family: {
            str(number): over_seeds(
                [artifacts.read_json(folder / f"{family}_{number}" / f"{seed}.json") for seed in seeds]
            )
            for number in digits
        }
        for family in families
    }


def draw(path: Path, found: dict[str, dict[str, dict]]) -> None:
    """Mutual information, and its share, against the number of training digits, with 95% intervals over seeds."""
    with figure(path, columns=2, size=(4.0, 3.2), sharex=True) as axes:
        for axis, (key, text) in zip(axes, SHOWN.items(), strict=True):
            for family, of_numbers in found.items():
                label, colour = NAMES[family]
                entries = [of[key] for of in of_numbers.values()]
                axis.errorbar(
                    [int(number) for number in of_numbers],
                    [entry["mean"] for entry in entries],
                    [entry["ci95_seeds"] or 0.0 for entry in entries],
                    fmt="o-",
                    capsize=3,
                    color=colour,
                    label=label,
                )
            axis.set(xscale="log", yscale="log", xlabel="training digits", ylabel=text, title="On test digits")
        axes[0].legend(fontsize=9)


if __name__ == "__main__":
    command.run(main)
