"""Write the table of all pairs, metrics/vae_ood.json.

{chosen: the headline score, pairs: {<learned>_vs_<other>: {score: {auroc, aupr, fpr95}}}}. The headline score is
`ood.headline` of params.yaml, which was named by images made for that (metrics/surrogates), not by these pairs.
"""

import argparse
from pathlib import Path

import yaml

from stages import artifacts, command, params
from studies.run import ROOT
from studies.vae_ood import STUDY


def main() -> None:
    """Read the metrics of all models, and write the table."""
    argparse.ArgumentParser(prog="python -m studies.vae_ood.summarize", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY
    study = yaml.safe_load((folder / "study.yaml").read_text())
    headline = params.read(ROOT / "params.yaml")["ood"]["headline"]
    artifacts.write_json(ROOT / "metrics/vae_ood.json", table(folder / "metrics", study["pairs"], headline))


def table(folder: Path, pairs: dict[str, dict], headline: str) -> dict:
    """The table, from the files <model>.json in `folder`; of a pair with `scores`, these alone."""
    rows: dict[str, dict] = {}
    for model, pair in pairs.items():
        metrics = artifacts.read_json(folder / f"{model}.json")
        for other in pair["others"]:
            row = rows.setdefault(f"{pair['learned']}_vs_{other}", {})
            row |= {score: metrics[other][score] for score in pair.get("scores", metrics[other])}
    return {"chosen": headline, "pairs": rows}


if __name__ == "__main__":
    command.run(main)
