"""The real dvc.yaml of the study of likelihoods, with tiny runs."""

import shutil

import numpy as np
import pytest
import yaml

from stages import artifacts
from studies.run import ROOT
from tests.pipeline.conftest import Clone, tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
TINY = {"seeds": [0, 1], "rows": ["plain", "best"], "repeated": ["best"], "other_seeds": [1]}
FILE = "studies/vae_likelihood/dvc.yaml"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The reproduced study; only the data of the pipeline itself."""
    made = tiny_clone(tmp_path_factory.mktemp("study"), images={"train": 400, "validation": 100, "test": 100})
    ignore = shutil.ignore_patterns("runs", "metrics", "__pycache__", "dvc.lock")
    shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignore)
    path = made.folder / "studies/vae_likelihood/study.yaml"
    study = yaml.safe_load(path.read_text()) | TINY
    for changes in study["runs"].values():
        changes["vae"] |= {"steps": 4, "hidden": 10, "components": 5, "execution": "traced"}
    path.write_text(yaml.safe_dump(study))
    made.run("dvc", "repro", FILE)
    return made


def test_table_has_every_row_and_figure(clone):
    found = artifacts.read_json(clone.folder / "metrics/vae_likelihood.json")
    assert set(found["rows"]) == set(TINY["rows"]) and found["chosen"] in TINY["rows"]
    for name, row in found["rows"].items():
        assert {"iwae_5000", "iwae_500", "elbo", "rate", "active_units", "parameters"} <= set(row)
        assert all(set(entry) == {"mean", "n", "ci95_seeds"} for entry in row.values())
        assert row["iwae_500"]["n"] == (2 if name == "best" else 1) and row["iwae_5000"]["n"] == 1
        assert row["elbo"]["mean"] > row["iwae_500"]["mean"] > 0


def test_figures_come_from_the_predictions(clone):
    folder = clone.folder / "studies/vae_likelihood"
    cases = artifacts.read_arrays(folder / "runs/best/predictions/0/test.safetensors")
    metrics = artifacts.read_json(folder / "metrics/best/0.json")
    assert cases["samples"][-1] == 5000
    assert metrics["iwae_5000"] == pytest.approx(-np.mean(cases["iwae"], dtype=np.float64))
    assert metrics["elbo"] == pytest.approx(np.mean(cases["rate"] + cases["distortion"], dtype=np.float64))
    weights = artifacts.read_arrays(folder / "runs/best/posteriors/vae/0/weights.safetensors")
    assert metrics["parameters"] == sum(value.size for value in weights.values())


def test_second_time_runs_nothing(clone):
    assert "Running stage" not in clone.run("dvc", "repro", FILE)
