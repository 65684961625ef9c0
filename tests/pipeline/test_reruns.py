"""Which stages of the real dvc.yaml run again after a change of params, and what DVC reports.

The tests change the shared clone one after the other, so their order matters.
"""

import json

import numpy as np
import pytest

from stages import artifacts
from stages.params import MODELS

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
PLOTS = {f"plot_{model}" for model in MODELS}


def test_a_changed_value_reruns_its_model_and_a_new_seed_its_own_stages(clone):
    """In one run: for the first seed only the changed model, for the second all stages that have a seed."""
    names = clone.run("dvc", "stage", "list", "--name-only").split()
    seeded = {name for name in names if name.endswith("@0")}
    clone.change(bnn={"steps": 10}, seeds=[0, 1])
    changed = {name for name in seeded if name.endswith("_bnn@0")}
    new = {name.replace("@0", "@1") for name in seeded}
    assert clone.repro() == changed | new | PLOTS | {
        "summarize",
        "headline",
    }  # figures depend on which seed is the first


def test_summary_has_mean_and_intervals_of_both_seeds(clone):
    summary = artifacts.read_json(clone.folder / "metrics/summary.json")
    entry = summary["bnn"]["nll"]
    values = [artifacts.read_json(clone.folder / f"metrics/bnn/{seed}.json")["nll"] for seed in (0, 1)]
    assert entry["mean"] == pytest.approx(np.mean(values)) and entry["n"] == 2
    assert entry["ci95_seeds"] == pytest.approx(12.7062 * np.std(values, ddof=1) / np.sqrt(2), rel=1e-4)
    assert entry["ci95_test"] > 0
    assert summary["blr"]["slope_mean"]["ci95_test"] is None


def test_metrics_diff_names_what_changed(clone):
    rows = json.loads(clone.run("dvc", "metrics", "diff", "--json"))
    assert rows.keys() == {"metrics/headline.json"}
    assert rows["metrics/headline.json"]["bnn.nll"]["diff"]
    files = ("metrics/bnn/0.json", "metrics/vae/0.json")
    rows = json.loads(clone.run("dvc", "metrics", "diff", "--json", "--targets", *files))
    assert any(value["diff"] for value in rows["metrics/bnn/0.json"].values())
    assert "metrics/vae/0.json" not in rows


def test_plots_diff_writes_its_page(clone):
    clone.run("dvc", "plots", "diff", "HEAD")
    page = (clone.folder / "dvc_plots/index.html").read_text()
    assert "Reliability of the Bayesian neural network" in page


def test_a_dropped_seed_leaves_no_metrics(clone):
    clone.change(seeds=[1])
    assert clone.repro() == PLOTS | {"summarize", "headline"}
    left = {path.stem for path in (clone.folder / "metrics").rglob("*.json")}
    assert left == {
        "1",
        "summary",
        "headline",
        "blr",
        "bnn",
    }  # the last two, of calibration and prior, have no seeds
