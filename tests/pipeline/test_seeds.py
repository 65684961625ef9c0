"""The study of seeds: the same stages, several seeds, one table; models that were not run are left out."""

import math
import shutil

import numpy as np
import pytest
import yaml

from stages import artifacts
from studies.run import ROOT
from tests.pipeline.conftest import Clone, recipe, tiny_clone
from tools import verify

pytestmark = pytest.mark.pipeline
STUDY = "studies/seeds/dvc.yaml"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """Two seeds of the linear regression, and of the baseline with its own labels."""
    made = tiny_clone(tmp_path_factory.mktemp("seeds"))
    ignored = shutil.ignore_patterns("runs", "predictions", "__pycache__", "dvc.lock", "bnn_families")
    shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignored)
    path = made.folder / "studies/seeds/study.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seeds": [3, 4]}))
    made.run("dvc", "repro", f"{STUDY}:evaluate_blr", f"{STUDY}:train_labels_only@4")
    made.run("dvc", "repro", "--single-item", f"{STUDY}:summarize")
    return made


def test_table_has_the_spread_over_seeds(clone):
    table = artifacts.read_json(clone.folder / "metrics/seeds.json")
    assert set(table) == {"blr"}
    folder = clone.folder / "studies/seeds/runs/five/metrics/blr"
    values = [artifacts.read_json(folder / f"{seed}.json")["slope_sd"] for seed in (3, 4)]
    assert values[0] != values[1]
    wanted = 12.7062 * np.std(values, ddof=1) / math.sqrt(2)
    assert table["blr"]["slope_sd"] == {
        "mean": pytest.approx(np.mean(values)),
        "n": 2,
        "ci95_seeds": pytest.approx(wanted, rel=1e-4),
    }


def test_each_run_drops_labels_of_its_own(clone):
    assert (clone.folder / "studies/seeds/runs/five/data/labels/4.csv").exists()
    assert not (clone.folder / "data/labels").exists()


def test_tolerances_come_from_it(clone):
    table = artifacts.read_json(clone.folder / "metrics/seeds.json")
    allowed = verify.Tolerances(table, []).of("blr", "nll", committed=1.0)
    assert allowed == pytest.approx(2 * table["blr"]["nll"]["ci95_seeds"])


def test_second_time_runs_nothing(clone):
    assert "Running stage" not in clone.run("dvc", "repro", f"{STUDY}:evaluate_blr")


def test_checkout_brings_back_what_was_run_and_leaves_the_rest(clone):
    weights = clone.folder / "studies/seeds/runs/five/posteriors/blr/3/weights.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    assert clone.attempt("dvc", "checkout").returncode != 0  # there is nothing for models that were not run
    weights.unlink(missing_ok=True)
    clone.run("bash", "-c", recipe("checkout"))
    assert weights.read_bytes() == before
    assert not any(path.is_file() for path in (weights.parents[2] / "bnn").rglob("*"))
