"""Every inference family of the Bayesian neural network, held against the true posterior of two small networks."""

from pathlib import Path

import yaml

from studies.run import ROOT

STUDY = "reference"
FOLDER = ROOT / "studies" / STUDY


def study() -> dict:
    """The contents of study.yaml."""
    return yaml.safe_load((FOLDER / "study.yaml").read_text())


def predictions(problem: str, name: str) -> Path:
    """The folder of the predictions of a family or a chain, for one problem."""
    return FOLDER / "predictions" / problem / name
