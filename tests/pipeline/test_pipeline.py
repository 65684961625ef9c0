"""The real dvc.yaml from data to plots: what came out, and what runs again after a change.

The tests share one clone and change it in turn, from reading to rerunning: their order matters.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages import artifacts, params
from tests.pipeline import recompute

pytestmark = pytest.mark.pipeline
MODELS = params.MODELS
AT_THE_END = {"summarize", "plot"}
OF_THE_BNN = ("train_bnn", "evaluate_bnn", "ood_bnn", "shift_bnn", "samples_bnn", "refer_bnn")
WITH_METRICS = [*MODELS, "ood/bnn", "ood/vae", "shift/bnn", "samples/bnn", "referral/bnn"]


def numbers(tree) -> list[float]:
    return [x for value in tree.values() for x in numbers(value)] if isinstance(tree, dict) else [tree]


def test_second_repro_runs_nothing(clone):
    assert clone.repro() == set()


def test_gate_accepts_the_clone(clone):
    assert "Running stage" not in clone.run("dvc", "repro", "--allow-missing", "--dry")


@pytest.mark.parametrize("name", WITH_METRICS)
def test_metrics_are_present_and_finite(clone, name):
    values = numbers(artifacts.read_json(clone.folder / f"metrics/{name}/0.json"))
    assert values and all(isinstance(value, int | float) and math.isfinite(value) for value in values)


@pytest.mark.parametrize("name", WITH_METRICS)
def test_metrics_follow_from_the_predictions(clone, name):
    """Another way from predictions/ to every metric, sharing no code with stages/evaluation."""
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
    assert p.shape == (200, 200, 10) and np.allclose(p.sum(axis=-1), 1, atol=1e-5)
    found = artifacts.read_json(clone.folder / "metrics/prior/bnn.json")
    favourites = [max(list(row).count(c) for c in range(10)) / 200 for row in p.argmax(axis=-1)]
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
    record = artifacts.read_json(clone.folder / "posteriors/vae/0/run.json")
    assert {"stages/models/vae.py", "stages/inference/svi.py"} <= record["code_sha256"].keys()
    assert record["device"] == "cpu" and record["seconds"] > 0


def test_a_changed_value_reruns_its_model_and_a_new_seed_its_own_stages(clone):
    """In one run: of the first seed nothing but the changed model, of the second all that has a seed."""
    clone.change(bnn={"steps": 10}, seeds=[0, 1])
    of_a_seed = ["drop_labels", *(f"train_{model}" for model in params.TRAINED), "ood_vae"]
    of_a_seed += [*(f"evaluate_{model}" for model in MODELS if model != "bnn"), *OF_THE_BNN[1:]]
    changed, new = {f"{stage}@0" for stage in OF_THE_BNN}, {f"{stage}@1" for stage in of_a_seed}
    assert clone.repro() == changed | new | AT_THE_END


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
    assert any(value["diff"] for value in rows["metrics/bnn/0.json"].values())
    assert "metrics/vae/0.json" not in rows


def test_plots_diff_writes_its_page(clone):
    clone.run("dvc", "plots", "diff", "HEAD")
    page = (clone.folder / "dvc_plots/index.html").read_text()
    assert "Reliability of the Bayesian neural network" in page


def test_a_dropped_seed_leaves_no_metrics(clone):
    clone.change(seeds=[1])
    assert clone.repro() == AT_THE_END
    left = {path.stem for path in (clone.folder / "metrics").rglob("*.json")}
    assert left == {"1", "summary", "blr", "bnn"}  # the last two, of calibration and prior, have no seeds
