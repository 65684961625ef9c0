"""The outputs of the real dvc.yaml, from data to plots."""

import math

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from stages import artifacts, params
from tests.pipeline import recompute
from tests.tiny import ROOT

pytestmark = pytest.mark.pipeline
MODELS = params.MODELS
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
METRICS = [path for stage in STAGES for entry in stage.get("metrics", []) for path in entry]
OF_A_SEED = [path.removeprefix("metrics/").partition("/${")[0] for path in METRICS if "${item.seed}" in path]


def numbers(tree) -> list[float]:
    return [x for value in tree.values() for x in numbers(value)] if isinstance(tree, dict) else [tree]


def test_second_repro_runs_nothing(clone):
    assert clone.repro() == set()


def test_gate_accepts_the_clone(clone):
    assert clone.run("python", "-m", "tools.gate") == "dvc.lock is current\n"


def test_git_knows_all_that_a_reproduction_writes(clone):
    """What is committed is what came out, and everything else is ignored."""
    assert clone.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("name", OF_A_SEED)
def test_metrics_are_present_and_finite(clone, name):
    values = numbers(artifacts.read_json(clone.folder / f"metrics/{name}/0.json"))
    assert values and all(isinstance(value, int | float) and math.isfinite(value) for value in values)


@pytest.mark.parametrize("name", recompute.KNOWN)
def test_metrics_follow_from_the_predictions(clone, name):
    """Compute every metric from predictions/ without code from stages/evaluation."""
    committed = artifacts.read_json(clone.folder / f"metrics/{name}/0.json")
    again = recompute.metrics(name, clone.folder / "predictions")
    assert again == {
        key: pytest.approx(value, rel=1e-5, abs=1e-7) for key, value in recompute.flat(committed).items()
    }


def test_pictures_are_no_blank_sheets(clone):
    pictures = sorted((clone.folder / "plots").rglob("*.png"))
    assert len(pictures) >= 18
    for picture in pictures:
        pixels = np.asarray(Image.open(picture).convert("L"))
        assert pixels.std() > 5 and min(pixels.shape) > 200, picture.name


def test_prior_check_follows_from_its_predictions(clone):
    p = artifacts.read_arrays(clone.folder / "predictions/prior/bnn/networks.safetensors")["probabilities"]
    assert p.shape == (5, 50, 10) and np.allclose(p.sum(axis=-1), 1, atol=1e-5)
    found = artifacts.read_json(clone.folder / "metrics/prior/bnn.json")
    favourites = [max(list(row).count(c) for c in range(10)) / 50 for row in p.argmax(axis=-1)]
    assert found["favourite_share"] == pytest.approx(np.mean(favourites))
    assert found["confidence"] == pytest.approx(p.max(axis=-1).mean(), rel=1e-5)


def test_plot_data_are_the_predictions(clone):
    cases = artifacts.read_arrays(clone.folder / "predictions/bnn/0/cases.safetensors")
    confusion = pd.read_csv(clone.folder / "plots/bnn/confusion.csv")
    assert (confusion["actual"] == cases["labels"]).all()
    assert (confusion["predicted"] == cases["probabilities"].argmax(axis=1)).all()
    reliability = pd.read_csv(clone.folder / "plots/bnn/reliability.csv")
    gaps = (reliability["confidence"] - reliability["accuracy"]).abs() * reliability["cases"]
    assert gaps.sum() / reliability["cases"].sum() == pytest.approx(recompute.ece(cases), rel=1e-5)
    for model in MODELS:
        drawn = (clone.folder / f"plots/{model}/elbo.csv").read_text()
        assert drawn == (clone.folder / f"posteriors/{model}/0/elbo.csv").read_text()


def test_run_record_names_the_code_that_ran(clone):
    record = artifacts.read_json(clone.folder / ".runs/posteriors/vae/0/run.json")
    assert {"stages/models/vae.py", "stages/inference/loop/svi.py"} <= record["code_sha256"].keys()
    assert record["device"] == "cpu" and record["threads"] == 1 and record["seconds"] > 0
