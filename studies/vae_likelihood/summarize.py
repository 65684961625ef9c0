"""Choose a row on validation images, and write the table.

Writes metrics/vae_likelihood.json: {chosen, rows: {name: {key: {mean, n, ci95_seeds}}}, validation: {name: nats},
by_samples: {name: {number of samples: nats}}}. All bounds are costs in nats per image: lower is better. `chosen`
has the lowest IWAE-500 on the validation images with the first seed; the test images are not used for it.
"""

import argparse
from pathlib import Path

import yaml

from stages import artifacts, command
from stages.evaluation.intervals import over_seeds
from studies.run import ROOT
from studies.vae_likelihood import STUDY


def main() -> None:
    """Read the metrics of all rows and seeds, and write the summary."""
    argparse.ArgumentParser(prog="python -m studies.vae_likelihood.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    artifacts.write_json(ROOT / "metrics/vae_likelihood.json", table(folder / "metrics", study))


def table(folder: Path, study: dict) -> dict:
    """The summary, from the files <row>/<seed>.json in `folder`."""
    first = study["seeds"][0]
    of_first = {name: artifacts.read_json(folder / name / f"{first}.json") for name in study["rows"]}
    rows = {}
    for name in study["rows"]:
        others = study["other_seeds"] if name in study["repeated"] else []
        rows[name] = row(
            [of_first[name], *(artifacts.read_json(folder / name / f"{seed}.json") for seed in others)]
        )
    validation = {name: of["validation"]["iwae_500"] for name, of in of_first.items()}
    return {
        "chosen": min(validation, key=validation.get),
        "rows": rows,
        "validation": validation,
        "by_samples": {name: of["by_samples"] for name, of in of_first.items()},
    }


def row(of_seeds: list[dict]) -> dict:
    """Each metric over the seeds that have it."""
    keys = [key for key, value in of_seeds[0].items() if not isinstance(value, dict)]
    return {key: over_seeds([of[key] for of in of_seeds if key in of]) for key in keys}


if __name__ == "__main__":
    command.run(main)
